"""The wheel that `make` has built, and the sdist, installed as users do: in new environments, from files.

What they need comes from one folder of locked versions, which is downloaded once: nothing else can be installed.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from fakes import servers
from fakes.aws_runtime import find_wheel
from paths import ROOT

pytestmark = pytest.mark.slow

EXAMPLES = ROOT / "examples" / "queue"


@dataclass(frozen=True)
class Machine:
    """A user's home folder, and the variables that are set there: installers find files in one folder alone."""

    home: Path
    wheels: Path

    def run(self, *command: str | Path, **variables: str) -> str:
        settings = {
            "HOME": str(self.home),
            "PATH": f"{self.home}/bin:/usr/bin:/bin",
            "LC_ALL": "C.UTF-8",
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.wheels),
        }
        done = subprocess.run(
            command, cwd=self.home, env={**settings, **variables}, check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def sweepctl(self, *arguments: str | Path) -> str:
        return self.run(self.home / "bin" / "sweepctl", *arguments)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Download what a wheel, its extra `query` and a build need."""
    folder = tmp_path_factory.mktemp("wheels")
    locked = ("--no-deps", "--require-hashes", "-r", str(ROOT / "requirements" / "demo.txt"))
    download = (sys.executable, "-m", "pip", "download", "--quiet", "--dest", str(folder), *locked)
    done = subprocess.run(download, check=False, capture_output=True, text=True)
    if done.returncode:
        servers.missing(f"what a wheel needs cannot be downloaded: {done.stderr.strip()[-200:]}")
    return folder


@pytest.fixture(scope="module")
def wheel() -> Path:
    found = find_wheel()
    if found is None:
        servers.missing("no wheel in target/wheel: `make demo` builds it")
    return found


@pytest.fixture
def machine(tmp_path: Path, wheels: Path) -> Machine:
    return Machine(tmp_path, wheels)


def do_a_run(machine: Machine) -> None:
    """Run the example's shards and prove the run whole, with the engine of this very wheel."""
    assert "ridehail" in machine.sweepctl("models")
    for number in range(4):
        machine.sweepctl("run-shard", EXAMPLES / f"shard-{number}.json")
    assert "WHOLE  run queue-demo, 200 points in 4 shards" in machine.sweepctl("verify", "queue-demo")
    engine = re.search(r"engine +(\S*sweep-engine), version", machine.sweepctl("doctor"))
    assert engine is not None
    assert Path(engine[1]).is_relative_to(machine.home)


def do_a_query(machine: Machine) -> None:
    """Use the extra."""
    assert "not installed: query" not in machine.sweepctl("doctor")
    assert "200" in machine.sweepctl("query", "queue-demo", "SELECT count(*) FROM points")


def test_pip_installs_the_wheel_and_what_an_extra_brings(machine: Machine, wheel: Path) -> None:
    machine.run(sys.executable, "-m", "venv", "--without-pip", machine.home)
    install = (sys.executable, "-m", "pip", "--python", machine.home / "bin" / "python", "install", "--quiet")
    machine.run(*install, wheel)
    do_a_run(machine)
    assert "not installed: query" in machine.sweepctl("doctor")
    machine.run(*install, "duckdb")
    do_a_query(machine)


def test_uv_installs_the_wheel_as_a_tool_with_an_extra(machine: Machine, wheel: Path) -> None:
    folders = {"UV_TOOL_DIR": f"{machine.home}/tools", "UV_TOOL_BIN_DIR": f"{machine.home}/bin"}
    install = (sys.executable, "-m", "uv", "tool", "install", "--python", sys.executable)
    machine.run(*install, "--no-index", "--find-links", machine.wheels, f"{wheel}[query]", **folders)
    do_a_run(machine)
    do_a_query(machine)


def test_pipx_installs_the_wheel_with_an_extra(machine: Machine, wheel: Path) -> None:
    folders = {"PIPX_HOME": f"{machine.home}/tools", "PIPX_BIN_DIR": f"{machine.home}/bin"}
    machine.run(
        sys.executable, "-m", "pipx", "install", "--skip-maintenance", "--backend", "pip", f"{wheel}[query]", **folders
    )
    do_a_run(machine)
    do_a_query(machine)


def test_the_sdist_has_all_that_a_wheel_is_built_from(machine: Machine, wheel: Path) -> None:
    """As an installer does it where no wheel fits; optimized less, to save a minute."""
    hatch = (sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(machine.home))
    subprocess.run(hatch, cwd=ROOT, check=True, capture_output=True)
    (sdist,) = machine.home.glob("*.tar.gz")
    homes = {f"{tool.upper()}_HOME": str(Path.home() / f".{tool}") for tool in ("cargo", "rustup")}
    cargo = shutil.which("cargo")
    assert cargo is not None
    machine.run(
        *(sys.executable, "-m", "pip", "wheel", "--no-deps", sdist),
        **{name: os.environ.get(name, usual) for name, usual in homes.items()},
        PATH=f"{Path(cargo).parent}:/usr/bin:/bin",
        RUSTUP_TOOLCHAIN=tomllib.loads((ROOT / "rust-toolchain.toml").read_text())["toolchain"]["channel"],
        CARGO_TARGET_DIR=str(ROOT / "target" / "sdist"),
        CARGO_PROFILE_RELEASE_LTO="off",
        CARGO_PROFILE_RELEASE_OPT_LEVEL="0",
        CARGO_PROFILE_RELEASE_CODEGEN_UNITS="16",
    )
    (built,) = machine.home.glob("*.whl")
    assert built.name == wheel.name
    mine, its = (zipfile.ZipFile(each) for each in (built, wheel))
    assert sorted(mine.namelist()) == sorted(its.namelist())
    (engine,) = (name for name in mine.namelist() if name.endswith("/sweep-engine"))
    descriptions = []
    for archive, folder in ((mine, "mine"), (its, "its")):
        program = Path(archive.extract(engine, machine.home / folder))
        program.chmod(0o755)
        descriptions.append(machine.run(program, "describe"))
    assert descriptions[0] == descriptions[1]
