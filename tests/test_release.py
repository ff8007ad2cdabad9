"""What builds a release: workflows, and the tag of a wheel. No test can run the workflows; actionlint checks them."""

import importlib.util
import platform
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from paths import ROOT

WORKFLOWS = {path.name: path.read_text() for path in (ROOT / ".github" / "workflows").glob("*.yml")}


def _jobs(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load(WORKFLOWS[name])["jobs"])


@pytest.fixture
def hook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("machine", "oldest"), [("arm64", "11.0"), ("x86_64", "10.13")])
def test_a_wheel_for_macos_asks_for_the_version_that_its_engine_was_linked_for(
    hook: ModuleType, monkeypatch: pytest.MonkeyPatch, machine: str, oldest: str
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setenv("MACOSX_DEPLOYMENT_TARGET", oldest)
    assert hook._platform() == f"macosx_{oldest.replace('.', '_')}_{machine}"


def test_a_wheel_for_linux_promises_no_old_libc(hook: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MACOSX_DEPLOYMENT_TARGET", "11.0")
    assert hook._platform() == f"linux_{platform.machine()}"


def test_actions_of_others_are_pinned_to_a_commit() -> None:
    used = [line for text in WORKFLOWS.values() for line in re.findall(r"uses: (.*)", text)]
    assert used
    for each in used:
        assert each.startswith("./") or re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v[\d.]+", each), each


def test_a_release_is_tested_and_needs_no_secret() -> None:
    jobs = _jobs("release.yml")
    assert set(jobs["publish"]["needs"]) == {"test", "wheels"} == set(jobs) - {"publish"}
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    (tested,) = (step for step in _jobs("test.yml")["test"]["steps"] if step.get("run") == "make test")
    assert tested["env"] == {"SWEEPCTL_TEST_EVERYTHING": "1"}
    for text in WORKFLOWS.values():
        assert "secrets." not in text
        assert yaml.safe_load(text)["permissions"] == {"contents": "read"}


def test_a_release_expects_the_wheels_that_are_built() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["cibuildwheel"]["build"]
    runners = _jobs("wheels.yml")["wheel"]["strategy"]["matrix"]["runner"]
    assert len(build) == len(runners)
    assert f"-eq {len(build)}\n" in WORKFLOWS["release.yml"]
    assert f"-eq {len(build) + 1}\n" in WORKFLOWS["release.yml"]


@pytest.mark.parametrize(("everything", "exit_code"), [("", 0), ("1", 2)])
@pytest.mark.parametrize("go", [None, "#!/bin/sh\necho 'dial tcp: no such host' >&2\nexit 1\n"])
def test_workflows_are_not_checked_where_go_cannot_build_the_tool(
    tmp_path: Path, go: str | None, everything: str, exit_code: int
) -> None:
    if go is not None:
        (tmp_path / "go").write_text(go)
        (tmp_path / "go").chmod(0o755)
    make = shutil.which("make")
    assert make is not None
    done = subprocess.run(
        [make, "-f", ROOT / "Makefile", "workflows"],
        cwd=tmp_path,  # without the tool that is built already
        env={"PATH": str(tmp_path), "SHELL": "/bin/sh", "CI": "true", "SWEEPCTL_TEST_EVERYTHING": everything},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == exit_code, done.stderr
    assert "not checked: it is built by go, which is missing" in done.stdout
