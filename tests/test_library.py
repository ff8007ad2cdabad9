"""`run_sweep`, `plan` and `list_runs`: what the commands do, for Python."""

import json
import signal
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes.sweep_files import ENGINE, TEST_ENGINE, faulty_sweep, held_engine, queue_sweep
from typer.testing import CliRunner
from waiting import wait_until

import sweepctl
from sweepctl.cli import app
from sweepctl.errors import FailedPointsError, StoreError, SweepFileError, UnknownRunError, UsageError
from sweepctl.library import Runs, Swept
from sweepctl.records.run import find_run
from sweepctl.results.run import Run
from sweepctl.store import open_store
from sweepctl.sweep.preview import PlanReport
from sweepctl.verify.report import Verdict

pytestmark = pytest.mark.usefixtures("elsewhere")
OWN = str(ENGINE)


@pytest.fixture
def sweep(tmp_path: Path) -> dict[str, Any]:
    """The fields of a sweep of twelve points in two shards."""
    return tomllib.loads(queue_sweep(tmp_path).read_text())


def told(*arguments: object) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(CliRunner().invoke(app, [*map(str, arguments), "--json"]).stdout)
    return value


def test_the_package_has_what_it_offers_in_its_list() -> None:
    assert dir(sweepctl) == ["__version__", "list_runs", "open_run", "plan", "run_sweep"]
    assert all(callable(getattr(sweepctl, name)) for name in sweepctl.__all__)
    assert Path(sweepctl.__file__).with_name("py.typed").exists()
    with pytest.raises(AttributeError, match="no attribute 'run_swep'"):
        sweepctl.run_swep  # noqa: B018  it raises


def test_what_is_no_sweep_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r"not a sweep: 5 \(int\)"):
        sweepctl.run_sweep(5)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"not a sweep: None \(NoneType\)"):
        sweepctl.plan(None)  # type: ignore[arg-type]


def test_a_store_that_is_not_there_is_told_to_python_too() -> None:
    with pytest.raises(StoreError, match="does not exist") as caught:
        sweepctl.list_runs("nope")
    assert "`store` in Python" in (caught.value.remedy or "")


def test_a_sweep_as_a_dict_runs_as_its_file_does(
    tmp_path: Path, sweep: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    swept = sweepctl.run_sweep(sweep, run_id="a", engine=OWN)
    shown = capfd.readouterr()
    assert (swept.is_whole, swept.run.run_id, shown.out) == (True, "a", "")
    assert "run a: 12 points in 2 shards" in shown.err
    assert "WHOLE" in shown.err
    by_command = told("run", queue_sweep(tmp_path), "--run-id", "b", "--engine", OWN)
    assert set(swept.details) == set(by_command)
    assert swept.run.compare("b").is_exact
    records = [find_run(open_store("sweep-results"), run_id) for run_id in "ab"]
    assert len({each and each.spec_fingerprint for each in records}) == 1


def test_the_same_call_continues(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = queue_sweep(tmp_path)
    first, again = (sweepctl.run_sweep(file, engine=OWN, progress=False) for _ in range(2))
    assert [each.details["succeeded"] for each in (first, again)] == [2, 0]
    assert (again.run.run_id, again.details["continued"]) == (first.run.run_id, True)
    shown = capfd.readouterr()
    assert (shown.out, "WHOLE" in shown.err) == ("", False)


def test_values_of_numpy_are_values(sweep: dict[str, Any]) -> None:
    sweep["design"]["dimensions"] = {"arrival_rate": np.linspace(0.25, 0.75, 3), "servers": (np.int64(1), 2)}
    sweep["replications"] = np.int64(2)
    assert sweepctl.plan(sweep, engine=OWN).plan.total_points == 12


def test_points_are_reused(sweep: dict[str, Any]) -> None:
    sweepctl.run_sweep(sweep, run_id="before", engine=OWN, progress=False)
    swept = sweepctl.run_sweep(sweep, run_id="after", reuse="bef", engine=OWN, progress=False)
    assert swept.details["reused"] == 12
    with pytest.raises(UsageError, match="also writes outputs"):
        sweepctl.run_sweep({**sweep, "outputs": ["customers"]}, reuse="before", engine=OWN, progress=False)


def test_rounds_by_precision_are_run(sweep: dict[str, Any]) -> None:
    sweep["replications"] = {"min": 2, "max": 4, "metric": "mean_wait", "half_width": 1e-9}
    swept = sweepctl.run_sweep(sweep, run_id="p", engine=OWN, progress=False)
    assert [each["replications"] for each in swept.details["rounds"]] == [2, 4]
    assert (swept.run.run_id, swept.details["is_precise"], swept.details["exit_code"]) == ("p-r4", False, 1)


def test_every_error_of_a_dict_is_reported_and_has_its_remedy(sweep: dict[str, Any]) -> None:
    sweep |= {"sed": 2, "base": {"custmers": 5}}
    with pytest.raises(SweepFileError) as caught:
        sweepctl.plan(sweep, engine=OWN)
    assert caught.value.errors == (
        'sweep: base.custmers: unknown parameter "custmers"; did you mean "customers"?',
        "sweep: sed: unknown field; did you mean `seed`?",
    )  # fmt: skip
    assert caught.value.__notes__ == [f"→ {caught.value.remedy}"]


def test_deep_fields_are_an_error_of_the_sweep(sweep: dict[str, Any]) -> None:
    for _ in range(100):
        sweep = {"base": sweep}
    with pytest.raises(SweepFileError):
        sweepctl.plan(sweep, engine=OWN)


def test_points_that_fail_are_a_verdict_and_too_many_an_error(tmp_path: Path) -> None:
    fields = tomllib.loads(faulty_sweep(tmp_path, "domain_error").read_text())
    swept = sweepctl.run_sweep(fields, engine=str(TEST_ENGINE), progress=False)
    assert (swept.verdict, swept.is_whole, swept.details["exit_code"]) == (Verdict.FAILURES, False, 1)
    fields |= {"limits": {"failed_points": 0}, "name": "strict"}
    with pytest.raises(FailedPointsError):
        sweepctl.run_sweep(fields, engine=str(TEST_ENGINE), progress=False)


def test_a_plan_is_that_of_the_command(tmp_path: Path, sweep: dict[str, Any]) -> None:
    planned = sweepctl.plan(sweep, run_id="a", pilot=4, engine=OWN)
    by_command = told("plan", queue_sweep(tmp_path), "--run-id", "a", "--pilot", "4", "--engine", OWN)
    for measured in ("pilot", "estimate"):
        assert by_command.pop(measured)
    assert {name: value for name, value in planned.to_json().items() if name in by_command} == by_command
    assert not Path("sweep-results").exists()


def test_runs_are_listed_and_opened_by_short_names(sweep: dict[str, Any]) -> None:
    for run_id in ("first", "second"):
        sweepctl.run_sweep(sweep, run_id=run_id, engine=OWN, progress=False)
    runs = sweepctl.list_runs()
    assert [run.run_id for run in runs] == ["second", "first"]
    assert repr(runs).splitlines()[0] == "second: done, 12 of 12 points of queue"
    assert repr(Runs()) == "no runs"
    assert [sweepctl.open_run(name).run_id for name in ("f", "latest")] == ["first", "second"]
    assert sweepctl.open_run("first").compare("sec").is_exact
    with pytest.raises(UnknownRunError) as caught:
        sweepctl.open_run("secnd")
    assert "Did you mean `second`?" in caught.value.__notes__[0]


class _Tags(HTMLParser):
    """What HTML has that a page must not take from a value."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        assert {name for name, _ in attrs} <= {"style"}


def test_what_a_notebook_shows_is_escaped_and_has_no_script(sweep: dict[str, Any]) -> None:
    store = "<script>alert(1)</script>&\x1b[31m"
    swept = sweepctl.run_sweep(sweep, run_id="a", store=store, engine=OWN, progress=False)
    planned = sweepctl.plan(sweep, run_id="a", engine=OWN)
    for value in (swept, swept.run, swept.run.summary(), planned, sweepctl.list_runs(store)):
        assert isinstance(value, Swept | Run | PlanReport | Runs) or hasattr(value, "metrics")
        html = value._repr_html_()
        tags = _Tags()
        tags.feed(html)
        assert tags.tags <= {"p", "b", "table", "thead", "tbody", "tr", "th", "td"}
        assert "\x1b" not in html + repr(value)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&amp;\\x1b[31m" in swept._repr_html_()
    assert "12 of 12 points recorded" in repr(swept.run.summary())
    assert "<td" in swept.run.summary()._repr_html_()


# As a terminal or a notebook starts Python: what is started in the background of a script ignores SIGINT.
SCRIPT = """
import signal, sys, sweepctl
signal.signal(signal.SIGINT, signal.default_int_handler)
sweepctl.run_sweep(sys.argv[1], run_id="a", concurrency=1, engine=sys.argv[2])
"""


@pytest.mark.slow
def test_an_interrupt_stops_in_order_and_the_same_call_continues(tmp_path: Path) -> None:
    file, engine = queue_sweep(tmp_path, 2), held_engine(tmp_path, 2)
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, file, engine], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    wait_until(lambda: len([*tmp_path.glob("begun-*")]) > 2)
    process.send_signal(signal.SIGINT)
    errors = process.communicate()[1]
    assert errors.rstrip().endswith("KeyboardInterrupt\n→ The same call continues: only missing shards are run.")
    assert [run.outcomes for run in sweepctl.list_runs()] == [2]
    (tmp_path / "free").touch()
    swept = sweepctl.run_sweep(file, run_id="a", engine=str(engine), progress=False)
    assert (swept.details["skipped"], swept.details["succeeded"]) == (2, 4)


# What a kernel of Jupyter looks like to DuckDB and Rich. It has no `ipywidgets`, without which DuckDB has no bar.
KERNEL = """
import builtins, sys, types
lines = []
class Handle:
    def update(self, data, raw): lines[-1] = data["text/plain"]
def display(data, raw, display_id):
    lines.append(data["text/plain"])
    return Handle()
ZMQInteractiveShell = type("ZMQInteractiveShell", (), {"config": {"IPKernelApp": {}}})
sys.modules["IPython"] = IPython = types.ModuleType("IPython")
sys.modules["IPython.display"] = IPython.display = types.ModuleType("IPython.display")
IPython.display.display = display
IPython.get_ipython = builtins.get_ipython = ZMQInteractiveShell
sys.modules["ipywidgets"] = None
import sweepctl
swept = sweepctl.run_sweep(sys.argv[1], engine=sys.argv[2])
print(lines, swept.run.points().arrow().num_rows, len(swept.run.summary().metrics))
"""


def test_a_notebook_has_one_line_of_progress_and_all_results(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KERNEL, str(queue_sweep(tmp_path)), OWN]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    *shown, last = done.stdout.splitlines()
    assert last.startswith("['12 of 12 points, ")
    assert last.endswith(" points/s, 2 shards'] 12 1")
    assert "WHOLE" in "".join(shown)
    assert "\r" not in done.stdout
    assert done.stderr == ""
