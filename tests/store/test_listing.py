"""A listing in parts has what the listing in one has, asks for little more, and for so many at a time."""

import datetime as dt
import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sweepctl.store import listing
from sweepctl.store.contract import Entry
from sweepctl.store.listing import Page, list_parts

WRITTEN_AT = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
Order = Callable[[str], tuple[str, ...]]


def by_bytes(key: str) -> tuple[str, ...]:
    return (key,)


def by_folders(key: str) -> tuple[str, ...]:
    return tuple(key.split("/"))


ORDERS = st.sampled_from([by_bytes, by_folders])
NAMES = st.one_of(
    st.integers(0, 40).map(lambda number: f"s-{number:02}.x"),
    st.text("s-0./", min_size=1, max_size=4).filter(lambda name: not name.startswith("/") and not name.endswith("/")),
    st.integers(0, 40).map(lambda number: f"s-{number:02}/deep"),
)


class Server:
    """A server that has keys, in its order, and counts what it was asked for."""

    def __init__(self, keys: set[str], order: Order, size: int) -> None:
        self.keys = sorted(keys, key=order)
        self.order = order
        self.size = size
        self.asked: list[str] = []

    def pages(self, after: str) -> Iterator[Page]:
        left = [key for key in self.keys if not after or self.order(key) > self.order(after)]
        for at in range(0, max(1, len(left)), self.size):
            self.asked.append(after)
            entries = [Entry(key, 1, "v", WRITTEN_AT) for key in left[at : at + self.size]]
            yield Page(entries, is_last=at + self.size >= len(left))


@example({"s/a", "s/b", "s-01.x", "s-02.x"}, {1}, by_folders, 1)  # a page of nothing but what sorts after the cut
@given(st.sets(NAMES), st.sets(st.integers(0, 45), min_size=1), ORDERS, st.integers(1, 9))
def test_every_object_is_listed_once_wherever_a_server_has_it(
    names: set[str], numbers: set[int], order: Order, size: int
) -> None:
    keys = {f"t/{name}" for name in names}
    cuts = [f"t/s-{number:02}.x" for number in sorted(numbers)]
    listed = [entry.key for entry in list_parts(Server(keys, order, size).pages, "t/", cuts)]
    assert len(listed) == len(set(listed))
    assert set(listed) == keys


def keys_of(numbers: range) -> set[str]:
    return {f"t/s-{number:04}.x" for number in numbers}


@pytest.mark.parametrize(("listed", "requests"), [(0, 1), (10, 1), (11, 2), (100, 10)])
def test_parts_of_a_page_take_no_more_requests_than_pages(
    monkeypatch: pytest.MonkeyPatch, listed: int, requests: int
) -> None:
    monkeypatch.setattr(listing, "PARTS_AT_ONCE", 1)
    server = Server(keys_of(range(listed)), by_bytes, 10)
    cuts = sorted(keys_of(range(9, 99, 10)))
    assert len(list(list_parts(server.pages, "t/", cuts))) == listed
    assert len(server.asked) == requests


def test_no_more_parts_are_asked_for_at_a_time_or_ahead_than_allowed() -> None:
    server = Server(keys_of(range(400)), by_bytes, 10)
    together = threading.Barrier(listing.PARTS_AT_ONCE)
    begun: list[str] = []

    def pages(after: str) -> Iterator[Page]:
        begun.append(after)
        if 0 < len(begun) - 1 <= listing.PARTS_AT_ONCE:
            together.wait(timeout=60)
        return server.pages(after)

    listed = list_parts(pages, "t/", sorted(keys_of(range(9, 399, 10))))
    next(listed)
    assert begun == [""]
    for _ in range(10):
        next(listed)
    assert len(begun) == 1 + listing.PARTS_AT_ONCE, "these met at the barrier, and no others began"
    assert len(list(listed)) == 389
