"""Small real runs for verify to look at: the engine's own queue model, four shards of six points."""

from pathlib import Path

from verify.damage import RUN_ID

from sweepctl.design import DESIGN, total_points
from sweepctl.engine.client import Engine, find_engine
from sweepctl.messages import ShardMessage, ShardMessageV2, decode
from sweepctl.shard.run import run_shard, utc_now
from sweepctl.spec import Spec
from sweepctl.store import Store, open_store
from sweepctl.verify import Report, verify

ENGINE = Engine(find_engine())
RUN_DATE = "2026-02-14"
POINTS = 6  # of a shard
# Two replicates a cell. The customers of cell 7 are all warm-up, so its points, 14 and 15, fail by themselves.
SPEC = Spec(
    "queue",
    {"kind": "grid", "dimensions": {"warmup": [*range(7), 100, *range(8, 12)]}},
    {"arrival_rate": 0.5, "customers": 100},
    2,
    1,
    ("customers",),
)
WHOLE = Spec("queue", {"kind": "grid", "dimensions": {"servers": [1, 2, 3]}}, {"customers": 9}, 4, 1, ())


def total(spec: Spec) -> int:
    """Return how many points a spec has that holds its design."""
    return total_points(DESIGN.validate_python(spec.design), spec.replications)


def messages(run_id: str, spec: Spec = SPEC, points: int = POINTS) -> list[ShardMessage]:
    """Return the messages of a whole run."""
    return [
        ShardMessageV2.of(
            spec,
            run_id,
            RUN_DATE,
            total_points=total(spec),
            shard_id=shard,
            start_index=start,
            end_index_exclusive=min(start + points, total(spec)),
        )
        for shard, start in enumerate(range(0, total(spec), points))
    ]


def make_run(store: Store, run_id: str, spec: Spec = SPEC) -> None:
    """Run all of it."""
    for message in messages(run_id, spec):
        run_shard(message, ENGINE, store)


def of_huge_run(shard_id: int, index: int) -> ShardMessage:
    """Return the message of one point of a run of 2^62."""
    axis = {"linspace": {"start": 0.1, "stop": 0.5, "num": 1 << 62}}
    spec = Spec("queue", {"kind": "grid", "dimensions": {"arrival_rate": axis}}, {"customers": 9}, 1, 1, ())
    return ShardMessageV2.of(
        spec,
        "r",
        RUN_DATE,
        total_points=1 << 62,
        shard_id=shard_id,
        start_index=index,
        end_index_exclusive=index + 1,
    )


def whole_store(root: Path) -> Path:
    """Make a store of one run, which has the name that `damage` takes."""
    make_run(open_store(str(root)), RUN_ID)
    return root


def run_all(store: Store, bodies: list[ShardMessage]) -> None:
    for message in bodies:
        run_shard(message, ENGINE, store)


def missing(report: Report) -> list[ShardMessage]:
    """Return the messages that the report gives."""
    return [decode(body, utc_now().date()) for body in report.messages()]


def repaired(store: Store, report: Report) -> Report:
    """Run what the report says is missing, and look again."""
    run_all(store, missing(report))
    return verify(store, report.run_id, ENGINE)


def codes(report: Report) -> set[str]:
    return {finding.code for finding in report.findings}


def crashing(folder: Path, times: int) -> Engine:
    """Return an engine that dies in the middle of its first runs, and whose host does not start.

    Without `--again`: it would wait for its next request, and not hear that nobody reads.
    """
    path = folder / "engine"
    path.write_text(
        f'#!/bin/sh\nif [ "$1" = run ]; then for n in $(seq {times}); do if mkdir {folder}/died-$n 2>/dev/null; then '
        f'{ENGINE.path} run | head -n 3; exit 3; fi; done; fi\n[ "$1" = host ] && exit 3\nexec {ENGINE.path} "$@"\n'
    )
    path.chmod(0o755)
    return Engine(path)
