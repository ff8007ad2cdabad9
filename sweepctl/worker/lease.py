"""A queue worker's decisions: when to receive, renew, acknowledge, nack and stop. No I/O, clocks or threads.

`step(state, event, now)` makes them all; `drain` performs the actions and reports their results as events. `now` is a
monotonic clock in seconds. A lease is the right to process one received message until its visibility timeout ends.

The order that protects data: a message is acknowledged only after the shard's outcome is in the store, and never once
its lease is known to be lost. Everything else may happen twice: the commit rules make duplicates harmless.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sweepctl.queue.contract import MOST_AT_ONCE
from sweepctl.worker.events import (
    Abandon,
    Acknowledge,
    Action,
    Closed,
    DepthFailed,
    DepthKnown,
    Ended,
    Ending,
    Event,
    Execute,
    Finish,
    Interrupt,
    Nack,
    Poll,
    Polled,
    PollFailed,
    Probe,
    Probed,
    QueryDepth,
    Renew,
    Renewed,
    RenewFailed,
    StopRequested,
    Tick,
    Why,
)

EMPTY_POLLS = 2  # before the depth is queried: SQS may answer from a few of its servers only, so one means little
LONGEST_DELAY = 900  # seconds that a message waits after a failure, at most

# The shard's outcome is in the store; only these are acknowledged.
SETTLED = frozenset({Ending.SUCCEEDED, Ending.SKIPPED, Ending.FAILED})
AT_ONCE = frozenset({Ending.INTERRUPTED, Ending.UNUSED})


@dataclass(frozen=True)
class Policy:
    """The operator's settings for a worker; times in seconds."""

    concurrency: int = 2  # one runs while the other commits
    lease: int = 60
    grace: float = 30.0
    max_shards: int | None = None  # counts deliveries: a redelivered message counts again
    idle_timeout: float | None = None
    until_empty: bool = False
    poll_seconds: int = 5  # of a long poll: a stop waits for it, and an empty queue costs 12 requests a minute
    first_delay: int = 5  # before a message is redelivered after its first failure; doubles with each further one
    longest_pause: float = 30.0  # between retries while the queue or the store does not answer


@dataclass(frozen=True)
class Lease:
    """One message that this worker holds."""

    receive_count: int
    renewed_at: float  # when the current lease was requested
    renew_at: float
    ending: Ending | None = None  # not None: its shard has ended
    closing: bool = False  # its message is being acknowledged or nacked
    renewing: bool = False
    lost: bool = False
    interrupted: bool = False


@dataclass(frozen=True)
class WorkerState:
    """Everything a worker knows."""

    policy: Policy
    idle_since: float
    leases: Mapping[str, Lease]
    received: int = 0
    polling: bool = False
    querying_depth: bool = False
    poll_at: float = 0.0  # no poll or depth query before
    queue_failures: int = 0  # since it last answered
    empty_polls: int = 0
    probe_at: float | None = None  # not None: the store is down
    probing: bool = False
    store_failures: int = 0  # since an outcome was last committed
    stop_by: float | None = None  # not None: stopping; shards that still run then are interrupted
    why: Why | None = None  # not None: stopping
    finished: bool = False


def begin(policy: Policy, now: float) -> tuple[WorkerState, tuple[Action, ...]]:
    """Return the state of a worker that starts now, and its first actions."""
    return step(WorkerState(policy, idle_since=now, leases={}), Tick(), now)


def step(state: WorkerState, event: Event, now: float) -> tuple[WorkerState, tuple[Action, ...]]:
    """Apply an event; return the new state and the actions to perform."""
    state, answer = _apply(state, event, now)
    state, due = _due(state, now)
    return state, answer + due


def wake_at(state: WorkerState) -> float | None:
    """Return when the next action is due without any event; None if none is."""
    return min((at for at, _ in _agenda(state)), default=None)


def _apply(state: WorkerState, event: Event, now: float) -> tuple[WorkerState, tuple[Action, ...]]:
    match event:
        case Polled():
            return _polled(state, event, now)
        case PollFailed():
            return _close_all(_unanswered(replace(state, polling=False), now), now)
        case DepthKnown():
            return _depth_known(state, event, now), ()
        case DepthFailed():
            return _unanswered(replace(state, querying_depth=False), now), ()
        case Ended():
            return _ended(state, event, now)
        case Renewed(receipt) | RenewFailed(receipt) | Closed(receipt) if receipt in state.leases:
            return _held(state, event, receipt, now)
        case Probed(answers):
            # A store may pass its probe and fail the next commit: only a committed outcome resets the growing pauses.
            state = replace(state, probing=False, probe_at=None, idle_since=now)
            return (state if answers else _without_store(state, now)), ()
        case StopRequested(why):
            return _stopping(state, why, now), ()
    return state, ()


def _held(
    state: WorkerState, event: Renewed | RenewFailed | Closed, receipt: str, now: float
) -> tuple[WorkerState, tuple[Action, ...]]:
    """Apply an event about a lease that this worker has."""
    match event:
        case Renewed(_, held, asked_at):
            # A renewal sent after the lease had expired (this process was suspended) is too late, even if a lenient
            # server accepts it.
            lost = not held or asked_at >= state.leases[receipt].renewed_at + state.policy.lease
            # Counted from the request, not the reply: the queue starts its clock in between, so this errs early.
            renewed = {"renewed_at": asked_at, "renew_at": asked_at + state.policy.lease / 3}
            return _close(_with(state, receipt, renewing=False, lost=lost, **renewed), receipt, now)
        case RenewFailed():
            # Sooner than a full interval: two thirds of the lease are left to get an answer from the queue.
            return _close(_with(state, receipt, renewing=False, renew_at=now + state.policy.lease / 12), receipt, now)
        case Closed():
            leases = {key: lease for key, lease in state.leases.items() if key != receipt}
            # Empty polls from before it was closed mean nothing: a nacked message is on the queue again.
            return replace(state, leases=leases, idle_since=now, empty_polls=0), ()


def _polled(state: WorkerState, event: Polled, now: float) -> tuple[WorkerState, tuple[Action, ...]]:
    renew_at = event.asked_at + state.policy.lease / 3
    leases = {message.receipt: Lease(message.receive_count, event.asked_at, renew_at) for message in event.messages}
    state = _answered(state, now)
    state = replace(
        state,
        polling=False,
        empty_polls=0 if leases else state.empty_polls + 1,
        received=state.received + len(leases),
        idle_since=now if leases else state.idle_since,
        leases={**state.leases, **leases},
    )
    if state.stop_by is None:
        return state, tuple(Execute(receipt) for receipt in leases)
    # The poll was in flight when the stop came: its messages go back now, not only when their leases expire.
    for receipt in leases:
        state = _with(state, receipt, ending=Ending.UNUSED)
    return _close_all(state, now)


def _depth_known(state: WorkerState, event: DepthKnown, now: float) -> WorkerState:
    # Messages in flight or delayed may still come to this worker: two more empty polls, then another depth query.
    state = _answered(replace(state, querying_depth=False, empty_polls=0), now)
    is_empty = not event.visible and not event.in_flight and not event.delayed
    return _stopping(state, Why.UNTIL_EMPTY, now) if is_empty else state


def _answered(state: WorkerState, now: float) -> WorkerState:
    # While the queue did not answer, it may have held messages: that time does not count as idle.
    return replace(state, queue_failures=0, idle_since=now if state.queue_failures else state.idle_since)


def _unanswered(state: WorkerState, now: float) -> WorkerState:
    failures = state.queue_failures + 1
    return replace(state, queue_failures=failures, poll_at=now + _pause(state.policy, failures))


def _without_store(state: WorkerState, now: float) -> WorkerState:
    """Pause receiving until the store answers: each receive would bring its message closer to the dead-letter queue."""
    failures = state.store_failures + 1
    return replace(state, store_failures=failures, probe_at=now + _pause(state.policy, failures))


def _stopping(state: WorkerState, why: Why, now: float) -> WorkerState:
    return state if state.stop_by is not None else replace(state, stop_by=now + state.policy.grace, why=why)


def _ended(state: WorkerState, event: Ended, now: float) -> tuple[WorkerState, tuple[Action, ...]]:
    if event.ending in SETTLED:
        state = replace(state, store_failures=0)
    if event.ending is Ending.STORE_DOWN and state.probe_at is None:
        state = _without_store(state, now)
    return _close(_with(state, event.receipt, ending=event.ending), event.receipt, now)


def _close(state: WorkerState, receipt: str, now: float) -> tuple[WorkerState, tuple[Action, ...]]:
    """Acknowledge or nack a message whose shard has ended, unless a request in flight would interfere."""
    lease = state.leases[receipt]
    # A renewal that arrives after the nack would hide the message from every worker for a whole lease.
    if lease.ending is None or lease.closing or lease.renewing:
        return state, ()
    # A poll in flight at the stop would receive a message nacked without delay, and use up one of its receives.
    if lease.ending in AT_ONCE and state.polling:
        return state, ()
    state = _with(state, receipt, closing=True)
    # A lease that was not confirmed for its whole length may be another worker's by now.
    if lease.lost or now >= lease.renewed_at + state.policy.lease:
        return state, (Abandon(receipt),)
    if lease.ending in SETTLED:
        return state, (Acknowledge(receipt),)
    return state, (Nack(receipt, _delay(state.policy, lease.ending, lease.receive_count)),)


def _close_all(state: WorkerState, now: float) -> tuple[WorkerState, tuple[Action, ...]]:
    actions: tuple[Action, ...] = ()
    for receipt in state.leases:
        state, closing = _close(state, receipt, now)
        actions += closing
    return state, actions


def _agenda(state: WorkerState) -> Iterator[tuple[float, Action | Why]]:
    """Yield what becomes due by time alone, and when: an action, or a reason to stop."""
    for receipt, lease in state.leases.items():
        if lease.ending is None and not lease.lost and not lease.renewing:
            yield lease.renew_at, Renew(receipt)
    if state.stop_by is not None:
        for receipt, lease in state.leases.items():
            if lease.ending is None and not lease.interrupted:
                yield state.stop_by, Interrupt(receipt)
    elif state.probe_at is not None:
        if not state.probing:
            yield state.probe_at, Probe()
    elif not state.polling and not state.querying_depth:
        yield from _next_request(state)


def _next_request(state: WorkerState) -> Iterator[tuple[float, Action | Why]]:
    policy = state.policy
    # The idle timeout comes before a poll that is due at the same time.
    if policy.idle_timeout is not None and not state.leases and not state.queue_failures:
        yield state.idle_since + policy.idle_timeout, Why.IDLE_TIMEOUT
    if policy.until_empty and not state.leases and state.empty_polls >= EMPTY_POLLS:
        yield state.poll_at, QueryDepth()
    elif _room(state) > 0:
        yield state.poll_at, Poll(_room(state))


def _due(state: WorkerState, now: float) -> tuple[WorkerState, tuple[Action, ...]]:
    """Return the actions that are due, by time or by the state itself."""
    actions: list[Action] = []
    most = state.policy.max_shards
    if not state.leases and not state.polling and most is not None and state.received >= most:
        state = _stopping(state, Why.MAX_SHARDS, now)
    for at, what in _agenda(state):
        if at > now:
            continue
        if isinstance(what, Why):
            state = _stopping(state, what, now)
            break
        state = _begun(state, what)
        actions.append(what)
    # A depth query or a probe in flight holds no message: there is no need to wait for it.
    if state.stop_by is not None and not state.leases and not state.polling and not state.finished:
        state = replace(state, finished=True)
        actions.append(Finish())
    return state, tuple(actions)


def _begun(state: WorkerState, action: Action) -> WorkerState:
    match action:
        case Renew(receipt):
            return _with(state, receipt, renewing=True)
        case Interrupt(receipt):
            return _with(state, receipt, interrupted=True)
        case Probe():
            return replace(state, probing=True)
        case QueryDepth():
            return replace(state, querying_depth=True)
        case Poll():
            return replace(state, polling=True)
    return state


def _room(state: WorkerState) -> int:
    """How many messages may be received: never more than can start immediately."""
    room = min(MOST_AT_ONCE, state.policy.concurrency - len(state.leases))
    if state.policy.max_shards is not None:
        room = min(room, state.policy.max_shards - state.received)
    return room


def _with(state: WorkerState, receipt: str, **changes: Any) -> WorkerState:  # noqa: ANN401  fields of a lease
    lease = replace(state.leases[receipt], **changes)
    return replace(state, leases={**state.leases, receipt: lease})


def _delay(policy: Policy, ending: Ending, receive_count: int) -> int:
    if ending in AT_ONCE:
        return 0
    # It may come back to the same wrong engine, and each time uses up one of its receives.
    return LONGEST_DELAY if ending is Ending.WRONG_WORKER else delay_after(receive_count, policy.first_delay)


def delay_after(receive_count: int, first_delay: int) -> int:
    """Return the delay in seconds before a message's next delivery: doubles with each receive, up to LONGEST_DELAY."""
    return int(min(LONGEST_DELAY, first_delay * 2 ** min(receive_count - 1, 20)))


def _pause(policy: Policy, failures: int) -> float:
    return min(policy.longest_pause, 2.0 ** min(failures - 1, 10))
