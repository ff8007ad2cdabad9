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

from sweepctl.engine import run as engine_run
from sweepctl.engine.client import Engine
from sweepctl.engine.identities import read_identities
from sweepctl.errors import EngineFaultError, EngineUnavailableError
from sweepctl.shard.run import Conditions, run_shard
from sweepctl.store import open_store
from sweepctl.verify import Verdict, verify

POINTS = 10
MEMORY_BYTES = 400 << 20  # that a flood may cost: a line of 64 MiB as it comes, and pieces of it
ROWS_BYTES = (
    1_300 << 20
)  # that a shard of the longest lines may cost: a row group as it is encoded, or a line of short rows
SAY_TEN = "for p in points[:-1]: say(p)\n"
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
    "floods after its last record": ("for p in points: say(p)\nwhile True: say(b'x' * 65536)", "engine_invalid_output"),
    "starts with a record of many fields": (
        "say('{' + ','.join(f'\"k{n}\":0' for n in range(5_000_000)) + '}')",
        "engine_flooded",
    ),
    "ends with a record of many fields": (
        SAY_TEN + "say('{\"record\":\"finished\",' + ','.join(f'\"k{n}\":0' for n in range(5_000_000)) + '}')",
        "engine_flooded",
    ),
    "fails a point with a message of 2,001 characters": (
        SAY_FIVE + "say(toy_model.point(5, status='failure', metrics=..., error_code='x', error_message='ä' * 2001))",
        "engine_invalid_output",
    ),
    "writes columns without end": (
        "say(points[0])\nrecord = toy_model.in_columns(*points[1:3])\nwhile True: say(record)",
        "engine_wrong_index",
    ),
    "has a text for more points than there are": (
        "say(points[0])\nsay(toy_model.in_columns(*points[1:3], points=10**15, error_message=['x' * 2000]))",
        "engine_invalid_output",
    ),
    "has a long text for many points": (
        "say(points[0])\nsay(toy_model.in_columns(*points[1:3] * 50_000, effective_parameters_json=['x' * 2_000_000]))",
        "engine_wrong_index",
    ),
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
    monkeypatch.setattr(engine_run, "EXIT_SECONDS", seconds)
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


LONG = {
    "texts of 16 MB": "for i in range(begin, end): say(toy_model.point(i, effective_parameters_json='x' * 16_000_000))",
    "a row of two bytes, 30 million times": (
        "say(toy_model.rows(0).replace('[]', '[' + '0,' * 30_000_000 + '0]'))\nfor i in range(begin, end): point(i)"
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("behaviour", LONG.values(), ids=LONG)
def test_long_rows_are_gathered_by_bytes(tmp_path: Path, behaviour: str) -> None:
    """Written and verified, in the memory of some row groups."""
    points = 24
    run = {"dimensions": {"x": list(range(points))}, "total_points": points, "end_index_exclusive": points}
    message = toys.decoded(toys.message(0, 1, **run, run_id="r" * 64, outputs=["parts"]))
    started = 'say(toy_model.STARTED.replace(\'"datasets":{}\', \'"datasets":{"parts":{"p":"int"}}\'))\n'
    ended = "\nsay(toy_model.finished(end - begin))"
    store = open_store(str(tmp_path / "store"))
    memory = process_memory.begin()
    outcome = run_shard(message, Engine(scripted(tmp_path, started + behaviour + ended)), store).outcome
    assert outcome.status == "success"
    assert verify(store, message.run_id, None).verdict is Verdict.UNPROVEN  # no engine: identities are not compared
    assert process_memory.peak() - memory < ROWS_BYTES


def test_a_description_is_bounded(tmp_path: Path) -> None:
    path = scripted(tmp_path, "")
    lines = path.read_text().replace("    print(", "    os.write(1, b'{' + b' ' * (5 << 20))\n    print(", 1)
    path.write_text(lines)
    with pytest.raises(EngineUnavailableError, match="more than 4194304 bytes"):
        _ = Engine(path).description


def test_identities_are_bounded(tmp_path: Path) -> None:
    message = toys.one_shard(POINTS)
    assert message.space is not None
    engine = Engine(scripted(tmp_path, "start()\nwhile True: say(toy_model.identity(0))"))
    with pytest.raises(EngineFaultError, match="more than 4194304 bytes"):
        engine.identify(message.spec, message.space, 0)
    with (
        pytest.raises(EngineFaultError, match="more than the 10 points"),
        engine.start(b"{}\n", command="points") as run,
    ):
        list(read_identities(run, engine.model("toy"), POINTS))


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
