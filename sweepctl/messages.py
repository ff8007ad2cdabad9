"""The shard message: what a queue may ask of a worker, and the only decoder of it.

Everything later trusts a `ShardMessage`. Which values a parameter takes is the engine's business; what a run_id
stands for is the run record's (`commit.agree_run`).
"""

import datetime as dt
import hashlib
import json
import math
from functools import cached_property
from typing import Annotated, Any, Literal, NoReturn, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from sweepctl.errors import MessageError, UsageError
from sweepctl.names import DatasetName, Name
from sweepctl.spec import Spec, Value

MAX_BYTES = 1 << 20  # the largest message that SQS carries
MAX_DEPTH = 16
INT64_MAX = (1 << 63) - 1
FIRST_RUN_DATE = dt.date(2000, 1, 1)


def _without_parent_steps(run_id: str) -> str:
    if ".." in run_id:
        msg = "must not contain '..'"
        raise ValueError(msg)
    return run_id


def _scalar(value: object) -> Value:
    # A union of types would report one error for each of its members.
    if not isinstance(value, Value):
        msg = "must be a number, a string, true, false or null"
        raise ValueError(msg)  # noqa: TRY004  pydantic reports only ValueError
    return value


def _calendar_date(text: str) -> str:
    # A pattern alone admits 2026-02-30, and date.fromisoformat alone admits 20260214.
    dt.date.fromisoformat(text)
    return text


RunId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"), AfterValidator(_without_parent_steps)]
RunDate = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$"), AfterValidator(_calendar_date)]
Index = Annotated[int, Field(ge=0, le=INT64_MAX)]
Scalar = Annotated[Value, PlainValidator(_scalar)]


class ShardMessage(BaseModel):
    """One shard of a run, as `docs/messages.md` describes it; valid by construction."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    schema_version: Literal["v1"] = "v1"
    run_id: RunId
    run_date: RunDate | None = None
    model: Name = "ridehail"
    dimensions: dict[Name, list[Scalar]]
    base: dict[Name, Scalar] = {}
    replications: Annotated[int, Field(ge=1, le=1 << 32)] = 1
    outputs: list[DatasetName] = []
    total_points: Annotated[int, Field(ge=1, le=INT64_MAX)]
    shard_id: Index
    start_index: Index
    end_index_exclusive: Index
    seed: int
    failure_injection_shards: list[Index] = []

    @model_validator(mode="after")
    def _meaning(self) -> Self:
        if not self.start_index < self.end_index_exclusive <= self.total_points:
            _reject(
                f"start_index {self.start_index}, end_index_exclusive {self.end_index_exclusive}, "
                f"total_points {self.total_points}: must satisfy start < end <= total",
            )
        for name in self.dimensions.keys() & self.base.keys():
            _reject(f"{name!r} is both a dimension and a base value: must be one of them")
        if len(set(self.outputs)) < len(self.outputs):
            _reject("outputs: must name each dataset once")
        for name in (name for name, values in self.dimensions.items() if not values):
            _reject(f"dimensions.{name}: must have at least one value")
        points = self.spec.total_points
        if points != self.total_points:
            _reject(f"total_points {self.total_points}: must be the design's product times replications, {points}")
        return self

    @classmethod
    def of(
        cls, spec: Spec, run_id: str, run_date: str, *, shard_id: int, start_index: int, end_index_exclusive: int
    ) -> Self:
        """Return the message of one shard of the run that `spec` describes."""
        return cls(
            run_id=run_id,
            run_date=run_date,
            model=spec.model,
            dimensions=spec.design["dimensions"],
            base=dict(spec.base),
            replications=spec.replications,
            outputs=list(spec.outputs),
            total_points=spec.total_points,
            shard_id=shard_id,
            start_index=start_index,
            end_index_exclusive=end_index_exclusive,
            seed=spec.seed,
        )

    def to_json(self) -> bytes:
        """Return the body that `decode` reads as this message."""
        return json.dumps(self.model_dump(), separators=(",", ":"), allow_nan=False).encode()

    @property
    def points(self) -> int:
        """How many points the shard has."""
        return self.end_index_exclusive - self.start_index

    @cached_property
    def spec(self) -> Spec:
        """What the run computes, without the sharding."""
        return Spec(
            model=self.model,
            design={"kind": "grid", "dimensions": self.dimensions},
            base=self.base,
            replications=self.replications,
            seed=self.seed,
            outputs=tuple(sorted(self.outputs)),
        )


def decode(body: bytes, today: dt.date) -> ShardMessage:
    """Decode a message body; `today` (UTC) bounds run_date.

    Raises:
        MessageError: one line that names the field and the rule. Rules are checked in the order of docs/messages.md,
            so that the same body always gives the same error.
    """
    if len(body) > MAX_BYTES:
        _refuse(f"{len(body)} bytes: must be at most {MAX_BYTES} (1 MiB)")
    fields = _parse(body)
    _check_tree(fields)
    if not isinstance(fields, dict):
        _refuse("must be a JSON object")
    try:
        message = ShardMessage.model_validate(fields)
    except ValidationError as error:
        _refuse(_describe(error))
    latest = (today + dt.timedelta(days=1)).isoformat()
    if message.run_date and not FIRST_RUN_DATE.isoformat() <= message.run_date <= latest:
        _refuse(f"run_date {message.run_date}: must lie between {FIRST_RUN_DATE} and tomorrow, {latest} (UTC)")
    return message


def require_run_id(text: str) -> None:
    """Raise UsageError where `text` cannot be the run_id of any message."""
    try:
        TypeAdapter(RunId).validate_python(text)
    except ValidationError as error:
        raise UsageError(
            f"{_short(text)} is no run_id: {_describe(error)}", remedy="Name a run of the store."
        ) from error


def body_digest(body: bytes) -> str:
    """Return the lower-case hex SHA-256 under which a refused body is known."""
    return hashlib.sha256(body).hexdigest()


def _parse(body: bytes) -> Any:  # noqa: ANN401  any JSON value
    """Parse strictly what the standard library parses leniently: repeated keys, NaN, overflow, deep nesting."""
    try:
        return json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_refuse_constant,
            parse_int=_integer,
            parse_float=_float,
        )
    except UnicodeDecodeError as error:
        _refuse(f"byte {error.start}: must be UTF-8")
    except json.JSONDecodeError as error:
        _refuse(f"line {error.lineno}, column {error.colno}: must be JSON: {error.msg}")
    except RecursionError:
        _refuse(f"must nest at most {MAX_DEPTH} levels deep")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                _refuse(f"{_short(key)}: must appear once")
            seen.add(key)
    return fields


def _refuse_constant(name: str) -> NoReturn:
    _refuse(f"{name}: numbers must be finite")


def _integer(digits: str) -> int:
    # Lengths first: int() refuses thousands of digits with an error of its own, and takes quadratic time before.
    if len(digits) > len(str(-INT64_MAX)) or not -INT64_MAX - 1 <= int(digits) <= INT64_MAX:
        _refuse(f"{_short(digits)}: integers must fit signed 64 bits")
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        _refuse(f"{_short(digits)}: numbers must be finite")
    return value


def _check_tree(root: Any) -> None:  # noqa: ANN401  any JSON value
    """Check depth and text of every value, without recursion."""
    level: list[Any] = [root]
    for _ in range(MAX_DEPTH):
        inner: list[Any] = []
        for value in level:
            match value:
                case dict():
                    inner.extend(value)
                    inner.extend(value.values())
                case list():
                    inner.extend(value)
                case str() if not _is_text(value):
                    _refuse(f"{_short(value)}: text must not hold half of a surrogate pair")
        level = inner
        if not level:
            return
    _refuse(f"must nest at most {MAX_DEPTH} levels deep")


def _is_text(value: str) -> bool:
    return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)


def _describe(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    path = ".".join(str(part) for part in first["loc"] if part != "[key]")  # pydantic's mark of a bad key
    rule = first["msg"].removeprefix("Value error, ")
    return f"{_short(path)}: {rule}" if path else rule


def _short(text: str) -> str:
    """Quote what came from outside so that it stays on one line of bounded length."""
    limit = 80
    shown = text if len(text) <= limit else text[:limit] + "…"
    return shown if shown.isascii() and shown.isprintable() else ascii(shown)


def _reject(rule: str) -> NoReturn:
    raise ValueError(rule)


def _refuse(rule: str) -> NoReturn:
    raise MessageError(rule, remedy="Correct the message; docs/messages.md lists every field and its rule.")
