"""Writes the files of this folder into another."""

from importlib.resources import files
from pathlib import Path

from sweepctl.errors import UsageError

_FILES = ("sweep.toml", "sweep.schema.json", "message.json")


def write_starter(folder: Path) -> list[Path]:
    """Write the files into a folder, created if needed, and return their paths.

    Raises:
        UsageError: one of them exists already, and stays as it is, or cannot be written.
    """
    paths = [folder / name for name in _FILES]
    for path in paths:
        if path.exists():
            raise UsageError(f"{path} already exists", remedy="Give a new folder.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in paths:
            with path.open("xb") as file:
                file.write(files(__package__).joinpath(path.name).read_bytes())
    except OSError as error:
        raise UsageError(f"{folder}: {error.strerror}", remedy="Give a folder that can be written.") from error
    return paths
