"""When a queue will be empty, from how it became emptier."""

from sweepctl.queue.backlog import Backlog, DepthSample, estimate_backlog


def test_nothing_is_known_of_a_queue_that_was_not_asked() -> None:
    assert estimate_backlog([]) is None


def test_the_pace_is_the_queues_own() -> None:
    assert estimate_backlog([DepthSample(0.0, 100), DepthSample(10.0, 95), DepthSample(20.0, 80)]) == Backlog(80, 80.0)


def test_a_queue_that_does_not_become_emptier_has_no_end() -> None:
    assert estimate_backlog([DepthSample(0.0, 100)]) == Backlog(100, None)
    assert estimate_backlog([DepthSample(0.0, 100), DepthSample(10.0, 100)]) == Backlog(100, None)
    assert estimate_backlog([DepthSample(0.0, 100), DepthSample(10.0, 120)]) == Backlog(120, None)
