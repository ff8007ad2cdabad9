"""A sweep's messages on a queue: all of them, resumable wherever it ended, and nothing before all is valid."""

import datetime as dt
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from fakes.fault_proxy import Fault, FaultProxy
from fakes.servers import Server
from typer.testing import CliRunner, Result
from waiting import wait_until
from worker.processes import environment

from sweepctl.cli import app
from sweepctl.engine.client import Engine, find_engine
from sweepctl.errors import InterruptedRunError, QueueError, QueueRefusedError, SweepFileError, UsageError
from sweepctl.messages import MAX_BYTES
from sweepctl.queue.contract import QueueFacts, SendFailure
from sweepctl.queue.sqs import Queue, open_queue
from sweepctl.records import layout
from sweepctl.runs.submit import require_sendable, submit
from sweepctl.store import open_store
from sweepctl.store.contract import Store
from sweepctl.sweep import file as sweep_file
from sweepctl.sweep import plan
from sweepctl.sweep.plan import Draft, Plan
from sweepctl.verify import Verdict, verify

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
SWEEP = """\
name = "s"
model = "queue"
seed = 42
replications = {replications}
base = {{ customers = 20 }}
shards = {{ points = 2 }}
[design]
kind = "grid"
dimensions = {{ servers = [1, 2] }}
"""
TABLE = SWEEP.partition("[design]")[0] + '[design]\nkind = "table"\nfile = "points.csv"\n'
_numbers = itertools.count()


class RecordingQueue(Queue):
    """Keeps the shards of each batch; refuses some shards, and does not answer a batch with others."""

    def __init__(self, *, refused: Mapping[int, SendFailure] | None = None, unanswered: int | None = None) -> None:
        self.url = "memory://queue"
        self.shards: list[list[int]] = []
        self._refused = refused or {}
        self._unanswered = unanswered
        self._lock = threading.Lock()

    def send_batch(self, batch: Mapping[int, str]) -> dict[int, SendFailure]:
        if self._unanswered in batch:
            raise QueueRefusedError("gone", remedy="Create the queue.")
        assert all(json.loads(text)["shard_id"] == shard_id for shard_id, text in batch.items())
        with self._lock:
            self.shards.append(list(batch))
        return {shard_id: each for shard_id, each in self._refused.items() if shard_id in batch}

    def facts(self) -> QueueFacts:
        return QueueFacts(0, 0, 0, 30, None, None, fifo=False)

    @property
    def sent(self) -> list[int]:
        return sorted(shard_id for batch in self.shards for shard_id in batch)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(find_engine())


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "store"))


def draft(folder: Path, engine: Engine, text: str = SWEEP, replications: int = 1) -> Draft:
    path = folder / "s.toml"
    path.write_text(text.format(replications=replications))
    return plan.draft(sweep_file.read(path), engine)


def planned(folder: Path, engine: Engine, shards: int) -> Plan:
    """Return the plan of a run of so many shards, of two points each."""
    return draft(folder, engine, replications=shards).plan("r", "2026-03-01", 2)


def test_every_shard_is_sent_in_batches_of_ten(tmp_path: Path, engine: Engine, store: Store) -> None:
    queue, reached = RecordingQueue(), list[int]()
    done = submit(planned(tmp_path, engine, 25), store, queue, progress=reached.append)
    assert sorted(map(len, queue.shards)) == [5, 10, 10]
    assert queue.sent == list(range(25))
    assert (done.run_id, done.run_date, done.shards, done.sent, done.stood) == ("r", "2026-03-01", 25, 25, 0)
    assert reached == [10, 20, 25, 25]


def test_shards_with_an_outcome_are_not_sent(tmp_path: Path, engine: Engine, store: Store) -> None:
    for shard_id in (0, 7, 24, 25):  # there is no shard 25
        store.create(layout.ShardKeys("r", "2026-03-01", shard_id).outcome, b"whatever it says")
    store.create(layout.ShardKeys("r", "2026-03-01", 8).attempt("a"), b"an attempt is no outcome")
    queue = RecordingQueue()
    done = submit(planned(tmp_path, engine, 25), store, queue, from_shard=3)
    assert queue.sent == [shard_id for shard_id in range(3, 25) if shard_id not in {7, 24}]
    assert (done.sent, done.stood) == (20, 2)


@pytest.mark.parametrize("dies_at", [0, 9, 57, 99])
def test_a_queue_that_dies_says_where_to_go_on(tmp_path: Path, engine: Engine, store: Store, dies_at: int) -> None:
    run, queue = planned(tmp_path, engine, 100), RecordingQueue(unanswered=dies_at)
    reached = dies_at // 10 * 10
    with pytest.raises(QueueRefusedError, match=f"gone; all before shard {reached} of 100 were sent") as caught:
        submit(run, store, queue, connections=3)
    assert caught.value.remedy is not None
    assert caught.value.remedy.startswith("Create the queue. To resume, ")
    assert caught.value.remedy.endswith(f"--run-id r --from-shard {reached}.")
    assert set(range(reached)) <= set(queue.sent)
    again = RecordingQueue()
    submit(run, store, again, from_shard=reached)
    assert again.sent == list(range(reached, 100))


@pytest.mark.parametrize(
    ("refusal", "told"),
    [(SendFailure("InvalidMessageContents", is_final=True), r" \(InvalidMessageContents\)"),
     (SendFailure("InternalError", is_final=False), "")],
)  # fmt: skip
def test_a_message_that_is_not_taken_is_named_by_its_shard(
    tmp_path: Path, engine: Engine, store: Store, refusal: SendFailure, told: str
) -> None:
    queue = RecordingQueue(refused={13: refusal, 17: refusal})
    with pytest.raises(QueueError, match=rf"shard 13, 17 not accepted{told}; all before shard 10 of 25 were sent"):
        submit(planned(tmp_path, engine, 25), store, queue)


def test_an_interrupted_submission_says_where_to_go_on(tmp_path: Path, engine: Engine, store: Store) -> None:
    run, queue, stop = planned(tmp_path, engine, 1_000), RecordingQueue(), threading.Event()
    with pytest.raises(InterruptedRunError, match="all before shard ") as caught:
        submit(
            run, store, queue, connections=2, stop=stop, progress=lambda shards: stop.set() if shards > 500 else None
        )
    reached = int(str(caught.value.remedy).rstrip(".").rpartition(" ")[2])
    assert 500 < reached < 1_000
    assert queue.sent == list(range(reached)), "what was under way is waited for"
    again = RecordingQueue()
    submit(run, store, again, from_shard=reached)
    assert queue.sent + again.sent == list(range(1_000))


def test_a_stop_that_comes_when_all_is_sent_is_none(tmp_path: Path, engine: Engine, store: Store) -> None:
    stop, run = threading.Event(), planned(tmp_path, engine, 25)
    done = submit(run, store, RecordingQueue(), stop=stop, progress=lambda _: stop.set())
    assert done.sent == 25


def test_a_shard_that_there_is_not_is_refused(tmp_path: Path, engine: Engine, store: Store) -> None:
    with pytest.raises(UsageError, match="has shards 0 to 24"):
        submit(planned(tmp_path, engine, 25), store, RecordingQueue(), from_shard=25)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_messages(tmp_path: Path, engine: Engine, store: Store) -> None:
    class Forgetful(RecordingQueue):
        def send_batch(self, batch: Mapping[int, str]) -> dict[int, SendFailure]:  # noqa: ARG002  nothing is kept
            return {}

    run = planned(tmp_path, engine, 20_000)
    list(run.bodies([0]))
    tracemalloc.start()
    try:
        submit(run, store, Forgetful())
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_messages_that_no_queue_takes_are_told_of_the_file(tmp_path: Path, engine: Engine) -> None:
    found = draft(tmp_path, engine)
    object.__setattr__(found.spec, "base", {"customers": "x" * MAX_BYTES})
    with pytest.raises(SweepFileError, match=r"s\.toml:5: base: 1,0\d\d,\d\d\d bytes in each message"):
        require_sendable(found, RecordingQueue())


@pytest.fixture
def server(moto_server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Server:
    return at(moto_server, monkeypatch, tmp_path)


def at(server: Server, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Server:
    """Have the commands use a folder's own store, and a queue of its own."""
    monkeypatch.setenv("SWEEPCTL_STORE", str(folder / "store"))
    monkeypatch.setenv("SWEEPCTL_QUEUE_URL", server.queue(f"submit-{next(_numbers)}", max_receive_count=10))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERMINAL_WIDTH", "200")
    return server


def sweepctl(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def waiting(url: str | None = None) -> int:
    return open_queue(url or os.environ["SWEEPCTL_QUEUE_URL"]).facts().visible


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "s.toml"
    path.write_text(SWEEP.format(replications=12))
    return path


@pytest.mark.slow
@pytest.mark.usefixtures("server")
def test_a_file_becomes_a_run_and_its_messages_and_the_same_file_continues_it(file: Path) -> None:
    first = sweepctl("submit", file)
    assert (first.exit_code, "12 messages sent" in first.stdout) == (0, True)
    told = json.loads(sweepctl("submit", file, "--json").stdout)
    assert told["run_id"] in first.stdout
    assert {name: told[name] for name in ("shards", "sent", "stood")} == {"shards": 12, "sent": 12, "stood": 0}
    assert set(told) == {"run_id", "run_date", "shards", "sent", "stood", "seconds", "messages_per_second"}
    assert waiting() == 24, "duplicates, which do no harm"


@pytest.mark.slow
@pytest.mark.usefixtures("server")
def test_a_submission_notes_a_number_of_samples_that_is_no_power_of_two(file: Path) -> None:
    sobol = file.read_text().replace('"grid"', '"sobol"\nsamples = 9').replace("[1, 2]", "{ choice = [1, 2] }")
    file.write_text(sobol)
    done = sweepctl("submit", file)
    assert (done.exit_code, "note: samples = 9: a power of two (8)" in done.stdout) == (0, True), done.output


@pytest.mark.slow
@pytest.mark.usefixtures("server")
def test_another_sweep_under_the_run_id_is_refused_and_nothing_is_sent(file: Path) -> None:
    assert sweepctl("submit", file, "--run-id", "demo-001").exit_code == 0
    file.write_text(SWEEP.format(replications=13))
    refused = sweepctl("submit", file, "--run-id", "demo-001")
    assert refused.exit_code == 3
    assert "--run-id" in refused.stderr
    assert waiting() == 12


def fifo(server: Server) -> str:
    name = f"submit-{next(_numbers)}.fifo"
    return server.sqs.create_queue(QueueName=name, Attributes={"FifoQueue": "true"})["QueueUrl"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "exit_code", "words"),
    [
        ({"queue": "fifo"}, 6, "FIFO"),
        ({"queue": "absent"}, 6, "Create the queue"),
        ({"text": "servers = [1, 0]"}, 3, "s.toml:9: design.dimensions.servers"),
        ({"options": ["--run-id", "a b"]}, 2, "run_id"),
        ({"options": ["--engine", "absent"]}, 4, "absent"),
    ],
)  # fmt: skip
def test_nothing_is_written_before_all_is_valid(
    server: Server, file: Path, changes: dict[str, Any], exit_code: int, words: str
) -> None:
    queues = {"fifo": lambda: fifo(server), "absent": lambda: f"{server.endpoint_url}/000000000000/absent"}
    options = ["--queue-url", queues[changes["queue"]]()] if "queue" in changes else []
    file.write_text(file.read_text().replace("servers = [1, 2]", changes.get("text", "servers = [1, 2]")))
    refused = sweepctl("submit", file, *options, *changes.get("options", []))
    assert (refused.exit_code, words in refused.stderr) == (exit_code, True), refused.stderr
    assert not (file.parent / "store").exists()
    assert waiting() == 0


@pytest.mark.usefixtures("server")
def test_a_reply_that_is_lost_means_a_message_twice_and_none_less(file: Path, server: Server) -> None:
    with FaultProxy(server.endpoint_url) as proxy:
        url = os.environ["SWEEPCTL_QUEUE_URL"].replace(server.endpoint_url, proxy.url)
        queue = open_queue(url)
        found = plan.draft(sweep_file.read(file), Engine(find_engine()))
        proxy.schedule([Fault.DROP_AFTER])
        store = open_store(str(file.parent / "store"))
        done = submit(found.plan("r", "2026-03-01", 2), store, queue, connections=1)
    assert done.sent == 12
    assert waiting() == 22


@pytest.mark.slow
@pytest.mark.usefixtures("server")
def test_a_signal_ends_a_submission_in_order(file: Path) -> None:
    file.write_text(SWEEP.format(replications=200_000))
    settings = environment() | {name: os.environ[name] for name in ("SWEEPCTL_STORE", "SWEEPCTL_QUEUE_URL")}
    command = [
        sys.executable,
        "-P",
        "-c",
        "from sweepctl.cli import main; main()",
        "submit",
        str(file),
        "--run-id",
        "r",
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=settings) as process:
        try:
            wait_until(lambda: waiting() > 100)
            process.send_signal(signal.SIGINT)
            told = process.communicate()[1]
        finally:
            process.kill()
    assert process.returncode == 130
    reached = int(told.rstrip().rstrip(".").rpartition("--from-shard ")[2])
    assert waiting() == reached > 100
    assert "→ To resume, run the same command with --run-id r" in told


@pytest.mark.servers
def test_a_table_is_stored_submitted_twice_drained_and_proven_whole(
    ministack_server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, engine: Engine
) -> None:
    at(ministack_server, monkeypatch, tmp_path)
    rows = "".join(f"{0.1 + row / 100},{1 + row % 3}\n" for row in range(40))
    (tmp_path / "points.csv").write_text(f"arrival_rate,servers\n{rows}")
    file = tmp_path / "s.toml"
    file.write_text(TABLE.format(replications=2))
    assert sweepctl("submit", file, "--run-id", "t").exit_code == 0
    assert sweepctl("submit", file, "--run-id", "t").exit_code == 0
    drained = sweepctl("drain", "--max-shards", 80, "--json")
    counts = json.loads(drained.stdout)
    assert (drained.exit_code, counts["succeeded"], counts["skipped"]) == (0, 40, 40)
    assert len(list((tmp_path / "store" / "specs").iterdir())) == 1
    assert verify(open_store(str(tmp_path / "store")), "t", engine).verdict is Verdict.WHOLE
    told = json.loads(sweepctl("submit", file, "--run-id", "t", "--json").stdout)
    assert (told["sent"], told["stood"]) == (0, 40)
    status = json.loads(sweepctl("status", "t", "--json").stdout)
    assert (status["shards_succeeded"], status["points_done"], status["is_done"]) == (40, 80, True)
    assert status["queue"]["visible"] == 0
