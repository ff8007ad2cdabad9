"""`check-model`: what each fault of a model is found by."""

import json
from pathlib import Path
from typing import Any

import pytest
from fakes.engines import scripted
from fakes.programs import write_program
from fakes.sweep_files import ENGINE
from typer.testing import CliRunner, Result

from sweepctl.cli import app

RUNNER = CliRunner()

Findings = dict[tuple[str, str], str]


def check(*arguments: str, engine: Path = ENGINE) -> Result:
    return RUNNER.invoke(app, ["check-model", *arguments, "--engine", str(engine), "--json"])


def findings(done: Result) -> Findings:
    """Return what was found, by check and state; each finding is a line."""
    payload: dict[str, Any] = json.loads(done.stdout)
    assert done.exit_code == payload["exit_code"] == (0 if payload["ok"] else 1), done.stdout
    assert all(each["remedy"] for each in payload["checks"] if each["state"] == "wrong")
    found: Findings = {}
    for each in payload["checks"]:
        place = each["check"], each["state"]
        found[place] = f"{found.get(place, '')}{each['finding']}\n"
    return found


def wrong(found: Findings) -> set[str]:
    return {check for check, state in found if state == "wrong"}


SOUND = """\
def simulate(x: float = 1.0, limit: int = 3, random=None):
    if limit == 0:
        raise ValueError("no limit")
    return {"y": x * random.python().random(), "z": limit}
"""


@pytest.mark.slow
def test_a_sound_program(tmp_path: Path) -> None:
    manifest = write_program(tmp_path, SOUND, 'y = "float"\nz = "int"')
    manifest.write_text(manifest.read_text() + "[parameters]\nlimit = { range = [0, 5] }\n")
    found = findings(check("--program", str(manifest)))
    assert not wrong(found)
    assert "limit = 0: value_error: " in found["ranges", "note"], "an error of its own is an answer"
    assert found["seed", "ok"] == "these depend on it: y; not z\n"
    for name in ("defaults", "declaration", "run and host", "same point twice", "other order", "several at once",
                 "fresh process", "identities", "time", "memory"):  # fmt: skip
        assert (name, "ok") in found
    assert ("after a crash", "note") in found
    shown = RUNNER.invoke(app, ["check-model", "double", "--engine", str(ENGINE), "--program", str(manifest)])
    assert shown.exit_code == 0
    assert "nothing is wrong" in shown.output


FAULTY = """\
import os
import time
from typing import Literal

def simulate(mode: Literal["ok", "exit", "hang", "nan", "text"] = "ok"):
    if mode == "exit":
        os._exit(3)
    if mode == "hang":
        time.sleep(1e6)
    return {"y": {"nan": float("nan"), "text": "much"}.get(mode, 1.0)}
"""


@pytest.mark.slow
def test_points_that_end_block_or_break_their_declaration(tmp_path: Path) -> None:
    manifest = write_program(tmp_path, FAULTY)
    found = findings(check("--program", str(manifest), "--point-seconds", "0.5"))
    assert wrong(found) == {"ranges", "declaration"}
    assert "mode = exit: point_crashed" in found["ranges", "wrong"]
    assert "mode = hang: point_timeout" in found["ranges", "note"]
    assert "(and 1 more)" in found["declaration", "wrong"], "NaN, and a text"
    assert found["after a crash", "ok"].endswith(": 2\n")
    assert ("seed", "note") in found


STATEFUL = """\
calls = 0

def simulate(flag: bool = False):
    global calls
    calls += 1
    return {"y": float(calls)}
"""


@pytest.mark.slow
def test_a_model_that_keeps_something(tmp_path: Path) -> None:
    found = findings(check("--program", str(write_program(tmp_path, STATEFUL))))
    assert {"same point twice", "other order", "fresh process"} <= wrong(found)
    assert found["fresh process", "wrong"] == "flag = True: y is 2 or 1\n"


@pytest.mark.slow
def test_a_model_whose_defaults_fail(tmp_path: Path) -> None:
    source = "def simulate(x: float = 0.0):\n    return {'y': 1 / x}\n"
    found = findings(check("--program", str(write_program(tmp_path, source))))
    assert wrong(found) == {"defaults"}
    assert "zero_division_error" in found["defaults", "wrong"]
    assert found["declaration", "note"] == found["seed", "note"] == "not tried: no point succeeds\n"


def test_points_that_disturb_each_other_at_the_same_time(tmp_path: Path) -> None:
    behaviour = """
start()
metrics = {"m": 1.0 if request["threads"] > 1 else 0.5}
[say(toy_model.point(0, point_index=n, metrics=metrics)) for n in range(end)]
say(toy_model.finished(end))
"""
    found = findings(check("toy", engine=scripted(tmp_path, behaviour, points=0)))
    assert wrong(found) == {"several at once"}
    assert found["several at once", "wrong"] == "the defaults: m is 0.5 or 1.0\n"
    assert ("run and host", "note") in found, "this engine has none"


def test_identities_that_differ(tmp_path: Path) -> None:
    behaviour = """
start()
[say(toy_model.point(0, point_index=n)) if sys.argv[1] == "run" else say(toy_model.identity(1)) for n in range(end)]
say(toy_model.finished(end))
"""
    found = findings(check("toy", engine=scripted(tmp_path, behaviour, points=0)))
    assert wrong(found) == {"identities"}


def test_an_engine_that_never_answers_is_given_up(tmp_path: Path) -> None:
    done = check("toy", "--timeout", "0.5", engine=scripted(tmp_path, "time.sleep(1e6)", points=0))
    found = findings(done)
    assert "defaults" in wrong(found)
    assert "--timeout" in done.stdout


def test_the_model_to_try_is_named_where_there_are_several() -> None:
    done = check()
    assert done.exit_code == 2
    assert "queue" in json.loads(done.stdout)["error"]["message"]
    assert check("none").exit_code == 4
