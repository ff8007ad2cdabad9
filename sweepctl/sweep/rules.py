"""The rules that a sweep file breaks, in its own words."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from sweepctl.design import path_parts, rule_in
from sweepctl.design.values import RuleError
from sweepctl.strict_json import short
from sweepctl.sweep.toml_lines import TomlPath
from sweepctl.texts import nearest

# Pydantic's words for lengths, as a sweep file's other rules are.
_LENGTHS = {
    "string_too_short": "must have at least {min_length} character(s)",
    "string_too_long": "must have at most {max_length:,} characters",
    "too_short": "must have at least {min_length} item(s), not {actual_length}",
    "too_long": "must have at most {max_length:,} items",
}
_TABLES = {"Shards": "[shards]", "FileLimits": "[limits]", "Precision": "[replications]"}  # by definition
_FORMS = {"[file]": "table", "[precision]": "[replications]", "shards": "[shards]", "limits": "[limits]"}
_TOP = "the top of the file"
MANY_KINDS = 5  # of designs that have a field: it is one of designs in general


def broken_rules(error: ValidationError, schema: Mapping[str, Any]) -> Iterator[tuple[TomlPath, str]]:
    """Yield the path of each value that breaks a rule, and the rule; `schema` is the sweep file's."""
    for each in error.errors(include_url=False):
        path = path_parts(each["loc"])
        rule = rule_in(each)
        if isinstance(inside := each.get("ctx", {}).get("error"), RuleError):
            path, rule = path + inside.path, inside.rule
        if each["type"] == "extra_forbidden":
            rule = _unknown(each["loc"], schema)
        elif each["type"] == "missing":
            rule = "is required"
        elif each["type"] in _LENGTHS:
            rule = _LENGTHS[each["type"]].format(**each["ctx"])
        elif each["type"] == "design" and (near := _nearest_kind(each["input"], path, schema)):
            rule = near
        elif rule.startswith("Input should"):
            rule = rule.replace("Input should", "must", 1)
        yield path, rule


def _nearest_kind(design: object, path: TomlPath, schema: Mapping[str, Any]) -> str | None:
    """Return what to say of a kind of design that does not exist; None if none is near, or the kind is no text."""
    kind = design.get("kind") if isinstance(design, Mapping) else None
    if not isinstance(kind, str):
        return None
    kinds = {place for place, _ in _places(schema) if place != _TOP and not place.startswith("[")}
    near = nearest(kind, sorted(kinds - ({"cross"} if "parts" in path else {kind})))
    return None if near is None else f"kind: there is no {json.dumps(short(kind))}; did you mean `{near}`?"


def _unknown(location: TomlPath, schema: Mapping[str, Any]) -> str:
    """Return what to say of a field that does not exist at its place: what may be meant, and where it belongs."""
    name = str(location[-1])
    above = str(location[-2]) if len(location) > 1 else _TOP
    places = dict(_places(schema))
    here = places.get(_FORMS.get(above, above.strip("[]")), frozenset().union(*places.values()))
    near = nearest(name, here - {name})
    owners = [place for place, fields in places.items() if name in fields]
    kinds = [place for place in owners if place != _TOP and not place.startswith("[")]
    if len(kinds) > MANY_KINDS:
        owners = ["[design]", *(place for place in owners if place not in kinds)]
    meant = "" if near is None else f"did you mean `{near}`?"
    belongs = f"{'it' if near is None else f'`{name}`'} belongs to {', '.join(owners)}" if owners else ""
    hint = " ".join(filter(None, (meant, belongs)))
    return f"unknown field; {hint}" if hint else "unknown field"


def _places(schema: Mapping[str, Any]) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield each place of a sweep file (a kind of design, a table, the top), and the fields that it may have."""
    yield _TOP, frozenset(schema["properties"])
    kinds: dict[str, frozenset[str]] = {}
    for title, definition in schema["$defs"].items():
        fields = frozenset(definition.get("properties", {}))
        if title in _TABLES:
            yield _TABLES[title], fields
        elif "kind" in fields:
            kind = definition["properties"]["kind"]["const"]
            kinds[kind] = kinds.get(kind, frozenset()) | fields
    yield from kinds.items()
