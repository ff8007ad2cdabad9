"""tools/preflight says what is missing, and what to do about it, before anything is built."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from paths import ROOT

RUSTUP = "#!/bin/sh\nexit 0\n"
WITHOUT_THE_PINNED = "#!/bin/sh\necho 'error: could not download file' >&2\nexit 1\n"


def preflight(folder: Path, **programs: str) -> "subprocess.CompletedProcess[str]":
    """Run it where, of all that concerns Rust, only `programs` are on PATH."""
    for name, text in programs.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    for name in ("sed", "awk", "sh"):
        (folder / name).symlink_to(str(shutil.which(name)))
    environment = {"PATH": str(folder), "PYTHON": sys.executable}
    command = [ROOT / "tools" / "preflight"]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)


@pytest.mark.parametrize("version", ["1.95.0", "1.96.1", "2.0.0"])
def test_a_cargo_without_rustup_needs_only_be_new_enough(tmp_path: Path, version: str) -> None:
    done = preflight(tmp_path, cargo=f"#!/bin/sh\necho 'cargo {version} (0 2026-01-01)'\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{sys.executable}\n", "")


def test_an_old_cargo_is_named(tmp_path: Path) -> None:
    done = preflight(tmp_path, cargo="#!/bin/sh\necho 'cargo 1.94.9 (0 2026-01-01)'\n")
    assert done.returncode == 1
    assert "missing: Rust 1.95 or newer (cargo here is: cargo 1.94.9 (0 2026-01-01))" in done.stderr


def test_without_cargo_it_says_where_to_get_it(tmp_path: Path) -> None:
    done = preflight(tmp_path)
    assert done.returncode == 1
    assert "missing: cargo, which builds sweep-engine." in done.stderr


def test_a_rustup_that_cannot_get_the_pinned_version_is_told_apart(tmp_path: Path) -> None:
    done = preflight(tmp_path, rustup=RUSTUP, cargo=WITHOUT_THE_PINNED)
    assert done.returncode == 1
    assert "missing: Rust 1.95.0, which rust-toolchain.toml names" in done.stderr
    assert "RUSTUP_TOOLCHAIN=stable" in done.stderr
    assert "Install Rust" not in done.stderr
