"""What a run computes, and nothing else: model, design, base values, replications, seed and extra outputs.

Two runs with equal specs compute equal points. Neither the run_id nor the sharding belongs to it. The engine decides
which values a model accepts.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import rfc8785

Value = None | bool | int | float | str

EXACT_INTEGER_MAX = (1 << 53) - 1  # beyond it a JSON number is not exact for every reader (RFC 8785, appendix D)


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
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_json(cls, text: str) -> "Spec":
        """Read what `to_json` wrote."""
        found = json.loads(text)
        return cls(**{**found, "outputs": tuple(found["outputs"])})
