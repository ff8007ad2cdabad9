"""Small real runs for verify to look at: the engine's own queue model, four shards of six points."""

from sweepctl.engine import Engine, find_engine
from sweepctl.messages import ShardMessage
from sweepctl.shard import run_shard
from sweepctl.spec import Spec
from sweepctl.store.contract import Store

ENGINE = Engine(find_engine())
RUN_DATE = "2026-02-14"
POINTS = 6  # of a shard
# One cell's customers are all warm-up, so its one point fails by itself: the third of the third shard.
SPEC = Spec(
    "queue",
    {"kind": "grid", "dimensions": {"arrival_rate": [0.5, 0.75], "servers": [1, 2], "warmup": [0, 1, 5, 2, 0, 1]}},
    {"customers": 6},
    1,
    1,
    ("customers",),
)


def messages(run_id: str, spec: Spec = SPEC, points: int = POINTS) -> list[ShardMessage]:
    """Return the messages of a whole run."""
    return [
        ShardMessage.of(
            spec,
            run_id,
            RUN_DATE,
            shard_id=shard,
            start_index=start,
            end_index_exclusive=min(start + points, spec.total_points),
        )
        for shard, start in enumerate(range(0, spec.total_points, points))
    ]


def make_run(store: Store, run_id: str, spec: Spec = SPEC) -> None:
    """Run all of it."""
    for message in messages(run_id, spec):
        run_shard(message, ENGINE, store)
