"""The worker's decisions, driven through random histories: what must never happen does not, and each history ends."""

import random
from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweepctl.worker import events, lease
from sweepctl.worker.events import Ending, Message, Why
from sweepctl.worker.lease import Policy, WorkerState

ENDINGS = [ending for ending in Ending if ending not in {Ending.UNUSED, Ending.INTERRUPTED}]


@dataclass
class World:
    """A queue, a store and threads that answer in any order, any time later, or badly."""

    seed: int
    policy: Policy
    stop_after: float | None = None
    now: float = 0.0
    sent: int = 0
    pending: list[events.Action] = field(default_factory=list)
    running: set[str] = field(default_factory=set)
    interrupted: set[str] = field(default_factory=set)
    ended: dict[str, Ending] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    closed: Counter[str] = field(default_factory=Counter)
    finished: bool = False
    store_down: bool = False
    stopped: bool = False

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def run(self, steps: int = 2_000) -> WorkerState:
        state, actions = lease.begin(self.policy, self.now)
        self.take(state, actions)
        for _ in range(steps):
            if self.finished:
                return state
            event = self.next_event(state)
            state, actions = lease.step(state, event, self.now)
            self.take(state, actions)
            self.require_no_idle_waking(state)
        pytest.fail(f"seed {self.seed}: no end after {steps} steps: {state}")

    def require_no_idle_waking(self, state: WorkerState) -> None:
        """Who wakes when something is due does something then, or has reason to sleep longer."""
        wake = lease.wake_at(state)
        if wake is not None:
            at = max(self.now, wake)
            later, actions = lease.step(state, events.Tick(), at)
            next_wake = lease.wake_at(later)
            assert actions or next_wake is None or next_wake > at, f"seed {self.seed}: it would spin: {state}"

    def next_event(self, state: WorkerState) -> events.Event:
        self.now += self.random.choice([0.0, 0.1, 1.0, 7.0])
        if self.stop_after is not None and self.now >= self.stop_after and not self.stopped:
            self.stopped = True
            return events.StopRequested()
        choices = [("answer", action) for action in self.pending] + [("end", receipt) for receipt in self.running]
        wake = lease.wake_at(state)
        if not choices or self.random.random() < 0.2:
            assert choices or wake is not None or self.stop_after is not None, "nothing will ever happen again"
            if not choices:
                self.now = max(self.now, wake if wake is not None else self.stop_after or self.now)
            return events.Tick()
        kind, what = self.random.choice(choices)
        if kind == "end":
            assert isinstance(what, str)
            return self.end(what)
        assert not isinstance(what, str)
        self.pending.remove(what)
        return self.answer(what)

    def end(self, receipt: str) -> events.Event:
        self.running.remove(receipt)
        ending = Ending.INTERRUPTED if receipt in self.interrupted else self.random.choice(ENDINGS)
        self.store_down = self.store_down or ending is Ending.STORE_DOWN
        self.ended[receipt] = ending
        return events.Ended(receipt, ending)

    def answer(self, action: events.Action) -> events.Event:
        match action:
            case events.Poll(most):
                if self.random.random() < 0.2:
                    return events.PollFailed()
                count = self.random.choice([0, 0, 1, most])
                receipts = [f"m{self.sent + number}" for number in range(count)]
                self.sent += count
                return events.Polled(tuple(Message(receipt, 1) for receipt in receipts), self.now)
            case events.QueryDepth():
                counts = [self.random.choice([0, 0, 2]) for _ in range(3)]
                return events.DepthFailed() if self.random.random() < 0.2 else events.DepthKnown(*counts)
            case events.Renew(receipt):
                kind = self.random.choice(["held", "held", "lost", "failed"])
                if kind == "failed":
                    return events.RenewFailed(receipt)
                if kind == "lost":
                    self.lost.add(receipt)
                return events.Renewed(receipt, kind == "held", self.now)
            case events.Acknowledge(receipt) | events.Nack(receipt) | events.Abandon(receipt):
                return events.Closed(receipt)
            case events.Probe():
                self.store_down = self.random.random() < 0.5
                return events.Probed(answers=not self.store_down)
        raise AssertionError(action)

    def take(self, state: WorkerState, actions: tuple[events.Action, ...]) -> None:
        """Take actions in, and judge each."""
        assert len(state.leases) <= self.policy.concurrency
        for action in actions:
            self.judge(action, state)
            match action:
                case events.Execute(receipt):
                    self.running.add(receipt)
                case events.Interrupt(receipt):
                    self.interrupted.add(receipt)
                case events.Finish():
                    self.finished = True
                case _:
                    self.pending.append(action)

    def judge(self, action: events.Action, state: WorkerState) -> None:
        match action:
            case events.Poll(most):
                assert not self.stopped
                assert not self.store_down, "a broken store must not burn receives"
                assert 1 <= most <= min(10, self.policy.concurrency - len(state.leases))
                if self.policy.max_shards is not None:
                    assert self.sent + most <= self.policy.max_shards
            case events.Execute():
                assert not self.stopped
            case events.Renew(receipt):
                assert receipt not in self.lost
                assert receipt in self.running
            case events.Acknowledge(receipt):
                assert self.ended[receipt] in lease.SETTLED, "acknowledged without a verdict in the store"
                assert receipt not in self.lost, "a lost lease never deletes"
                self.closed[receipt] += 1
            case events.Nack(receipt) | events.Abandon(receipt):
                self.closed[receipt] += 1
            case events.Finish():
                assert not self.running
                assert set(self.pending) <= {events.Probe(), events.QueryDepth()}, (
                    "nothing that holds anything is in flight"
                )


POLICIES = st.builds(
    Policy,
    concurrency=st.integers(1, 12),
    lease=st.sampled_from([3, 60]),
    grace=st.sampled_from([0.0, 5.0, 30.0]),
    max_shards=st.none() | st.integers(1, 20),
    idle_timeout=st.none() | st.sampled_from([1.0, 60.0]),
    until_empty=st.booleans(),
)


@settings(max_examples=300)
@given(st.integers(0, 2**32), POLICIES, st.sampled_from([0.0, 5.0, 60.0]))
def test_any_history_that_is_stopped_ends_with_every_message_closed_once(
    seed: int,
    policy: Policy,
    stop_after: float,
) -> None:
    world = World(seed, policy, stop_after)
    state = world.run()
    assert not state.leases
    assert state.received == world.sent
    assert world.closed == Counter(f"m{number}" for number in range(world.sent))


@settings(max_examples=100)
@given(st.integers(0, 2**32), POLICIES)
def test_a_worker_with_a_bound_ends_by_itself(seed: int, policy: Policy) -> None:
    bound = Policy(policy.concurrency, policy.lease, policy.grace, max_shards=policy.max_shards or 5, idle_timeout=30.0)
    assert not World(seed, bound).run().leases


def received(policy: Policy, now: float = 0.0) -> WorkerState:
    """Return the state of a worker that has just received message `m`."""
    state, actions = lease.begin(policy, now)
    assert actions == (events.Poll(policy.concurrency),)
    state, actions = lease.step(state, events.Polled((Message("m", 1),), now), now)
    assert events.Execute("m") in actions
    return state


def test_a_lease_is_renewed_at_a_third() -> None:
    state = received(Policy(concurrency=1, lease=60))
    assert lease.wake_at(state) == 20
    state, actions = lease.step(state, events.Tick(), 20.0)
    assert actions == (events.Renew("m"),)
    state, actions = lease.step(state, events.Tick(), 21.0)
    assert actions == ()
    state, actions = lease.step(state, events.Renewed("m", held=True, asked_at=20.0), 22.0)
    assert (actions, lease.wake_at(state)) == ((), 40)


def test_a_renewal_that_failed_is_tried_again_within_the_lease() -> None:
    state = received(Policy(concurrency=1, lease=60))
    state, _ = lease.step(state, events.Tick(), 20.0)
    state, _ = lease.step(state, events.RenewFailed("m"), 21.0)
    assert lease.wake_at(state) == 26


@pytest.mark.parametrize(
    ("ending", "action"),
    [
        (Ending.SUCCEEDED, events.Acknowledge("m")),
        (Ending.SKIPPED, events.Acknowledge("m")),
        (Ending.FAILED, events.Acknowledge("m")),
        (Ending.RETRY, events.Nack("m", 5)),
        (Ending.REJECTED, events.Nack("m", 5)),
        (Ending.WRONG_WORKER, events.Nack("m", 900)),
        (Ending.STORE_DOWN, events.Nack("m", 5)),
        (Ending.INTERRUPTED, events.Nack("m", 0)),
    ],
)
def test_what_becomes_of_a_message(ending: Ending, action: events.Action) -> None:
    _, actions = lease.step(received(Policy(concurrency=1)), events.Ended("m", ending), 1.0)
    assert action in actions


def test_a_lost_lease_is_let_go_whatever_its_shard_came_to() -> None:
    state = received(Policy(concurrency=1))
    state, _ = lease.step(state, events.Renewed("m", held=False, asked_at=1.0), 1.0)
    _, actions = lease.step(state, events.Ended("m", Ending.SUCCEEDED), 2.0)
    assert actions == (events.Abandon("m"),)


def test_messages_of_a_poll_in_flight_at_the_stop_go_back_at_once() -> None:
    state, _ = lease.begin(Policy(concurrency=2), 0.0)
    state, actions = lease.step(state, events.StopRequested(), 1.0)
    assert actions == ()
    state, actions = lease.step(state, events.Polled((Message("m", 1),), 0.0), 2.0)
    assert actions == (events.Nack("m", 0),)
    state, actions = lease.step(state, events.Closed("m"), 3.0)
    assert actions == (events.Finish(),)


def test_shards_are_interrupted_when_the_grace_is_over() -> None:
    state = received(Policy(concurrency=1, lease=600, grace=30))
    state, actions = lease.step(state, events.StopRequested(), 10.0)
    assert (actions, lease.wake_at(state)) == ((), 40)
    state, actions = lease.step(state, events.Tick(), 40.0)
    assert actions == (events.Interrupt("m"),)
    state, actions = lease.step(state, events.Ended("m", Ending.INTERRUPTED), 41.0)
    assert actions == (events.Nack("m", 0),)


def test_no_receives_while_the_store_is_down() -> None:
    state = received(Policy(concurrency=1))
    state, actions = lease.step(state, events.Ended("m", Ending.STORE_DOWN), 1.0)
    state, actions = lease.step(state, events.Closed("m"), 1.0)
    assert actions == ()
    now = 1.0
    for _ in range(100):
        now = lease.wake_at(state) or now
        state, actions = lease.step(state, events.Tick(), now)
        assert actions == (events.Probe(),)
        state, actions = lease.step(state, events.Probed(answers=False), now)
        assert actions == ()
    state, actions = lease.step(state, events.Tick(), now + Policy().longest_pause)
    state, actions = lease.step(state, events.Probed(answers=True), now + Policy().longest_pause)
    assert actions == (events.Poll(1),)


def test_a_renewal_in_flight_is_waited_for_before_the_message_goes() -> None:
    state = received(Policy(concurrency=1, lease=60))
    state, actions = lease.step(state, events.Tick(), 20.0)
    assert actions == (events.Renew("m"),)
    state, actions = lease.step(state, events.Ended("m", Ending.RETRY), 21.0)
    assert actions == ()
    _, actions = lease.step(state, events.Renewed("m", held=True, asked_at=20.0), 22.0)
    assert actions == (events.Nack("m", 5),)


def test_a_hand_back_at_the_stop_waits_for_the_poll_in_flight() -> None:
    state = received(Policy(concurrency=2, grace=0))
    assert state.polling
    state, actions = lease.step(state, events.StopRequested(), 1.0)
    assert actions == (events.Interrupt("m"),)
    state, actions = lease.step(state, events.Ended("m", Ending.INTERRUPTED), 2.0)
    assert actions == ()
    _, actions = lease.step(state, events.Polled((), 0.0), 5.0)
    assert actions == (events.Nack("m", 0),)


def test_a_lease_that_nobody_confirmed_for_its_whole_length_is_let_go() -> None:
    state = received(Policy(concurrency=1, lease=60))
    for now in (20.0, 25.0, 30.0):
        state, _ = lease.step(state, events.Tick(), now)
        state, _ = lease.step(state, events.RenewFailed("m"), now)
    _, actions = lease.step(state, events.Ended("m", Ending.SUCCEEDED), 59.0)
    assert actions == (events.Acknowledge("m"),)
    _, actions = lease.step(state, events.Ended("m", Ending.SUCCEEDED), 60.0)
    assert events.Abandon("m") in actions


def test_a_lease_that_ended_while_this_process_stood_still_is_lost_whatever_the_queue_answers() -> None:
    state = received(Policy(concurrency=1, lease=60))
    state, actions = lease.step(state, events.Tick(), 300.0)
    assert actions == (events.Renew("m"),)
    state, _ = lease.step(state, events.Renewed("m", held=True, asked_at=300.0), 300.1)
    _, actions = lease.step(state, events.Ended("m", Ending.INTERRUPTED), 301.0)
    assert actions == (events.Abandon("m"),)


def test_empty_polls_from_before_a_hand_back_do_not_end_the_worker() -> None:
    state = received(Policy(concurrency=2, until_empty=True))
    for now in (5.0, 10.0):
        state, _ = lease.step(state, events.Polled((), now - 5), now)
    state, _ = lease.step(state, events.Ended("m", Ending.RETRY), 11.0)
    state, actions = lease.step(state, events.Closed("m"), 12.0)
    assert events.Finish() not in actions
    assert state.stop_by is None


def test_delays_grow_to_a_quarter_of_an_hour() -> None:
    assert [lease.delay_after(count, 5) for count in (1, 2, 3, 8, 9, 1_000)] == [5, 10, 20, 640, 900, 900]


def looking() -> WorkerState:
    """Return the state of a worker that ends with an empty queue, and has had two empty polls in a row."""
    state, _ = lease.begin(Policy(concurrency=1, until_empty=True), 0.0)
    state, actions = lease.step(state, events.Polled((), 0.0), 5.0)
    assert actions == (events.Poll(1),)
    state, actions = lease.step(state, events.Polled((), 5.0), 10.0)
    assert actions == (events.QueryDepth(),)
    return state


def test_until_empty_ends_after_two_empty_polls_and_a_look_that_finds_nothing() -> None:
    state, actions = lease.step(looking(), events.DepthKnown(0, 0, 0), 10.0)
    assert actions == (events.Finish(),)
    assert state.why is Why.UNTIL_EMPTY


@pytest.mark.parametrize("counts", [(1, 0, 0), (0, 1, 0), (0, 0, 1)])
def test_until_empty_goes_on_while_anybody_has_a_message(counts: tuple[int, int, int]) -> None:
    state, actions = lease.step(looking(), events.DepthKnown(*counts), 10.0)
    assert actions == (events.Poll(1),)
    state, actions = lease.step(state, events.Polled((), 10.0), 15.0)
    assert actions == (events.Poll(1),), "two empty polls before each look"
    _, actions = lease.step(state, events.Polled((), 15.0), 20.0)
    assert actions == (events.QueryDepth(),)


def test_while_a_look_is_in_flight_nothing_else_is_asked() -> None:
    state, actions = lease.step(looking(), events.Tick(), 11.0)
    assert (actions, lease.wake_at(state)) == ((), None)


def test_who_has_a_message_polls_on_and_does_not_look() -> None:
    state = received(Policy(concurrency=2, until_empty=True))
    for now in (5.0, 10.0, 15.0):
        state, actions = lease.step(state, events.Polled((), now - 5), now)
        assert actions == (events.Poll(1),)


def test_a_look_that_failed_is_repeated_after_a_pause() -> None:
    state, actions = lease.step(looking(), events.DepthFailed(), 10.0)
    assert (actions, lease.wake_at(state)) == ((), 11.0)
    _, actions = lease.step(state, events.Tick(), 11.0)
    assert actions == (events.QueryDepth(),)


def test_a_stop_waits_for_no_look() -> None:
    _, actions = lease.step(looking(), events.StopRequested(), 10.0)
    assert actions == (events.Finish(),)


@pytest.mark.parametrize("why", [Why.QUEUE_REFUSES, Why.ENGINE_UNAVAILABLE])
def test_an_unfit_worker_ends_as_one_that_is_stopped_and_says_why(why: Why) -> None:
    state = received(Policy(concurrency=2))
    state, actions = lease.step(state, events.StopRequested(why), 1.0)
    assert actions == ()
    state, actions = lease.step(state, events.StopRequested(), 2.0)
    assert (actions, state.why) == ((), why)
    state, actions = lease.step(state, events.PollFailed(), 2.0)
    assert actions == (), "it asks no more"
    state, _ = lease.step(state, events.Ended("m", Ending.SUCCEEDED), 3.0)
    _, actions = lease.step(state, events.Closed("m"), 4.0)
    assert actions == (events.Finish(),)


def test_idle_time_is_counted_from_a_poll_to_the_end_of_one() -> None:
    state, actions = lease.begin(Policy(concurrency=1, idle_timeout=7), 0.0)
    assert (actions, lease.wake_at(state)) == ((events.Poll(1),), None), "nothing is due while a poll is in flight"
    state, actions = lease.step(state, events.Polled((), 0.0), 5.0)
    assert actions == (events.Poll(1),)
    state, actions = lease.step(state, events.Tick(), 8.0)
    assert actions == ()
    state, actions = lease.step(state, events.Polled((), 5.0), 10.0)
    assert (actions, state.why) == ((events.Finish(),), Why.IDLE_TIMEOUT)


def test_time_without_the_queue_is_no_idle_time() -> None:
    state, _ = lease.begin(Policy(concurrency=1, idle_timeout=60), 0.0)
    now = 0.0
    for _ in range(10):
        state, _ = lease.step(state, events.PollFailed(), now)
        now = lease.wake_at(state) or now
        state, actions = lease.step(state, events.Tick(), now)
        assert actions == (events.Poll(1),)
    assert now > 60
    state, actions = lease.step(state, events.Polled((), now), now + 5)
    assert actions == (events.Poll(1),)
    _, actions = lease.step(state, events.Polled((), now + 5), now + 65)
    assert actions == (events.Finish(),)


def test_time_without_the_store_is_no_idle_time() -> None:
    state = received(Policy(concurrency=1, idle_timeout=60))
    state, _ = lease.step(state, events.Ended("m", Ending.STORE_DOWN), 0.0)
    state, _ = lease.step(state, events.Closed("m"), 0.0)
    state, actions = lease.step(state, events.Tick(), 100.0)
    assert actions == (events.Probe(),)
    _, actions = lease.step(state, events.Probed(answers=True), 101.0)
    assert actions == (events.Poll(1),)


def test_a_store_that_passes_its_probe_and_takes_nothing_is_left_alone_for_longer_each_time() -> None:
    state = received(Policy(concurrency=1))
    now, pauses = 0.0, []
    for ending in [*[Ending.STORE_DOWN] * 7, Ending.SUCCEEDED, Ending.STORE_DOWN]:
        state, _ = lease.step(state, events.Ended("m", ending), now)
        state, actions = lease.step(state, events.Closed("m"), now)
        if ending is Ending.STORE_DOWN:
            wake = lease.wake_at(state) or now
            pauses.append(wake - now)
            now = wake
            state, actions = lease.step(state, events.Tick(), now)
            assert actions == (events.Probe(),)
            state, actions = lease.step(state, events.Probed(answers=True), now)
        assert actions == (events.Poll(1),)
        state, _ = lease.step(state, events.Polled((Message("m", 1),), now), now)
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 1]
