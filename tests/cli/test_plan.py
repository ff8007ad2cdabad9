"""`plan` and `init` as a person uses them."""

import json
from pathlib import Path

import pytest
from paths import ROOT
from typer.testing import CliRunner

from sweepctl.cli import app
from sweepctl.engine import client
from sweepctl.engine.client import find_engine
from sweepctl.messages import decode
from sweepctl.shard.run import utc_now

RUNNER = CliRunner()


@pytest.fixture
def started(tmp_path: Path) -> Path:
    done = RUNNER.invoke(app, ["init", str(tmp_path / "new")])
    assert done.exit_code == 0
    assert f"→ sweepctl plan {tmp_path / 'new/sweep.toml'}" in done.stdout.replace("\n", "")
    return tmp_path / "new"


@pytest.mark.slow
def test_a_plan_shows_space_points_shards_and_estimates(started: Path) -> None:
    done = RUNNER.invoke(app, ["plan", str(started / "sweep.toml"), "--pilot", "16"])
    assert done.exit_code == 0
    for words in (
        "18 cells x 10 replications = 180 points",
        "60, 100, 200",
        "false, true",
        "range start 1.5, stop 4.5, step 1 (3 values): 1.5, 2.5, 3.5",
        "179",
        "objects in the store",
        "AWS Lambda",
        "2025-01",
    ):
        assert words in done.stdout


@pytest.mark.slow
def test_a_plan_is_json_too(started: Path) -> None:
    done = RUNNER.invoke(app, ["plan", str(started / "sweep.toml"), "--json", "--run-id", "mine"])
    told = json.loads(done.stdout)
    assert (told["run_id"], told["total_points"], told["cells"]) == ("mine", 180, 18)
    assert [point["point_index"] for point in told["points"]] == [0, 44, 89, 134, 179]
    assert told["pilot"] is None


def test_a_plan_shows_the_limits(started: Path) -> None:
    file = started / "limited.toml"
    limits = '[limits]\npoint_seconds = 90\npoint_memory = "2 GB"\nfailed_points = 0.05\n'
    file.write_text((started / "sweep.toml").read_text().replace("seconds = 10", "points = 60") + limits)
    shown = RUNNER.invoke(app, ["plan", str(file)]).stdout
    for words in ("90 s for a point", "2,000,000,000 bytes of memory for a point", "9 points may fail"):
        assert f"limit: {words}" in shown
    told = json.loads(RUNNER.invoke(app, ["plan", str(file), "--json", "--out", str(started / "m")]).stdout)
    assert told["limits"] == {"point_seconds": 90.0, "point_memory": 2 * 10**9, "failed_points": 0.05}
    (first, *_) = (started / "m/messages.jsonl").read_bytes().splitlines()
    assert decode(first, utc_now().date()).spec.limits.to_json() == told["limits"]


def test_messages_are_written_with_the_design_that_they_name(started: Path) -> None:
    text = (started / "sweep.toml").read_text()
    values = ", ".join(str(number) for number in range(1, 1001))
    long = text.replace("[60, 100, 200]", f"[{values}]").replace("seconds = 10", "count = 7")
    (started / "long.toml").write_text(long)
    done = RUNNER.invoke(app, ["plan", str(started / "long.toml"), "--out", str(started / "m"), "--json"])
    assert done.exit_code == 0
    bodies = (started / "m/messages.jsonl").read_bytes().splitlines()
    messages = [decode(body, utc_now().date()) for body in bodies]
    assert [message.shard_id for message in messages] == list(range(7))
    assert (started / "m/specs" / messages[0].spec.design["sha256"]).is_file()
    again = RUNNER.invoke(app, ["plan", str(started / "long.toml"), "--out", str(started / "m")])
    assert again.exit_code == 2
    assert [path.name for path in started.iterdir() if path.name.startswith(".")] == []
    assert "Choose a folder that does not exist yet" in again.stderr


def test_errors_are_told_with_their_lines(started: Path) -> None:
    (started / "bad.toml").write_text((started / "sweep.toml").read_text().replace("num_drivers", "num_driver"))
    done = RUNNER.invoke(app, ["plan", str(started / "bad.toml")])
    assert done.exit_code == 3
    assert 'design.dimensions.num_driver: unknown parameter "num_driver"; did you mean "num_drivers"?' in done.stderr
    told = json.loads(RUNNER.invoke(app, ["plan", str(started / "bad.toml"), "--json"]).stdout)
    assert (told["error"]["kind"], told["exit_code"]) == ("bad_sweep_file", 3)
    assert RUNNER.invoke(app, ["plan", str(started / "none.toml")]).exit_code == 2
    bad = RUNNER.invoke(app, ["plan", str(started / "sweep.toml"), "--run-id", "a/b"])
    assert bad.exit_code == 2


def test_a_sobol_sequence_of_another_number_than_a_power_of_two_is_noted(started: Path) -> None:
    file = started / "sobol.toml"
    uniform = "{ uniform = { low = 0.1, high = 0.9 } }"
    file.write_text(
        'name = "s"\nmodel = "queue"\nseed = 1\n[shards]\ncount = 1\n[design]\nkind = "saltelli"\n'
        f"base_samples = 1000\n[design.dimensions]\narrival_rate = {uniform}\nservice_rate = {uniform}\n"
    )
    done = RUNNER.invoke(app, ["plan", str(file)])
    note = "note: base_samples = 1000: a power of two (1024) spreads a Sobol sequence more evenly\n"
    assert (done.exit_code, note in done.stdout, done.stderr) == (0, True, "")
    file.write_text(file.read_text().replace("= 1000", "= 1024"))
    assert "note:" not in RUNNER.invoke(app, ["plan", str(file)]).stdout


@pytest.mark.parametrize(("run_id", "is_noted"), [("007", True), ("1e5", True), ("2026-02-14", True), ("r007", False)])
def test_a_run_id_like_a_number_is_noted(started: Path, run_id: str, *, is_noted: bool) -> None:
    shown = RUNNER.invoke(app, ["plan", str(started / "sweep.toml"), "--run-id", run_id]).stdout
    assert ("take the folder of such a run for a number" in shown) is is_noted


def test_init_touches_nothing_that_is_there(started: Path) -> None:
    before = (started / "sweep.toml").read_bytes()
    done = RUNNER.invoke(app, ["init", str(started)])
    assert done.exit_code == 2
    assert (started / "sweep.toml").read_bytes() == before


def test_a_plan_says_what_an_engine_did_not_identify(started: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = started / "engine"
    broken.write_text(f'#!/bin/sh\n[ "$1" = points ] && exec sleep 600\nexec {find_engine()} "$@"\n')
    broken.chmod(0o755)
    monkeypatch.setattr(client, "HANDSHAKE_SECONDS", 1.0)
    done = RUNNER.invoke(app, ["plan", str(started / "sweep.toml"), "--engine", str(broken)])
    assert done.exit_code == 4
    assert "the design: the engine did not finish within 1 s" in done.stderr
    assert "sweepctl doctor" in done.stderr
    message = str(ROOT / "examples/queue/shard-0.json")
    done = RUNNER.invoke(app, ["point", message, "7", "--engine", str(broken)])
    assert done.exit_code == 4
    assert "point 7: the engine did not finish within 1 s" in done.stderr


def test_a_plan_says_what_a_fraction_cannot_tell_apart(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text(
        'name = "s"\nmodel = "queue"\nseed = 1\n[design]\nkind = "cross"\n'
        '[[design.parts]]\nkind = "fractional_factorial"\nresolution = 3\n[design.parts.dimensions]\n'
        "arrival_rate = { low = 0.5, high = 0.75 }\ncustomers = [10, 20]\nservice_rate = { low = 1, high = 2 }\n"
        '[[design.parts]]\nkind = "grid"\ndimensions.servers = [1, 2]\n[shards]\ncount = 1\n'
    )
    shown = RUNNER.invoke(app, ["plan", str(file)]).stdout
    for words in (
        "cross of fractional_factorial (4) x grid (2): 8 cells = 8 points",
        "resolution III: main effects are aliased with two-factor interactions",
        "generators: service_rate = arrival_rate x customers",
        "low 0.5, high 0.75",
    ):
        assert words in shown
