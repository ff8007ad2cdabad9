"""What a run computes, and nothing else: model, design, base values, rules, replications, seed, outputs and limits.

Two runs with equal specs compute equal points. Neither the run_id nor the sharding belongs to it. The engine decides
which values a model accepts.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Any

import rfc8785
from pydantic import BaseModel, ConfigDict, Field, PlainValidator

Value = None | bool | int | float | str

EXACT_INTEGER_MAX = (1 << 53) - 1  # beyond it a JSON number is not exact for every reader (RFC 8785, appendix D)
# A text that the engine reads (docs/expressions.md).
Expression = Annotated[str, Field(min_length=1, max_length=1_000)]
Constraints = Annotated[list[Expression], Field(max_length=256)]

_INT64_MAX = (1 << 63) - 1
MAX_POINT_SECONDS = 1e9
MOST_SHOWN, MOST_CHARACTERS = 3, 50  # differences of two specs, and of each of their values


def canonical_json(value: Any) -> bytes:  # noqa: ANN401  any JSON value
    """Return RFC 8785 canonical JSON; integers beyond +-(2^53 - 1) become strings."""
    return rfc8785.dumps(_with_exact_numbers(value))


def _with_exact_numbers(value: Any) -> Any:  # noqa: ANN401  any JSON value
    match value:
        case dict():
            return {key: _with_exact_numbers(item) for key, item in value.items()}
        case list() | tuple():
            return [_with_exact_numbers(item) for item in value]
        case bool():
            return value
        case int() if abs(value) > EXACT_INTEGER_MAX:
            return str(value)
    return value


def fingerprint(value: Any) -> str:  # noqa: ANN401  any JSON value
    """Return the lower-case hex SHA-256 of the canonical JSON of `value`."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def _count_or_share(value: object) -> int | float | None:
    # A union of types would report one error for each of its members.
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _INT64_MAX
    if value is None or is_count or (isinstance(value, float) and 0 < value < 1):
        return value  # type: ignore[return-value]
    msg = "must be a number of points, an integer >= 0, or a share of all points, above 0 and below 1"
    raise ValueError(msg)


class Limits(BaseModel):
    """What a run allows its points; without a limit there is none."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    point_seconds: Annotated[float, Field(gt=0, le=MAX_POINT_SECONDS)] | None = Field(
        default=None, description="Wall-clock seconds that a point may take; beyond them it fails with point_timeout."
    )
    point_memory: Annotated[int, Field(ge=1, le=_INT64_MAX)] | None = Field(
        default=None, description="Bytes of memory that a point may hold; beyond them it fails: point_out_of_memory."
    )
    failed_points: Annotated[
        int | float | None,
        PlainValidator(
            _count_or_share,
            json_schema_input_type=Annotated[int, Field(ge=0)] | Annotated[float, Field(gt=0, lt=1)] | None,
        ),
    ] = Field(
        default=None, description="How many points may fail, or which share of all; beyond it `sweepctl run` stops."
    )

    @property
    def of_points(self) -> "Limits":
        """The limits that an engine keeps, each point by itself."""
        return Limits(point_seconds=self.point_seconds, point_memory=self.point_memory)

    def most_failed(self, total_points: int) -> int | None:
        """Return how many points of a run may fail; None: all."""
        if isinstance(self.failed_points, float):
            return int(Decimal(repr(self.failed_points)) * total_points)  # in decimals, as the share was written
        return self.failed_points

    def to_json(self) -> dict[str, Any]:
        """Return the limits that there are."""
        return self.model_dump(exclude_none=True)


def _differing(ours: Any, others: Any, path: tuple[str, ...]) -> Iterator[str]:  # noqa: ANN401  any JSON value
    if isinstance(ours, dict) and isinstance(others, dict):
        # Single values first: a seed is sooner understood than a design.
        for key in sorted(ours.keys() | others.keys(), key=lambda key: (isinstance(ours.get(key), dict), key)):
            yield from _differing(ours.get(key, _ABSENT), others.get(key, _ABSENT), (*path, key))
    elif ours is _ABSENT or others is _ABSENT or canonical_json(ours) != canonical_json(others):
        yield f"{'.'.join(path)} {_shown(ours)} and {_shown(others)}"


def _shown(value: Any) -> str:  # noqa: ANN401  any JSON value
    if value is _ABSENT:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 1]}…"


_ABSENT = object()
NO_LIMITS = Limits()

# What a spec's JSON holds only where there is something.
_OPTIONAL = {"limits", "derived", "constraints"}


@dataclass(frozen=True)
class Spec:
    """Everything that decides a run's results.

    `design` is JSON as docs/protocol.md describes it, or `{"sha256": …}` for a stored one (docs/store-layout.md).
    """

    model: str
    design: Mapping[str, Any]
    base: Mapping[str, Value]
    replications: int
    seed: int
    outputs: tuple[str, ...]
    limits: Limits = NO_LIMITS
    derived: Mapping[str, str] = field(default_factory=dict)  # parameters as expressions of others
    constraints: tuple[str, ...] = ()  # expressions that every point must meet, else it is excluded

    @cached_property
    def fingerprint(self) -> str:
        """A digest; specs with the same one compute the same points."""
        return fingerprint(self._fields)

    def to_json(self) -> str:
        """Return JSON from which `from_json` gives an equal spec.

        Its integers keep all their digits and its floats their type, which the canonical form would lose
        (docs/decisions/0001-spec-json.md).
        """
        return json.dumps(self._fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)

    @property
    def _fields(self) -> dict[str, Any]:
        # Not dataclasses.asdict, which copies every value of every dimension.
        named = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in _OPTIONAL}
        # Absent where there are none: a spec without them has the fingerprint that it had before there were any.
        given = {"limits": self.limits.to_json(), "derived": self.derived, "constraints": self.constraints}
        return named | {name: value for name, value in given.items() if value}

    def differences(self, other: "Spec") -> str:
        """Return the fields in which another spec differs, with both values, each shortened; the first ones of many."""
        found = list(_differing(self._fields, other._fields, ()))
        more = [f"and {len(found) - MOST_SHOWN} more"] if len(found) > MOST_SHOWN else []
        return ", ".join([*found[:MOST_SHOWN], *more]) or "nothing but their digests"

    @classmethod
    def from_json(cls, text: str) -> "Spec":
        """Read what `to_json` wrote."""
        found = json.loads(text)
        limits = Limits.model_validate(found.get("limits", {}))
        texts = {name: tuple(found.get(name, ())) for name in ("outputs", "constraints")}
        return cls(**{**found, **texts, "limits": limits})
