"""This user's own folder for work in progress, in the system's temporary one.

What a process that was killed leaves there, the next one that needs such a folder removes; what `tempfile` makes would
stay.
"""

import os
import stat
import tempfile
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path

from sweepctl.errors import ScratchError
from sweepctl.store.files import WorkArea, store_errors


def temporary_folder() -> AbstractContextManager[Path]:
    """Provide a private folder in this user's temporary directory, removed on exit.

    Raises:
        ScratchError: there is none that is this user's alone.
    """
    return _area(_place()).folder()


# Kept, so that a process claims its part once.
@cache
def _area(place: Path) -> WorkArea:
    return WorkArea(place.parent, place.name)


def _place() -> Path:
    """Return this user's own folder for work in progress; a folder of another user's under that name is refused."""
    # Python finds a temporary directory by writing a file: on a full disk it finds none.
    with store_errors("write in", Path("TMPDIR or /tmp"), ScratchError):
        place = Path(tempfile.gettempdir()) / f"sweepctl-{os.getuid()}"
    with store_errors("create a work folder in", place, ScratchError):
        place.mkdir(mode=0o700, exist_ok=True)
        found = place.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise ScratchError(
            f"{place} is not a private directory of this user", remedy="Set TMPDIR to a directory of your own."
        )
    return place
