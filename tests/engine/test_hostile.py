"""Engines that mean ill, through a whole shard: the store tells what they did and keeps none of it in the tables.

A sound engine finishes the shard afterwards. The worker's time and memory stay bounded.
"""

from collections.abc import Iterator
from pathlib import Path

import process_memory
import pytest
from fakes import toys
from fakes.engines import scripted
from waiting import LIMIT
from worker import whole

from sweepctl.engine import client
from sweepctl.engine.client import Engine
from sweepctl.shard.run import Conditions, run_shard
from sweepctl.store import open_store

POINTS = 10
MEMORY_BYTES = 400 << 20  # that a flood may cost: a line of 64 MiB as it comes, and pieces of it
SAY_FIVE = "for p in points[:6]: say(p)\n"
# As long as the test: who waited for it would wait for ever.
FORK = """if os.fork() == 0:
    os.setsid() if {leaves} else None
    while os.path.exists(__file__): time.sleep(0.1)
    os._exit(0)
"""

HOSTILE = {
    "floods with noise": ("while True: say('x' * 65536)", "engine_invalid_output"),
    "floods without a newline": (SAY_FIVE + "while True: say(b'x' * 65536)", "engine_flooded"),
    "writes a line of 1 GB": (
        "say(points[0])\nfor _ in range(1 << 10): say(b'x' * (1 << 20))\nsay(b'\\n')",
        "engine_flooded",
    ),
    "floods with empty lines": (SAY_FIVE + "while True: say(b'\\n' * 65536)", "engine_invalid_output"),
    "floods its standard error": (SAY_FIVE + "while True: os.write(2, b'x' * 65536)", "engine_timeout"),
    "goes on with points for ever": ("for p in points[:-1]: say(p)\nwhile True: say(points[1])", "engine_wrong_index"),
    "writes invalid UTF-8": (
        SAY_FIVE + "say(points[6].encode().replace(b'success', b'succ\\xff\\xfess') + b'\\n'); say(points[-1])",
        "engine_invalid_output",
    ),
    "writes a metric that is NaN": (
        SAY_FIVE + "say(points[6].replace('\"m\":2.5', '\"m\":NaN')); say(points[-1])",
        "engine_invalid_output",
    ),
    "writes another index": (SAY_FIVE + "say(points[7]); say(points[-1])", "engine_wrong_index"),
    "leaves an index out": ("for p in points[:-2]: say(p)\nsay(points[-1])", "engine_wrong_count"),
    "ends without its last record": ("for p in points[:-1]: say(p)", "engine_incomplete"),
    "leaves a child with the pipe": (SAY_FIVE + FORK.format(leaves=False), "engine_incomplete"),
    "leaves a child in a session of its own": (SAY_FIVE + FORK.format(leaves=True), "engine_incomplete"),
    "ignores SIGTERM": (
        SAY_FIVE + "[signal.signal(n, signal.SIG_IGN) for n in (1, 2, 13, 15)]; time.sleep(1e6)",
        "engine_timeout",
    ),
    "ends with binary noise": (SAY_FIVE + "say(bytes(range(256)) * 64 + b'\\n')", "engine_invalid_output"),
    "nests without end": (
        SAY_FIVE + 'say(\'{"record":"point","parameters":\' + \'[\' * 100000)',
        "engine_invalid_output",
    ),
}


@pytest.fixture(autouse=True)
def _children_end(tmp_path: Path) -> Iterator[None]:
    yield
    (tmp_path / "engine").unlink()


@pytest.mark.slow
@pytest.mark.parametrize(("behaviour", "code"), HOSTILE.values(), ids=HOSTILE)
def test_what_it_does_is_recorded_and_reaches_no_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, behaviour: str, code: str
) -> None:
    seconds = 1.0 if code == "engine_timeout" else LIMIT
    monkeypatch.setattr(client, "EXIT_SECONDS", seconds)
    store = open_store(str(tmp_path / "store"))
    message, conditions = toys.one_shard(POINTS), Conditions(timeout=seconds)
    memory = process_memory.begin()
    result = run_shard(message, Engine(scripted(tmp_path, behaviour)), store, conditions, attempt_number=1)
    assert process_memory.peak() - memory < MEMORY_BYTES
    assert (result.outcome.error_code, result.outcome.retryable) == (code, True)
    assert len(result.outcome.error_message or "") <= 2_000
    found = whole.objects(store)
    assert not [key for key in found if key.startswith(("effective_parameters/", "point_outcomes/"))]
    assert [attempt.error_code for attempt in whole.attempts(found)] == [code]
    again = run_shard(message, Engine(scripted(tmp_path, "for p in points: say(p)")), store, attempt_number=2)
    assert again.outcome.status == "success"
    whole.require_verified(store, message.run_id)


def test_an_engine_for_which_the_disk_is_full_is_told(tmp_path: Path) -> None:
    """It writes until the system refuses more, here by a limit of its own, and dies of it."""
    fill = "fd = os.open('{path}', os.O_CREAT | os.O_WRONLY)\nresource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
    fill += "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nwhile True: os.write(fd, b'x' * 4096)"
    store = open_store(str(tmp_path / "store"))
    behaviour = "import resource\n" + SAY_FIVE + fill.format(path=tmp_path / "filled")
    result = run_shard(toys.one_shard(POINTS), Engine(scripted(tmp_path, behaviour)), store)
    assert (tmp_path / "filled").stat().st_size == 4096
    found = whole.objects(store)
    assert not [key for key in found if key.startswith(("effective_parameters/", "point_outcomes/"))]
    assert [attempt.error_code for attempt in whole.attempts(found)] == ["engine_crashed"]
    assert result.outcome.error_code == "engine_crashed"
    assert "File too large" in (result.outcome.error_message or "")
    assert result.outcome.points_succeeded == 5


def test_a_line_of_the_longest_length_is_no_flood(tmp_path: Path) -> None:
    pad = "p = points[1].replace('{\"x\":0}', '{\"x\":0}' + ' ' * (1 << 20), 1)\n"
    behaviour = pad + "say(points[0]); say(p)\nfor p in points[2:]: say(p)"
    outcome = run_shard(
        toys.one_shard(POINTS), Engine(scripted(tmp_path, behaviour)), open_store(str(tmp_path / "store"))
    ).outcome
    assert outcome.status == "success"
