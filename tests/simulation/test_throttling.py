"""A bucket and a queue that refuse what exceeds their rates: nothing is lost, recorded twice or called failed."""

import pytest
from simulation.mutants import MUTANTS
from simulation.throttling import PUBLISHED, Fleet

pytestmark = pytest.mark.slow

# What a shard of a planned run takes: tests/worker/test_request_budget.py.
GETS_A_SHARD, PUTS_A_SHARD = 4, 3
STORE, QUEUE = {"put": 70.0, "get": 110.0}, {"queue": 50.0}


def test_a_thousand_workers_at_the_published_rates() -> None:
    """They ask for three times as much, reach a good part of it, and no message comes twice."""
    fleet = Fleet(1_500, 1_000)
    fleet.drain()
    assert not fleet.findings
    assert fleet.services.refused["get"] > 100
    assert set(fleet.receives) == {1}
    assert fleet.shards / fleet.seconds > min(PUBLISHED["get"] / GETS_A_SHARD, PUBLISHED["put"] / PUTS_A_SHARD) / 3


@pytest.mark.parametrize("rates", [STORE, QUEUE, STORE | QUEUE], ids=["store", "queue", "both"])
def test_many_times_more_than_the_services_allow(rates: dict[str, float]) -> None:
    """Requests fail after all of botocore's attempts; their messages come again, and none too often."""
    fleet = Fleet(600, 300, limits=PUBLISHED | rates)
    fleet.drain()
    assert not fleet.findings
    assert max(fleet.receives) > 1, "some requests were refused each time"


def test_what_must_not_be_is_found() -> None:
    (mutant,) = [each for each in MUTANTS if each.name == "acknowledged although the store is down"]
    fleet = Fleet(200, 100, limits=PUBLISHED | {"put": 10.0, "get": 20.0})
    with mutant.applied():
        fleet.drain()
    assert fleet.findings
