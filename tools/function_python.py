"""The Python of the function on AWS Lambda, which the image has, too: where it is, and how packages get there."""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

FUNCTION_PYTHON = "3.13"  # of the function's runtime: from 3.12 on, they are Amazon Linux 2023
MACHINE = platform.machine()
PLATFORMS = (*(f"manylinux_2_{minor}_{MACHINE}" for minor in (34, 28, 17)), f"manylinux2014_{MACHINE}")
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--no-deps", "--no-compile")
# Never checked against the source, whose time on Lambda means nothing.
COMPILE = ("-m", "compileall", "-f", "--invalidation-mode", "unchecked-hash")


def find_python() -> str | None:
    """Return the path of the function's Python; None if this machine does not have it."""
    command = f"python{FUNCTION_PYTHON}"
    if shutil.which(command) is None:
        return None
    # A version manager's shim on PATH starts nothing without a version.
    environment = {"PYENV_VERSION": FUNCTION_PYTHON, **os.environ}
    program = "import sys; print(sys.executable)"
    found = subprocess.run((command, "-c", program), env=environment, check=False, capture_output=True, text=True)
    return found.stdout.strip() or None


def require_python(named: str = "") -> str:
    """Return the Python that is named, or else the function's; exit with a remedy if there is none."""
    python = named or find_python()
    if python is None:
        sys.exit(
            f"missing: python{FUNCTION_PYTHON}, which compiles the function's modules.\n"
            "         Install it, or name it: make lambda LAMBDA_PYTHON=/path/to/it"
        )
    return python


def version_of(python: str) -> str:
    """Return the version of `python`, for instance 3.13."""
    program = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.run((python, "-c", program), check=True, capture_output=True, text=True).stdout.strip()


def install(tree: Path, version: str, what: tuple[str, ...]) -> None:
    """Install wheels for the function's Python on Amazon Linux; nothing is built."""
    # The wheel's tag is `linux`; its libc is checked afterwards.
    platforms = (f"--platform={each}" for each in (*PLATFORMS, f"linux_{MACHINE}"))
    target = ("--target", str(tree), "--upgrade", "--python-version", version, "--implementation", "cp")
    subprocess.run((*PIP, "--only-binary=:all:", *target, *platforms, *what), check=True)
