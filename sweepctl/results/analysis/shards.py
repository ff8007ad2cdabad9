"""The state and time of a run's shards, from their outcomes; no point is read."""

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sweepctl.records.outcome import RunRecord

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection

MAX_CELLS = 1_500  # of a map: more would be smaller than two pixels


@dataclass(frozen=True)
class MapCell:
    """The number of consecutive shards in each state."""

    succeeded: int
    points_failed: int  # all points have a record, some of them failed
    failed: int  # permanently, without records
    retryable: int
    missing: int


@dataclass(frozen=True)
class ShardMap:
    """All shards of a run in order, `shards_a_cell` per cell."""

    shards: int  # as planned; if the run was not planned, up to the last one with an outcome
    is_planned: bool
    shards_a_cell: int
    cells: tuple[MapCell, ...]


@dataclass(frozen=True)
class Slow:
    """The time of a slow shard."""

    shard_id: int
    points: int
    seconds: float
    cpu_seconds: float


@dataclass(frozen=True)
class Costs:
    """The times of a run, from its outcomes."""

    first_start: dt.datetime | None
    last_end: dt.datetime | None
    cpu_seconds: float
    engine_versions: tuple[str, ...]
    model_versions: tuple[str, ...]


_STATES = """
    count(*) FILTER (status = 'success'),
    count(*) FILTER (status = 'failure' AND content_sha256 IS NOT NULL),
    count(*) FILTER (status = 'failure' AND NOT retryable AND content_sha256 IS NULL),
    count(*) FILTER (status = 'failure' AND retryable AND content_sha256 IS NULL)"""


def shard_map(connection: "Connection", record: RunRecord) -> ShardMap:
    """Return the map of a run's shards."""
    last = connection.execute("SELECT max(shard_id) FROM shard_outcomes").fetchall()[0][0]
    shards = max(record.shards or 0, 0 if last is None else last + 1)
    size = max(1, -(-shards // MAX_CELLS))
    by_cell = f"SELECT shard_id // {size} AS cell, {_STATES} FROM shard_outcomes GROUP BY cell"
    found: dict[int, tuple[int, int, int, int]] = {
        cell: tuple(counts) for cell, *counts in connection.execute(by_cell).fetchall()
    }
    cells = []
    for cell in range(-(-shards // size)):
        counts = found.get(cell, (0, 0, 0, 0))
        cells.append(MapCell(*counts, missing=min(size, shards - cell * size) - sum(counts)))
    return ShardMap(shards, record.shards is not None, size, tuple(cells))


def slowest(connection: "Connection", most: int) -> list[Slow]:
    """Return the shards that took longest per point: shards may be of different sizes."""
    # In milliseconds: a difference of times with a zone needs a DuckDB extension.
    found = connection.execute(f"""
        SELECT shard_id, end_index_exclusive - start_index AS points,
               (epoch_ms(finished_at) - epoch_ms(started_at)) / 1000 AS seconds, cpu_seconds
        FROM shard_outcomes WHERE content_sha256 IS NOT NULL AND points > 0 AND isfinite(cpu_seconds)
        ORDER BY seconds / points DESC, shard_id LIMIT {most}""").fetchall()
    return [Slow(*row) for row in found]


def costs(connection: "Connection") -> Costs:
    """Return when a run's outcomes began and ended, and their CPU time."""
    first, last, cpu, engines, models = connection.execute("""
        SELECT min(epoch_ms(started_at)), max(epoch_ms(finished_at)),
               coalesce(sum(cpu_seconds) FILTER (isfinite(cpu_seconds)), 0),
               list(DISTINCT engine_version ORDER BY engine_version),
               list(DISTINCT model_version ORDER BY model_version)
        FROM shard_outcomes""").fetchall()[0]
    return Costs(_time(first), _time(last), cpu, tuple(engines or ()), tuple(models or ()))


def _time(milliseconds: int | None) -> dt.datetime | None:
    return None if milliseconds is None else dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC)
