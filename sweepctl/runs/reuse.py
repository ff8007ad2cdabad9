"""Points that another run of the store has computed, found by their point_fingerprint and not run again.

The records of the new run are still the engine's own: it gets the metrics of known points, and writes the same bytes
that it would have written (docs/decisions/0011-reuse.md). Only recorded results are used, from files whose digest is
the one in the outcome of their shard or, where it lacks its records, of their attempt. This only saves time: a point
that cannot be reused is run.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice, repeat
from threading import Event
from typing import Any, Literal, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sweepctl.engine.checks import parse_records
from sweepctl.engine.client import Engine
from sweepctl.engine.identities import identity_schema
from sweepctl.engine.run import EngineRun
from sweepctl.errors import DamagedError, EngineFaultError, InterruptedRunError, RefusedError
from sweepctl.protocol import MAX_REQUEST_BYTES, Model, ShardTime
from sweepctl.records import layout, table
from sweepctl.records.datafile import require_bounded, require_footer
from sweepctl.records.footer import footer_of, require_safe
from sweepctl.records.outcome import EnginePin, Outcome, RunRecord
from sweepctl.records.outcomes import Found, OutcomeReader
from sweepctl.records.run import find_record, list_attempts, list_outcomes, require_run
from sweepctl.records.table import PARQUET_ERRORS, POINT_OUTCOMES, columns_of
from sweepctl.spec import NO_LIMITS, Limits
from sweepctl.store.contract import Store
from sweepctl.store.files import store_errors

# A point takes about 250 bytes of memory, and 8 for each metric: 1.5 GB at most.
MAX_POINTS = 4_000_000
MAX_FILE_BYTES = 1 << 30  # of one shard
IN_FLIGHT = 8  # shards read concurrently; each may take its file's size in memory
NAMING_SECONDS = 3600.0
AT_ONCE = 1_000  # points encoded together: one by one would take several times as long
_FIELD = b',"known":[%b]}\n'
LIMITS_BYTES = 384  # more than the field's name, a host's limits and the shard's time take in a request
Item = TypeVar("Item")
Answer = TypeVar("Answer")


@dataclass
class Source:
    """The known points of another run."""

    run_id: str
    model: str
    nothing: str | None = None  # why none of its points can be reused in the new run
    rows: dict[bytes, int] = field(default_factory=dict)  # in `metrics`, by the 32 bytes of a point_fingerprint
    metrics: pa.Table | None = None
    unsound: list[str] = field(default_factory=list)  # shards and attempts that were not used, and why
    left_out: int = 0  # points beyond MAX_POINTS

    def to_json(self) -> dict[str, Any]:
        """Return what was found, as JSON values."""
        names = ("run_id", "nothing", "unsound", "left_out")
        return {**{name: getattr(self, name) for name in names}, "known": len(self.rows)}

    def add(self, points: Sequence[pa.Table]) -> None:
        """Add successful points of some shards or attempts; of equal fingerprints, the first one is kept."""
        whole, new = pa.concat_tables(points), list[int]()
        for place, text in enumerate(whole["point_fingerprint"].to_pylist()):
            fingerprint = bytes.fromhex(text)
            if fingerprint in self.rows:
                continue
            if len(self.rows) < MAX_POINTS:
                self.rows[fingerprint] = len(self.rows)
                new.append(place)
            else:
                self.left_out += 1
        metrics = whole.drop_columns(["point_fingerprint"]).take(pa.array(new, pa.int64()))
        self.metrics = metrics if self.metrics is None else pa.concat_tables([self.metrics, metrics])


def merged(sources: Sequence[Source]) -> Source | None:
    """Return the first source with the points that only the others have; None if there are no sources."""
    if not sources:
        return None
    whole, *others = sources
    for other in others:
        if other.metrics is not None:
            # Rows are in the order of their fingerprints.
            names = pa.array([each.hex() for each in other.rows], pa.string())
            whole.add([other.metrics.append_column("point_fingerprint", names)])
    if others and whole.metrics is not None:
        whole.metrics = whole.metrics.combine_chunks()
    return whole


def read_source(store: Store, run_id: str, model: Model, seed: int, stop: Event) -> Source:
    """Read the successful points of another run that a run with this model and seed may reuse.

    Raises:
        UnknownRunError: the store has no such run.
        StoreError: the store does not answer.
        InterruptedRunError: `stop` was set.
    """
    record = require_run(store, run_id)
    source = Source(run_id, model.name, _nothing(store, record, model, seed))
    if source.nothing is not None:
        return source
    outcomes = OutcomeReader(store)
    run = (store, run_id, record.run_date, record.shards)
    committed = outcomes.read([entry.key for _, entry in list_outcomes(*run)])
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        reading = _Reading(source, pool, stop)
        used = reading.add(committed, lambda each: _committed_points(store, record, *each, model))
        complete = {layout.shard_of(key) for key, _ in used}
        keys = [entry.key for shard, entry in list_attempts(*run) if shard not in complete]
        attempts = reading.attempts(outcomes.read(keys), lambda each: _attempt(store, record, *each, model))
        list(reading.add(attempts, lambda attempt: _partial_points(store, record, attempt, model)))
    if source.metrics is not None:
        source.metrics = source.metrics.combine_chunks()  # rows are taken from one chunk quickly, from many slowly
    return source


@dataclass(frozen=True)
class _Reading:
    """Reads files of a source, some at a time: so many may be in memory."""

    source: Source
    pool: ThreadPoolExecutor
    stop: Event

    def add(self, items: Iterable[Item], read: Callable[[Item], pa.Table | str | None]) -> Iterator[Item]:
        """Add the points that `read` returns, or why there are none; yield the items that have some."""
        for some, found in self._batches(items, read):
            points = [each for each in found if isinstance(each, pa.Table)]
            if points:
                self.source.add(points)
            yield from (item for item, each in zip(some, found, strict=True) if isinstance(each, pa.Table))

    def attempts(self, items: Iterable[Item], read: Callable[[Item], Outcome | str | None]) -> list[Outcome]:
        """Return the attempts that `read` returns, the first one first, whatever the order of the listing."""
        found = [each for _, batch in self._batches(items, read) for each in batch if isinstance(each, Outcome)]
        return sorted(found, key=lambda attempt: (attempt.started_at, attempt.attempt_id))

    def _batches(
        self, items: Iterable[Item], read: Callable[[Item], Answer | str | None]
    ) -> Iterator[tuple[Sequence[Item], list[Answer | str | None]]]:
        left = iter(items)
        while some := list(islice(left, IN_FLIGHT)):
            if self.stop.is_set():
                raise InterruptedRunError("stopped by a signal", remedy="Run the same command again.")
            found = list(self.pool.map(read, some))
            self.source.unsound += [each for each in found if isinstance(each, str)]
            yield some, found


def _nothing(store: Store, record: RunRecord, model: Model, seed: int) -> str | None:
    """Return why no point_fingerprint can match, without reading any; None if some may."""
    spec = record.spec
    if spec.model != model.name:
        return f"it ran model {spec.model}, but this run is of {model.name}"
    if spec.seed != seed:
        return f"it has seed {spec.seed}, but this run has {seed}"
    pin = find_record(store, EnginePin, layout.engine_pin(record.run_id))
    if pin is None:
        return "none of its shards has been run yet"
    if pin.model_version == model.version:
        return None
    return f"it ran version {pin.model_version} of the model, but this engine has {model.version}"


def _committed_points(store: Store, record: RunRecord, key: str, found: Found, model: Model) -> pa.Table | str | None:
    """Return fingerprints and metrics of a shard's successful points, or why they cannot be trusted."""
    if isinstance(found, DamagedError):
        return found.message
    shard_id = layout.shard_of(key)
    if shard_id is None or found is None or not found.complete:
        return None
    keys = layout.ShardKeys.of(record, shard_id)
    try:
        return _points_in(store, keys.dataset(POINT_OUTCOMES, model.name), found, model)
    except DamagedError as error:
        return error.message


def _attempt(store: Store, record: RunRecord, key: str, attempt: Found, model: Model) -> Outcome | str | None:
    """Return an attempt that did not complete, None if it left no points, or why it cannot be trusted."""
    if isinstance(attempt, DamagedError):
        return attempt.message
    if attempt is None or not attempt.artifacts:
        return None
    same = (record.run_id, record.spec_fingerprint, model.name, model.version)
    if (attempt.run_id, attempt.spec_fingerprint, attempt.model, attempt.model_version) != same or (
        layout.ShardKeys.of(record, attempt.shard_id).attempt(attempt.attempt_id) != key
    ):
        return f"{store.locate(key)} is not an attempt of this run"
    return attempt


def _partial_points(store: Store, record: RunRecord, attempt: Outcome, model: Model) -> pa.Table | str:
    """Return fingerprints and metrics of an attempt's successful points, or why they cannot be trusted."""
    keys = layout.ShardKeys.of(record, attempt.shard_id)
    try:
        return _points_in(store, keys.partial(POINT_OUTCOMES, model.name, attempt.attempt_id), attempt, model)
    except DamagedError as error:
        return error.message


def _points_in(store: Store, key: str, outcome: Outcome, model: Model) -> pa.Table | str:
    artifact = {each.key: each for each in outcome.artifacts}.get(key)
    body = None if artifact is None else _body(store, key, artifact.bytes)
    if artifact is None or body is None or hashlib.sha256(body).hexdigest() != artifact.sha256:
        return f"{store.locate(key)} does not match the digest in its outcome"
    metrics = columns_of(model.metrics)
    try:
        require_footer(body[-8:])
        with pq.ParquetFile(pa.BufferReader(body)) as file:
            require_safe(footer_of(body))
            if file.metadata.num_rows > MAX_POINTS:
                return f"{store.locate(key)} has more than {MAX_POINTS} points"
            require_bounded(file.metadata, lambda names: pq.ParquetFile(pa.BufferReader(body), read_dictionary=names))
            rows = file.read(columns=["point_fingerprint", "status", *(name for name, _ in metrics)])
    except (*PARQUET_ERRORS, KeyError) as error:
        return f"{store.locate(key)}: {error}"
    rows = rows.filter(pc.equal(rows["status"], "success")).drop_columns(["status"])
    expected = pa.schema([("point_fingerprint", table.TEXT), *metrics])
    return rows if rows.schema.equals(expected) else f"{store.locate(key)} does not have the columns of the model"


def _body(store: Store, key: str, size: int) -> bytes | None:
    """Return a file's bytes, read once: the bytes that are hashed are the bytes that are used.

    None if it does not have that size, or is larger than MAX_FILE_BYTES.
    """
    with store.borrow(key) as path:
        if path is None:
            return None
        with store_errors("read", path):
            return path.read_bytes() if path.stat().st_size == size <= MAX_FILE_BYTES else None


class ReusingEngine(Engine):
    """An engine that gets the known points with each request to run points."""

    def __init__(self, engine: Engine, source: Source) -> None:
        """Reuse points of `source`; `engine` runs the others."""
        super().__init__(engine.path, engine.programs)
        self.description = engine.description  # already asked for: no second handshake
        self._model = engine.model(source.model)
        self._source = source
        self.taken: dict[int, int] = {}  # the number of reused points, by the first index of the request

    def start(
        self,
        request: bytes,
        *,
        command: Literal["run", "host", "points"] = "run",
        limits: Limits = NO_LIMITS,
        shard_time: ShardTime | None = None,
        timeout: float | None = None,
        silence: float | None = None,
        stop: Event | None = None,
        spec: str | None = None,
    ) -> EngineRun:
        """Start the engine on `request`, with its known points added."""
        if command != "points" and self._source.rows:
            request = self._with_known(request, stop)
        return super().start(
            request,
            command=command,
            limits=limits,
            shard_time=shard_time,
            timeout=timeout,
            silence=silence,
            stop=stop,
            spec=spec,
        )

    def _with_known(self, request: bytes, stop: Event | None) -> bytes:
        known, points = bytearray(), 0
        first: int | None = None
        try:
            for named in self._named(request, stop):
                first = named["point_index"][0].as_py() if first is None else first
                for count, text in self._known_of(named):
                    # Points that do not fit are run.
                    if len(request) + len(known) + len(text) + LIMITS_BYTES < MAX_REQUEST_BYTES:
                        known += b"," + text
                        points += count
        except (EngineFaultError, RefusedError):
            return request  # the run itself will meet the same error, and record it
        # A host that runs the rest of a shard adds a count that nobody asks for.
        if first is not None:
            self.taken[first] = points
        # Spliced in at the object's end: parsing and writing a long design again would be slow.
        return request[:-2] + _FIELD % bytes(known[1:]) if points else request

    def _named(self, request: bytes, stop: Event | None) -> Iterator[pa.Table]:
        schema = identity_schema(self._model)
        with super().start(request, command="points", timeout=NAMING_SECONDS, stop=stop) as run:
            run.begin()
            for block in run.blocks():
                yield parse_records(block, schema)

    def _known_of(self, named: pa.Table) -> Iterator[tuple[int, bytes]]:
        """Yield the known points as JSON for a request, in batches, with the size of each batch."""
        named = named.filter(named["status"].is_null())  # points that rules leave out are not run
        find = self._source.rows.get
        texts = named["point_fingerprint"].to_pylist()
        rows = [find(bytes.fromhex(text), -1) for text in texts]
        found = [(index, row) for index, row in zip(named["point_index"].to_pylist(), rows, strict=True) if row >= 0]
        for start in range(0, len(found), AT_ONCE):
            some = found[start : start + AT_ONCE]
            yield len(some), self._encoded(some)

    def _encoded(self, found: Sequence[tuple[int, int]]) -> bytes:
        """Return indices and their rows of metrics as the items of a JSON array."""
        assert self._source.metrics is not None  # noqa: S101  there are rows
        metrics = self._source.metrics.take([row for _, row in found])
        names = metrics.column_names
        values = zip(*(column.to_pylist() for column in metrics.columns), strict=True) if names else repeat(())
        known = [
            {"point_index": index, "metrics": dict(zip(names, each, strict=True))}
            for (index, _), each in zip(found, values, strict=bool(names))
        ]
        return json.dumps(known, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()[1:-1]
