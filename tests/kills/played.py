"""What is in a store after a kill, and after the same command has run once more.

pyarrow is imported where it is used, in forks with NumPy kept out: that would start threads.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from kills.scenes import Place

from sweepctl import numpy_gate

_TABLES = ("point_outcomes", "effective_parameters", "kept_files")
_LOCKS = {"lock", "replace.lock"}


@dataclass(frozen=True)
class Ending:
    """What a run is in the end."""

    verdict: str
    checks: dict[str, str]  # the state of each check of `verify`
    rows: dict[str, str]  # the digest of the rows of each table

    @classmethod
    def of(cls, place: Place) -> Self:
        """Return that of a run which `verify --json` was the last command to look at."""
        report = json.loads(place.said.read_text())
        checks = {each["check"]: each["state"] for each in report["checks"]}
        return cls(report["verdict"], checks, {name: _digest(place.store, name) for name in _TABLES})

    @classmethod
    def decode(cls, text: str) -> Self:
        """Return what `encode` has written."""
        return cls(**json.loads(text))

    def encode(self) -> str:
        """Return it as text."""
        return json.dumps(asdict(self))


def _digest(store: Path, table: str) -> str:
    """Return the digest of a table's rows, ordered by point: a row that is there twice counts twice."""
    rows = [row for file in sorted((store / table).rglob("*.parquet")) for row in _rows(file)]
    rows.sort(key=lambda row: row["point_index"])
    return hashlib.sha256(repr(rows).encode()).hexdigest()


def _rows(file: Path) -> list[dict[str, Any]]:
    with numpy_gate.shut():
        import pyarrow.parquet as pq  # noqa: PLC0415

        rows: list[dict[str, Any]] = pq.read_table(file, use_threads=False, partitioning=None).to_pylist()
    return rows


def unreadable(store: Path) -> list[str]:
    """Return the files with a name in the store, work folders apart, that are not whole."""
    files = [each for each in sorted(store.rglob("*")) if each.is_file()]
    names = [each.relative_to(store) for each in files]
    return [str(name) for name in names if name.parts[0] != ".sweepctl" and not _is_whole(store / name)]


def _is_whole(file: Path) -> bool:
    try:
        if file.suffix == ".parquet":
            _rows(file)
        else:
            json.loads(file.read_bytes())
    except (OSError, ValueError):  # Arrow's errors are of these classes
        return False
    return True


def left_behind(place: Place) -> list[str]:
    """Return the work that is left, below the store and in the temporary folder; locks stay.

    So may the file by which Python itself finds out whether a temporary folder can be written to.
    """
    work = place.store / ".sweepctl"
    areas = {work, *work.glob("scratch-*")}
    found = [*work.rglob("*"), *place.temporary.rglob("*")]
    left = [each for each in found if each not in areas and not (each.name in _LOCKS and each.parent in areas)]
    return [str(each.relative_to(place.written)) for each in left if not (each.is_file() and _is_pythons(each))]


def _is_pythons(file: Path) -> bool:
    return len(file.name) == 8 and file.read_bytes() in {b"", b"blat"}
