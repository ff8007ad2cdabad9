"""Work in the system's temporary folder."""

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import os, signal, sys
from sweepctl.store.temporary import temporary_folder
with temporary_folder() as first, temporary_folder() as second:
    (first / "file").touch()
    print(first, second, flush=True)
    if "killed" in sys.argv:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def _folders(temporary: Path, *arguments: str) -> list[Path]:
    """Take two folders in a process of its own, and return them once it has ended."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", SCRIPT, *arguments],
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    return [Path(each) for each in done.stdout.split()]


def test_what_a_killed_process_leaves_the_next_one_removes(tmp_path: Path) -> None:
    left = _folders(tmp_path, "killed")
    assert [each.is_dir() for each in left] == [True, True]
    own = _folders(tmp_path)
    assert not set(own) & set(left)
    assert [path.name for path in tmp_path.rglob("*")] == [f"sweepctl-{os.getuid()}", "lock"]
