"""Messages that no shard can be made of, among good ones: they are told, and end among the dead letters."""

import hashlib
import json
from collections.abc import Sequence

import pytest
from fakes import toys
from worker import whole
from worker.in_process import Place, drained_to_the_last, replicate

from sweepctl.worker.events import Ending

BAD = [
    b"poison",
    b"{}",
    toys.message(5, 6, bucket="elsewhere"),
    toys.message(5, 6, total_points=7),
    toys.of_absent_design(5, 6),
]


def require_rejected(place: Place, bodies: Sequence[bytes], good: Sequence[bytes]) -> None:
    """Assert that `bodies` are dead and on record, and that nothing else is amiss in the run of `good`."""
    assert sorted(message.body for message in place.messages.dead) == sorted(bodies)
    found = whole.objects(place.inner)
    standing = whole.require_whole(found, good)
    assert all(outcome.status == "success" for outcome in standing.values())
    for message in place.messages.dead:
        digest = hashlib.sha256(message.body).hexdigest()
        record = json.loads(found[f"rejected/{digest}.json"])
        assert (record["body_sha256"], record["bytes"]) == (digest, len(message.body))
        assert record["reason"]
        assert record["message_id"] == message.message_id
    assert sum(key.startswith("rejected/") for key in found) == len(bodies)


def test_poison_messages_are_recorded_and_left_to_the_dead_letters(place: Place) -> None:
    bodies = toys.messages(20)
    place.messages.max_receive_count = 2
    place.send([*bodies[:3], *BAD[:2], *bodies[3:], *BAD[2:]])
    progress = drained_to_the_last(place, place.worker(concurrency=4))
    assert progress.endings == {Ending.SUCCEEDED: 20, Ending.REJECTED: 10}
    assert progress.has_failures
    require_rejected(place, BAD, bodies)


@pytest.mark.slow
def test_one_poison_message_among_a_thousand_good_ones(place: Place) -> None:
    """In shards of one point."""
    bodies = toys.replicates(1_000)
    place.messages.max_receive_count = 3
    place.send([*bodies[:500], b"poison", *bodies[500:]])
    progress = drained_to_the_last(place, place.worker(replicate, concurrency=3))
    assert progress.endings == {Ending.SUCCEEDED: 1_000, Ending.REJECTED: 3}
    require_rejected(place, [b"poison"], bodies)
