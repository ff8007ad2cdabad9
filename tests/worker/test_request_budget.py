"""How many requests a shard takes of a bucket and of a queue: a run of 100,000 shards multiplies each of them.

The table in docs/scale.md has the same numbers. A request more or less fails here, so that nobody adds one unseen.
"""

import datetime as dt
import itertools
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fakes import toys
from fakes.faulty import Crash
from fakes.servers import BUCKET, Server, moto_counting
from fakes.simulated_engine import Behaviour, SimulatedEngine
from fakes.sweep_files import queue_sweep
from paths import ROOT
from typer.testing import CliRunner

from sweepctl.cli import app
from sweepctl.queue.contract import Received
from sweepctl.records.outcome import RunRecord
from sweepctl.shard import commit
from sweepctl.shard.run import Disposition, run_shard
from sweepctl.store import Store, open_store
from sweepctl.worker.batch import LambdaWorker

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs" / "scale.md").read_text()
SHARDS = 4
MESSAGES = [toys.decoded(body) for body in toys.messages(SHARDS)]
# The rows of the table: GET, LIST and PUT.
BUDGET = {
    "a shard of a planned run": (4, 0, 3),
    "a shard with failed points": (4, 0, 3),
    "a finished shard that is delivered again": (2, 0, 0),
    "an attempt whose engine crashes": (4, 0, 4),
    "the attempt after it": (4, 0, 3),
    "the attempt after one that was killed before its outcome": (6, 0, 3),
    "the first shard of a planned run": (4, 0, 4),
    "a shard of a run that nobody planned": (4, 3, 4),
    "the first shard of a run that nobody planned": (4, 5, 6),
    "a worker that starts": (1, 0, 3),
    "a `drain` that starts": (2, 0, 4),
    "`verify`, a shard": (3, 0, 0),
    "the first `status`, a shard": (1, 0, 0),
}
_numbers = itertools.count()


class Bench:
    """A store of its own in a bucket, and what is asked of the server."""

    def __init__(self, server: Server, asked: list[str]) -> None:
        self.server = server
        self.asked = asked
        self.url = f"s3://{BUCKET}/budget-{next(_numbers)}"
        self.store: Store = open_store(self.url, endpoint_url=server.endpoint_url)

    def plan(self) -> None:
        """Start the run, as `submit` does."""
        spec = MESSAGES[0].spec
        commit.pin_run(
            self.store,
            RunRecord(
                run_id=toys.RUN_ID,
                run_date=toys.RUN_DATE,
                spec_json=spec.to_json(),
                spec_fingerprint=spec.fingerprint,
                total_points=MESSAGES[0].total_points,
                shard_points=toys.POINTS,
                created_at=dt.datetime(2026, 2, 14, tzinfo=dt.UTC),
            ),
        )

    def run(self, shard: int, behaviour: Behaviour | None = None) -> Disposition:
        engine = SimulatedEngine(behaviour or Behaviour(), None, time.monotonic)
        return run_shard(MESSAGES[shard], engine, self.store).disposition

    def spent(self, action: Callable[[], object]) -> Counter[str]:
        self.asked.clear()
        action()
        return Counter(self.asked)

    def on_store(self, action: Callable[[], object]) -> tuple[int, int, int]:
        """Return how many GET, LIST and PUT it takes; nothing else may be asked."""
        return of_store(self.spent(action))


def of_store(spent: Counter[str]) -> tuple[int, int, int]:
    assert spent.keys() <= {"GET", "LIST", "PUT"}, spent
    return spent["GET"], spent["LIST"], spent["PUT"]


@pytest.fixture(scope="module")
def counting() -> Iterator[tuple[Server, list[str]]]:
    asked: list[str] = []
    with moto_counting(asked) as server:
        yield server, asked


@pytest.fixture
def bench(counting: tuple[Server, list[str]], monkeypatch: pytest.MonkeyPatch) -> Bench:
    found = Bench(*counting)
    monkeypatch.setenv("AWS_ENDPOINT_URL", found.server.endpoint_url)
    monkeypatch.setenv("SWEEPCTL_STORE", found.url)
    return found


def test_the_page_has_this_budget() -> None:
    for name, (get, listed, put) in BUDGET.items():
        assert re.search(rf"^\| {re.escape(name)} \| {get} \| {listed} \| {put} \|", PAGE, re.MULTILINE), name


def test_a_planned_run(bench: Bench) -> None:
    bench.plan()
    assert bench.on_store(lambda: bench.run(0)) == BUDGET["the first shard of a planned run"]
    assert bench.on_store(lambda: bench.run(1)) == BUDGET["a shard of a planned run"]
    assert bench.on_store(lambda: bench.run(1)) == BUDGET["a finished shard that is delivered again"]
    failing = Behaviour(failing=frozenset({2 * toys.POINTS}))
    assert bench.on_store(lambda: bench.run(2, failing)) == BUDGET["a shard with failed points"]


def test_a_run_that_nobody_planned(bench: Bench) -> None:
    assert bench.on_store(lambda: bench.run(0)) == BUDGET["the first shard of a run that nobody planned"]
    for shard in range(1, SHARDS):
        assert bench.on_store(lambda: bench.run(shard)) == BUDGET["a shard of a run that nobody planned"]  # noqa: B023
    assert bench.on_store(lambda: bench.run(1)) == BUDGET["a finished shard that is delivered again"]


def test_an_attempt_that_did_not_end_well_and_the_next(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.plan()
    bench.run(0)
    crashing = Behaviour(poison=frozenset({toys.POINTS + 1}))
    assert bench.on_store(lambda: bench.run(1, crashing)) == BUDGET["an attempt whose engine crashes"]
    assert bench.on_store(lambda: bench.run(1)) == BUDGET["the attempt after it"]

    def die(*_: object) -> None:
        raise Crash("before the outcome")

    with monkeypatch.context() as dying:
        dying.setattr(commit, "_commit_outcome", die)
        with pytest.raises(Crash):
            bench.run(2)
    after = bench.on_store(lambda: bench.run(2))
    assert after == BUDGET["the attempt after one that was killed before its outcome"]


def test_a_function_asks_nothing_more_of_the_store(bench: Bench) -> None:
    bench.plan()
    bench.run(0)
    worker = LambdaWorker(SimulatedEngine(Behaviour(), None, time.monotonic), bench.store)
    batch = [Received(str(shard), str(shard), toys.message(shard, SHARDS), 1) for shard in (1, 2, 3)]
    asked = [bench.on_store(lambda: worker.process([each], 900.0)) for each in batch]  # noqa: B023
    shard = BUDGET["a shard of a planned run"]
    assert asked == [_sum(shard, BUDGET["a worker that starts"]), shard, shard]


def test_run_shard(bench: Bench, tmp_path: Path) -> None:
    bench.plan()
    bench.run(0)
    path = tmp_path / "message.json"
    path.write_bytes(toys.message(1, SHARDS))
    engine = str(toys.engine_path(tmp_path))
    asked = bench.on_store(lambda: command("run-shard", str(path), "--engine", engine))
    assert asked == _sum(BUDGET["a shard of a planned run"], BUDGET["a worker that starts"])


def test_drain(bench: Bench, tmp_path: Path) -> None:
    """Of the queue a worker asks once how it is; each shard is received and deleted."""
    url = bench.server.queue(f"budget-{next(_numbers)}", max_receive_count=10)
    bench.plan()
    bench.run(0)
    for shard in range(1, SHARDS):
        bench.server.sqs.send_message(QueueUrl=url, MessageBody=toys.message(shard, SHARDS).decode())
    shards = str(SHARDS - 1)
    options = ["--engine", str(toys.engine_path(tmp_path)), "--max-shards", shards, "--concurrency", "1", "--json"]
    asked = bench.spent(lambda: command("drain", "--queue-url", url, "--log-format", "json", *options))
    of_queue = {name: asked.pop(name) for name in list(asked) if not name.isupper()}
    assert of_queue == {"GetQueueAttributes": 1, "ReceiveMessage": SHARDS - 1, "DeleteMessage": SHARDS - 1}
    of_shards = [BUDGET["a shard of a planned run"]] * (SHARDS - 1)
    assert of_store(asked) == _sum(BUDGET["a `drain` that starts"], *of_shards)


def test_submit_asks_nothing_for_a_shard_but_its_tenth_of_a_batch(bench: Bench, tmp_path: Path) -> None:
    def asked(points: int) -> Counter[str]:
        url = bench.server.queue(f"budget-{next(_numbers)}", max_receive_count=10)
        sweep = str(queue_sweep(tmp_path, points))
        return bench.spent(lambda: command("submit", sweep, "--run-id", f"s{points}", "--queue-url", url))

    one, twelve = asked(12), asked(1)
    assert one.pop("SendMessageBatch") == 1
    assert twelve.pop("SendMessageBatch") == 2
    assert one == twelve


def test_run_asks_for_each_shard_what_the_shard_and_its_proof_take_and_status_for_its_outcome(
    bench: Bench, tmp_path: Path
) -> None:
    sweeps = {"two": str(queue_sweep(tmp_path, 6)), "six": str(queue_sweep(tmp_path, 2))}

    def asked_for_four(*arguments: str) -> tuple[int, ...]:
        two, six = (
            bench.on_store(lambda: command(*(each.format(run_id=run_id, sweep=sweeps[run_id]) for each in arguments)))  # noqa: B023
            for run_id in sweeps
        )
        return tuple(more - less for more, less in zip(six, two, strict=True))

    shard, proof = BUDGET["a shard of a planned run"], BUDGET["`verify`, a shard"]
    of_run = asked_for_four("run", "{sweep}", "--run-id", "{run_id}", "--concurrency", "1")
    assert of_run == _sum(*[shard, proof] * 4)
    assert asked_for_four("status", "{run_id}") == _sum(*[BUDGET["the first `status`, a shard"]] * 4)


def command(*arguments: str) -> None:
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == 0, (json.dumps(arguments), done.output)


def _sum(*budgets: tuple[int, int, int]) -> tuple[int, int, int]:
    gets, lists, puts = zip(*budgets, strict=True)
    return sum(gets), sum(lists), sum(puts)
