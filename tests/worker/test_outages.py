"""Workers as processes whose store or queue is out of reach for a while, or that stand still for longer than a lease.

Where a lease ends, it has LEASE seconds instead of the usual minute, and what is told in leases scales with it.
"""

import itertools
import os
import signal
import time
from collections.abc import Iterator

import pytest
from fakes import toys
from fakes.fault_proxy import Fault, FaultProxy, Rule
from fakes.gateway import Gateway
from fakes.servers import Server
from waiting import wait_until
from worker import whole
from worker.processes import LEASE, SCENARIOS, MakePlace, Nursery, counted, end_in_order, heal

from sweepctl.records import layout

pytestmark = pytest.mark.servers

REQUESTS = (
    ("GET", "outcome"),
    ("PUT", "effective_parameters"),
    ("PUT", "point_outcomes"),
    ("PUT", "outcome"),
)
FAULTS = (Fault.UNAVAILABLE, Fault.DROP_AFTER, Fault.ERROR_AFTER)
# The second try settles one; two are all tries of these workers, and reach their decisions.
BURSTS = (1, 2)


def store_faults() -> Iterator[Rule]:
    """A burst of each fault at each request of a shard, each in a shard of its own."""
    for shard, (fault, (method, what), times) in enumerate(itertools.product(FAULTS, REQUESTS, BURSTS)):
        keys = layout.ShardKeys(toys.RUN_ID, toys.RUN_DATE, shard)
        yield from [Rule(fault, method, keys.outcome if what == "outcome" else keys.dataset(what, "toy"))] * times


def test_bursts_of_503_and_lost_replies_of_s3_leave_every_shard_whole(
    make_place: MakePlace, nursery: Nursery, weed_server: Server
) -> None:
    bodies = toys.messages(len(FAULTS) * len(REQUESTS) * len(BURSTS))
    place = make_place("", bodies, max_receive_count=10, s3=weed_server)
    with FaultProxy(weed_server.endpoint_url) as proxy:
        proxy.schedule(
            [
                *[Fault.UNAVAILABLE] * 12,  # at first, nothing answers
                Rule(Fault.DROP_AFTER, "PUT", layout.run_record(toys.RUN_ID)),
                Rule(Fault.ERROR_AFTER, "PUT", layout.engine_pin(toys.RUN_ID)),
                *store_faults(),
            ]
        )
        job = place.job(concurrency=2) | {"store_endpoint_url": proxy.url}
        workers = [nursery.start(**job) for _ in range(2)]
        wait_until(lambda: place.held() == 0)
        end_in_order(nursery, workers)
        assert proxy.pending == []
    standing = place.require_done(bodies)
    assert any((outcome.attempt_number or 0) > 1 for outcome in standing.values()), "some were handed back"


def test_a_queue_out_of_reach_for_longer_than_a_lease_costs_no_shard(make_place: MakePlace, nursery: Nursery) -> None:
    """One and a half leases of LEASE seconds: as a minute and a half is to the usual lease of a minute.

    Shards that end meanwhile cannot be acknowledged; they come back when their leases are over, and are found done.
    """
    bodies = toys.messages(12)
    place = make_place("tell(f'runs-{shard}')\nwait_for('go')", bodies)
    with Gateway(place.server.endpoint_url) as gateway:
        job = place.job(concurrency=2, lease=LEASE) | {"endpoint_url": gateway.url}
        workers = [nursery.start(**job) for _ in range(2)]
        wait_until(lambda: sum(place.is_told(f"runs-{shard}") for shard in range(12)) == 4)
        gateway.close()
        place.tell("go")
        wait_until(lambda: len(whole.outcomes(place.objects())) == 4)
        time.sleep(1.5 * LEASE)
        wait_until(lambda: gateway.turned_away)
        assert place.held() == 12, "nothing was acknowledged"
        unacknowledged = whole.outcomes(place.objects())
        gateway.open()
        wait_until(lambda: place.held() == 0)
        end_in_order(nursery, workers)
    assert place.require_done(bodies).items() >= unacknowledged.items()


TURNS = "turn = 'first' if first('taken') else 'second'\ntell(f'{turn}-runs')\nwait_for(f'{turn}-may-end')"


def test_a_worker_that_stood_still_in_a_run_leaves_its_message_to_who_has_it_now(
    make_place: MakePlace, nursery: Nursery
) -> None:
    bodies = toys.messages(1)
    place = make_place(TURNS, bodies)
    with FaultProxy(place.server.endpoint_url) as proxy:
        first = nursery.start(**place.job(max_shards=1, lease=LEASE) | {"endpoint_url": proxy.url})
        wait_until(lambda: place.is_told("first-runs"))
        os.kill(first, signal.SIGSTOP)
        assert nursery.wait(first) == -signal.SIGSTOP
        second = nursery.start(**place.job(max_shards=1))
        wait_until(lambda: place.is_told("second-runs"))
        place.tell("first-may-end")
        os.kill(first, signal.SIGCONT)
        assert nursery.wait(first) == 0
        assert not any("DeleteMessage" in seen.path for seen in proxy.log)
    assert place.queue.facts().in_flight == 1, "the second still has it"
    found = place.objects()
    place.tell("second-may-end")
    assert nursery.wait(second) == 0
    place.require_done(bodies)
    assert place.objects() == found, "the first one's outcome stands, and nothing came beside it"


def test_a_worker_that_stood_still_before_any_call_changes_nothing_of_what_is_done(
    make_place: MakePlace, nursery: Nursery
) -> None:
    """All calls after the first, which receives the message; meanwhile another one takes it, and ends the shard."""
    bodies = toys.messages(1)
    behaviour = SCENARIOS["success"]
    places = [make_place(behaviour, bodies) for _ in range(1, counted(make_place, nursery, behaviour, bodies))]
    workers = [
        nursery.start(**place.job(max_shards=1), kill=(call, "before"), signal="STOP")
        for call, place in enumerate(places, start=1)
    ]
    assert [nursery.wait(worker) for worker in workers] == [-signal.SIGSTOP] * len(workers)
    for place in places:
        place.end_leases()
    heal(nursery, places)
    found = [place.objects() for place in places]
    for worker in workers:
        os.kill(worker, signal.SIGCONT)
    assert [nursery.wait(worker) for worker in workers] == [0] * len(workers)
    for place, before in zip(places, found, strict=True):
        place.require_done(bodies)
        assert place.objects() == before
