"""Whatever an engine does, the worker hears of it in bounded time and space, and leaves no process behind."""

import hashlib
import signal
from pathlib import Path
from threading import Event, Timer

import pytest
from fakes.engines import clock_until, scripted
from fakes.toy_model import STARTED, good, line, running
from waiting import LIMIT, wait_until

from sweepctl.engine import child
from sweepctl.engine import run as engine_run
from sweepctl.engine.client import Engine, find_engine
from sweepctl.engine.run import EngineRun
from sweepctl.errors import EngineFaultError, EngineUnavailableError, InterruptedRunError, RefusedError
from sweepctl.protocol import ShardTime

REQUEST = b'{"protocol":"v1"}\n'


def read_all(run: EngineRun) -> list[bytes]:
    with run:
        run.begin()
        return b"".join(run.blocks()).splitlines(keepends=True)


def start(folder: Path, behaviour: str, *, timeout: float | None = LIMIT, stop: Event | None = None) -> EngineRun:
    return Engine(scripted(folder, behaviour)).start(REQUEST, timeout=timeout, stop=stop)


def fault_of(run: EngineRun) -> EngineFaultError:
    with pytest.raises(EngineFaultError) as caught:
        read_all(run)
    return caught.value


def test_gives_every_line_between_the_first_and_the_last(tmp_path: Path) -> None:
    run = start(tmp_path, "for p in points: say(p)")
    assert read_all(run) == [f"{record}\n".encode() for record in good(10)[1:-1]]
    assert run.finished.points == 10
    assert run.cpu_seconds > 0


def test_lines_may_arrive_in_any_pieces(tmp_path: Path) -> None:
    in_pieces = """
for p in points:
    for byte in p + chr(10): say(byte.encode())
"""
    assert len(read_all(start(tmp_path, in_pieces))) == 10


SAY_FIVE = "for p in points[:6]: say(p)\n"
FAULTS = {
    "ends early": (SAY_FIVE, "engine_incomplete"),
    "says nothing": ("", "engine_incomplete"),
    "exits badly": (SAY_FIVE + "print('why', file=sys.stderr); sys.exit(3)", "engine_crashed"),
    "exits as one that cannot use a program": (SAY_FIVE + "sys.exit(78)", "engine_crashed"),
    "is killed": (SAY_FIVE + "os.kill(os.getpid(), signal.SIGKILL)", "engine_crashed"),
    "exits badly at the end": ("for p in points: say(p)\nsys.exit(3)", "engine_crashed"),
    "starts with noise": ("say('hello')", "engine_invalid_output"),
    "starts with a point": ("say(points[1])", "engine_invalid_output"),
    "writes more after the end": ("for p in points: say(p)\ntime.sleep(0.5); say(points[1])", "engine_invalid_output"),
    "closes its output": (SAY_FIVE + "os.close(1); time.sleep(1e6)", "engine_timeout"),
    "hangs": (SAY_FIVE + "time.sleep(1e6)", "engine_timeout"),
    "hangs at the end": ("for p in points: say(p)\ntime.sleep(1e6)", "engine_timeout"),
    "ignores signals": (
        SAY_FIVE + "[signal.signal(n, signal.SIG_IGN) for n in (2, 15)]; time.sleep(1e6)",
        "engine_timeout",
    ),
    "leaves a child with the pipe": (SAY_FIVE + "if os.fork() == 0: time.sleep(1e6)", "engine_incomplete"),
    "floods without a newline": ("while True: say(b'x' * 65536)", "engine_flooded"),
    "floods after the first line": ("say(points[0])\nwhile True: say(b'x' * 65536)", "engine_flooded"),
    "floods after a point": ("for p in points[:3]: say(p)\nwhile True: say(b'x' * 65536)", "engine_flooded"),
    "writes a long line slowly": ("say(points[0])\nwhile True: say(b'x' * 64); time.sleep(0.01)", "engine_timeout"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("behaviour", "code"), FAULTS.values(), ids=FAULTS)
def test_faults_have_their_code(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    behaviour: str,
    code: str,
) -> None:
    seconds = 0.5 if code == "engine_timeout" else LIMIT
    monkeypatch.setattr(engine_run, "EXIT_SECONDS", seconds)
    monkeypatch.setattr(engine_run, "MAX_LINE_BYTES", 1 << 20)
    assert fault_of(start(tmp_path, behaviour, timeout=seconds)).error_code == code


def require_five(run: EngineRun, code: str) -> None:
    seen: list[bytes] = []
    with run:
        run.begin()
        with pytest.raises(EngineFaultError) as caught:
            seen.extend(run.blocks())
    assert caught.value.error_code == code
    assert b"".join(seen).decode().splitlines() == good(10)[1:6]


def test_lines_before_a_crash_are_not_lost(tmp_path: Path) -> None:
    behaviour = SAY_FIVE + "os.write(1, b'{\"record\":'); os.kill(os.getpid(), 9)"
    require_five(start(tmp_path, behaviour), "engine_crashed")


def test_lines_before_a_flood_are_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_run, "BLOCK_SECONDS", LIMIT)
    monkeypatch.setattr(engine_run, "MAX_LINE_BYTES", 1 << 20)
    require_five(start(tmp_path, SAY_FIVE + "while True: say(b'x' * 65536)"), "engine_flooded")


def test_lines_before_a_deadline_are_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_run, "BLOCK_SECONDS", 1e10)
    clock = clock_until(monkeypatch, b'"point_index":4')
    engine = Engine(scripted(tmp_path, SAY_FIVE + "time.sleep(1e6)"), monotonic=clock)
    require_five(engine.start(REQUEST, timeout=1), "engine_timeout")


def test_last_words_are_kept_bounded(tmp_path: Path) -> None:
    words = "print('x' * 10_000_000 + 'the end', file=sys.stderr); sys.exit(3)"
    fault = fault_of(start(tmp_path, words))
    assert fault.message.endswith("the end")
    assert len(fault.message) < 2 * child.STDERR_BYTES


@pytest.mark.slow
def test_an_engine_that_never_reads_its_request(tmp_path: Path) -> None:
    path = scripted(tmp_path, "")
    path.write_text(f"{path.read_text().splitlines()[0]}\nimport time\ntime.sleep(1e6)\n")
    run = Engine(path).start(b"x" * (4 << 20), timeout=0.5)
    assert fault_of(run).error_code == "engine_timeout"


def test_a_stop_ends_the_whole_process_group(tmp_path: Path) -> None:
    note = tmp_path / "pids"
    behaviour = f"""
child = os.fork()
with open({str(note)!r}, "a") as file: file.write(f"{{os.getpid()}} ")
signal.signal(signal.SIGTERM, signal.SIG_IGN)
say(points[0])
time.sleep(1e6)
"""
    stop = Event()
    with start(tmp_path, behaviour, stop=stop) as run:
        run.begin()
        wait_until(lambda: note.exists() and len(note.read_text().split()) == 2)
        Timer(0.3, stop.set).start()
        with pytest.raises(InterruptedRunError):
            list(run.blocks())
    for pid in map(int, note.read_text().split()):
        # A grandchild is reaped by init, when init gets to it.
        wait_until(lambda pid=pid: not is_running(pid))  # type: ignore[misc]


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.mark.slow
def test_a_deadline_counts_even_while_lines_arrive(tmp_path: Path) -> None:
    endless = "say(points[0])\nwhile True: say(points[1]); time.sleep(0.01)"
    assert fault_of(start(tmp_path, endless, timeout=1)).error_code == "engine_timeout"


def test_the_engine_sees_no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("LANG", "C.UTF-8")
    fault = fault_of(start(tmp_path, "print(sorted(os.environ), file=sys.stderr); sys.exit(1)"))
    assert "AWS" not in fault.message
    assert "LANG" in fault.message


def test_a_refusal_is_told_with_its_code(tmp_path: Path) -> None:
    refused = line(record="refused", error_code="invalid_parameters", message="x = -1: must be >= 0", parameter="x")
    with pytest.raises(RefusedError) as caught:
        read_all(start(tmp_path, f"say({refused!r})"))
    assert (caught.value.error_code, caught.value.message) == ("invalid_parameters", "x = -1: must be >= 0")


def test_a_model_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailableError, match=r"'ridehail' is not in this engine .* it has: toy"):
        Engine(scripted(tmp_path, "")).model("ridehail")


DECLARATIONS = {
    "a parameter called as an identity column": ('"name": "x"', '"name": "seed"'),
    "a dataset called as a folder of the store": ('"name": "parts"', '"name": "shard_outcomes"'),
    "a metric that is no name": ('"name": "m"', '"name": "M m"'),
}


@pytest.mark.parametrize(("good_text", "bad_text"), DECLARATIONS.values(), ids=DECLARATIONS)
def test_a_declaration_that_would_break_the_tables(tmp_path: Path, good_text: str, bad_text: str) -> None:
    path = scripted(tmp_path, "")
    path.write_text(path.read_text().replace(good_text, bad_text))
    with pytest.raises(EngineUnavailableError, match="does not describe itself"):
        _ = Engine(path).description


@pytest.mark.parametrize("content", ["#!/nowhere\n", "#!/bin/sh\nexit 1\n", "#!/bin/sh\necho '{}'\n"], ids=str)
def test_a_program_that_is_no_engine(tmp_path: Path, content: str) -> None:
    path = tmp_path / "engine"
    path.write_text(content)
    path.chmod(0o755)
    with pytest.raises(EngineUnavailableError) as caught:
        _ = Engine(path).description
    assert caught.value.remedy
    path.chmod(0o644)
    with pytest.raises(EngineUnavailableError, match="cannot start"):
        _ = Engine(path).description


def test_an_engine_that_says_why_it_refuses_is_to_be_mended(tmp_path: Path) -> None:
    path = tmp_path / "engine"
    path.write_text("#!/bin/sh\necho 'built with panic = \"abort\"' >&2; exit 1\n")
    path.chmod(0o755)
    with pytest.raises(EngineUnavailableError, match="built with panic") as caught:
        _ = Engine(path).description
    assert caught.value.remedy == "Mend what it says, or give --engine a sweep-engine of this release."


@pytest.mark.parametrize("name", ["engine", "x" * 300], ids=["short", "long"])
def test_an_engine_that_is_not_there(tmp_path: Path, name: str) -> None:
    with pytest.raises(EngineUnavailableError, match="no such program"):
        find_engine(str(tmp_path / name))


def test_an_engine_that_cannot_be_started_is_not_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "engine").write_text("")
    for path, problem, remedy in [
        ("./engine", "engine ./engine: not executable", "If it is an engine: chmod +x engine"),
        ("./", "engine ./: a folder, not a program", "Give the path of the engine in it."),
        ("engine", "engine engine: no such program on PATH", "One in this folder is ./engine."),
    ]:
        with pytest.raises(EngineUnavailableError) as caught:
            find_engine(path)
        assert (caught.value.message, caught.value.remedy) == (problem, remedy)


def test_an_engine_and_programs_may_be_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    engine = scripted(tmp_path, "")
    assert find_engine(f"~/{engine.relative_to(tmp_path)}") == engine
    assert Engine(engine, [Path("~/lv.toml")]).programs == (tmp_path / "lv.toml",)


def test_a_line_longer_than_a_block_arrives_whole(tmp_path: Path) -> None:
    long = "say(points[0])\nsay('{' + 'x' * 9_000_000 + '}')\nsay(points[-1])"
    (line_read,) = read_all(start(tmp_path, long))
    assert len(line_read) == 9_000_003


@pytest.mark.slow
def test_a_stop_is_seen_in_the_middle_of_a_long_line(tmp_path: Path) -> None:
    stop = Event()
    with start(tmp_path, "say(points[0])\nwhile True: say(b'x' * 65536); time.sleep(0.01)", stop=stop) as run:
        run.begin()
        Timer(1.0, stop.set).start()
        with pytest.raises(InterruptedRunError):
            list(run.blocks())


def test_its_digest_is_of_the_file_that_is_started_next(tmp_path: Path) -> None:
    path = scripted(tmp_path, "")
    engine = Engine(path)
    for _ in range(2):
        assert engine.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        path.write_text(f"{path.read_text()}# another build\n")
    path.unlink()
    assert engine.sha256 is None


def test_started_is_the_first_record(tmp_path: Path) -> None:
    with start(tmp_path, f"say({STARTED!r})") as run:
        assert run.begin().model_version == "1"


def test_signal_numbers_are_named(tmp_path: Path) -> None:
    fault = fault_of(start(tmp_path, "os.kill(os.getpid(), signal.SIGSEGV)"))
    assert f"signal {int(signal.SIGSEGV)}" in fault.message


def test_reports_of_a_running_point_are_no_lines(tmp_path: Path) -> None:
    behaviour = f"""
for p in points[:3]: say(p)
say({running(2, 5.0)!r} + chr(10) + {running(2, 10.0)!r})
wait_for('read')
say({running(2, 15.0)!r} + chr(10) + points[3])
wait_for('more')
for p in points[4:]: say(p)
"""
    lines, told = bytearray(), []
    with start(tmp_path, behaviour) as run:
        run.begin()
        for block in run.blocks():
            lines += block
            told.append(run.running and run.running.seconds)
            (tmp_path / "read").touch() if run.running else None
            (tmp_path / "more").touch() if b'"point_index":2' in lines else None
    assert lines.decode().splitlines() == good(10)[1:-1]
    assert [seconds for seconds in told if seconds is not None] == [10.0]
    assert run.running is None


def test_reports_may_arrive_in_any_pieces(tmp_path: Path) -> None:
    in_pieces = f"""
for p in points[:-1]:
    for byte in p + chr(10) + {running(9)!r} + chr(10): say(byte.encode())
say(points[-1])
"""
    assert len(read_all(start(tmp_path, in_pieces))) == 10


def test_a_parameter_is_no_report(tmp_path: Path) -> None:
    record = line(record="point", parameters={"record": "running"})
    assert read_all(start(tmp_path, f"say(points[0]); say({record!r}); say(points[-1])")) == [f"{record}\n".encode()]


REPORTS = {
    "a flood": (f"while True: say({running(0)!r})", "engine_flooded"),
    "not finite": (f"say({running(0, float('nan'))!r})", "engine_invalid_output"),
    "negative": (f"say({running(-1)!r})", "engine_invalid_output"),
    "unknown field": (f"say({running(0)!r}[:-1] + ',\"x\":1}}')", "engine_invalid_output"),
    "long": (f"say({running(0)!r}[:-1] + ' ' * 5_000_000 + '}}')", "engine_flooded"),
}


@pytest.mark.parametrize(("behaviour", "code"), REPORTS.values(), ids=REPORTS)
def test_reports_are_bounded_and_checked(tmp_path: Path, behaviour: str, code: str) -> None:
    assert fault_of(start(tmp_path, f"say(points[0]); say(points[1])\n{behaviour}")).error_code == code


@pytest.mark.parametrize("limit", [{"timeout": 1.0}, {"silence": 1.0}], ids=str)
@pytest.mark.parametrize(("others", "point"), [(0, 5), (1, None)])
def test_a_report_breaks_no_silence_and_names_the_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: dict[str, float], others: int, point: int | None
) -> None:
    clock = clock_until(monkeypatch, b'"running"')
    behaviour = f"{SAY_FIVE}while True: say({running(5, others=others)!r}); time.sleep(0.1)"
    engine = Engine(scripted(tmp_path, behaviour), monotonic=clock)
    fault = fault_of(engine.start(REQUEST, **limit))  # type: ignore[arg-type]
    assert (fault.error_code, fault.point_index) == ("engine_timeout", point)
    assert fault.message.endswith(" 1 s; point 5 had been running for 241 s")


@pytest.mark.parametrize(
    ("waiting", "hangs"),
    [((1, 1), True), ((2, 1), False), ((0, 0), False)],
    ids=["stands still", "goes on elsewhere", "nobody waits"],
)
def test_a_shards_engine_has_hung_only_while_points_wait_and_none_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waiting: tuple[int, int], *, hangs: bool
) -> None:
    first, second = (running(6, waiting=each) for each in waiting)
    said = f"say({first!r}); wait_for('first'); say({second!r}); wait_for('second')"
    clock = clock_until(monkeypatch, b'"running"')
    engine = Engine(scripted(tmp_path, f"{SAY_FIVE}{said}\nfor p in points[6:]: say(p)"), monotonic=clock)
    with engine.start(REQUEST, silence=1.0, shard_time=ShardTime(60.0, 60.0)) as run:
        run.begin()
        names = iter(("first", "second"))
        try:
            for _ in run.blocks():
                if run.running is not None:
                    (tmp_path / next(names)).touch()
            said = f"all {run.finished.points} points"
        except EngineFaultError as fault:
            said = fault.message.partition(";")[0]
    assert said == ("the engine finished no point for 1 s" if hangs else "all 10 points")


@pytest.mark.parametrize(
    ("written", "told"), [(r"one\ntwo\nthr", "two"), ("one", "one"), (r"one\n\n", "one"), ("", "")]
)
def test_the_last_line_is_a_whole_one(written: str, told: str) -> None:
    """A thread that ends the process may cut off what another one is writing."""
    command = ["/bin/sh", "-c", f"printf '{written}' >&2"]
    with child.Child(command, {}, stdin=b"", timeout=None, stop=Event()) as writer:
        assert writer.wait(LIMIT) == 0
        assert writer.last_line == told
