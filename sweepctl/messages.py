"""The shard message: what a queue can ask of a worker, and its only decoder.

Everything later trusts a `ShardMessage`. What it cannot know is checked elsewhere: parameter values by the engine, the
run_id against the run record (`commit.agree_run`), a stored design against its digest (`records.design`).
"""

import datetime as dt
import hashlib
import json
from abc import abstractmethod
from collections.abc import Mapping
from functools import cached_property
from itertools import combinations
from typing import Annotated, Any, Literal, NoReturn, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from sweepctl.design import Design, Grid, Space, path_of, total_points
from sweepctl.design.values import Scalar
from sweepctl.errors import MessageError, UsageError
from sweepctl.names import DatasetName, Name
from sweepctl.spec import NO_LIMITS, Constraints, Expression, Limits, Spec
from sweepctl.strict_json import INT64_MAX, parse, short

MAX_BYTES = 1 << 20  # the largest message that SQS carries
FIRST_RUN_DATE = dt.date(2000, 1, 1)


def _without_parent_steps(run_id: str) -> str:
    if ".." in run_id:
        msg = "must not contain '..'"
        raise ValueError(msg)
    return run_id


def _calendar_date(text: str) -> str:
    # A pattern alone admits 2026-02-30, and date.fromisoformat alone admits 20260214.
    dt.date.fromisoformat(text)
    return text


RunId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"), AfterValidator(_without_parent_steps)]
RunDate = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$"), AfterValidator(_calendar_date)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Index = Annotated[int, Field(ge=0, le=INT64_MAX)]


class ShardMessage(BaseModel):
    """One shard of a run, in any version of the message (docs/messages.md); valid by construction."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    schema_version: Literal["v1", "v2"]
    run_id: RunId
    run_date: RunDate | None = None
    model: Name
    base: dict[Name, Scalar] = {}
    replications: Annotated[int, Field(ge=1, le=1 << 32)] = 1
    outputs: list[DatasetName] = []
    total_points: Annotated[int, Field(ge=1, le=INT64_MAX)]
    shard_id: Index
    start_index: Index
    end_index_exclusive: Index
    seed: int
    failure_injection_shards: list[Index] = []

    @property
    @abstractmethod
    def space(self) -> Space | None:
        """The design in the message; None if the message refers to a stored one."""

    @property
    @abstractmethod
    def _design(self) -> Mapping[str, Any]:
        """The design as it is in the spec."""

    @property
    def _limits(self) -> Limits:
        return NO_LIMITS

    @property
    def _derived(self) -> Mapping[str, str]:
        return {}

    @property
    def _constraints(self) -> tuple[str, ...]:
        return ()

    @model_validator(mode="after")
    def _meaning(self) -> Self:
        if not self.start_index < self.end_index_exclusive <= self.total_points:
            _reject(
                f"start_index {self.start_index}, end_index_exclusive {self.end_index_exclusive}, "
                f"total_points {self.total_points}: must satisfy start < end <= total",
            )
        if len(set(self.outputs)) < len(self.outputs):
            _reject("outputs: must name each dataset once")
        return self

    def require_fit(self, space: Space) -> None:
        """Raise ValueError if the message contradicts its design."""
        names = {"a dimension": set(space.parameters), "a base value": set(self.base), "derived": set(self._derived)}
        for (one, these), (other, those) in combinations(names.items(), 2):
            for name in sorted(these & those):
                _reject(f"{name!r} is both {one} and {other}: must be only one of them")
        points = total_points(space, self.replications)
        if points != self.total_points:
            _reject(f"total_points {self.total_points}: must be the design's cells times replications, {points}")

    def to_json(self) -> bytes:
        """Return the body that `decode` reads as this message."""
        # Absent fields stay absent: in a design, `null` means something else, or is invalid.
        return json.dumps(self.model_dump(exclude_unset=True), separators=(",", ":"), allow_nan=False).encode()

    @property
    def points(self) -> int:
        """How many points the shard has."""
        return self.end_index_exclusive - self.start_index

    @cached_property
    def spec(self) -> Spec:
        """What the run computes, without the sharding."""
        return Spec(
            model=self.model,
            design=self._design,
            base=self.base,
            replications=self.replications,
            seed=self.seed,
            outputs=tuple(sorted(self.outputs)),
            limits=self._limits,
            derived=self._derived,
            constraints=self._constraints,
        )


class ShardMessageV1(ShardMessage):
    """A shard of a grid of listed values: the first version, which queues may still hold. Never dropped."""

    schema_version: Literal["v1"] = "v1"
    model: Name = "ridehail"
    dimensions: dict[Name, list[Scalar]]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for name in (name for name, values in self.dimensions.items() if not values):
            _reject(f"dimensions.{name}: must have at least one value")
        self.require_fit(self.space)
        return self

    @property
    def space(self) -> Grid:
        """The grid of the dimensions."""
        # Its values have been checked already.
        return Grid.model_construct(_fields_set={"kind", "dimensions"}, **self._design)

    @property
    def _design(self) -> Mapping[str, Any]:
        return {"kind": "grid", "dimensions": self.dimensions}


class ShardMessageV2(ShardMessage):
    """A shard of any design, held in the message or stored under its digest; its run may have rules and limits."""

    schema_version: Literal["v2"]
    design: Design | None = None
    design_sha256: Digest | None = None
    limits: Limits = NO_LIMITS
    derived: dict[Name, Expression] = {}
    constraints: Constraints = []

    @classmethod
    def of(
        cls,
        spec: Spec,
        run_id: str,
        run_date: str,
        *,
        total_points: int,
        shard_id: int,
        start_index: int,
        end_index_exclusive: int,
    ) -> Self:
        """Return the message of one shard of the run that `spec` describes, which has `total_points` points."""
        stored = spec.design.get("sha256")
        fields = {
            "schema_version": "v2",
            "run_id": run_id,
            "run_date": run_date,
            "model": spec.model,
            **({"design": spec.design} if stored is None else {"design_sha256": stored}),
            "base": dict(spec.base),
            "replications": spec.replications,
            "outputs": list(spec.outputs),
            "total_points": total_points,
            "shard_id": shard_id,
            "start_index": start_index,
            "end_index_exclusive": end_index_exclusive,
            "seed": spec.seed,
            **({} if spec.limits == NO_LIMITS else {"limits": spec.limits.to_json()}),
            **({"derived": dict(spec.derived)} if spec.derived else {}),
            **({"constraints": list(spec.constraints)} if spec.constraints else {}),
        }
        return cls.model_validate(fields)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.design is None) == (self.design_sha256 is None):
            _reject("design: must have exactly one of design, design_sha256")
        if self.space is not None:
            self.require_fit(self.space)
        return self

    @property
    def space(self) -> Space | None:
        """The design, if it is in the message."""
        return self.design

    @property
    def _design(self) -> Mapping[str, Any]:
        return {"sha256": self.design_sha256} if self.design is None else self.design.to_json()

    @property
    def _limits(self) -> Limits:
        return self.limits

    @property
    def _derived(self) -> Mapping[str, str]:
        return self.derived

    @property
    def _constraints(self) -> tuple[str, ...]:
        return tuple(self.constraints)


def decode(body: bytes, today: dt.date) -> ShardMessage:
    """Decode a message body; `today` (UTC) bounds run_date.

    Raises:
        MessageError: one line that names the field and the rule. Rules are checked in the order of docs/messages.md,
            so the same body always gives the same error.
    """
    if len(body) > MAX_BYTES:
        _refuse(f"{len(body)} bytes: must be at most {MAX_BYTES} (1 MiB)")
    try:
        fields = parse(body)
    except ValueError as error:
        _refuse(str(error))
    if not isinstance(fields, dict):
        _refuse("must be a JSON object")
    version = fields.get("schema_version", "v1")
    if version not in ("v1", "v2"):
        _refuse("schema_version: must be 'v1' or 'v2'")
    try:
        message = (ShardMessageV1 if version == "v1" else ShardMessageV2).model_validate(fields)
    except ValidationError as error:
        _refuse(_describe(error))
    latest = (today + dt.timedelta(days=1)).isoformat()
    if message.run_date and not FIRST_RUN_DATE.isoformat() <= message.run_date <= latest:
        _refuse(f"run_date {message.run_date}: must be between {FIRST_RUN_DATE} and tomorrow, {latest} (UTC)")
    return message


def require_run_id(text: str) -> None:
    """Raise UsageError if `text` is not a valid run_id."""
    try:
        TypeAdapter(RunId).validate_python(text)
    except ValidationError as error:
        remedy = "Use 1 to 64 letters, digits, '.', '_' and '-', beginning with a letter or a digit, without '..'."
        raise UsageError(f"invalid run_id {short(repr(text))}: {_describe(error)}", remedy=remedy) from error


def body_digest(body: bytes) -> str:
    """Return the lower-case hex SHA-256 that identifies a rejected body."""
    return hashlib.sha256(body).hexdigest()


def _describe(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    path = path_of(first["loc"])
    rule = first["msg"].removeprefix("Value error, ")
    return f"{short(path)}: {rule}" if path else rule


def _reject(rule: str) -> NoReturn:
    raise ValueError(rule)


def _refuse(rule: str) -> NoReturn:
    raise MessageError(rule, remedy="Correct the message; docs/messages.md lists every field and its rule.")
