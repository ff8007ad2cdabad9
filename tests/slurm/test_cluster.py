"""The scripts on a real Slurm: arrays whose tasks are preempted and run out of time end whole."""

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from fakes.sweep_files import ENGINE
from paths import ROOT
from slurm.cluster import CPUS, SLURM, Cluster, running
from typer.testing import CliRunner
from waiting import wait_until

from sweepctl.cli import app

pytestmark = [pytest.mark.servers, pytest.mark.slow]

SCRIPTS = ROOT / "examples" / "slurm"
OVER = {"COMPLETED", "FAILED", "TIMEOUT", "CANCELLED", "NODE_FAIL"}
STOPPED = {"FAILED", "TIMEOUT"}  # the latter where the limit is over before the signal is sent
SWEEP = """\
name = "cluster"
model = "queue"
seed = 1
replications = {replications}
[base]
customers = 5
[design]
kind = "grid"
[design.dimensions]
arrival_rate = [0.1, 0.2, 0.3, 0.4, 0.5]
servers = [1, 2]
[shards]
points = 2
"""
# A process for each shard: it waits, as long as its parent lives, while more have begun than are allowed.
GATE = """#!/bin/sh
if [ "$1" = describe ]; then {engine} describe | sed s/.again.:true,//; exit; fi
if [ "$1" = run ]; then
    touch {folder}/begun-$$
    while [ "$(ls {folder} | grep -c begun-)" -gt "$(cat {folder}/allowed)" ] && kill -0 $PPID; do sleep 0.1; done
fi
exec {engine} "$@"
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    if not SLURM.exists():
        message = "Slurm was left out: `make test` unpacks it where apt (Debian, Ubuntu) reaches its packages"
        (pytest.fail if os.environ.get("SWEEPCTL_TEST_EVERYTHING") else pytest.skip)(message)
    with running(tmp_path_factory.mktemp("slurm")) as cluster:
        yield cluster


class Site:
    """A folder on a cluster: a planned run, its store, and an engine that holds shards back."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster, self.folder, self.gate = cluster, folder, folder / "gate"
        self.gate.mkdir()
        self.store = folder / "store"

    def plan(self, replications: int) -> None:
        (self.folder / "sweep.toml").write_text(SWEEP.format(replications=replications))
        done = CliRunner().invoke(app, ["plan", "sweep.toml", "--run-id", "r", "--out", "plan"])
        assert done.exit_code == 0, done.stderr

    @property
    def begun(self) -> int:
        return len(list(self.gate.glob("begun-*")))

    def allow(self, shards: int) -> None:
        """Let so many more shards run."""
        (self.gate / "allowed.new").write_text(str(self.begun + shards))
        (self.gate / "allowed.new").rename(self.gate / "allowed")

    def wait_at_the_gate(self, job: str) -> list[str]:
        """Wait until shards are held back; return the tasks that run, of which one at least cannot go on."""
        allowed = int((self.gate / "allowed").read_text())
        wait_until(lambda: self.begun > allowed or self.has_ended(job))
        return [task for task, state in self.cluster.tasks(job).items() if state == "RUNNING"]

    def has_ended(self, job: str) -> bool:
        return set(self.cluster.tasks(job).values()) <= OVER

    def preempt(self) -> None:
        """Have a job of higher priority take the node, for a moment."""
        job = self.cluster.run(
            "sbatch", "--parsable", "--partition=high", f"--cpus-per-task={CPUS}", "--output=/dev/null", "--wrap=true"
        )
        self.wait_for(job)

    def wait_for(self, job: str) -> Mapping[str, str]:
        """Wait for the end of a job; return how its tasks ended."""
        wait_until(lambda: self.has_ended(job))
        return self.cluster.tasks(job)

    def verify(self, after: str) -> tuple[str, str]:
        """Return how a job that proves the run after another one ended, and what it printed."""
        job = self.cluster.submit(SCRIPTS / "verify.sbatch", "r", options=[f"--dependency=afterany:{after}"])
        (state,) = self.wait_for(job).values()
        return state, (self.folder / f"verify-{job}.log").read_text()

    def said(self, job: str, what: str) -> int:
        """Return how often a text is in the logs of an array."""
        return sum(log.read_text().count(what) for log in self.folder.glob(f"sweep-{job}_*.log"))

    def outcomes(self) -> int:
        return len(list(self.store.glob("shard_outcomes/*/*/*.parquet")))


@pytest.fixture
def site(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.chdir(tmp_path)
    site = Site(cluster, tmp_path)
    programs = {"engine": GATE.format(engine=ENGINE, folder=site.gate)}
    programs["sweepctl"] = f"#!{sys.executable} -P\nfrom sweepctl.cli import main\nmain()\n"
    for name, text in programs.items():
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    # What a job has of the shell that submits it.
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.setenv("SWEEPCTL_ENGINE", f"{tmp_path}/bin/engine")
    monkeypatch.setenv("SWEEPCTL_STORE", str(site.store))
    return site


def test_an_array_of_200_shards_ends_whole(site: Site) -> None:
    site.plan(replications=40)
    site.allow(20)
    options = ["--array=0-39", "--cpus-per-task=1"]
    job = site.cluster.submit(SCRIPTS / "sweep.sbatch", "plan/messages.jsonl", options=options)
    for _ in range(3):
        assert site.wait_at_the_gate(job)
        site.preempt()
        site.allow(20)
    # What runs has at most a minute left, so that Slurm sends the signal that comes before the limit.
    late = site.wait_at_the_gate(job)
    for task in late:
        site.cluster.run("scontrol", "update", f"JobId={task}", "TimeLimit=1", may_fail=True)  # it may have ended
    wait_until(lambda: any(site.cluster.tasks(job)[task] in STOPPED for task in late))
    site.allow(10_000)
    stopped = {task: state for task, state in site.wait_for(job).items() if state != "COMPLETED"}
    assert set(stopped) <= set(late)
    for task in (task for task, state in stopped.items() if state == "FAILED"):
        shown = site.cluster.run("scontrol", "show", "job", task)
        # The latter where the signal came before the script's first line.
        assert "ExitCode=130:0" in shown or "Reason=JobLaunchFailure" in shown
    assert site.said(job, "DUE TO PREEMPTION") >= 3
    assert 200 - 5 * len(stopped) <= site.outcomes() < 200

    state, report = site.verify(job)
    assert (state, report.split()[0]) == ("FAILED", "INCOMPLETE"), report
    missing = (site.folder / "missing-r.jsonl").read_text().splitlines()
    assert len(missing) == 200 - site.outcomes()
    again = site.cluster.submit(SCRIPTS / "sweep.sbatch", "missing-r.jsonl", options=["--array=0-1"])
    state, report = site.verify(again)
    assert (state, report.split()[0]) == ("COMPLETED", "WHOLE"), report
    assert "400 points in 200 shards" in report


def test_a_long_task_a_node_ends_whole(site: Site) -> None:
    site.plan(replications=8)
    site.allow(10)
    options = ["--array=0-1", f"--cpus-per-task={CPUS // 2}"]
    job = site.cluster.submit(SCRIPTS / "sweep.sbatch", "plan/messages.jsonl", options=options)
    assert site.wait_at_the_gate(job)
    before = site.outcomes()
    site.preempt()
    site.allow(10_000)
    assert set(site.wait_for(job).values()) == {"COMPLETED"}
    assert 0 < before < site.outcomes() == 40
    assert site.said(job, "already complete")  # a task that was queued again ran only what it had not
    state, report = site.verify(job)
    assert (state, report.split()[0]) == ("COMPLETED", "WHOLE"), report
