"""An engine that runs one shard after the other in one process: with the same results, and replaced when in doubt."""

import gc
import os
import threading
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest
from fakes import toys
from fakes.engines import clock_until, scripted
from paths import ROOT

from sweepctl.engine import warm
from sweepctl.engine.client import Engine
from sweepctl.errors import EngineFaultError, InterruptedRunError, RefusedError
from sweepctl.messages import ShardMessageV1
from sweepctl.protocol import encode_request
from sweepctl.shard.run import run_shard
from sweepctl.store import open_store

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="engines are asked again on Linux alone")

SHARDS = 3
# Answers requests until its input ends; each process leaves a file.
WORKING = """
count, failing = 0, ()
while True:
    tell(f"{{sys.argv[-1]}}-{{os.getpid()}}")
    count += 1
    {odd}
    start()
    for index in range(begin, end):
        point(index, failing)
    say(toy_model.finished(end - begin, len(failing)))
    {after}
    line = sys.argv[-1] == "--again" and sys.stdin.buffer.readline()
    if not line:
        sys.exit(0)
    request = json.loads(line)
    begin, end = request["start_index"], request["end_index_exclusive"]
    shard = begin // 4
"""


def working(
    folder: Path, odd: str = "pass", after: str = "pass", *, monotonic: Callable[[], float] | None = None
) -> Engine:
    """Return an engine that can be asked again; what is odd about it happens before or after its records."""
    path = scripted(folder, WORKING.format(odd=odd, after=after))
    path.write_text(path.read_text().replace('"protocol"', '"again": true, "protocol"', 1))
    return Engine(path) if monotonic is None else Engine(path, monotonic=monotonic)


def processes(folder: Path) -> int:
    return len(list(folder.glob("--again-*")))


def ask(engine: Engine, shard: int, stop: Event | None = None, timeout: float | None = None) -> bytes:
    """Return the records of a shard's points."""
    message = toys.decoded(toys.message(shard, SHARDS))
    request = encode_request(message.spec, message.space, message.start_index, message.end_index_exclusive, 1)
    with engine.start(request, spec="s", stop=stop, timeout=timeout) as run:
        run.begin()
        return b"".join(run.blocks())


def test_one_process_runs_all_shards(tmp_path: Path) -> None:
    engine = working(tmp_path)
    for shard in range(SHARDS):
        assert ask(engine, shard).count(b"\n") == toys.POINTS
    assert processes(tmp_path) == 1


def test_two_shards_at_once_have_a_process_each(tmp_path: Path) -> None:
    engine = working(tmp_path)
    message = toys.decoded(toys.message(0, SHARDS))
    request = encode_request(message.spec, message.space, 0, toys.POINTS, 1)
    with engine.start(request, spec="s") as run:
        run.begin()
        ask(engine, 1)
        assert b"".join(run.blocks()).count(b"\n") == toys.POINTS
    assert processes(tmp_path) == 2
    ask(engine, 2)
    assert processes(tmp_path) == 2


def test_who_does_not_ask_for_it_has_an_own_process(tmp_path: Path) -> None:
    engine = working(tmp_path)
    ask(engine, 0)
    message = toys.decoded(toys.message(1, SHARDS))
    with engine.start(encode_request(message.spec, message.space, 4, 8, 1)) as run:
        run.begin()
        list(run.blocks())
    assert processes(tmp_path) == len(list(tmp_path.glob("run-*"))) == 1


@pytest.mark.parametrize(
    ("odd", "after"),
    [
        ("pass", "sys.exit(0)"),
        ("pass", "os.kill(os.getpid(), signal.SIGKILL)"),
        ("pass", "say('more')"),
        ("failing = (begin,)", "pass"),
    ],
    ids=["ended", "killed", "wrote more", "a point failed"],
)
def test_it_is_replaced_after_what_it_should_not_do_and_no_shard_fails(tmp_path: Path, odd: str, after: str) -> None:
    engine = working(tmp_path, odd, after if after == "pass" else f"wait_for(f'kept-{{shard}}'); {after}")
    for shard in range(SHARDS):
        assert ask(engine, shard).count(b"\n") == toys.POINTS
        if after != "pass":  # what it does then, it has done when it is asked again
            (tmp_path / f"kept-{shard}").touch()
            (kept,) = engine._warm._waiting
            while not (kept.child._output or kept.child._output_ended):
                kept.child._pump(60.0)
    assert processes(tmp_path) == SHARDS


@pytest.mark.parametrize(
    ("odd", "error"),
    [
        ("sys.exit(3)", EngineFaultError),
        ("say('{}')", EngineFaultError),
        ("say(toy_model.line(record='refused', error_code='bad_request', message='no', parameter=None))", RefusedError),
    ],
)
def test_a_fault_is_that_of_its_shard_alone(tmp_path: Path, odd: str, error: type[Exception]) -> None:
    engine = working(tmp_path, f"if shard == 1 and count == 2: {odd}")
    ask(engine, 0)
    with pytest.raises(error):
        ask(engine, 1)
    assert ask(engine, 1).count(b"\n") == ask(engine, 2).count(b"\n") == toys.POINTS
    assert processes(tmp_path) == 2


def test_it_serves_one_spec(tmp_path: Path) -> None:
    engine = working(tmp_path)
    message = toys.decoded(toys.message(0, SHARDS))
    for spec in ("s", "s", "other", "other"):
        with engine.start(encode_request(message.spec, message.space, 0, toys.POINTS, 1), spec=spec) as run:
            run.begin()
            list(run.blocks())
    assert processes(tmp_path) == 2


@pytest.mark.parametrize("odd", ["sys.exit(3)", "say('{}')"])
def test_a_fault_of_one_that_was_asked_before_is_tried_in_a_new_one(tmp_path: Path, odd: str) -> None:
    engine, store = working(tmp_path, f"if count > 1: {odd}"), open_store(str(tmp_path / "store"))
    for shard in range(SHARDS):
        result = run_shard(toys.decoded(toys.message(shard, SHARDS)), engine, store)
        assert result.outcome.status == "success", result.outcome.error_message
    # The first and the third are new and wait; the second's could not be asked, and a new one was.
    assert (processes(tmp_path), len(list(tmp_path.glob("run-*")))) == (2, 1)


def test_a_fork_ends_no_engine_of_its_parent(tmp_path: Path) -> None:
    engine = working(tmp_path)
    ask(engine, 0)
    child = os.fork()
    if child == 0:
        warm._end_own(engine._warm._waiting, os.getppid())
        os._exit(len(engine._warm._waiting))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1


def test_it_is_replaced_where_its_records_are_refused(tmp_path: Path) -> None:
    engine = working(tmp_path)
    message = toys.decoded(toys.message(0, SHARDS))
    request = encode_request(message.spec, message.space, 0, toys.POINTS, 1)
    with pytest.raises(EngineFaultError, match="wrong counts"), engine.start(request, spec="s") as run:  # noqa: PT012
        run.begin()
        list(run.blocks())
        raise EngineFaultError("engine_wrong_count", "wrong counts")
    ask(engine, 1)
    assert processes(tmp_path) == 2


def test_what_an_earlier_shard_logged_is_in_no_error(tmp_path: Path) -> None:
    odd = "sys.stderr.write(f'shard {shard}\\n'); sys.stderr.flush(); shard and sys.exit(3)"
    engine = working(tmp_path, odd)
    ask(engine, 0)
    with pytest.raises(EngineFaultError, match=r"(?m)exit status 3: shard 1$"):
        ask(engine, 1)


def test_a_shard_has_a_deadline_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hung = "if shard == 1: start(); point(4); wait_for('never')"
    engine = working(tmp_path, hung, monotonic=clock_until(monkeypatch, b'"point_index":4,'))
    ask(engine, 0)
    with pytest.raises(EngineFaultError, match="did not finish within 5 s"):
        ask(engine, 1, timeout=5.0)
    assert ask(engine, 2).count(b"\n") == toys.POINTS
    assert processes(tmp_path) == 2


def test_a_shard_is_stopped_by_its_own_stop(tmp_path: Path) -> None:
    engine = working(tmp_path, "if shard == 1: wait_for('never')")
    stops = Event(), Event()
    ask(engine, 0, stops[0])
    stops[0].set()
    ask(engine, 2)
    threading.Timer(0, stops[1].set).start()
    with pytest.raises(InterruptedRunError):
        ask(engine, 1, stops[1])
    assert ask(engine, 0).count(b"\n") == toys.POINTS
    assert processes(tmp_path) == 2


def test_it_is_replaced_every_so_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    engine = working(tmp_path, monotonic=lambda: now)
    ask(engine, 0)
    now = warm.MOST_SECONDS - 1
    ask(engine, 1)
    assert processes(tmp_path) == 1
    now = warm.MOST_SECONDS
    ask(engine, 2)
    assert processes(tmp_path) == 2
    monkeypatch.setattr(warm, "MOST_REQUESTS", 2)
    ask(engine, 0)
    assert processes(tmp_path) == 2
    ask(engine, 1)
    assert processes(tmp_path) == 3


def test_another_file_is_another_engine(tmp_path: Path) -> None:
    engine = working(tmp_path)
    ask(engine, 0)
    text = engine.path.read_text()
    engine.path.unlink()
    engine.path.write_text(f"{text}\n# another build\n")
    engine.path.chmod(0o755)
    ask(engine, 1)
    assert processes(tmp_path) == 2


def test_those_that_wait_end_with_their_engine(tmp_path: Path) -> None:
    engine = working(tmp_path)
    ask(engine, 0)
    (process,) = tmp_path.glob("--again-*")
    pid = int(process.name.removeprefix("--again-"))
    os.kill(pid, 0)
    del engine
    gc.collect()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_cpu_seconds_are_those_of_one_request() -> None:
    engine = Engine(ROOT / "target/release/sweep-test-engine")
    seconds = [burnt(engine) for _ in range(5)]
    assert min(seconds) > 0.01
    assert seconds[-1] < seconds[0] + seconds[1]


def burnt(engine: Engine) -> float:
    fields = {"run_id": "r", "model": "burn", "dimensions": {}, "base": {"milliseconds": 5.0}, "seed": 1}
    bounds = {"replications": 4, "total_points": 4, "shard_id": 0, "start_index": 0, "end_index_exclusive": 4}
    message = ShardMessageV1.model_validate({**fields, **bounds})
    with engine.start(encode_request(message.spec, message.space, 0, 4, 1), spec="s") as run:
        run.begin()
        list(run.blocks())
    return run.cpu_seconds


def test_a_real_engine_writes_the_same_again() -> None:
    engine = Engine(ROOT / "target/release/sweep-engine")
    fields = {"run_id": "r", "model": "queue", "dimensions": {"servers": [1, 2, 3]}, "seed": 1}
    message = ShardMessageV1.model_validate(
        {**fields, "total_points": 3, "shard_id": 0, "start_index": 0, "end_index_exclusive": 3}
    )
    request = encode_request(message.spec, message.space, 0, 3, None)
    written = []
    for spec in (None, "s", "s"):
        with engine.start(request, spec=spec) as run:
            run.begin()
            written.append(b"".join(run.blocks()))
    assert written[0] == written[1] == written[2]
    assert len(engine._warm._waiting) == 1
