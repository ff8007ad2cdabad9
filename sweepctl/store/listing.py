"""A listing of many objects in parts, several of which are asked for at the same time.

A server gives a page of a listing only once it is told where it begins, which is where the page before ended. Whoever
knows how keys are numbered can tell beforehand where pages begin.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

from sweepctl.store.contract import Entry

PARTS_AT_ONCE = 8  # and so many pages in memory; more gained nothing from a server 20 ms away


@dataclass(frozen=True)
class Page:
    """Some objects of a listing."""

    entries: list[Entry]
    is_last: bool


Pages = Callable[[str], Iterator[Page]]  # the pages of what comes after a key, in the server's order; "" for all


@dataclass(frozen=True)
class _Part:
    """All objects from one cut to the next, and some that come after them."""

    entries: list[Entry]
    until: str
    is_end: bool  # nothing comes after these


def list_parts(pages: Pages, prefix: str, cuts: Sequence[str]) -> Iterator[Entry]:
    """Yield every object below `prefix` once.

    The first part is listed alone: where that is all there is, one request is enough.

    Args:
        pages: Lists what is below `prefix`, from any thread.
        prefix: A folder that ends in `/`.
        cuts: Keys of files in that folder, in order of their bytes, at least one.
    """
    deep = set[str]()
    for part in _parts(pages, prefix, cuts):
        for entry in part.entries:
            if not _is_in(prefix, entry.key):
                # Servers differ in whether `a/` comes before `a-`: any part may have it.
                if entry.key in deep:
                    continue
                deep.add(entry.key)
            elif not part.is_end and entry.key > part.until:
                continue  # the next part has it, too
            yield entry
        if part.is_end:
            return


def _parts(pages: Pages, prefix: str, cuts: Sequence[str]) -> Iterator[_Part]:
    yield _part(pages, prefix, "", cuts[0])
    waiting = deque[Future[_Part]]()
    with ThreadPoolExecutor(PARTS_AT_ONCE) as pool:
        for after, until in pairwise((*cuts, "")):
            waiting.append(pool.submit(_part, pages, prefix, after, until))
            if len(waiting) == PARTS_AT_ONCE:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _part(pages: Pages, prefix: str, after: str, until: str) -> _Part:
    """List from one cut to another; to the end if that is empty."""
    entries = list[Entry]()
    for page in pages(after):
        entries += page.entries
        if page.is_last:
            break
        if until and any(entry.key >= until and _is_in(prefix, entry.key) for entry in reversed(page.entries)):
            return _Part(entries, until, is_end=False)
    return _Part(entries, until, is_end=True)


def _is_in(prefix: str, key: str) -> bool:
    """Whether an object below a folder is a file of the folder itself."""
    return "/" not in key[len(prefix) :]
