"""Outcomes in files of one form, decoded without Arrow, which takes a millisecond for each file.

The files that a worker writes of a run's shards have the same length and the same bytes, but for the values and the
statistics of them. A template is learnt from a file that `table.decode` has accepted. A file fits it if every other
byte is the same: lengths, levels, encodings and the footer. These are read from the front, and what may differ never
says where the next is: so what is at the places of the values is what Arrow would have read there. Statistics are not
looked at, unless every byte is to be as it was written: they repeat the values.
"""

import datetime as dt
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from sweepctl.records import footer, table
from sweepctl.records.as_written import require_as_written
from sweepctl.records.outcome import Outcome

MAX_LEARNT_BYTES = 1 << 16  # of a file: longer ones are rare, and a template holds it twice
MAX_TEMPLATES = 256
MAX_OF_A_LENGTH = 4  # each is compared with every file of that length
MAX_WORDS = 1_000
_DISTINCT = {"attempt_id", "content_sha256", "error_message", "key", "sha256"}  # texts that hardly occur twice
_OUTCOME = -1
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MILLISECOND = dt.timedelta(milliseconds=1)
_ROW_GROUPS, _COLUMNS, _META_DATA, _COLUMN_STATISTICS = 4, 1, 3, 12  # of the footer, down to a column's statistics
_KIND, _BYTES, _CRC, _PAGE = 1, 3, 4, 5  # of a page's header
_ENCODING, _PAGE_STATISTICS = 2, 5  # of a data page
_DATA_PAGE, _PLAIN = 0, 0
_LENGTH_BYTES = 4


_Repeat = tuple[slice, slice]  # where a value is, and a statistic of its column


class _Unfit(Exception):  # noqa: N818  no error: the file is decoded by Arrow alone
    """A file that nothing can be learnt from."""


@dataclass(frozen=True)
class _Value:
    """Where one value is in a file."""

    name: str
    artifact: int  # whose it is; _OUTCOME for the outcome's own
    at: int
    code: str  # of `struct`

    @property
    def taken(self) -> slice:
        """The bytes that it takes."""
        return slice(self.at, self.at + struct.calcsize(f"<{self.code}"))


@dataclass(frozen=True)
class _Row:
    """The places of what an outcome, or one of its artifacts, has in a file."""

    names: tuple[str, ...]
    layout: struct.Struct

    @classmethod
    def of(cls, values: Iterable[_Value]) -> Self:
        ordered = sorted(values, key=lambda each: each.at)
        parts, at = ["<"], 0
        for each in ordered:
            parts += [f"{each.at - at}x", each.code]
            at = each.at + struct.calcsize(f"<{each.code}")
        return cls(tuple(each.name for each in ordered), struct.Struct("".join(parts)))

    def values(self, body: bytes, words: dict[bytes, str]) -> dict[str, Any]:
        return {
            name: _text(name, found, words) if isinstance(found, bytes) else found
            for name, found in zip(self.names, self.layout.unpack_from(body), strict=True)
        }


@dataclass(frozen=True)
class Template:
    """What files of one form have in common."""

    mask: int  # a byte of ones for each that must be the same
    same: int  # these bytes
    constant: Mapping[str, Any]  # the columns that are null, or of one bit
    own: _Row
    artifacts: tuple[_Row, ...]
    repeats: tuple[_Repeat, ...]  # of the outcome's own values

    @classmethod
    def learn(cls, body: bytes, outcome: Outcome) -> Self | None:
        """Return the template of a file from which `outcome` was decoded; None if it has a form of its own."""
        try:
            values, free, repeats = _examine(body, outcome)
        except (*table.PARQUET_ERRORS, _Unfit, LookupError, TypeError, AttributeError):
            return None
        mask = bytearray(b"\xff" * len(body))
        for each in free:
            mask[each] = bytes(each.stop - each.start)
        ones = int.from_bytes(mask, "little")
        constant = {
            name: getattr(outcome, name) for name in table.OUTCOME.names if name not in {v.name for v in values}
        }
        own, *artifacts = (
            _Row.of(each for each in values if each.artifact == number)
            for number in range(_OUTCOME, len(outcome.artifacts))
        )
        found = cls(ones, int.from_bytes(body, "little") & ones, constant, own, tuple(artifacts), tuple(repeats))
        # Values of which one is not where it was looked for: nothing is taken for granted.
        return found if found.decode(body, {}) == outcome else None

    def decode(self, body: bytes, words: dict[bytes, str]) -> Outcome | None:
        """Return the outcome in a file of the same length; None if it does not fit, or has a value that is not valid.

        Args:
            body: The file.
            words: Texts that were decoded before: most occur in every file of a run.
        """
        if int.from_bytes(body, "little") & self.mask != self.same:
            return None
        try:
            fields = {**self.constant, **self.own.values(body, words)}
            fields["artifacts"] = [each.values(body, words) for each in self.artifacts]
            for name in ("started_at", "finished_at"):
                fields[name] = _EPOCH + fields[name] * _MILLISECOND
            return table.record_of(Outcome, fields)
        except (ValueError, OverflowError):
            return None

    def repeats_values(self, body: bytes) -> bool:
        """Return whether the statistics of a file that fits are of the values that it has.

        Those of its list of files are not compared: the files are.
        """
        return all(body[value] == body[statistic] for value, statistic in self.repeats)


def _text(name: str, found: bytes, words: dict[bytes, str]) -> str:
    if name in _DISTINCT:
        return found.decode()
    known = words.get(found)
    if known is None:
        known = found.decode()
        if len(words) < MAX_WORDS:
            words[found] = known
    return known


def _examine(body: bytes, outcome: Outcome) -> tuple[list[_Value], list[slice], list[_Repeat]]:
    """Return the places of the values, all bytes that may differ, and what they say twice."""
    with pq.ParquetFile(pa.BufferReader(body)) as file:
        group, schema = file.metadata.row_group(0), file.schema_arrow
    if any(table.OUTCOME.field(each.name).type != each.type for each in schema):
        raise _Unfit
    described, _ = footer.struct(body, footer.footer_start(body))
    values: list[_Value] = []
    free: list[slice] = []
    repeats: list[_Repeat] = []
    reached = 0
    for number, column in enumerate(described[_ROW_GROUPS][0][_COLUMNS]):
        chunk = group.column(number)
        end = chunk.data_page_offset + chunk.total_compressed_size
        header, start = footer.struct(body, chunk.data_page_offset)
        if header[_KIND] != _DATA_PAGE or _CRC in header or start + header[_BYTES] != end:
            raise _Unfit
        # Where two overlapped, a value of one could be what tells the form of the other.
        if not reached <= chunk.data_page_offset < end <= footer.footer_start(body):
            raise _Unfit
        reached = end
        own = list(_values_of(chunk.path_in_schema, outcome))
        if own and header[_PAGE][_ENCODING] != _PLAIN:
            raise _Unfit
        places = _places(end, own)
        values += places
        statistics = _slices(column[_META_DATA].get(_COLUMN_STATISTICS)) + _slices(header[_PAGE].get(_PAGE_STATISTICS))
        if places:  # what has no place of its own is the same in all files, and so are its statistics
            free += [*(each.taken for each in places), *statistics]
            repeats += [(places[0].taken, each) for each in statistics if places[0].artifact == _OUTCOME]
    return values, free, repeats


def _values_of(path: str, outcome: Outcome) -> Iterator[tuple[str, int, Any]]:
    """Yield name, artifact and value of all that a column holds; nothing where that is null, or a bit."""
    if path in table.OUTCOME.names:
        value = getattr(outcome, path)
        if value is not None and not isinstance(value, bool):
            yield path, _OUTCOME, value
        return
    name = path.rpartition(".")[2]
    for number, artifact in enumerate(outcome.artifacts):
        yield name, number, getattr(artifact, name)


def _places(end: int, own: Sequence[tuple[str, int, Any]]) -> list[_Value]:
    """Return where the values of a column are, whose page ends at `end`.

    They are in Parquet's plain encoding: a text comes after its length, which is the same in all files.
    """
    places: list[_Value] = []
    for name, artifact, value in reversed(own):
        code = _code(value)
        at = end - struct.calcsize(f"<{code}")
        places.append(_Value(name, artifact, at, code))
        end = at - (_LENGTH_BYTES if isinstance(value, str) else 0)
    return places


def _code(value: Any) -> str:  # noqa: ANN401  of any column
    if isinstance(value, str):
        return f"{len(value.encode())}s"
    return "d" if isinstance(value, float) else "q"


def _slices(statistics: Mapping[int, Any] | None) -> list[slice]:
    return [each for each in (statistics or {}).values() if isinstance(each, slice)]


@dataclass
class OutcomeDecoder:
    """Decodes the outcomes of a run, or others: what it has learnt is of bounded size, and changes no result.

    With `exact`, a file whose bytes are not those that its outcome is written with is damaged.
    """

    exact: bool = False
    _templates: dict[int, list[Template]] = field(default_factory=dict)  # by the length of their files
    _words: dict[bytes, str] = field(default_factory=dict)
    _count: int = 0

    def decode(self, body: bytes, where: Callable[[], str]) -> Outcome:
        """Return the outcome in a file; `where` names it in an error.

        Raises:
            DamagedError: as `table.decode`.
        """
        known = self._templates.get(len(body), [])
        for template in known:
            found = template.decode(body, self._words)
            if found is not None and (not self.exact or template.repeats_values(body)):
                return found
        found = table.decode(Outcome, body, where())
        if self.exact:
            require_as_written(found, body, where())
        if len(body) <= MAX_LEARNT_BYTES and len(known) < MAX_OF_A_LENGTH and self._count < MAX_TEMPLATES:
            learnt = Template.learn(body, found)
            if learnt is not None:
                self._templates[len(body)] = [*known, learnt]
                self._count += 1
        return found
