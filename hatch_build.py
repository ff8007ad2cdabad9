"""Builds `sweep-engine` with cargo and ships it in the wheel, next to the `sweepctl` command.

The wheel is for one platform and any Python 3: it contains a program, not an extension module.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import mac_platforms, platform_tags

PROGRAM = "sweep-engine"
BUILD = ("cargo", "build", "--release", "--locked", "-p", PROGRAM, "--message-format", "json-render-diagnostics")


class EngineBuildHook(BuildHookInterface[Any]):
    """Adds the engine to wheels, editable ones too; an sdist carries its sources."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002  hatchling's signature
        """Build the engine and pass its path and the wheel's tag to hatchling."""
        build_data["shared_scripts"][self._build_engine()] = PROGRAM
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{_platform()}"

    def _build_engine(self) -> str:
        if shutil.which("cargo") is None:
            self.app.abort(
                "sweepctl: cargo was not found, and the wheel contains a Rust program.\n"
                "Install Rust (https://rustup.rs) or put ~/.cargo/bin on PATH, then install again."
            )
        build = subprocess.run(BUILD, cwd=self.root, stdout=subprocess.PIPE, check=False)
        if build.returncode:
            self.app.abort(f"sweepctl: cargo could not build {PROGRAM}; its messages are above.")
        # Cargo reports the program's path: its settings may put target/ elsewhere.
        messages = [json.loads(line) for line in build.stdout.splitlines()]
        return next(str(m["executable"]) for m in messages if m.get("executable") and m["target"]["name"] == PROGRAM)


def _platform() -> str:
    """Return this machine's platform tag; not manylinux or musllinux, which promise an old libc, unchecked here."""
    # What the linker promises there: without it, a wheel would ask for the macOS that it was built on.
    oldest = os.environ.get("MACOSX_DEPLOYMENT_TARGET")
    if sys.platform == "darwin" and oldest:
        major, minor, *_ = (*map(int, oldest.split(".")), 0)
        return next(mac_platforms((major, minor), platform.machine()))
    return next(tag for tag in platform_tags() if not tag.startswith(("manylinux", "musllinux")))
