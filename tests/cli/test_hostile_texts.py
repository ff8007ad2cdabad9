"""Whatever an engine, a store, a message, a sweep file or a file's name says: no command breaks, no terminal obeys."""

import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from fakes import engines, toy_model
from fakes.hostile_texts import ALL, FEW, FORGED, NAMES, TEXTS
from typer import rich_utils
from typer.testing import CliRunner, Result

from sweepctl import logs
from sweepctl.cli import app
from sweepctl.records import table
from sweepctl.records.outcome import EnginePin, Outcome
from sweepctl.texts import plain

pytestmark = pytest.mark.usefixtures("elsewhere")

MESSAGE = {
    "run_id": "r",
    "run_date": "2026-02-14",
    "model": "toy",
    "dimensions": {"x": list(TEXTS)},
    "total_points": len(TEXTS),
    "shard_id": 0,
    "start_index": 0,
    "end_index_exclusive": len(TEXTS),
    "seed": 1,
}
SWEEP = f"""\
name = "s"
model = "toy"
seed = 1
[design]
kind = "grid"
[design.dimensions]
x = {json.dumps(TEXTS, ensure_ascii=False)}
[shards]
count = 1
"""
# Half of the points fail, each with a text of its own.
POINTS = f"""
texts = {TEXTS!r}
say(toy_model.STARTED.replace('"x":"int"', '"x":"string"'))
for i in range(begin, end):
    changes = dict(parameters={{"x": texts[i]}}, effective_parameters_json=json.dumps({{"x": texts[i]}}))
    if i % 2:
        changes |= dict(status="failure", metrics=..., error_code="at_fault", error_message=texts[i])
    if sys.argv[1] == "points":
        changes |= dict(status=..., metrics=..., error_code=..., error_message=...)
    say(toy_model.point(i, **changes))
failed = sum(i % 2 for i in range(begin, end))
counts = dict(succeeded=0, failed=0) if sys.argv[1] == "points" else dict(succeeded=end - begin - failed, failed=failed)
say(toy_model.line(record="finished", points=end - begin, **counts))
"""


def sweepctl(*arguments: object) -> Result:
    return CliRunner().invoke(app, [os.fsdecode(str(argument)) for argument in arguments])


def require_plain(*arguments: object) -> Result:
    """Run a command; nothing of its output controls a terminal or begins a line, and it ends as it may end."""
    result = sweepctl(*arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    lines = result.output.split("\n")
    assert [line for line in lines if line != plain(line)] == [], arguments
    assert [line for line in lines if line.strip(" │").startswith(FORGED)] == [], arguments
    return result


def engine(folder: Path, behaviour: str = POINTS, **changes: str) -> Path:
    """Write an engine of a model that has a text as parameter, and texts wherever a description has one."""
    path = engines.scripted(folder, behaviour, points=0)
    description = json.loads(json.dumps(toy_model.DESCRIPTION))
    (model,) = description["models"]
    (parameter,) = model["parameters"]
    for column in (*model["parameters"], *model["metrics"], *model["datasets"][0]["columns"]):
        column |= {"unit": ALL, "doc": ALL}
    parameter |= {"type": "string", "default": ALL, "range": ALL, "choices": [*TEXTS, ALL]}
    model["datasets"][0]["doc"] = model["doc"] = ALL
    path.write_text(
        path.read_text().replace(repr(json.dumps(toy_model.DESCRIPTION)), repr(json.dumps(description | changes)))
    )
    return path


def of_a_run(folder: Path, run_id: str, engine: Path) -> Sequence[Sequence[object]]:
    """Return the commands that read what a store has of a run."""
    with_engine = ("--engine", engine)
    return (
        ("runs",),
        ("status", run_id),
        ("verify", run_id, *with_engine),
        ("retry", run_id, *with_engine),
        ("query", run_id, "FROM points", "--format", "table"),
        ("query", run_id, "FROM point_outcomes LIMIT 1", "--format", "table"),
        ("query", run_id, "SELECT x::int FROM points", "--format", "table"),
        ("query", "--all", "FROM shard_outcomes", "--format", "table"),
        ("query", run_id, "FROM points", "--out", folder / "points.csv"),
        ("summary", run_id),
        ("compare", run_id, run_id),
        ("report", run_id, "--against", run_id, "--out", folder / "report.html", *with_engine),
    )


def message(folder: Path, **changes: object) -> Path:
    path = folder / "message.json"
    path.write_text(json.dumps({**MESSAGE, **changes}))
    return path


@pytest.mark.slow
def test_of_an_engine_and_of_values(tmp_path: Path) -> None:
    speaking = engine(tmp_path)
    sweep = tmp_path / "sweep.toml"
    sweep.write_text(SWEEP)
    commands: Sequence[Sequence[object]] = (
        ("models",),
        ("models", "toy"),
        ("plan", sweep),
        ("plan", sweep, "--pilot", 4),
        ("point", message(tmp_path), 3),
        ("run-shard", message(tmp_path)),
        ("run-shard", message(tmp_path)),
        ("run-shard", message(tmp_path), "--force"),
        ("run", sweep, "--run-id", "r2"),
        ("run", sweep, "--run-id", "r3", "--reuse", "r"),
        ("athena", "ddl", "--store", "s3://bucket/x", "--database", "d"),
        ("doctor",),
    )
    for command in commands:
        assert require_plain(*command, "--engine", speaking).exit_code in {0, 1}
    assert "\\x1b[2J" in sweepctl("models", "toy", "--engine", speaking).output
    for command in of_a_run(tmp_path, "r", speaking):
        require_plain(*command)
    assert json.loads(sweepctl("models", "toy", "--engine", speaking, "--json").stdout)
    page = (tmp_path / "report.html").read_text()
    assert "\x1b" not in page
    assert "\u202e" not in page


OBEYED = ("\x1b[2J", "\x1b[31mred", "\x1b]", "\x9b", "\x07", "\b", "\x0b", "\x85", "\u2028", "\u202e", "\u200b")


@pytest.mark.slow
def test_on_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rich_utils, "FORCE_TERMINAL", True)  # read from the environment once and for all
    monkeypatch.setenv("FORCE_COLOR", "1")
    speaking = ("--engine", engine(tmp_path))
    sweep = tmp_path / "sweep.toml"
    sweep.write_text(SWEEP)
    for command in (
        ("models", "toy", *speaking),
        ("plan", sweep, "--pilot", 4, *speaking),
        ("run", sweep, "--run-id", "r", *speaking),
        *of_a_run(tmp_path, "r", speaking[1]),
        ("status", "r", "--watch"),
        ("plan", ALL),
        (ALL,),
    ):
        result = sweepctl(*command)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
        assert [text for text in OBEYED if text in result.output] == [], command


def test_of_logs(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs._log, "handlers", [])
    for log_format in ("text", "json"):
        logs.configure(log_format)
        for text in (*TEXTS, ALL):
            logs.warn("event", **{text: text, "value": {text: [text]}})
            (line,) = capsys.readouterr().err.removesuffix("\n").split("\n")
            assert line == plain(line)


SAYING = {
    "a refusal": f"say(toy_model.refused({ALL!r}, {ALL!r}))",
    "its last words": f"print({ALL!r}, file=sys.stderr); sys.exit(3)",
    "a first record": f"say({ALL!r})",
    "another version": "say(toy_model.STARTED.replace('\"0.1.0\"', json.dumps('[/]')))",
    "a code": POINTS.replace("at_fault", "[/nope]"),
    "a line that is none": f'say(toy_model.STARTED.replace(\'"x":"int"\', \'"x":"string"\')); say({ALL!r})',
    "rows of a dataset": 'say(toy_model.STARTED.replace(\'"x":"int"\', \'"x":"string"\')); '
    f"say(toy_model.rows(0, 1, dataset={ALL!r})); point(0)",
}


@pytest.mark.slow
@pytest.mark.parametrize("behaviour", SAYING.values(), ids=SAYING)
def test_of_an_engine_that_fails(tmp_path: Path, behaviour: str) -> None:
    failing = ("--engine", engine(tmp_path, behaviour))
    assert require_plain("run-shard", message(tmp_path), *failing).exit_code in {1, 4}
    require_plain("run-shard", message(tmp_path), *failing, "--log-format", "text")
    require_plain("point", message(tmp_path), 0, *failing)
    for command in of_a_run(tmp_path, "r", failing[1]):
        require_plain(*command)


@pytest.mark.parametrize("version", ["[/]", "", "x" * 65, *TEXTS[6:8]], ids=ascii)
@pytest.mark.parametrize("field", ["engine_version", "target", "protocol"])
def test_of_an_engine_whose_version_is_none(tmp_path: Path, field: str, version: str) -> None:
    unfit = ("--engine", engine(tmp_path, **{field: version}))
    for command in (("models",), ("run-shard", message(tmp_path)), ("point", message(tmp_path), 0)):
        assert require_plain(*command, *unfit).exit_code == 4


def of_a_recorded_shard(folder: Path) -> tuple[Path, Outcome, Sequence[Sequence[object]]]:
    """Run a shard; return where its outcome is, the outcome, and the commands that read it; the last runs it again."""
    speaking = engine(folder)
    again = ("run-shard", message(folder), "--engine", speaking)
    require_plain(*again)
    (path,) = Path("sweep-results").glob("shard_outcomes/**/*.parquet")
    return path, table.decode(Outcome, path.read_bytes(), ""), (*of_a_run(folder, "r", speaking), again)


@pytest.mark.slow
@pytest.mark.parametrize("text", FEW, ids=ascii)
@pytest.mark.parametrize("retryable", [True, False], ids=["retryable", "permanent"])
def test_of_a_record_of_a_store(tmp_path: Path, text: str, retryable: bool) -> None:  # noqa: FBT001  a case
    path, outcome, commands = of_a_recorded_shard(tmp_path)
    said: dict[str, Any] = dict.fromkeys(
        ("error_code", "error_message", "attempt_id", "engine_version", "model", "model_version", "run_id"), text
    )
    artifacts = tuple(dataclasses.replace(each, dataset=text) for each in outcome.artifacts)
    hostile = dataclasses.replace(outcome, **said, retryable=retryable, artifacts=artifacts)
    path.write_bytes(table.encode(hostile))
    for command in commands:
        require_plain(*command)


@pytest.mark.slow
@pytest.mark.parametrize("text", FEW, ids=ascii)
def test_of_the_keys_of_an_outcome_and_of_a_pin(tmp_path: Path, text: str) -> None:
    path, outcome, commands = of_a_recorded_shard(tmp_path)
    keys = tuple(dataclasses.replace(each, key=text) for each in outcome.artifacts)
    path.write_bytes(table.encode(dataclasses.replace(outcome, artifacts=keys)))
    for command in commands:
        require_plain(*command)
    path.write_bytes(table.encode(outcome))
    (path,) = Path("sweep-results").glob("runs/**/engine.parquet")
    pin = table.decode(EnginePin, path.read_bytes(), "")
    path.write_bytes(table.encode(dataclasses.replace(pin, model=text, model_version=text, engine_version=text)))
    for command in commands:
        require_plain(*command)


@pytest.mark.slow
def test_of_names_in_a_store(tmp_path: Path) -> None:
    speaking = engine(tmp_path)
    require_plain("run-shard", message(tmp_path), "--engine", speaking)
    root = Path("sweep-results")
    (outcomes,) = root.glob("shard_outcomes/*/*")
    (points,) = root.glob("point_outcomes/*/*/*")
    for name in NAMES:
        for folder in (outcomes, points, points.parent, root, root / "runs"):
            (folder / name).write_bytes(b"x")
        (root / "runs" / f"run={name}").mkdir()
    for command in of_a_run(tmp_path, "r", speaking):
        require_plain(*command)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_of_names_of_files(tmp_path: Path, name: str) -> None:
    speaking = engine(tmp_path)
    for missing in (
        ("plan", name),
        ("run", name),
        ("run-shard", name),
        ("point", name, 0),
        ("models", "--engine", name),
        ("models", name, "--engine", speaking),
        ("status", name),
        ("status", "r", "--store", name),
        ("runs", "--store", name),
        ("verify", "r", "--store", f"s4://{name}"),
        ("submit", name, "--queue-url", name),
        ("send", name, "--queue-url", "http://localhost/1/q"),
        ("query", name, "SELECT 1"),
        ("query", "r", name),
        ("summary", "r", "--metric", name),
        ("report", "r", "--metric", name),
        (name,),
        ("plan", f"--{name}"),
        ("plan", "a", name),
        ("drain", "--lease", name),
    ):
        assert require_plain(*missing).exit_code != 0 or missing[0] == "runs", missing
    folder = Path(name)
    assert require_plain("init", folder / "new").exit_code == 0
    require_plain("init", folder / "new")
    (folder / "bad.toml").write_text("= 1")
    require_plain("plan", folder / "bad.toml")
    (folder / "sweep.toml").write_text(SWEEP)
    (folder / "m.json").write_text(json.dumps(MESSAGE))
    moved = folder / "engine"
    moved.symlink_to(speaking)
    for command in (
        ("run-shard", folder / "m.json", "--engine", moved, "--store", folder / "store"),
        ("verify", "r", "--engine", moved, "--store", folder / "store", "--missing", folder / "missing.jsonl"),
        ("query", "r", "FROM points", "--store", folder / "store", "--out", folder / "points.csv"),
        ("report", "r", "--store", folder / "store", "--out", folder / "page.html", "--engine", moved),
        ("plan", folder / "sweep.toml", "--engine", moved, "--out", folder / "messages"),
        ("status", "absent", "--store", folder / "store"),
        ("doctor", "--engine", moved, "--store", folder / "store"),
    ):
        require_plain(*command)


@pytest.mark.slow
@pytest.mark.parametrize("text", FEW, ids=ascii)
def test_of_keys_and_values_of_sweep_files_and_messages(tmp_path: Path, text: str) -> None:
    speaking = ("--engine", engine(tmp_path))
    sweep = tmp_path / "sweep.toml"
    quoted = json.dumps(text, ensure_ascii=False)
    for bad in (
        f"{quoted} = 1\n{SWEEP}",
        SWEEP.replace('"s"', quoted),
        SWEEP.replace('"toy"', quoted),
        SWEEP.replace("x = [", f"{quoted} = ["),
        SWEEP.replace("[shards]", f"[base]\n{quoted} = {quoted}\n[shards]"),
        f"a = 1 {text}",
        SWEEP.replace("count = 1", f"count = {quoted}"),
    ):
        sweep.write_text(bad)
        assert require_plain("plan", sweep, *speaking).exit_code == 3
        assert require_plain("run", sweep, *speaking).exit_code == 3
    for changes in (
        {text: 1},
        {"run_id": text},
        {"run_date": text},
        {"model": text},
        {"dimensions": {text: [1]}},
        {"base": {text: text}},
        {"base": {"x": [text]}},
        {"outputs": [text]},
        {"schema_version": text},
        {"seed": text},
    ):
        for command in (("run-shard", message(tmp_path, **changes)), ("point", message(tmp_path, **changes), 0)):
            assert require_plain(*command, *speaking).exit_code != 0
