"""The rest of check 2: files that no outcome names. Readers of a table read them all the same, so verify does too.

A *leftover* was written by an attempt that ended before its outcome: rows of one shard without records, under its own
name, of points that no other file has. The shard's next attempt adopts it. Any other file of a table is an *orphan*.
"""

import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sweepctl.errors import DamagedError
from sweepctl.records import layout
from sweepctl.records.datafile import open_rows, require_damage_of
from sweepctl.records.outcome import KEPT_FILES, Outcome
from sweepctl.records.sharding import Claim
from sweepctl.records.table import EFFECTIVE_PARAMETERS, PARQUET_ERRORS, POINT_OUTCOMES, ROW_GROUP_ROWS, schema_of
from sweepctl.store.contract import is_key
from sweepctl.store.files import store_errors
from sweepctl.texts import counted
from sweepctl.verify.inventory import Inventory
from sweepctl.verify.report import Finding
from sweepctl.verify.rows import Differences
from sweepctl.verify.run import begins
from sweepctl.verify.shards import ShardsExaminer

MAGIC = b"PAR1"  # how a Parquet file begins


@dataclass(frozen=True)
class Leftover:
    """A file that may be a leftover; its rows are of these points."""

    key: str
    points: tuple[int, int]  # the first, and the one after the last; equal if there is no row


class UnnamedFiles:
    """The files of a run that no outcome names."""

    def __init__(
        self,
        examiner: ShardsExaminer,
        inventory: Inventory,
        outcomes: Sequence[Outcome],
        attempts: Sequence[Outcome],
    ) -> None:
        """Find them by name; `outcomes` are in order of their points."""
        self._store, self._run, self._tables = examiner.store, examiner.run, examiner.tables
        self._inventory = inventory
        self._complete = [outcome for outcome in outcomes if outcome.complete]
        incomplete = [each for each in (*attempts, *outcomes) if not each.complete]
        self._bounds = {each.shard_id: (each.start_index, each.end_index_exclusive) for each in incomplete}
        self._partial = {artifact.key for each in incomplete for artifact in each.artifacts}
        named = {artifact.key for outcome in self._complete for artifact in outcome.artifacts}
        committed = {outcome.shard_id for outcome in self._complete}
        unnamed = inventory.data - named
        self.candidates = {key for key in unnamed if self._belongs(key) and layout.shard_of(key) not in committed}
        self._misplaced = unnamed - self.candidates

    def _belongs(self, key: str) -> bool:
        """Return whether a worker would write the rows of the shard that a file's name says to this key."""
        dataset = key.partition("/")[0]
        expected = self._run.keys(layout.shard_of(key) or 0).dataset(dataset, self._run.spec.model)
        return dataset in {*self._run.datasets, KEPT_FILES} and key == expected

    def by_name(self) -> Iterator[Finding]:
        """Find files that are out of place, whatever is in them, and partial data of attempts without a record."""
        for key in self._misplaced:
            # Where another attempt was committed before: what is kept is no result, so it does no harm.
            yield _uncommitted(key) if key.startswith(f"{KEPT_FILES}/") and self._belongs(key) else _orphan(key)
        for key in self._inventory.partial - self._partial:
            why = "an attempt ended after its partial data and before its record, or is still running"
            yield Finding("artifacts.uncommitted", why, layout.shard_of(key), key)
        run_id = self._run.record.run_id
        known = {layout.run_record(run_id), layout.engine_pin(run_id)}
        others = []
        for key in sorted(self._inventory.stray | (self._inventory.runs - known)):
            if self._is_read(key):
                yield _orphan(key)
            else:
                others.append(key)
        if others:
            why = f"{counted('files', len(others))} of other programs: no table has rows of them"
            yield Finding("artifacts.stray", why, key=others[0], count=len(others))

    def _is_read(self, key: str) -> bool:
        """Return whether some reader of tables takes a file for rows: by its name, or by its content."""
        name = key.rpartition("/")[2]
        # What macOS writes beside a file on a foreign disk is never Parquet, whatever its ending.
        return not name.startswith("._") and (name.endswith(".parquet") or self._is_parquet(key))

    def _is_parquet(self, key: str) -> bool:
        """Return whether a file of another name would be read: Athena reads all whose names begin otherwise."""
        if (
            not is_key(key)
            or key.startswith(("partial/", "runs/", "shard_claims/"))
            or key.rpartition("/")[2].startswith("_")
        ):
            return False
        try:
            with self._store.borrow(key) as path:
                if path is None:
                    return False
                with store_errors("read", path), path.open("rb") as file:
                    return file.read(len(MAGIC)) == MAGIC
        except DamagedError:
            return True  # a reader may wait for a pipe, or follow a link

    def of_shard(self, shard_id: int) -> set[str]:
        """Return the keys of a shard's outcome, rows and claims, as far as these files exist."""
        keys, model = self._run.keys(shard_id), self._run.spec.model
        names = {keys.outcome, *(keys.dataset(name, model) for name in (*self._run.datasets, KEPT_FILES))}
        found = names & (self._inventory.outcomes | self._inventory.data)
        claims = ((key, Claim.of_key(key)) for key in self._inventory.claims)
        return found | {key for key, claim in claims if claim is not None and claim.shard_id == shard_id}

    def examine(self, key: str) -> Leftover | Finding | None:
        """Read the rows of a candidate, a row group at a time; None if it is gone."""
        try:
            with self._store.borrow(key) as path:
                if path is None:
                    return None
                with open_rows(path) as file:
                    return self._examine(key, file)
        except (*PARQUET_ERRORS, DamagedError) as error:
            require_damage_of(self._store.locate(key), error)
            return _orphan(key, f"it cannot be read: {error}")

    def _examine(self, key: str, file: pq.ParquetFile) -> Leftover | Finding:
        dataset, shard_id, record = key.partition("/")[0], layout.shard_of(key) or 0, self._run.record
        common, columns = schema_of(dataset, []), file.schema_arrow
        if not columns.equals(self._tables.schemas.get(dataset, columns)) or not begins(columns, common):
            return _orphan(key, "its columns are not the table's")
        if record.shards is not None and shard_id >= record.shards:
            return _orphan(key, f"the run was planned with {counted('shards', record.shards or 0)}, numbered from 0")
        bounds = record.shard_bounds(shard_id) or self._bounds.get(shard_id)
        low, high = bounds or (0, record.total_points)
        # Each point of a shard has one row in these; in extra datasets it has any number.
        is_table = dataset in {EFFECTIVE_PARAMETERS, POINT_OUTCOMES}
        differences = Differences(self._run, shard_id, None if self._run.pin is None else self._run.pin.model_version)
        names = [name for name in common.names if name == "point_index" or name in differences.constant_columns]
        first, end = None, low
        for batch in file.iter_batches(ROW_GROUP_ROWS, columns=names, use_threads=False):
            if not batch.num_rows:
                continue
            rows = pa.Table.from_batches([batch])
            index = rows["point_index"].combine_chunks()
            differences.constants(dataset, rows, low)
            if differences.findings:
                return _orphan(key, differences.findings[0].message)
            if first is None:
                first = end = index[0].as_py()
            if index.null_count or pc.min(index).as_py() < low or pc.max(index).as_py() >= high:
                return _orphan(key, f"its rows are of points outside of [{low}, {high})")
            if not index.equals(pa.arange(end, end + len(index)) if is_table else index.sort()):
                return _orphan(key, f"its rows are not of every point from {first} on once, in order")
            end = index[-1].as_py() + 1
        points = (low if first is None else first, end)
        if is_table and (points[0] == points[1] or points != (bounds or points)):
            return _orphan(key, f"it has the points [{points[0]}, {points[1]}), its shard has [{low}, {high})")
        return Leftover(key, points)

    def judge(self, examined: Sequence[Leftover | Finding | None]) -> Iterator[Finding]:
        """Turn leftovers into findings: a point that another file has too makes one an orphan."""
        starts = [outcome.start_index for outcome in self._complete]
        reach = list(accumulate((outcome.end_index_exclusive for outcome in self._complete), max))
        reached: dict[str, tuple[int, str]] = {}
        for each in sorted(
            (each for each in examined if isinstance(each, Leftover)), key=lambda each: (each.points, each.key)
        ):
            (first, end), dataset = each.points, each.key.partition("/")[0]
            before = bisect.bisect_left(starts, end)
            other_end, other = reached.get(dataset, (0, ""))
            if first == end:
                yield _uncommitted(each.key)
            elif before and reach[before - 1] > first:
                yield _orphan(each.key, f"points from {first} on are committed in another shard, too")
            elif other_end > first:
                yield _orphan(each.key, f"points from {first} on are in {other}, too")
            else:
                reached[dataset] = (end, each.key)
                yield _uncommitted(each.key)
        yield from (each for each in examined if isinstance(each, Finding))


def _orphan(key: str, why: str | None = None) -> Finding:
    message = "no outcome names it, but readers of the table would read it"
    return Finding("artifacts.orphan", f"{message}: {why}" if why else message, layout.shard_of(key), key)


def _uncommitted(key: str) -> Finding:
    why = "an attempt ended after its data and before its outcome, or is still running"
    return Finding("artifacts.uncommitted", why, layout.shard_of(key), key)
