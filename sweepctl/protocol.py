"""The words that worker and engine exchange (docs/protocol.md), as values. Neither starts processes nor reads points.

Point records are not here: they are too many for a Python object each, so `table` reads them in bulk.
"""

import json
from typing import Annotated, Literal, Protocol, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from sweepctl.design import Space
from sweepctl.errors import MessageError
from sweepctl.names import DatasetName, Name
from sweepctl.spec import Spec, Value

VERSION = "v1"
MAX_REQUEST_BYTES = 68 << 20  # a stored design of 64 MiB, and the rest

ColumnType = Literal["int", "float", "bool", "string"]


class _Named(Protocol):
    @property
    def name(self) -> str: ...


Named = TypeVar("Named", bound=_Named)


def _distinct(declared: list[Named]) -> list[Named]:
    names = [each.name for each in declared]
    if len(set(names)) < len(names):
        msg = "a name is declared twice"
        raise ValueError(msg)
    return declared


class _Reply(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class Column(_Reply):
    """A metric of a model, or a column of an extra dataset."""

    name: Name
    type: ColumnType
    nullable: bool
    unit: str
    doc: str


class Parameter(Column):
    """A parameter of a model: what may be swept, and what it is when nobody says."""

    default: Value
    range: str
    minimum: Value
    maximum: Value
    exclusive_minimum: Value
    exclusive_maximum: Value
    choices: list[str] | None


class Dataset(_Reply):
    """Rows that a model can write beside its metrics, when a message's `outputs` asks for them."""

    name: DatasetName
    doc: str
    columns: Annotated[list[Column], Field(min_length=1), AfterValidator(_distinct)]


class Model(_Reply):
    """What a model takes and gives."""

    name: Name
    version: str
    doc: str
    parameters: Annotated[list[Parameter], AfterValidator(_distinct)]
    metrics: Annotated[list[Column], AfterValidator(_distinct)]
    datasets: Annotated[list[Dataset], AfterValidator(_distinct)]


class Description(_Reply):
    """What an engine says of itself."""

    protocol: Literal["v1"]
    engine_version: str
    target: str
    models: Annotated[list[Model], AfterValidator(_distinct)]


class Started(_Reply):
    """The engine accepted the request; points follow."""

    record: Literal["started"]
    protocol: Literal["v1"]
    engine_version: str
    model: str
    model_version: str
    parameters: dict[str, ColumnType]
    metrics: dict[str, ColumnType]
    datasets: dict[str, dict[str, ColumnType]]


class Refused(_Reply):
    """The engine will run nothing of this request."""

    record: Literal["refused"]
    error_code: Literal["bad_request", "unknown_model", "invalid_parameters"]
    message: str
    parameter: str | None


class Finished(_Reply):
    """Every point has its record."""

    record: Literal["finished"]
    points: int
    succeeded: int
    failed: int


def encode_request(spec: Spec, space: Space, start_index: int, end_index_exclusive: int, threads: int | None) -> bytes:
    """Return the one line that asks an engine for points `[start_index, end_index_exclusive)` of `spec`.

    `space` is its design, resolved.

    Raises:
        MessageError: the line is longer than an engine takes, or the design's rows are not right.
    """
    cells = (start_index // spec.replications, -(-end_index_exclusive // spec.replications))
    fields = {
        "protocol": VERSION,
        "model": spec.model,
        "design": space.part(*cells),
        "base": spec.base,
        "replications": spec.replications,
        "seed": spec.seed,
        "outputs": spec.outputs,
        "start_index": start_index,
        "end_index_exclusive": end_index_exclusive,
    }
    if threads is not None:
        fields["threads"] = threads
    # Not in ASCII, which may be three times as long as what was stored.
    request = json.dumps(fields, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode() + b"\n"
    if len(request) > MAX_REQUEST_BYTES:
        msg = f"its points need a request of {len(request)} bytes: an engine takes at most {MAX_REQUEST_BYTES}"
        raise MessageError(msg, remedy="Cut the run into smaller shards, or write the design as a formula.")
    return request


class PointIdentity(_Reply):
    """One point without its results: what `sweep-engine points` writes."""

    record: Literal["point"]
    point_index: int
    replicate: int
    parameters: dict[str, Value]
    effective_parameters_json: str
    parameter_fingerprint: str
    point_fingerprint: str
