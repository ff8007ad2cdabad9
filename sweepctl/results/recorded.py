"""What to say next to an answer over a run's rows: that shards are missing, or that opening them takes long."""

from sweepctl.records.outcome import RunRecord
from sweepctl.records.run import list_outcomes
from sweepctl.store.contract import Store
from sweepctl.texts import counted

MANY_SHARDS = 5_000  # of which the files take more than a second to open


def missing_shards(store: Store, run: RunRecord) -> str | None:
    """Return a warning that shards are not recorded yet; None if all are."""
    recorded = sum(1 for _ in list_outcomes(store, run.run_id, run.run_date, run.shards))
    if run.shards is not None and recorded >= run.shards:
        return None
    progress = f"recorded of run {run.run_id}: {counted('shards', recorded)}; total unknown: the run was not planned"
    if run.shards is not None:
        progress = f"recorded of run {run.run_id}: {recorded:,} of {counted('shards', run.shards)}"
    return f"{progress}; see `sweepctl status {run.run_id}`"


def many_shards(run: RunRecord) -> str | None:
    """Return advice to compact a run of many shards, which is not compact; None if it has few."""
    shards = run.shards or 0
    if shards < MANY_SHARDS:
        return None
    files = f"the files of {counted('shards', shards)}"
    return f"run {run.run_id}: opening {files} takes long; once it is whole, use `sweepctl compact {run.run_id}`"
