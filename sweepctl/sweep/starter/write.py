"""Writes the files that a new sweep begins with."""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from sweepctl.errors import UsageError

SWEEP, SWEEP_SCHEMA, PROGRAM_SCHEMA = "sweep.toml", "sweep.schema.json", "program.schema.json"
STARTER_MODEL = "ridehail"  # of the sweep that is shipped
_SCHEMAS = (SWEEP_SCHEMA, PROGRAM_SCHEMA)
_FILES = (SWEEP, SWEEP_SCHEMA, "message.json")


def shipped(name: str) -> bytes:
    """Return a file of this folder."""
    return files(__package__).joinpath(name).read_bytes()


def write_starter(folder: Path) -> list[Path]:
    """Write a sweep of a built-in model into a folder, created if needed, and return the paths.

    Raises:
        UsageError: one of them exists already, and stays as it is, or cannot be written.
    """
    return write_new({folder / name: shipped(name) for name in _FILES})


def require_new(paths: Mapping[Path, bytes]) -> None:
    """Raise UsageError if a file exists already; the schema that would be written may."""
    for path, contents in paths.items():
        is_same = path.name in _SCHEMAS and path.is_file() and path.read_bytes() == contents
        if path.exists() and not is_same:
            raise UsageError(f"{path} already exists", remedy="Give a new folder, or move the file away.")


def write_new(paths: Mapping[Path, bytes]) -> list[Path]:
    """Write files, and their folders if needed; return those that were written.

    Raises:
        UsageError: one of them exists already, and stays as it is, or cannot be written.
    """
    require_new(paths)
    written = []
    for path, contents in paths.items():
        if path.exists():
            continue  # a schema
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                file.write(contents)
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}", remedy="Give a folder that can be written.") from error
        written.append(path)
    return written
