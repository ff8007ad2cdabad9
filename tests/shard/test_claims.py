"""Shards of a run that nobody planned: no two of them ever have a point in common, whatever messages come and when."""

import itertools
import json
import random
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Barrier, Thread

import pytest
from fakes import toys
from fakes.faulty import Crash, FaultyStore, StoreFault

from sweepctl.engine.client import Engine
from sweepctl.errors import ConflictError, MessageError, StoreError
from sweepctl.messages import ShardMessage
from sweepctl.records import layout
from sweepctl.shard import commit
from sweepctl.shard.claim import claim_points
from sweepctl.shard.conditions import Conditions
from sweepctl.shard.run import Disposition, run_shard, utc_now
from sweepctl.store import open_store
from sweepctl.store.contract import Store
from sweepctl.store.local import LocalStore
from sweepctl.verify import Verdict, verify

POINTS = 16
Shard = tuple[int, int, int]  # its number, its first point, and the one after its last
USUAL: list[Shard] = [(0, 0, 4), (1, 4, 8), (2, 8, 12), (3, 12, 16)]


def message(shard: Shard, points: int = POINTS) -> ShardMessage:
    number, start, end = shard
    run = {"dimensions": {"x": list(range(points))}, "total_points": points}
    return toys.decoded(toys.message(number, 1, **run, start_index=start, end_index_exclusive=end))


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return toys.engine(tmp_path)


def claimed(store: Store, shard: Shard, points: int = POINTS) -> bool:
    """Settle a shard as a worker does before it runs; return whether it may."""
    one = message(shard, points)
    try:
        claim_points(store, commit.agree_run(store, one, utc_now()), one)
    except ConflictError:
        return False
    return True


def bodies(store: Store) -> dict[str, bytes]:
    root = Path(store.url)
    found = [path for path in root.rglob("*") if path.is_file() and not path.is_relative_to(root / ".sweepctl")]
    return {str(path.relative_to(root)): path.read_bytes() for path in found}


def overlaps(one: Shard, other: Shard) -> bool:
    return one[1] < other[2] and other[1] < one[2]


@pytest.mark.parametrize(
    "wrong", [(9, 0, 12), (9, 0, 4), (9, 0, 16), (4, 15, 16), (1, 0, 4), (0, 0, 3), (0, 0, 16), (2, 4, 8), (3, 11, 16)]
)
def test_one_more_message_over_the_same_points_is_refused_and_the_run_stays_whole(
    store: Store, engine: Engine, wrong: Shard
) -> None:
    for shard in USUAL:
        run_shard(message(shard), engine, store)
    before = bodies(store)
    with pytest.raises(ConflictError, match="is sharded differently"):
        run_shard(message(wrong), engine, store)
    after = bodies(store)
    assert before.items() <= after.items()
    (row,) = after.keys() - before.keys()
    assert row.startswith(f"shard_attempts/run_date={toys.RUN_DATE}/run=r/shard-{wrong[0]:08d}-")
    report = verify(store, "r", engine)
    assert {each.code for each in report.findings} == {"failures.conflict"}


@pytest.mark.parametrize(
    ("shard", "is_right"),
    [
        ((2, 8, 12), True),
        ((3, 12, 16), True),
        ((2, 8, 11), True),  # a last but one that is shorter
        ((2, 8, 16), True),
        ((3, 9, 16), True),
        ((9, 8, 12), False),  # it follows shard 1, and is not shard 2
        ((9, 12, 16), False),  # four points are too few for seven shards
        ((2, 9, 13), False),  # it leaves a point that no shard can have
        ((3, 8, 12), False),
    ],
)
def test_what_contradicts_the_first_shards_is_refused(store: Store, shard: Shard, *, is_right: bool) -> None:
    assert all(claimed(store, each) for each in USUAL[:2])
    before = bodies(store)
    assert claimed(store, shard) is is_right
    if not is_right:
        assert bodies(store) == before, "what is refused claims nothing"


def test_a_message_that_is_rejected_while_it_runs_claims_nothing(store: Store, engine: Engine) -> None:
    with pytest.raises(MessageError, match="take more than 100 bytes"):
        run_shard(message((0, 0, 16)), engine, store, Conditions(max_scratch_bytes=100))
    assert not [key for key in bodies(store) if key.startswith("shard_claims/")]
    for shard in USUAL:
        assert run_shard(message(shard), engine, store).disposition is Disposition.COMMITTED


def test_a_claim_is_durable_before_a_conflict_names_it(
    store: Store, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    assert claimed(store, USUAL[0])
    (claim,) = (key for key in bodies(store) if key.startswith("shard_claims/"))
    monkeypatch.setattr(LocalStore, "make_durable", lambda _, key: steps.append(key))
    monkeypatch.setattr(commit, "record_attempt", lambda *_: steps.append("the conflict"))
    with pytest.raises(ConflictError, match="is sharded differently"):
        run_shard(message((0, 0, 16)), engine, store)
    assert steps[-2:] == [claim, "the conflict"]


def test_claims_are_durable_before_a_conflict_is_based_on_all_of_them(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert all(claimed(store, each) for each in USUAL[:2])
    claims = {key for key in bodies(store) if key.startswith("shard_claims/")}
    made: set[str] = set()
    monkeypatch.setattr(LocalStore, "make_all_durable", lambda _, keys: made.update(keys))
    assert not claimed(store, (9, 8, 12))
    assert made == claims


def test_what_contradicts_a_claim_does_not_run(store: Store, engine: Engine) -> None:
    assert claimed(store, USUAL[0])
    ran: list[int] = []
    with pytest.raises(ConflictError, match="is sharded differently"):
        run_shard(message((0, 0, 16)), engine, store, progress=lambda points, _: ran.append(points))
    assert ran == []


def test_of_two_that_run_at_the_same_time_the_second_to_end_publishes_nothing(store: Store, engine: Engine) -> None:
    others = [message(USUAL[0])]

    def meanwhile(_points: int, _slow: object) -> None:
        while others:
            run_shard(others.pop(), engine, store)

    with pytest.raises(ConflictError, match=r"shard 0 has \[0, 4\)"):
        run_shard(message((9, 0, 12)), engine, store, progress=meanwhile)
    for shard in USUAL[1:]:
        run_shard(message(shard), engine, store)
    assert not [key for key in bodies(store) if "shard-00000009" in key and not key.startswith("shard_attempts/")]
    assert {each.code for each in verify(store, "r", engine).findings} == {"failures.conflict"}


# How senders shard: by any of them, a queue drains as ever.
SHARDINGS: dict[str, list[Shard]] = {
    "of one size": USUAL,
    "a shorter last one": [(0, 0, 5), (1, 5, 10), (2, 10, 15), (3, 15, 16)],
    "numbered from 1": [(number + 1, start, end) for number, start, end in USUAL],
    "numbered from 1, a shorter last one": [(1, 0, 5), (2, 5, 10), (3, 10, 15), (4, 15, 16)],
    "sizes that differ by one": [(0, 0, 5), (1, 5, 10), (2, 10, 13), (3, 13, 16)],
    "smaller ones first": [(0, 0, 3), (1, 3, 6), (2, 6, 11), (3, 11, 16)],
    "of any size": [(0, 0, 7), (1, 7, 8), (2, 8, 14), (3, 14, 16)],
    "one shard": [(0, 0, 16)],
    "one shard, numbered 7": [(7, 0, 16)],
    "one point each": [(number, number, number + 1) for number in range(4)],
}


@pytest.mark.parametrize("name", SHARDINGS)
def test_every_sharding_passes_in_every_order(tmp_path: Path, name: str) -> None:
    for number, order in enumerate(itertools.permutations(SHARDINGS[name])):
        store = open_store(str(tmp_path / str(number)))
        for shard in (*order, *order):  # each delivered twice
            assert claimed(store, shard), (order, shard)


def test_shards_of_one_size_are_never_compared(store: Store) -> None:
    for shard in USUAL[:3]:
        assert claimed(store, shard)
    watched = FaultyStore(store)
    assert claimed(watched, USUAL[3])
    folder = layout.claims_folder("r")
    assert [call.method for call in watched.calls if call.key.startswith(folder)] == ["folders", "create", "folders"]


def test_a_planned_run_has_no_claims(store: Store) -> None:
    one = message(USUAL[0])
    planned = replace(commit.agree_run(store, one, utc_now()), shard_points=4)
    watched = FaultyStore(store)
    claim_points(watched, planned, one)
    assert watched.calls == []


def test_any_messages_in_any_order_leave_shards_that_do_not_overlap(tmp_path: Path) -> None:
    draw = random.Random(17)
    for number in range(300):
        store = open_store(str(tmp_path / str(number)))
        passed: list[Shard] = []
        for _ in range(8):
            start, end = sorted(draw.sample(range(POINTS + 1), 2))
            shard = (draw.randrange(5), start, end) if draw.random() < 0.5 else draw.choice(USUAL)
            if claimed(store, shard) and shard not in passed:
                passed.append(shard)
        assert not any(overlaps(*two) or two[0][0] == two[1][0] for two in itertools.combinations(passed, 2)), passed


RIVALS: list[tuple[Shard, Shard]] = [
    ((0, 0, 4), (9, 0, 12)),
    ((0, 0, 4), (1, 0, 4)),
    ((0, 0, 16), (1, 4, 8)),
    ((2, 8, 12), (2, 8, 11)),
    ((5, 3, 9), (6, 8, 10)),
]


class Rival(FaultyStore):
    """Another worker claims its points just before a call."""

    passed: bool | None = None

    def __init__(self, inner: Store, at: int, theirs: Shard) -> None:
        super().__init__(inner)
        self._at = at
        self._theirs = theirs

    def _call(self, method, key, action):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        if len(self.calls) == self._at:
            self.passed = claimed(self.inner, self._theirs)
        return super()._call(method, key, action)


@pytest.mark.parametrize(("mine", "theirs"), [*RIVALS, *((other, one) for one, other in RIVALS)])
def test_of_two_at_the_same_time_one_at_most_passes(tmp_path: Path, mine: Shard, theirs: Shard) -> None:
    passes = set()
    for at in range(20):
        store = Rival(open_store(str(tmp_path / str(at))), at, theirs)
        mine_passed = claimed(store, mine)
        assert not (mine_passed and store.passed)
        passes.add((mine_passed, store.passed))
        # Who has passed once passes again.
        assert not mine_passed or claimed(store.inner, mine)
    assert passes >= {(True, None), (False, True)}


def test_of_many_threads_at_once_none_has_points_of_another(tmp_path: Path) -> None:
    shards = [(0, 0, 4), (1, 2, 6), (2, 4, 8), (3, 6, 16), (4, 0, 16), (5, 9, 10)]
    for number in range(10):
        store = open_store(str(tmp_path / str(number)))
        barrier = Barrier(len(shards))
        passed: list[Shard] = []

        def work(shard: Shard, store: Store = store, barrier: Barrier = barrier, out: list[Shard] = passed) -> None:
            barrier.wait()
            if claimed(store, shard):
                out.append(shard)

        threads = [Thread(target=work, args=(shard,)) for shard in shards]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not any(overlaps(*two) for two in itertools.combinations(passed, 2)), passed


@pytest.mark.parametrize("fault", StoreFault)
def test_a_fault_at_any_call_keeps_no_shard_from_its_claim(tmp_path: Path, fault: StoreFault) -> None:
    for call in range(12):
        inner = open_store(str(tmp_path / str(call)))
        assert claimed(inner, (9, 13, 16))
        with suppress(Crash, StoreError):
            claimed(FaultyStore(inner, {call: fault}), USUAL[0])
        assert claimed(inner, USUAL[0])
        assert not claimed(inner, (8, 3, 5))


def test_outcomes_without_claims_count_as_well(store: Store, engine: Engine) -> None:
    """Of a run that an earlier version began, or of a store that was copied without them."""
    for shard in USUAL[:2]:
        run_shard(message(shard), engine, store)
    shutil.rmtree(Path(store.url, layout.claims_folder("r")))
    for wrong in [(9, 0, 12), (9, 7, 9), (1, 4, 9)]:
        with pytest.raises(ConflictError, match="is sharded differently"):
            run_shard(message(wrong), engine, store)
    for shard in USUAL:
        run_shard(message(shard), engine, store)
    with pytest.raises(ConflictError, match="is sharded differently"):
        run_shard(message((9, 11, 13)), engine, store)
    assert {each.code for each in verify(store, "r", engine).findings} == {"failures.conflict"}


def test_a_damaged_outcome_keeps_no_other_shard_from_its_claim(store: Store, engine: Engine) -> None:
    run_shard(message(USUAL[0]), engine, store)
    shutil.rmtree(Path(store.url, layout.claims_folder("r")))
    Path(store.url, layout.ShardKeys("r", toys.RUN_DATE, 0).outcome).write_bytes(b"")
    assert claimed(store, USUAL[1])


def test_a_wrong_claim_can_be_moved_away(store: Store, engine: Engine, tmp_path: Path) -> None:
    """As the error says: the wrong message came first, and has no outcome."""
    assert claimed(store, (9, 0, 12))
    with pytest.raises(ConflictError, match=r"shard 9 has \[0, 12\)") as refused:
        run_shard(message(USUAL[0]), engine, store)
    assert "move its claim" in (refused.value.remedy or "")
    (key,) = (key for key in bodies(store) if key.startswith(layout.claims_folder("r")))
    assert key in refused.value.message
    assert json.loads(bodies(store)[key]) == {"shard_id": 9, "start_index": 0, "end_index_exclusive": 12}
    Path(store.url, key).rename(tmp_path / "moved")
    for shard in USUAL:
        assert run_shard(message(shard), engine, store).disposition is Disposition.COMMITTED
    assert verify(store, "r", engine).verdict in {Verdict.WHOLE, Verdict.UNPROVEN}
