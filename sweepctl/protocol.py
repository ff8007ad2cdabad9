"""The protocol between worker and engine (docs/protocol.md), as values. Neither starts processes nor reads points.

Point records are not here: there are too many for a Python object each, so `engine.reader` reads them in bulk.
"""

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Literal, Protocol, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from sweepctl.errors import MessageError
from sweepctl.names import DatasetName, Name
from sweepctl.spec import NO_LIMITS, Limits, Spec, Value
from sweepctl.strict_json import INT64_MAX
from sweepctl.texts import plain

if TYPE_CHECKING:
    from sweepctl.design import Space

VERSION = "v1"
MAX_REQUEST_BYTES = 68 << 20  # a stored design of 64 MiB, and the rest

MAX_DECLARATION_BYTES = 1 << 20  # of a model, where a run keeps it
MAX_TEXT = 2_000  # characters of a description or a message

ColumnType = Literal["int", "float", "bool", "string"]
Version = Annotated[str, Field(pattern=r"^[A-Za-z0-9._+-]{1,64}$")]
Count = Annotated[int, Field(ge=0, le=INT64_MAX)]
Fingerprint = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Text = Annotated[str, AfterValidator(lambda text: plain(text, MAX_TEXT))]


class _Named(Protocol):
    @property
    def name(self) -> str: ...


Named = TypeVar("Named", bound=_Named)


def _distinct(declared: list[Named]) -> list[Named]:
    names = [each.name for each in declared]
    if len(set(names)) < len(names):
        msg = "must declare each name once"
        raise ValueError(msg)
    return declared


class _Reply(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class Column(_Reply):
    """What metrics, parameters and columns of extra datasets have in common."""

    name: Name
    type: ColumnType
    nullable: bool
    unit: Text
    doc: Text


class Metric(Column):
    """A metric of a model."""

    # Written only where it is true: declarations without one stay as they were, byte for byte.
    headline: bool = Field(default=False, exclude_if=lambda given: not given)  # whether it is shown first


class Parameter(Column):
    """A parameter of a model, with its range and its default."""

    default: Value
    range: Text
    minimum: Value
    maximum: Value
    exclusive_minimum: Value
    exclusive_maximum: Value
    choices: list[str] | None
    spellings: dict[str, str] = {}  # other texts for a choice, in any case


class Dataset(_Reply):
    """Rows that a model can write in addition to its metrics, if a message's `outputs` lists the dataset."""

    name: DatasetName
    doc: Text
    columns: Annotated[list[Column], Field(min_length=1), AfterValidator(_distinct)]


class Program(_Reply):
    """What a program that is a model consists of, and needs."""

    files: dict[Text, Fingerprint]  # SHA-256 by path relative to its manifest
    environment: list[Text]  # names of variables
    keep: list[Text] = []  # names of files that are kept of points

    def changes(self, later: "Program") -> list[str]:
        """Return the files in which a later version differs, each with how: `lv.py changed`."""
        names = sorted(self.files.keys() | later.files.keys())
        differing = [name for name in names if self.files.get(name) != later.files.get(name)]
        how = {(True, True): "changed", (True, False): "removed", (False, True): "added"}
        return [f"{name} {how[name in self.files, name in later.files]}" for name in differing]


class Model(_Reply):
    """A model's parameters, metrics and datasets."""

    name: Name
    version: Version
    doc: Text
    parameters: Annotated[list[Parameter], AfterValidator(_distinct)]
    metrics: Annotated[list[Metric], AfterValidator(_distinct)]
    datasets: Annotated[list[Dataset], AfterValidator(_distinct)]
    program: Program | None = None  # None: the engine's own code

    def to_json(self) -> str | None:
        """Return the declaration as a run keeps it, in one form for equal ones; None if it is too long to be kept.

        As in `Spec.to_json`, integers keep all their digits and floats their type.
        """
        text = json.dumps(self.model_dump(), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return text if len(text.encode()) <= MAX_DECLARATION_BYTES else None


class Description(_Reply):
    """An engine's description of itself and its models."""

    protocol: Literal["v1"]
    engine_version: Version
    target: Version
    host: bool = False  # whether it can run points in child processes; engines of earlier runtimes cannot
    again: bool = False  # whether one process can run one request after the other
    columns: bool = False  # whether it can write points in columns; the same of earlier ones
    models: Annotated[list[Model], AfterValidator(_distinct)]

    @property
    def limits_memory(self) -> bool:
        """Whether it can limit what a point holds in memory: only Linux says what a process holds."""
        return "linux" in self.target


class Started(_Reply):
    """The engine accepted the request; points follow."""

    record: Literal["started"]
    protocol: Literal["v1"]
    engine_version: Version
    model: Name
    model_version: Version
    parameters: dict[str, ColumnType]
    metrics: dict[str, ColumnType]
    datasets: dict[str, dict[str, ColumnType]]


class Refused(_Reply):
    """The engine refused the request; no point is run."""

    record: Literal["refused"]
    error_code: Literal["bad_request", "unknown_model", "invalid_parameters"]
    message: Text
    parameter: Text | None


class Running(_Reply):
    """The point that has been running longest, after some silence; it belongs to no result."""

    record: Literal["running"]
    point_index: Count
    seconds: Annotated[float, Field(ge=0, le=1e9)]
    others: Count  # points that were running at the same time
    waiting: Count  # points that had not begun


class Finished(_Reply):
    """Every point has its record."""

    record: Literal["finished"]
    points: Count
    succeeded: Count
    failed: Count
    excluded: Count = 0


class KeptContent(_Reply):
    """A file that a point left, or the end of it."""

    name: str
    bytes: Count  # of the whole file
    base64: str


class Kept(_Reply):
    """Files that are kept of the point whose record follows."""

    record: Literal["kept"]
    point_index: Count
    replicate: Count
    files: list[KeptContent]


def encode_request(
    spec: Spec,
    space: "Space",
    start_index: int,
    end_index_exclusive: int,
    threads: int | None,
    *,
    report_seconds: float | None = None,
    keep: bool = False,
    columns: bool = False,
    declaration: Model | None = None,
) -> bytes:
    """Return the request, one line, for points `[start_index, end_index_exclusive)` of `spec`.

    `space` is the spec's design, read from the store if it is a stored one. The spec's limits are not in it: only a
    `host` keeps them (`with_limits`). `report_seconds` is for engines that have a host: after how long a silence they
    say which point is running. `keep` asks for the files that a program keeps of its points, `columns` for
    points in columns. `declaration` is for `points` alone: the engine need not have the model then.

    Raises:
        MessageError: the request is longer than an engine accepts, or the design's rows are invalid.
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
    if spec.derived:
        fields["derived"] = dict(spec.derived)
    if spec.constraints:
        fields["constraints"] = spec.constraints
    if threads is not None:
        fields["threads"] = threads
    if report_seconds is not None:
        fields["report_seconds"] = report_seconds
    if keep:
        fields["keep"] = keep
    if columns:
        fields["columns"] = columns
    if declaration is not None:
        fields["declaration"] = declaration.model_dump()
    # Not escaped to ASCII: that may be three times as long as the stored design.
    request = json.dumps(fields, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode() + b"\n"
    if len(request) > MAX_REQUEST_BYTES:
        msg = f"the request for its points has {len(request)} bytes: an engine accepts at most {MAX_REQUEST_BYTES}"
        raise MessageError(msg, remedy="Plan smaller shards, or use a design other than a table.")
    return request


@dataclass(frozen=True)
class ShardTime:
    """What an engine must know of a shard's time limit, in seconds."""

    limit: float
    left: float  # for this request
    point: float | None = None  # for each point, for `host` alone

    def to_json(self) -> dict[str, float]:
        """Return what there is."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def with_limits(request: bytes, limits: Limits, time: ShardTime | None) -> bytes:
    """Return a request with the limits of each of its points, for `host` alone, and with its shard's time."""
    limits = limits.of_points
    given = {"limits": limits.to_json() if limits != NO_LIMITS else None, "time": time and time.to_json()}
    fields = {name: value for name, value in given.items() if value is not None}
    # Added at the object's end: writing a long design again would be slow.
    return request[:-2] + b"," + json.dumps(fields, separators=(",", ":")).encode()[1:] + b"\n" if fields else request


class PointIdentity(_Reply):
    """One point without its results, as `sweep-engine points` writes it."""

    record: Literal["point"]
    point_index: Count
    replicate: Count
    parameters: dict[Name, Value]
    effective_parameters_json: str
    parameter_fingerprint: Fingerprint
    point_fingerprint: Fingerprint
    # Only of a point that is not run, as a rule of its run has it.
    status: Literal["excluded", "failure"] | None = None
    error_code: str | None = None
    error_message: str | None = None
