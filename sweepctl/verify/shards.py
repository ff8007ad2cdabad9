"""Checks 2 to 4 of some neighbouring shards: their files fetched, then hashed, read and compared, a piece at a time."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Semaphore
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from sweepctl.engine import Engine
from sweepctl.errors import EngineFaultError, EngineUnavailableError, RefusedError
from sweepctl.outcome import Outcome
from sweepctl.protocol import Model
from sweepctl.store.contract import Store
from sweepctl.table import EFFECTIVE_PARAMETERS, POINT_OUTCOMES, ROW_GROUP_ROWS
from sweepctl.verify import artifacts
from sweepctl.verify.artifacts import Borrowed
from sweepctl.verify.identity import examine_identity, named_by_engine
from sweepctl.verify.report import Finding
from sweepctl.verify.rows import Differences, Pieces, RowsExaminer, examine_extra, examine_indices, pairs
from sweepctl.verify.run import Run, Tables

# Neighbours share one start of the engine, and files of many small shards come in side by side.
BATCH_SHARDS = 64
BATCH_POINTS = 2 * ROW_GROUP_ROWS
_DAMAGED = (pa.ArrowException, OSError)  # what Arrow raises for damaged pages
ENGINE_ERRORS = (EngineFaultError, EngineUnavailableError, RefusedError)


@dataclass
class Examined:
    """What came of examining some shards."""

    findings: list[Finding] = field(default_factory=list)
    files: int = 0
    bytes: int = 0
    points: int = 0  # of which the rows were examined
    identified: int = 0  # of which the identity was compared
    engine_error: str | None = None
    sound: list[int] = field(default_factory=list)  # shards whose rows are those of their points, in order

    def add(self, other: "Examined") -> None:
        """Take in what came of others."""
        self.findings += other.findings
        self.files += other.files
        self.bytes += other.bytes
        self.points += other.points
        self.identified += other.identified
        self.engine_error = self.engine_error or other.engine_error
        self.sound += other.sound


def batches(outcomes: Sequence[Outcome]) -> Iterator[list[Outcome]]:
    """Group shards, given in order of their points, so that the points of a group follow each other."""
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


class EngineNames:
    """The identities of consecutive points as the engine derives them, for as long as it does."""

    def __init__(self, engine: Engine | None, model: Model | None, run: Run, start: int, end: int) -> None:
        """Name points `[start, end)`; without an engine, none."""
        self._stack = ExitStack()
        self._pieces: Pieces | None = None
        self.error: str | None = None
        if engine is not None and model is not None:
            try:
                self._pieces = self._stack.enter_context(named_by_engine(engine, model, run.spec, start, end))
            except ENGINE_ERRORS as error:
                self.error = error.message

    def __enter__(self) -> Self:
        """Give the names themselves."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the engine."""
        self._stack.close()

    def take(self, points: int) -> pa.Table | None:
        """Return the identities of the next points, or None where there are none any more."""
        if self._pieces is None or self.error is not None:
            return None
        try:
            return self._pieces.take(points)
        except ENGINE_ERRORS as error:
            self.error = error.message
            return None

    def skip(self, points: int) -> None:
        """Pass over points."""
        while points > 0 and self.take(min(points, ROW_GROUP_ROWS)) is not None:
            points -= ROW_GROUP_ROWS


@dataclass(frozen=True)
class ShardsExaminer:
    """What the examination of any shard needs to know."""

    store: Store
    run: Run
    tables: Tables
    sizes: Mapping[str, int]  # of every file of the run
    engine: Engine | None  # None where identities cannot be compared
    model: Model | None
    cores: Semaphore

    def examine(self, batch: Sequence[Outcome]) -> Examined:
        """Examine complete shards whose points follow each other."""
        examined = Examined()
        with TemporaryDirectory(prefix="sweepctl-verify-") as folder:
            held = [(outcome, self._borrow(outcome, Path(folder), examined)) for outcome in batch]
            # Fetching waits for the store, so more of it goes on at once than there are cores.
            with self.cores:
                bounds = (batch[0].start_index, batch[-1].end_index_exclusive)
                with EngineNames(self.engine, self.model, self.run, *bounds) as names:
                    for outcome, files in held:
                        self._examine_complete(outcome, files, names, examined)
                    examined.engine_error = names.error
        return examined

    def examine_partial(self, outcome: Outcome) -> Examined:
        """Examine the files of an attempt that did not run every point; their rows are in no table."""
        examined = Examined()
        with TemporaryDirectory(prefix="sweepctl-verify-") as folder:
            for file in self._borrow(outcome, Path(folder), examined):
                opened = self._open(file, outcome.shard_id, examined)
                if opened is not None:
                    opened.close()
        return examined

    def _borrow(self, outcome: Outcome, folder: Path, examined: Examined) -> list[Borrowed]:
        examined.findings += artifacts.examine_names(outcome, self.run)
        files, findings = artifacts.borrow(self.store, outcome, self.sizes, folder)
        examined.findings += findings
        return files

    def _open(self, file: Borrowed, shard_id: int, examined: Examined) -> pq.ParquetFile | None:
        examined.files += 1
        examined.bytes += file.path.stat().st_size
        examined.findings += artifacts.examine_bytes(file, shard_id)
        rows, findings = artifacts.open_rows(file, shard_id, self.tables.schemas)
        examined.findings += findings
        return rows

    def _examine_complete(
        self, outcome: Outcome, files: Sequence[Borrowed], names: EngineNames, examined: Examined
    ) -> None:
        with ExitStack() as closing:
            opened: dict[str, tuple[Borrowed, pq.ParquetFile]] = {}
            for file in files:
                rows = self._open(file, outcome.shard_id, examined)
                if rows is not None:
                    closing.callback(rows.close)
                    opened[file.artifact.dataset] = (file, rows)
            differences = Differences(outcome, self.run)
            named = 0
            if EFFECTIVE_PARAMETERS in opened and POINT_OUTCOMES in opened:
                named = self._examine_tables(outcome, opened, names, differences, examined)
            names.skip(outcome.points - named)
            for name in self.run.spec.outputs:
                if name in opened:
                    file, rows = opened[name]
                    with _damage(file, outcome, examined):
                        examine_extra(outcome, self.run, name, rows, differences)
            examined.findings += differences.findings

    def _examine_tables(
        self,
        outcome: Outcome,
        opened: Mapping[str, tuple[Borrowed, pq.ParquetFile]],
        names: EngineNames,
        differences: Differences,
        examined: Examined,
    ) -> int:
        """Examine the rows of a point in both tables; return how many points were taken from `names`."""
        named = 0
        rows = RowsExaminer(outcome, self.run, self.tables, differences)
        both = (opened[EFFECTIVE_PARAMETERS], opened[POINT_OUTCOMES])
        try:
            for pair in pairs(outcome, *(found for _, found in both)):
                if pair is None:
                    for file, found in both:
                        examined.findings += examine_indices(outcome, file.artifact.dataset, found, file.artifact.key)
                    return named
                rows.add(pair)
                examined.points += pair.points
                identities = names.take(pair.points)
                if identities is not None:
                    named += pair.points
                    examine_identity(pair, identities, differences)
        except _DAMAGED:
            for file, found in both:
                with _damage(file, outcome, examined):
                    for _ in found.iter_batches():
                        pass
            return named
        rows.finish()
        examined.sound.append(outcome.shard_id)
        examined.identified += named
        return named


@contextmanager
def _damage(file: Borrowed, outcome: Outcome, examined: Examined) -> Iterator[None]:
    """Turn what Arrow raises for damaged pages into a finding."""
    try:
        yield
    except _DAMAGED as error:
        message = f"its pages are damaged: {error}"
        examined.findings.append(Finding("artifacts.unreadable", message, outcome.shard_id, file.artifact.key))
