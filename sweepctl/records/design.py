"""Designs too large for a message: stored once under the digest of their bytes, and read by every worker.

A table is stored as JSON lines, so that a shard's rows are read without parsing the others; everything else is one
JSON object (docs/store-layout.md). What is read is checked against its digest, so that a message always means the same
design.
"""

import hashlib
import json
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from io import BytesIO
from itertools import accumulate, chain
from threading import Lock
from typing import Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from sweepctl.design import (
    DESIGN,
    Design,
    Space,
    Table,
    path_of,
    require_columns,
    require_row_lengths,
    rule_in,
    table_part,
)
from sweepctl.design.values import Count, Scalar, Strict, reject
from sweepctl.errors import AlteredDesignError, DamagedError, MessageError, MissingDesignError, UsageError
from sweepctl.messages import ShardMessage
from sweepctl.names import Name
from sweepctl.records import layout
from sweepctl.records.outcome import RunRecord
from sweepctl.spec import Value
from sweepctl.store.contract import Put, Store
from sweepctl.store.files import store_errors
from sweepctl.strict_json import parse

MAX_BYTES = 64 << 20
KEPT = 4  # designs that a process caches: a worker serves few runs at a time, and each may have MAX_BYTES
BLOCK_BYTES = 1 << 16  # of a table, between two positions whose row is known

_ROWS: TypeAdapter[list[list[Value]]] = TypeAdapter(list[list[Scalar]])


def encode(design: Design) -> bytes:
    """Return the bytes of a design, stored under their digest; equal designs have equal bytes."""
    if not isinstance(design, Table):
        return _dump(design.to_json()).encode()
    return encode_table(design.columns, design.cells, design.rows)


def encode_table(columns: Sequence[str], count: int, rows: Iterable[Sequence[Value]]) -> bytes:
    """Return the bytes of a table of `count` rows, as `encode` does.

    Raises:
        ValueError: a number is not finite.
    """
    header = {"columns": columns, "kind": "table", "rows": count}
    body = BytesIO()  # not a list of lines, which would take several times the memory
    body.writelines(f"{_dump(line)}\n".encode() for line in chain([header], rows))
    return body.getvalue()


def digest(body: bytes) -> str:
    """Return the lower-case hex SHA-256 under which a design's bytes are stored."""
    return hashlib.sha256(body).hexdigest()


def put(store: Store, body: bytes) -> str:
    """Store bytes from `encode` unless they are stored already; return their digest.

    Raises:
        UsageError: the design is larger than workers accept.
        AlteredDesignError: other bytes are stored under the digest; they were not overwritten.
        StoreError: the store does not answer.
    """
    if len(body) > MAX_BYTES:
        msg = f"the design has {len(body)} bytes: must be at most {MAX_BYTES} (64 MiB)"
        raise UsageError(msg, remedy="Write it as a formula, or split it into several runs.")
    sha256 = digest(body)
    if store.create(layout.stored_design(sha256), body) is Put.EXISTS:
        _read(store, sha256)
    return sha256


def space_of(store: Store, message: ShardMessage) -> Space:
    """Return the design of a message, read from the store if it is stored there.

    The last few are cached: each shard of a run needs the same design, and its bytes never change.

    Raises:
        MissingDesignError: the design is not in the store.
        AlteredDesignError: its bytes do not match its digest.
        MessageError: the stored bytes are not a design, or the design does not fit the message.
        StoreError: the store does not answer.
    """
    if message.space is not None:
        return message.space
    space = _kept.get(store, message.spec.design["sha256"])
    try:
        message.require_fit(space)
    except ValueError as error:
        raise MessageError(str(error), remedy="Send the messages that were made for this design.") from error
    return space


def resolve(store: Store, run: RunRecord) -> Space:
    """Return the design of a run, read from the store, uncached, if it is stored there.

    Raises:
        DamagedError: the design in the run record is not valid.
        MissingDesignError, AlteredDesignError, MessageError, StoreError: as `space_of`.
    """
    design = run.spec.design
    if "sha256" in design:
        return load(store, design["sha256"])
    try:
        return DESIGN.validate_python(design)
    except ValueError as error:
        msg = f"{store.locate(layout.run_record(run.run_id))}: the design cannot be read: {rule_of(error)}"
        remedy = f"Another program wrote it; `sweepctl verify {run.run_id}` shows what else is damaged."
        raise DamagedError(msg, remedy=remedy) from error


def load(store: Store, sha256: str) -> Space:
    """Return the design that is stored under a digest.

    Raises:
        MissingDesignError, AlteredDesignError, MessageError, StoreError: as `space_of`.
    """
    body = _read(store, sha256)
    try:
        return decode(body)
    except ValueError as error:
        where = store.locate(layout.stored_design(sha256))
        raise MessageError(f"{where} is not a design: {rule_of(error)}", remedy=_STORE_ANOTHER) from error


class _Kept:
    """A cache of the designs that were used last."""

    def __init__(self) -> None:
        self._spaces: OrderedDict[tuple[str, str], Space] = OrderedDict()
        self._lock = Lock()

    def get(self, store: Store, sha256: str) -> Space:
        place = (store.url, sha256)
        # Held while loading too: a worker's threads start with the same design, and only one should fetch it.
        with self._lock:
            if place not in self._spaces:
                self._spaces[place] = load(store, sha256)
            self._spaces.move_to_end(place)
            if len(self._spaces) > KEPT:
                self._spaces.popitem(last=False)
            return self._spaces[place]


_kept = _Kept()
_STORE_ANOTHER = "Correct the design, store it, and send messages with its new digest."


def _read(store: Store, sha256: str) -> bytes:
    """Return the bytes that are stored under a digest; raise unless they have that digest."""
    key = layout.stored_design(sha256)
    where = store.locate(key)
    # Not `read`, which would load an object of any size into memory.
    with store.borrow(key) as path:
        if path is None:
            remedy = "Store the design again and redrive the message, or start the worker with the run's own --store."
            raise MissingDesignError(f"design_sha256 {sha256}: {where} does not exist", remedy=remedy)
        with store_errors("read", path):
            # Nothing larger was ever stored.
            body = b"" if path.stat().st_size > MAX_BYTES else path.read_bytes()
    if hashlib.sha256(body).hexdigest() != sha256:
        remedy = "Restore the file from a backup, or remove it and store the design again."
        raise AlteredDesignError(f"{where} was altered: its bytes do not match the SHA-256 in its name", remedy=remedy)
    return body


def decode(body: bytes) -> Space:
    """Return the design that `encode` encoded.

    Raises:
        ValueError: the bytes are not a design.
    """
    line = body[: body.find(b"\n") + 1]
    if line.startswith(b'{"columns":'):
        return StoredTable(_Header.model_validate(parse(line)), body)
    return DESIGN.validate_python(parse(body))


def _dump(value: Any) -> str:  # noqa: ANN401  any JSON value
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def rule_of(error: ValueError) -> str:
    """Return the first rule that was broken, in one line."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False, include_context=False)[0]
    return f"{path_of(first['loc'])}: {rule_in(first)}".removeprefix(": ")


class _Header(Strict):
    """The first line of a stored table."""

    columns: list[Name] = Field(min_length=1)
    kind: Literal["table"]
    rows: Count


class StoredTable:
    """A stored table: its bytes, whose rows are parsed on demand."""

    def __init__(self, header: _Header, body: bytes) -> None:
        """Hold the bytes of a whole file.

        Raises:
            ValueError: it does not have as many lines as its header says.
        """
        require_columns(header.columns)
        self._header = header
        self._body = body
        if not body.endswith(b"\n") or self._line_ends[-1] != header.rows + 1:
            reject(f"must have {header.rows} rows, one per line, after the header")

    @property
    def cells(self) -> int:
        """The number of rows."""
        return self._header.rows

    @property
    def parameters(self) -> Sequence[str]:
        """The names of the columns."""
        return self._header.columns

    def part(self, first_cell: int, end_cell: int) -> Mapping[str, Any]:
        """Return only the rows of these cells.

        Raises:
            MessageError: one of them is not a valid row of this table.
        """
        lines = self._body[self._start_of(first_cell) : self._start_of(end_cell)]
        count = end_cell - first_cell
        try:
            # All at once, which is much faster than line by line. Each line has at least one array: so, if there are as
            # many arrays as lines, each line has exactly one.
            if not lines.count(b"]\n") == (b"\n" + lines).count(b"\n[") == count:
                reject("must have one array per line")
            rows = _ROWS.validate_python(parse(b"[%b]" % lines[:-1].replace(b"\n", b",\n")))
            if len(rows) != count:
                reject("must have one array per line")
            require_row_lengths(rows, self.parameters, first_cell)
        except ValueError as error:
            msg = f"rows {first_cell + 1} to {end_cell} of the stored table: {rule_of(error)}"
            raise MessageError(msg, remedy=_STORE_ANOTHER) from error
        return table_part(self.parameters, rows, first_cell, self.cells)

    @cached_property
    def _line_ends(self) -> Sequence[int]:
        """How many lines end before the end of each block; an offset per row would take more memory than the table."""
        blocks = range(0, len(self._body), BLOCK_BYTES)
        return list(accumulate(self._body.count(b"\n", start, start + BLOCK_BYTES) for start in blocks))

    def _start_of(self, row: int) -> int:
        """Return where the line of `row` starts: after the header and the rows before it."""
        block = bisect_left(self._line_ends, row + 1)
        ended = self._line_ends[block - 1] if block else 0
        place = block * BLOCK_BYTES
        for _ in range(row + 1 - ended):
            place = self._body.index(b"\n", place) + 1
        return place
