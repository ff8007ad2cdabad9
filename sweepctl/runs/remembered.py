"""What `status`, `runs` and `ui` have read of a run, kept in the user's cache folder for the next call, and no more.

It may be lost, damaged or of another run of that name at any time: then outcomes are read again. An outcome that was
replaced has another version in the listing, and is read again too.
"""

import datetime as dt
import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from itertools import accumulate
from pathlib import Path
from tempfile import NamedTemporaryFile

from sweepctl.records.outcome import RunRecord
from sweepctl.runs.status import OutcomeSummary
from sweepctl.store.contract import Store

MOST_RUNS = 1_000
MOST_TOTAL = 512 << 20  # bytes of all runs together
MOST_BYTES = 64 << 20  # of a run with half a million outcomes
_FORM = 1
_DIGEST = 64  # characters before the content
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MILLISECOND = dt.timedelta(milliseconds=1)


def load(store: Store, run: RunRecord) -> dict[int, OutcomeSummary]:
    """Return what was kept of a run's outcomes, by shard; nothing if there is none, or not of this run."""
    try:
        path = _path(store, run)
        if path.stat().st_size > MOST_BYTES:
            return {}
        content = path.read_bytes()
    except (OSError, RuntimeError):
        return {}
    if hashlib.sha256(content[_DIGEST:]).hexdigest().encode() != content[:_DIGEST]:
        return {}
    # Whole, so it is as this function's other half wrote it; of which release is in its first part.
    identity, rows = json.loads(content[_DIGEST:])
    if identity != _identity(run):
        return {}
    return {
        shard_id: OutcomeSummary._make((*same, _time(started), _time(finished), code))
        for shard_id, *same, started, finished, code in rows
    }


def save(store: Store, run: RunRecord, seen: Mapping[int, OutcomeSummary]) -> None:
    """Keep what was read of a run's outcomes, in place of what was kept before; where that fails, nothing is kept."""
    rows = [
        (shard_id, *each[:-3], _milliseconds(each.started_at), _milliseconds(each.finished_at), each.error_code)
        for shard_id, each in seen.items()
    ]
    content = json.dumps((_identity(run), rows), separators=(",", ":")).encode()
    if len(content) + _DIGEST > MOST_BYTES:
        return
    with suppress(OSError, RuntimeError):
        path = _path(store, run)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=path.parent, delete=False) as file:
            try:
                file.write(hashlib.sha256(content).hexdigest().encode() + content)
                file.flush()
                Path(file.name).replace(path)  # whole or not at all, whoever else writes
            except BaseException:
                Path(file.name).unlink()
                raise
        _discard_old(path.parent)


def _discard_old(folder: Path) -> None:
    """Remove what was kept longest ago, beyond what all runs may take."""
    found = sorted(((each.stat(), each) for each in folder.iterdir()), key=lambda each: -each[0].st_mtime)
    totals = accumulate(stat.st_size for stat, _ in found)
    for place, ((_, path), total) in enumerate(zip(found, totals, strict=True)):
        if place >= MOST_RUNS or total > MOST_TOTAL:
            path.unlink(missing_ok=True)


def _path(store: Store, run: RunRecord) -> Path:
    where = store.url if "://" in store.url else Path(store.url).absolute().as_posix()
    name = hashlib.sha256(f"{where}\n{run.run_id}".encode()).hexdigest()
    cache = os.environ.get("XDG_CACHE_HOME")
    return Path(cache or Path.home() / ".cache", "sweepctl", "status", name)


def _identity(run: RunRecord) -> list[object]:
    """Return what tells a run from another of its name, and this form of the file from others."""
    return [_FORM, run.run_id, run.run_date, run.spec_fingerprint, run.created_at.isoformat()]


def _time(milliseconds: int) -> dt.datetime:
    return _EPOCH + milliseconds * _MILLISECOND


def _milliseconds(time: dt.datetime) -> int:
    return (time - _EPOCH) // _MILLISECOND
