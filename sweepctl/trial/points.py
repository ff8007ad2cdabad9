"""Runs cells of a model and reads what comes: few points, each kept whole."""

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from threading import Event
from typing import Any, Literal

from sweepctl.engine.client import Engine
from sweepctl.errors import EngineFaultError
from sweepctl.protocol import VERSION, Model
from sweepctl.spec import NO_LIMITS, Limits
from sweepctl.trial.cells import Cell

_ROWS = re.compile(rb'\{"record":"rows","dataset":"([a-z0-9_]+)","point_index":(\d+),')
_POINT = re.compile(rb'\{"record":"point","point_index":(\d+),')


@dataclass(frozen=True)
class Point:
    """What came of one cell."""

    record: Mapping[str, Any]
    body: bytes  # the record without its index: equal work, equal bytes
    rows: Mapping[str, str]  # digest of the rows of each dataset

    @property
    def failure(self) -> tuple[str, str] | None:
        """The code and message of the error; None if it succeeded."""
        return None if self.record["status"] == "success" else (self.record["error_code"], self.record["error_message"])

    @property
    def metrics(self) -> Mapping[str, Any]:
        """The metrics; none of a point that failed."""
        return self.record.get("metrics") or {}

    def differs(self, other: "Point") -> str | None:
        """Return where two points differ that should be equal; None if they do not."""
        if self.failure != other.failure:
            return f"{_outcome(self)} or {_outcome(other)}"
        mine, its = self.metrics, other.metrics
        for name in sorted(mine):
            if json.dumps(mine[name]) != json.dumps(its.get(name)):
                return f"{name} is {mine[name]} or {its.get(name)}"
        if self.body != other.body:
            return "its record has other bytes"
        different = [name for name in sorted(self.rows) if self.rows[name] != other.rows.get(name)]
        return f"dataset {different[0]} has other rows" if different else None


def _outcome(point: Point) -> str:
    return "success" if point.failure is None else ": ".join(point.failure)


@dataclass(frozen=True)
class Points:
    """What came of cells, and what it took."""

    points: Sequence[Point]
    seconds: float  # from the start of the engine to its end
    peak_bytes: int  # of the largest process


@dataclass
class Bench:
    """One model of an engine, and the time that is left for all that is tried with it."""

    engine: Engine
    model: Model
    until: float  # on the monotonic clock
    limits: Limits  # of each point, in child processes
    stop: Event = field(default_factory=Event)

    def run(
        self,
        cells: Sequence[Cell],
        command: Literal["run", "host", "points"] = "run",
        *,
        threads: int = 1,
        seed: int = 1,
        replications: int = 1,
    ) -> Points:
        """Run cells, each with so many replicates.

        Raises:
            EngineFaultError: the engine ended before all points were done, or the time is up.
            RefusedError: it refused the cells.
        """
        request = self._request(cells, command, threads, seed, replications)
        began_at = time.monotonic()
        left = self.until - began_at
        if left <= 0:
            raise EngineFaultError("engine_timeout", "the time is up")
        has_children = command == "host" or (command == "run" and self.model.program is not None)
        limits = self.limits if has_children else NO_LIMITS
        with self.engine.start(request, command=command, limits=limits, timeout=left, stop=self.stop) as run:
            run.begin()
            found = _read(b"".join(run.blocks()))
        if len(found) != len(cells) * replications:
            msg = f"the engine wrote {len(found)} points in place of {len(cells) * replications}"
            raise EngineFaultError("engine_wrong_count", msg)
        return Points(found, time.monotonic() - began_at, run.peak_bytes)

    def _request(self, cells: Sequence[Cell], command: str, threads: int, seed: int, replications: int) -> bytes:
        columns = list(cells[0].values)
        rows = [[cell.values[name] for name in columns] for cell in cells]
        table = {"kind": "table", "columns": columns, "rows": rows}
        fields: dict[str, Any] = {
            "protocol": VERSION,
            "model": self.model.name,
            # A table has columns; without parameters, there is but one cell, and copies of it are replicates.
            "design": table if columns else {"kind": "grid", "dimensions": {}},
            "base": {},
            "replications": replications,
            "seed": seed,
            "outputs": [] if command == "points" else [dataset.name for dataset in self.model.datasets],
            "start_index": 0,
            "end_index_exclusive": len(cells) * replications,
            "threads": threads,
        }
        return json.dumps(fields, allow_nan=False).encode() + b"\n"


def _read(lines: bytes) -> Sequence[Point]:
    records: dict[int, bytes] = {}
    rows: dict[int, dict[str, str]] = {}
    for line in lines.splitlines():
        if found := _POINT.match(line):
            records[int(found[1])] = line[found.end() :]
        elif found := _ROWS.match(line):
            before = rows.setdefault(int(found[2]), {})
            name = found[1].decode()
            before[name] = sha256(before.get(name, "").encode() + line[found.end() :]).hexdigest()
    return [Point(json.loads(b"{" + body), body, rows.get(index, {})) for index, body in sorted(records.items())]
