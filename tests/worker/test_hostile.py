"""Hostile messages among good ones: none ends, slows or fills a worker."""

import json
import time
from collections import Counter
from itertools import islice
from pathlib import Path
from random import Random
from types import SimpleNamespace

import pytest
from fakes import toys
from fakes.engines import REFUSED
from fakes.hostile_messages import GOOD, HOSTILE, OF_DAMAGED_RUN, damage, mutated, queue_message
from fakes.programs import write_program
from fakes.simulated_engine import Step
from fuzz.messages import TODAY
from worker import whole
from worker.in_process import Place, drained, drained_to_the_last

from sweepctl.engine.client import Engine, find_engine
from sweepctl.errors import EngineUnavailableError
from sweepctl.messages import body_digest
from sweepctl.queue.contract import Received
from sweepctl.shard import conditions
from sweepctl.shard.run import Conditions
from sweepctl.store import open_store
from sweepctl.worker.batch import LambdaWorker
from sweepctl.worker.events import Ending, Why

LONGEST = 5.0  # seconds that an engine has
MUTATIONS = 200
SECONDS = 30.0  # of the wall, for a message and its neighbours: usual is a tenth of a second


@pytest.fixture
def real() -> Engine:
    return Engine(find_engine())


def test_a_drain_outlives_every_message(place: Place, real: Engine) -> None:
    # A queue carries text alone.
    bodies = [body.decode(errors="replace").encode() for body in [*HOSTILE, *GOOD]]
    place.messages.max_receive_count = 1
    place.send(bodies)
    damage(place.inner)
    progress = drained(place, place.worker(engine=real, max_shards=len(bodies)))
    assert (progress.error, progress.why, progress.received) == (None, Why.MAX_SHARDS, len(bodies))
    assert progress.endings[Ending.SUCCEEDED] >= len(GOOD)
    assert not progress.endings.keys() & {Ending.RETRY, Ending.STORE_DOWN}
    found = whole.objects(place.inner)
    for number in range(len(GOOD)):
        assert f"shard_outcomes/run_date={TODAY}/run=good-{number}/shard-00000000.parquet" in found


def test_what_only_the_engine_refuses_is_on_record_and_leaves_the_others(place: Place) -> None:
    """An engine that takes part of what the worker takes: each refused message is its own failure."""
    bodies = toys.messages(4)
    place.messages.max_receive_count = 2
    place.send(bodies)

    def refuse(shard: int, good: list[Step]) -> list[Step]:
        return [REFUSED] if shard == 1 else good

    progress = drained_to_the_last(place, place.worker(refuse))
    assert progress.endings == {Ending.SUCCEEDED: 3, Ending.REJECTED: 2}
    assert progress.error is None
    assert [message.body for message in place.messages.dead] == [bodies[1]]
    record = json.loads(whole.objects(place.inner)[f"rejected/{body_digest(bodies[1])}.json"])
    assert record["reason"] == "the engine refused the request for its points (bad_request): design.std: too large"


def test_a_shard_beyond_a_workers_limits_is_refused_and_leaves_the_others(place: Place, real: Engine) -> None:
    bodies = [
        queue_message(run_id="points", replications=10**9, total_points=2 * 10**9, end_index_exclusive=2 * 10**9),
        queue_message(run_id="bytes", replications=500, total_points=1_000, end_index_exclusive=1_000),
        *GOOD,
    ]
    place.messages.max_receive_count = 1
    place.send(bodies)
    limits = Conditions(max_points=10_000, max_scratch_bytes=20_000)
    progress = drained(place, place.worker(engine=real, conditions=limits, max_shards=len(bodies)))
    assert progress.endings == {Ending.SUCCEEDED: len(GOOD), Ending.REJECTED: 2}
    assert progress.error is None
    found = whole.objects(place.inner)
    reasons = [json.loads(found[f"rejected/{body_digest(body)}.json"])["reason"] for body in bodies[:2]]
    assert reasons == [
        "a shard of 2,000,000,000 points: this worker runs at most 10,000",
        "the files of its shard take more than 20,000 bytes, which this worker does not allow",
    ]
    assert not [key for key in found if "run=points" in key]
    assert {key.split("/")[0] for key in found if "run=bytes" in key} == {"runs"}


def test_a_shard_that_this_workers_disk_has_no_room_for_goes_back_and_leaves_the_others(
    place: Place, real: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conditions, "disk_usage", lambda _: SimpleNamespace(free=4 << 20))
    bounds = {"replications": 15_000, "total_points": 30_000, "end_index_exclusive": 30_000}
    large = queue_message(run_id="bytes", base={"customers": 1}, **bounds)
    place.messages.max_receive_count = 2
    place.send([large, *GOOD])
    worker = place.worker(engine=real, conditions=Conditions(max_scratch_bytes=1 << 30), concurrency=2)
    progress = drained_to_the_last(place, worker)
    assert progress.endings == {Ending.SUCCEEDED: len(GOOD), Ending.RETRY: 2}
    assert [message.body for message in place.messages.dead] == [large]
    (failure,) = progress.failures
    assert (failure.error_code, failure.error) == (
        "scratch",
        "the files of its shard take more than 1,048,576 bytes, its share of this worker's free space",
    )
    assert not [call for call in place.store.calls if call.method == "probe"]


OVERWRITES = """\
import os

def simulate(x: float = 1.0):
    with open(__file__, "a") as file:
        file.write("# more")
    os._exit(1)
"""
REMOVES = """\
import os

def simulate(x: float = 1.0):
    os.unlink(__file__)
    os._exit(1)
"""


@pytest.mark.parametrize("deed", ["overwrites", "removes"])
def test_a_program_that_spoils_itself_ends_its_worker_before_any_other_shard_pays(
    place: Place, tmp_path: Path, deed: str
) -> None:
    """Handed back again and again by a worker that cannot run them, sound messages would end as dead letters."""
    manifest = write_program(tmp_path, OVERWRITES if deed == "overwrites" else REMOVES, name="vandal")
    design = {"kind": "grid", "dimensions": {"x": [0.0, 1.0]}}
    own = [
        queue_message(model="vandal", design=design, shard_id=shard, start_index=shard, end_index_exclusive=shard + 1)
        for shard in (0, 1)
    ]
    place.send([*own, *GOOD])
    worker = place.worker(engine=Engine(find_engine(), [manifest]), concurrency=1)
    progress = drained(place, worker)
    assert isinstance(progress.error, EngineUnavailableError)
    assert "vandal.py was changed or removed while the program ran" in progress.error.message
    (first,) = progress.failures
    assert first.error_code == "engine_program_changed"
    assert progress.endings[Ending.RETRY] == 1
    assert set(progress.endings) <= {Ending.RETRY, Ending.UNUSED}
    assert not place.messages.dead


def test_a_function_outlives_every_message(tmp_path: Path, real: Engine) -> None:
    store = open_store(str(tmp_path / "store"))
    damage(store)
    worker = LambdaWorker(real, store)
    for body in HOSTILE:
        began_at = time.monotonic()
        batch = [Received(f"m{place}", f"r{place}", each, 1) for place, each in enumerate([body, GOOD[0]])]
        hostile, good = worker.process(batch, 900.0)
        assert good.ending in {Ending.SUCCEEDED, Ending.SKIPPED}, (body, good.error)
        assert hostile.ending not in {Ending.RETRY, Ending.STORE_DOWN}, (body, hostile.error or hostile.attempt)
        assert time.monotonic() - began_at < SECONDS, body
        if body == OF_DAMAGED_RUN:
            assert "run=damaged/run.parquet is not a sweepctl record" in str(hostile.error)


@pytest.mark.slow
def test_a_function_with_limits_outlives_what_the_fuzzer_makes(tmp_path: Path, real: Engine) -> None:
    seen = Counter[Ending]()
    limits = Conditions(timeout=LONGEST, max_points=100, max_scratch_bytes=1_000_000)
    worker = LambdaWorker(real, open_store(str(tmp_path / "store")), conditions=limits)
    for body in islice(mutated(Random(1)), MUTATIONS):
        hostile, good = worker.process([Received("m0", "r0", body, 1), Received("m1", "r1", GOOD[0], 1)], 900.0)
        assert good.ending in {Ending.SUCCEEDED, Ending.SKIPPED}, (body, good.error)
        # An engine that does not come to an end in time has an outcome, and no error.
        assert hostile.ending is not Ending.STORE_DOWN, (body, hostile.error)
        assert hostile.ending is not Ending.RETRY or hostile.error is None, (body, hostile.error)
        seen[hostile.ending] += 1
    assert seen.keys() >= {Ending.SUCCEEDED, Ending.FAILED, Ending.REJECTED}, seen
