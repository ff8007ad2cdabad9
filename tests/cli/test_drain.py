"""`sweepctl drain` and `sweepctl send`, as a person and a script see them."""

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import tracemalloc
from codecs import BOM_UTF8
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from io import BytesIO, TextIOWrapper
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import pytest
from fakes import crashing, toys
from fakes.hostile_messages import GOOD, HOSTILE, damage, mutated
from fakes.hostile_texts import ALL
from fakes.servers import Server
from typer.testing import CliRunner, Result
from waiting import LIMIT, wait_until
from worker.processes import environment

from sweepctl.cli import app
from sweepctl.cli.terminal import read_bodies
from sweepctl.errors import MessageError
from sweepctl.queue.sqs import Queue, open_queue
from sweepctl.store import open_store
from sweepctl.texts import plain
from sweepctl.worker.events import Ending

SWEEPCTL = "from sweepctl.cli import main; main()"
_numbers = itertools.count()


@pytest.fixture
def url(moto_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a queue; the store is a folder of the test's own, and nothing is folded."""
    monkeypatch.setenv("SWEEPCTL_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("SWEEPCTL_QUEUE_URL", moto_server.queue(f"commands-{next(_numbers)}", max_receive_count=10))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERMINAL_WIDTH", "200")
    return os.environ["SWEEPCTL_QUEUE_URL"]


@pytest.fixture
def queue(url: str) -> Queue:
    return open_queue(url)


def sweepctl(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def told_by(result: Result) -> dict[str, Any]:
    """Return the one object on standard output."""
    told: dict[str, Any] = json.loads(result.stdout)
    assert told["exit_code"] == result.exit_code
    return told


@pytest.mark.slow
@pytest.mark.usefixtures("url")
def test_a_check_shows_every_finding_once(tmp_path: Path) -> None:
    result = sweepctl("drain", "--check", "--engine", tmp_path / "none")
    assert result.exit_code == 4
    assert result.output.count("no such program") == 1
    assert result.output.count("SWEEPCTL_ENGINE") == 1
    for row in ("store", "queue", "visibility", "dead letters"):
        assert f" {row} " in result.stdout
    told = told_by(sweepctl("drain", "--check", "--engine", tmp_path / "none", "--json"))
    assert [check["what"] for check in told["checks"]] == ["engine", "store", "queue", "visibility", "dead letters"]
    assert not told["ok"]


@pytest.mark.usefixtures("url")
def test_a_check_receives_nothing(tmp_path: Path, queue: Queue) -> None:
    queue.send(toys.messages(1))
    told = told_by(sweepctl("drain", "--check", "--engine", toys.engine_path(tmp_path), "--json"))
    assert (told["ok"], told["exit_code"]) == (True, 0)
    assert queue.facts().visible == 1


def test_a_fifo_queue_is_refused(moto_server: Server, tmp_path: Path, url: str) -> None:
    assert url
    attributes = {"FifoQueue": "true"}
    fifo = moto_server.sqs.create_queue(QueueName="commands.fifo", Attributes=attributes)["QueueUrl"]  # type: ignore[arg-type]
    drained = sweepctl("drain", "--queue-url", fifo, "--engine", toys.engine_path(tmp_path))
    (tmp_path / "m.json").write_bytes(toys.message(0, 1))
    for result in (drained, sweepctl("send", tmp_path / "m.json", "--queue-url", fifo)):
        assert result.exit_code == 6
        assert "is a FIFO queue" in result.stderr
        assert "standard queue" in result.stderr


@pytest.mark.slow
def test_a_drain_tells_all_of_it_as_json(tmp_path: Path, queue: Queue) -> None:
    queue.send(toys.messages(1))
    result = sweepctl("drain", "--max-shards", 1, "--engine", toys.engine_path(tmp_path, "sys.exit(3)"), "--json")
    told = told_by(result)
    assert (told["exit_code"], told["ended"], told["retry"]) == (4, "max_shards", 1)
    assert {ending.value for ending in Ending} <= told.keys()
    (failure,) = told["failures"]
    assert (failure["run_id"], failure["shard_id"], failure["error_code"]) == (toys.RUN_ID, 0, "engine_crashed")
    # Standard error is no terminal here.
    assert [json.loads(line)["event"] for line in result.stderr.splitlines()] == ["shard_finished"]


@pytest.mark.slow
def test_a_drain_shows_no_text_that_a_terminal_obeys(tmp_path: Path, queue: Queue) -> None:
    queue.send([toys.message(0, 1), json.dumps({ALL: ALL}).encode(), toys.message(1, 2, run_id="s", base={"x": ALL})])
    failing = toys.engine_path(tmp_path, f"start(); print({ALL!r}, file=sys.stderr); sys.exit(3)")
    result = sweepctl("drain", "--max-shards", 3, "--engine", failing, "--log-format", "text")
    assert result.exit_code != 0
    assert result.output.count("shard_finished") + result.output.count("message_rejected") >= 2
    assert [line for line in result.output.split("\n") if line != plain(line)] == []


def test_a_drain_tells_people_what_failed_and_why_it_ended(tmp_path: Path, queue: Queue) -> None:
    queue.send(toys.messages(1))
    result = sweepctl("drain", "--max-shards", 1, "--engine", toys.engine_path(tmp_path, "run(failing=(begin,))"))
    assert result.exit_code == 1
    assert "points run: --max-shards reached" in result.stdout
    assert "point_failed shard 0 of run r: domain_error" in result.stdout


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux only")
def test_points_that_crash_hang_or_take_all_memory_fail_alone(queue: Queue) -> None:
    for mode, (limits, _) in crashing.BAD_POINTS.items():
        queue.send([json.dumps(json.loads(crashing.body(mode, limits=limits)) | {"run_id": mode}).encode()])
    result = sweepctl("drain", "--max-shards", len(crashing.BAD_POINTS), "--engine", crashing.TEST_ENGINE, "--json")
    told = told_by(result)
    assert (told["exit_code"], told["failed"]) == (1, len(crashing.BAD_POINTS))
    errors = {each["run_id"]: each["error"] for each in told["failures"]}
    for mode, (_, begins) in crashing.BAD_POINTS.items():
        assert errors[mode].startswith(begins)
        status = json.loads(sweepctl("status", mode, "--json").stdout)
        assert (status["points_succeeded"], status["points_failed"]) == (crashing.SHARD - 1, 1)


@pytest.mark.usefixtures("url")
@pytest.mark.parametrize(
    ("option", "value"), [("--lease", 3_601), ("--lease", 2), ("--idle-timeout", 0), ("--timeout", 43_141)]
)
def test_what_cannot_work_is_wrong_usage(option: str, value: int) -> None:
    assert sweepctl("drain", option, value).exit_code == 2


@pytest.mark.usefixtures("url")
def test_a_shard_that_may_take_longer_than_sqs_keeps_its_message_is_refused_with_what_to_give() -> None:
    assert "→ Set --timeout to 43080 or less." in sweepctl("drain", "--timeout", 43_200, "--lease", 120).stderr


def test_files_and_lines_are_sent_in_order(tmp_path: Path, queue: Queue) -> None:
    bodies = toys.messages(4)
    (tmp_path / "one.json").write_bytes(bodies[0])
    (tmp_path / "more.jsonl").write_bytes(b"\n".join([*bodies[1:3], b"", bodies[3], b""]))
    result = sweepctl("send", tmp_path / "one.json", tmp_path / "more.jsonl")
    assert (result.exit_code, "4 messages sent" in result.stdout) == (0, True)
    assert sorted(each.body for each in queue.receive(10, wait=1, visibility=60)) == sorted(bodies)


def test_files_without_a_message_are_told_before_a_queue_is_asked(tmp_path: Path) -> None:
    (tmp_path / "none.jsonl").write_bytes(b"\n\n")
    result = sweepctl("send", tmp_path / "none.jsonl", "--queue-url", "http://127.0.0.1:1/q/shards")
    assert (result.exit_code, "there is no message in these files" in result.stderr) == (2, True)


def test_a_file_of_messages_is_read_line_by_line(tmp_path: Path) -> None:
    body = toys.message(0, 1) + b" " * 500_000
    (tmp_path / "many.jsonl").write_bytes(b"\n".join([body] * 100))
    (tmp_path / "endless.jsonl").write_bytes(b" " * 50_000_000)
    tracemalloc.start()
    try:
        with read_bodies([str(tmp_path / "many.jsonl")]) as bodies:
            assert [hash(each) for each in bodies] == [hash(body)] * len(bodies) == [hash(body)] * 100
        with pytest.raises(MessageError, match=r"endless\.jsonl:1: "), read_bodies([str(tmp_path / "endless.jsonl")]):
            pass
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_a_stream_of_messages_is_read_once(tmp_path: Path, queue: Queue) -> None:
    bodies = toys.messages(2)
    pipe = tmp_path / "pipe.jsonl"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        written = pool.submit(pipe.write_bytes, b"\n".join(bodies))
        result = sweepctl("send", pipe)
        written.result()
    assert result.exit_code == 0
    assert sorted(each.body for each in queue.receive(10, wait=1, visibility=60)) == sorted(bodies)


def test_a_byte_order_mark_before_messages_is_no_part_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = toys.message(0, 1)
    (tmp_path / "one.json").write_bytes(BOM_UTF8 + body)
    (tmp_path / "two.jsonl").write_bytes(BOM_UTF8 + body + b"\r\n" + body)
    with read_bodies([str(tmp_path / "one.json"), str(tmp_path / "two.jsonl")]) as bodies:
        assert [each.strip() for each in bodies] == [body] * 3
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(BOM_UTF8 + body)))
    with read_bodies(["-"]) as bodies:
        assert list(bodies) == [body]


@pytest.mark.parametrize(("name", "place"), [("bad.json", "bad.json: "), ("bad.jsonl", "bad.jsonl:3: ")])
def test_a_bad_message_is_named_and_nothing_is_sent(tmp_path: Path, queue: Queue, name: str, place: str) -> None:
    good, bad = toys.message(0, 1), toys.message(0, 1, seed="1")
    (tmp_path / "good.json").write_bytes(good)
    (tmp_path / name).write_bytes(bad if name == "bad.json" else b"\n".join([good, b"", bad]))
    result = sweepctl("send", tmp_path / "good.json", tmp_path / name)
    assert result.exit_code == 3
    assert f"{place}seed: Input should be a valid integer" in result.stderr
    assert queue.facts().visible == 0


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Both ends of a terminal: a person's, and a program's."""
    ends = os.openpty()
    yield ends
    for end in ends:
        with suppress(OSError):
            os.close(end)


def read_until(end: int, wanted: bytes, seen: bytes = b"") -> bytes:
    while wanted not in seen:
        seen += os.read(end, 4096)
    return seen


@pytest.mark.slow
@pytest.mark.parametrize("log_format", ["auto", "json"])
def test_a_first_signal_says_what_follows_and_a_second_leaves_a_terminal_as_it_was(
    terminal: tuple[int, int], tmp_path: Path, url: str, queue: Queue, log_format: str
) -> None:
    queue.send(toys.messages(1))
    engine = toys.engine_path(tmp_path, "tell('running')\nwait_for('go')")
    person, program = terminal
    options = ["--queue-url", url, "--store", tmp_path / "store", "--engine", engine, "--log-format", log_format]
    command = [sys.executable, "-P", "-c", SWEEPCTL, "drain", *map(str, options)]
    settings = {**environment(), "COLUMNS": "150", "TERM": "xterm"}
    with subprocess.Popen(command, stdout=program, stderr=program, stdin=subprocess.DEVNULL, env=settings) as process:
        try:
            wait_until((tmp_path / "running").exists)
            process.send_signal(signal.SIGTERM)
            seen = read_until(person, b"stopping: up to 30 s for 1 shard to finish; signal again to exit now")
            hides_cursor = b"\x1b[?25l" in seen
            assert hides_cursor is (log_format == "auto"), "nothing is drawn over lines of JSON"
            process.send_signal(signal.SIGTERM)
            assert process.wait(LIMIT) == 128 + signal.SIGTERM
            assert read_until(person, b"\x1b[?25h", seen[seen.rindex(b"again") :])
        finally:
            process.kill()


MOST_BYTES = 200_000  # that the server takes
MUTATIONS = 200


def test_a_drain_outlives_every_message(queue: Queue, tmp_path: Path) -> None:
    texts = [body for body in HOSTILE if len(body) < MOST_BYTES and is_text(body)]
    queue.send([*texts, *GOOD])
    damage(open_store(str(tmp_path / "store")))
    told = told_by(sweepctl("drain", "--max-shards", len(texts) + len(GOOD), "--json"))
    assert (told["exit_code"], told["ended"], told["error"]) == (1, "max_shards", None)
    assert told["received"] == len(texts) + len(GOOD)
    assert told["succeeded"] >= len(GOOD)
    assert (told["retry"], told["store_down"]) == (0, 0)


@pytest.mark.slow
def test_a_drain_with_limits_outlives_what_the_fuzzer_makes(
    moto_server: Server, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert url
    own = moto_server.queue("mutated", max_receive_count=1)  # one that takes too long does not come again
    monkeypatch.setenv("SWEEPCTL_QUEUE_URL", own)
    bodies = [*islice(filter(is_text, mutated(Random(2))), MUTATIONS), *GOOD]
    open_queue(own).send(bodies)
    limits = ("--timeout", 5, "--max-points", 100, "--max-scratch-bytes", 1_000_000)
    told = told_by(sweepctl("drain", "--max-shards", len(bodies), *limits, "--json"))
    assert (told["exit_code"], told["ended"], told["error"]) == (1, "max_shards", None)
    assert (told["received"], told["store_down"]) == (len(bodies), 0)
    assert min(told["failed"], told["rejected"]) > 0
    found = {path.name for path in tmp_path.glob("store/shard_outcomes/*/run=good-*")}
    assert found == {f"run=good-{number}" for number in range(len(GOOD))}


def is_text(body: bytes) -> bool:
    """Whether a queue carries it."""
    return not re.search("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", body.decode(errors="surrogateescape"))
