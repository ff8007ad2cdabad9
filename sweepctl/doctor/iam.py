"""Whether an AWS policy document denies a request to everyone, as far as the document alone can tell.

Supports the elements and operators that policies of buckets and workers use. A statement with another condition
operator, or for specific principals only, is taken not to apply: it does not deny anything to everyone.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Request:
    """A request to AWS; `context` has its condition keys, in lower case."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)


def denies(policy: Document, request: Request) -> bool:
    """Whether a statement of `policy` denies the request to everyone."""
    return any(each["Effect"] == "Deny" and applies(each, request) for each in _statements(policy))


def applies(statement: Document, request: Request) -> bool:
    """Whether a statement, whatever its effect, applies to this request from any principal."""
    return (
        "NotPrincipal" not in statement
        and statement.get("Principal", "*") in ("*", {"AWS": "*"}, {"AWS": ["*"]})
        and _covers(statement, "Action", request.action, ignoring_case=True)
        and _covers(statement, "Resource", request.resource)
        and all(
            _holds(operator, key.lower(), _texts(values), request.context)
            for operator, keys in statement.get("Condition", {}).items()
            for key, values in keys.items()
        )
    )


def _statements(policy: Document) -> Iterator[Document]:
    found = policy["Statement"]
    yield from [found] if isinstance(found, Mapping) else found


def _covers(statement: Document, element: str, text: str, *, ignoring_case: bool = False) -> bool:
    wanted = element in statement
    patterns = _texts(statement[element] if wanted else statement[f"Not{element}"])
    return any(_is_like(text, pattern, ignoring_case=ignoring_case) for pattern in patterns) is wanted


def _holds(operator: str, key: str, values: Sequence[str], context: Mapping[str, str]) -> bool:
    name, _, rest = operator.partition("IfExists")
    if rest or name not in {"ArnEquals", "ArnLike", "Bool", "Null", "StringEquals", "StringLike"}:
        return False
    if name == "Null":
        return values == [str(key not in context).lower()]
    if key not in context:
        return name != operator  # IfExists: no key, no condition
    if name in {"ArnEquals", "ArnLike", "StringLike"}:
        return any(_is_like(context[key], value) for value in values)
    return context[key] in values


def _is_like(text: str, pattern: str, *, ignoring_case: bool = False) -> bool:
    parts = (".*" if part == "*" else "." if part == "?" else re.escape(part) for part in re.split(r"([*?])", pattern))
    return re.fullmatch("".join(parts), text, re.DOTALL | (re.IGNORECASE if ignoring_case else 0)) is not None


def _texts(value: Any) -> list[str]:  # noqa: ANN401  policies may omit a list's brackets and a bool's quotes
    found = value if isinstance(value, list) else [value]
    return [str(each).lower() if isinstance(each, bool) else str(each) for each in found]
