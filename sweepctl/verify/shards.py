"""Checks 2 to 4 for consecutive shards: their files are fetched, then hashed, read and compared in chunks."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, Self

import pyarrow as pa
import pyarrow.parquet as pq

from sweepctl.errors import EngineFaultError, EngineUnavailableError, MessageError, RefusedError
from sweepctl.protocol import Model, encode_request
from sweepctl.records import layout
from sweepctl.records.datafile import require_damage_of
from sweepctl.records.footer_forms import FooterForms
from sweepctl.records.outcome import KEPT_FILES, Outcome
from sweepctl.records.table import EFFECTIVE_PARAMETERS, PARQUET_ERRORS, POINT_OUTCOMES, ROW_GROUP_ROWS
from sweepctl.store.contract import Store
from sweepctl.verify import artifacts
from sweepctl.verify.artifacts import Borrowed
from sweepctl.verify.identity import Deriver, engine_identities, examine_identity
from sweepctl.verify.report import FailedPoints, Finding
from sweepctl.verify.rows import Differences, ExtraExaminer, RowsExaminer, examine_indices, pairs
from sweepctl.verify.run import ExaminedRun, Tables
from sweepctl.verify.together import examine_together, gather

if TYPE_CHECKING:
    from sweepctl.records.rows import RowBuffer

# Consecutive shards share one engine process, and files of many small shards are fetched in parallel.
BATCH_SHARDS = 64
BATCH_POINTS = 2 * ROW_GROUP_ROWS
# Why the engine gives no answer, or cannot be asked because rows of a stored table are not valid.
ENGINE_ERRORS = (EngineFaultError, EngineUnavailableError, RefusedError, MessageError)


@dataclass
class Examined:
    """The results of examining some shards."""

    findings: list[Finding] = field(default_factory=list)
    files: int = 0
    bytes: int = 0
    points: int = 0  # whose rows were examined
    identified: int = 0  # whose identity was compared
    engine_error: str | None = None
    by_code: dict[str, FailedPoints] = field(default_factory=dict)
    sound: list[int] = field(default_factory=list)  # shards whose files can be read, with a row of each point, in order

    def add(self, other: "Examined") -> None:
        """Add the results of other shards."""
        self.findings += other.findings
        self.files += other.files
        self.bytes += other.bytes
        self.points += other.points
        self.identified += other.identified
        self.engine_error = self.engine_error or other.engine_error
        self.add_failed(other.by_code)
        self.sound += other.sound

    def add_failed(self, by_code: Mapping[str, FailedPoints]) -> None:
        """Add failed points."""
        for code, points in by_code.items():
            self.by_code[code] = points + self.by_code.get(code)


def shard_batches(outcomes: Sequence[Outcome]) -> Iterator[list[Outcome]]:
    """Group shards, given in order of their points, into batches of consecutive points."""
    batch: list[Outcome] = []
    points = 0
    for outcome in outcomes:
        follows = not batch or batch[-1].end_index_exclusive == outcome.start_index
        if batch and (not follows or len(batch) == BATCH_SHARDS or points + outcome.points > BATCH_POINTS):
            yield batch
            batch, points = [], 0
        batch.append(outcome)
        points += outcome.points
    if batch:
        yield batch


class EngineIdentities:
    """The identities of points as the engine derives them, until its first error."""

    def __init__(self, examiner: "ShardsExaminer", end: int) -> None:
        """Prepare for points below `end`; the first request starts the engine."""
        self._examiner = examiner
        self._end = end
        self._next = self._until = -1
        self._stack = ExitStack()
        self._buffer: RowBuffer | None = None
        self.error: str | None = None
        self.is_refused = False

    def __enter__(self) -> Self:
        """Return the identities."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the engine."""
        self._stack.close()

    def take(self, first: int, points: int, shard_end: int) -> pa.Table | None:
        """Return the identities of `points` points of a shard from `first` on; None if the engine gives none."""
        deriver = self._examiner.deriver
        if deriver is None or self.error is not None:
            return None
        try:
            # The first points, or the ones before were skipped or were part of another request.
            if first != self._next or first == self._until:
                self._stack.close()
                request, self._until = self._request(first, shard_end, deriver.model if deriver.is_witness else None)
                points_asked = self._until - first
                identities = engine_identities(
                    deriver.engine, deriver.model, request, points_asked, stop=self._examiner.stop
                )
                self._buffer, self._next = self._stack.enter_context(identities), first
            return self._take(first, points)
        except ENGINE_ERRORS as error:
            self.error = error.message
            if isinstance(error, EngineFaultError):
                self.error = f"points {first} to {first + points - 1}: {error.message}"
            self.is_refused = isinstance(error, RefusedError)
            return None

    def restart(self) -> None:
        """Forget what was taken, and the engine's error."""
        self._stack.close()
        self._next = self._until = -1
        self.error, self.is_refused = None, False

    def _request(self, first: int, shard_end: int, declaration: Model | None) -> tuple[bytes, int]:
        """Request all points of the batch, or only the shard's if the batch needs too many rows of a table."""
        run = self._examiner.run

        def up_to(end: int) -> tuple[bytes, int]:
            return encode_request(run.spec, run.space, first, end, threads=1, declaration=declaration), end

        try:
            return up_to(self._end)
        except MessageError:
            return up_to(shard_end)

    def _take(self, first: int, points: int) -> pa.Table:
        table = None if self._buffer is None else self._buffer.take(points)
        expected = pa.chunked_array([pa.arange(first, first + points)])
        if table is None or not table["point_index"].equals(expected):
            raise EngineFaultError(
                "engine_wrong_index", f"the engine did not return points {first} to {first + points - 1}"
            )
        self._next += points
        return table


@dataclass(frozen=True)
class ShardsExaminer:
    """Examines shards of one run."""

    store: Store
    run: ExaminedRun
    tables: Tables
    deriver: Deriver | None  # None if identities cannot be compared
    fetching: Executor
    stop: Event
    forms: FooterForms = field(default_factory=FooterForms)

    def examine(self, batch: Sequence[Outcome]) -> Examined:
        """Examine complete shards with consecutive points."""
        examined = Examined()
        with ExitStack() as lent:
            small = artifacts.read_small(self.store, batch)
            held = [(outcome, self._borrow(outcome, lent, small, examined)) for outcome in batch]
            with EngineIdentities(self, batch[-1].end_index_exclusive) as identities:
                if all(isinstance(file.content, bytes) for _, files in held for file in files):
                    self._examine_small(held, identities, examined)
                else:
                    for outcome, files in held:
                        with ExitStack() as closing:
                            opened = self._open_all(outcome, files, closing, examined)
                            self._examine_complete(outcome, opened, identities, examined)
                examined.engine_error = identities.error
            if identities.is_refused:
                message = f"the engine refuses the spec, although shards were run: {identities.error}"
                examined.findings.append(
                    Finding("run_record.wrong_spec", message, key=layout.run_record(self.run.record.run_id))
                )
        return examined

    def examine_partial(self, outcome: Outcome) -> Examined:
        """Examine the files of an attempt that did not run every point; its rows are in no table."""
        examined = Examined()
        with ExitStack() as lent:
            for file in self._borrow(outcome, lent, {}, examined):
                opened = self._open(file, outcome.shard_id, examined)
                if opened is not None:
                    opened.close()
        return examined

    def _borrow(
        self, outcome: Outcome, lent: ExitStack, small: Mapping[str, bytes | None], examined: Examined
    ) -> list[Borrowed]:
        examined.findings += artifacts.examine_names(outcome, self.run)
        files, findings = artifacts.borrow(self.store, outcome, lent, self.fetching, small)
        examined.findings += findings
        return files

    def _open(self, file: Borrowed, shard_id: int, examined: Examined) -> pq.ParquetFile | None:
        size, findings = artifacts.examine_bytes(file, shard_id)
        rows, wrong = artifacts.open_rows(file, shard_id, self.tables.schemas, self.forms)
        examined.files += 1
        examined.bytes += size
        examined.findings += [*findings, *wrong]
        return rows

    def _open_all(
        self, outcome: Outcome, files: Sequence[Borrowed], closing: ExitStack, examined: Examined
    ) -> dict[str, "Opened"]:
        """Open the files of a shard, by dataset, as far as they can be examined."""
        opened: dict[str, Opened] = {}
        for file in files:
            rows = self._open(file, outcome.shard_id, examined)
            if rows is not None:
                closing.callback(rows.close)
                if file.artifact.dataset == POINT_OUTCOMES:
                    examined.findings += artifacts.examine_content(rows, file.artifact.key, outcome)
                opened[file.artifact.dataset] = Opened(file, rows)
        return opened

    def _examine_small(
        self,
        held: Sequence[tuple[Outcome, Sequence[Borrowed]]],
        identities: EngineIdentities,
        examined: Examined,
    ) -> None:
        """Examine shards whose files are in memory."""
        with ExitStack() as closing:
            shards = [(outcome, self._open_all(outcome, files, closing, examined)) for outcome, files in held]
            together = self._examine_together(shards, identities, examined)
            for number, (outcome, opened) in enumerate(shards):
                rows = None if together is None else together[number]
                self._examine_complete(outcome, opened, identities, examined, rows)

    def _examine_together(
        self,
        shards: Sequence[tuple[Outcome, Mapping[str, "Opened"]]],
        identities: EngineIdentities,
        examined: Examined,
    ) -> list[RowsExaminer] | None:
        """Examine both tables of all shards at once; None, and nothing done, if anything in them differs."""
        if not all(EFFECTIVE_PARAMETERS in opened and POINT_OUTCOMES in opened for _, opened in shards):
            return None
        outcomes = [outcome for outcome, _ in shards]
        try:
            files = [(opened[EFFECTIVE_PARAMETERS].rows, opened[POINT_OUTCOMES].rows) for _, opened in shards]
            pair = gather(outcomes, files)
            rows = None if pair is None else examine_together(outcomes, pair, self.run, self.tables)
        except PARQUET_ERRORS:
            return None
        if pair is None or rows is None:
            return None
        derived = [identities.take(each.start_index, each.points, each.end_index_exclusive) for each in outcomes]
        found = [each for each in derived if each is not None]  # the first ones: after an error there are no more
        identified = sum(each.num_rows for each in found)
        if found:
            differences = Differences(self.run, None, None)
            examine_identity(pair.begin(identified), pa.concat_tables(found), differences)
            if differences.findings:
                identities.restart()
                return None
        examined.points += pair.points
        examined.identified += identified
        for each in rows:
            examined.add_failed(each.by_code)
        return rows

    def _examine_complete(
        self,
        outcome: Outcome,
        opened: Mapping[str, "Opened"],
        identities: EngineIdentities,
        examined: Examined,
        rows: RowsExaminer | None = None,
    ) -> None:
        """Examine a shard's rows; `rows` if those of both tables have been examined."""
        differences = Differences(self.run, outcome.shard_id, outcome.model_version)
        if rows is None and EFFECTIVE_PARAMETERS in opened and POINT_OUTCOMES in opened:
            rows = self._examine_tables(outcome, opened, identities, differences, examined)
        failed = [] if rows is None else rows.without_result
        is_sound = rows is not None and rows.is_finished and opened.keys() >= {*self.run.datasets}
        for name in (*self.run.spec.outputs, KEPT_FILES):
            if name in opened and name in self.tables.schemas:
                extra = ExtraExaminer(name, outcome, self.run, self.tables, differences)
                # Files are kept above all of points that failed, and running points again reads none of them.
                examine = partial(extra.examine, opened[name].rows, [] if name == KEPT_FILES else failed)
                is_readable = _read_whole(opened[name], examine, outcome, examined)
                is_sound = is_sound and (is_readable or name == KEPT_FILES)
        if is_sound:
            examined.sound.append(outcome.shard_id)
        examined.findings += differences.findings

    def _examine_tables(
        self,
        outcome: Outcome,
        opened: Mapping[str, "Opened"],
        identities: EngineIdentities,
        differences: Differences,
        examined: Examined,
    ) -> RowsExaminer:
        """Examine the rows of each point in both tables."""
        rows = RowsExaminer(outcome, self.run, self.tables, differences)
        both = (opened[EFFECTIVE_PARAMETERS], opened[POINT_OUTCOMES])
        try:
            for pair in pairs(outcome, *(each.rows for each in both)):
                if pair is None:
                    for each in both:
                        artifact = each.file.artifact
                        examined.findings += examine_indices(outcome, artifact.dataset, each.rows, artifact.key)
                    return rows
                rows.add(pair)
                examined.points += pair.points
                derived = identities.take(pair.first, pair.points, outcome.end_index_exclusive)
                if derived is not None:
                    examine_identity(pair, derived, differences)
                    examined.identified += pair.points
        except PARQUET_ERRORS as error:
            require_damage_of(" or ".join(each.file.artifact.key for each in both), error)
            for each in both:
                _read_whole(each, partial(_validate, each.rows), outcome, examined)
            return rows
        rows.finish()
        examined.add_failed(rows.by_code)
        return rows


@dataclass(frozen=True)
class Opened:
    """A named file whose rows can be read."""

    file: Borrowed
    rows: pq.ParquetFile


def _read_whole(opened: Opened, read: Callable[[], None], outcome: Outcome, examined: Examined) -> bool:
    """Read a file; say whether its pages allow it, and add a finding if not."""
    try:
        read()
    except PARQUET_ERRORS as error:
        artifact = opened.file.artifact
        require_damage_of(artifact.key, error)
        message = f"its pages are damaged: {error}"
        examined.findings.append(Finding("artifacts.unreadable", message, outcome.shard_id, artifact.key))
        return False
    return True


def _validate(rows: pq.ParquetFile) -> None:
    for batch in rows.iter_batches():
        batch.validate(full=True)
