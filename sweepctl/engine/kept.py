"""Files that a program keeps of its points: an engine's `kept` records, checked and bounded. They are no results."""

import base64
from dataclasses import dataclass

from sweepctl.design.values import reject
from sweepctl.errors import EngineFaultError
from sweepctl.protocol import Kept, Model
from sweepctl.records.design import rule_of

KEPT_START = b'{"record":"kept"'
# Of a shard; what later points keep is dropped.
MAX_KEPT_FILES = 10_000
MAX_KEPT_BYTES = 64 << 20


@dataclass(frozen=True)
class KeptFile:
    """A file of one point, or the end of it."""

    point_index: int
    replicate: int
    name: str
    size: int  # in bytes, of the whole file
    content: bytes


class KeptFiles:
    """Collects the files that the points of a shard keep."""

    def __init__(self, model: Model, points: range) -> None:
        """Prepare for these points of `model`, whose program says which files may come."""
        self._names = [] if model.program is None else model.program.keep
        self._points = points
        self._next = points.start
        self._bytes = 0
        self.files: list[KeptFile] = []

    def take(self, lines: bytes) -> bytes:
        """Take the `kept` records out of whole lines, and return the rest; they are in no digest.

        Raises:
            EngineFaultError: a record is invalid.
        """
        if not self._names or KEPT_START not in lines:
            return lines
        rest = []
        for line in lines.splitlines(keepends=True):
            if line.startswith(KEPT_START):
                self._add(line)
            else:
                rest.append(line)
        return b"".join(rest)

    def go_on(self, point_index: int) -> None:
        """Prepare for another engine, which runs the points from `point_index` on."""
        self.files = self.of_points_before(point_index)
        self._bytes = sum(len(each.content) for each in self.files)
        self._next = point_index

    def of_points_before(self, point_index: int) -> list[KeptFile]:
        """Return the files of points before `point_index`: those that have a record."""
        return [each for each in self.files if each.point_index < point_index]

    def _add(self, line: bytes) -> None:
        try:
            record = Kept.model_validate_json(line)
            if record.point_index not in self._points or record.point_index < self._next:
                reject(f"point_index {record.point_index} is out of order")
            self._next = record.point_index + 1  # so there are no more records than points
            for file in record.files:
                if file.name not in self._names:
                    reject(f"{file.name[:80]!r} is not in the program's `keep`")
                content = base64.b64decode(file.base64, validate=True)
                if len(self.files) < MAX_KEPT_FILES and self._bytes + len(content) <= MAX_KEPT_BYTES:
                    self._bytes += len(content)
                    self.files.append(KeptFile(record.point_index, record.replicate, file.name, file.bytes, content))
        except ValueError as error:
            msg = f"the engine wrote an invalid 'kept' record: {rule_of(error)}"
            raise EngineFaultError("engine_invalid_output", msg) from error
