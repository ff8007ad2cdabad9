"""Footers of the same form as one that was examined: they are as safe, and a pattern shows it in a tenth of the time.

The files that a writer makes of a run's shards have footers that differ in numbers of 64 bits (counts, places, sizes),
in statistics and in the file's own metadata. A pattern is made of a footer that `require_safe` has accepted, in which
these may be any, and every other byte is the same. Read from the front, what fits it takes the same steps as that
footer, and has in common with it whatever `require_safe` looks at.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from sweepctl.records import footer
from sweepctl.records.footer import BINARY, COLUMNS, I16, I64, META_DATA, ROW_GROUPS, Reader

MAX_FORMS = 8  # each is compared with every footer that fits none before it
MAX_BYTES = 1 << 14  # of a footer: those of small files, with few row groups, are short
_KEY_VALUE, _VALUE = 5, 2  # of FileMetaData; of KeyValue
_STATISTICS = 12  # of ColumnMetaData
_NUMBER = rb"[\x80-\xff]*[\x00-\x7f]"

Form = tuple[re.Pattern[bytes], ...]  # after each but the last comes a text of any length


@dataclass
class FooterForms:
    """Checks footers, for any number of threads; what it has learnt is of bounded size, and changes no result."""

    _forms: list[Form] = field(default_factory=list)

    def require_safe(self, found: bytes) -> None:
        """Raise ArrowInvalid where `footer.require_safe` does."""
        if any(_fits(form, found) for form in self._forms):
            return
        footer.require_safe(found)
        if len(found) <= MAX_BYTES and len(self._forms) < MAX_FORMS:
            # What Arrow passes over may be of any type.
            with suppress(AttributeError, TypeError, LookupError):
                self._forms.append(_form_of(found))


def _fits(form: Form, found: bytes) -> bool:
    reader = Reader(found, 0)
    *parts, last = form
    for part in parts:
        match = part.match(found, reader.at)
        if match is None:
            return False
        reader.at = match.end()
        try:
            reader.text()
        except IndexError:
            return False
    return last.fullmatch(found, reader.at) is not None


class _PlacesReader(Reader):
    """Reads a footer, and notes where numbers of 64 bits are, and texts with their lengths."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data, 0)
        self.numbers: dict[int, int] = {}  # from where on, and up to where
        self.texts: dict[int, int] = {}  # where a text begins, and where its length does

    def value(self, kind: int) -> Any:  # noqa: ANN401  any Thrift value
        start = self.at
        found = super().value(kind)
        if kind in (I16, I64):
            self.numbers[start] = self.at
        elif kind == BINARY:
            self.texts[found.start] = start
        return found


def _form_of(found: bytes) -> Form:
    """Return the form of a footer that is safe."""
    reader = _PlacesReader(found)
    texts = {reader.texts[each.start]: each.stop for each in _free_texts(reader.struct())}
    patterns, at = [b""], 0
    for start, end in sorted({**reader.numbers, **texts}.items()):
        patterns[-1] += re.escape(found[at:start])
        if start in texts:
            patterns.append(b"")
        else:
            patterns[-1] += _NUMBER
        at = end
    patterns[-1] += re.escape(found[at:])
    return tuple(re.compile(each, re.DOTALL) for each in patterns)


def _free_texts(described: dict[int, Any]) -> Iterator[slice]:
    """Yield the texts of a footer that `require_safe` does not look at, and in which files of one writer differ."""
    chunks = [chunk for group in described[ROW_GROUPS] for chunk in group[COLUMNS]]
    for statistics in (chunk[META_DATA].get(_STATISTICS, {}) for chunk in chunks):
        yield from (each for each in statistics.values() if isinstance(each, slice))
    yield from (each[_VALUE] for each in described.get(_KEY_VALUE, ()) if _VALUE in each)
