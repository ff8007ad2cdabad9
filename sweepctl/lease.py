"""What a queue worker decides: when to receive, renew, acknowledge, hand back and stop. No I/O, clocks or threads.

`step(state, event, now)` is the whole of it; `drain` carries its actions out and reports what came of them. `now` is a
monotonic clock in seconds. A lease is the right to work on one received message until it becomes visible again.

The order that protects data: a message is acknowledged only after the store holds the shard's verdict, and never once
its lease is known to be lost. Everything else may happen twice: the commit rules make duplicates harmless.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

WAIT_SECONDS = 5  # of a long poll: a stop waits for the poll in flight, and an empty queue costs 12 requests a minute
MOST_AT_ONCE = 10  # SQS gives no more
EMPTY_POLLS = 2  # one empty answer of SQS can be a matter of which servers it asked
FIRST_DELAY, LONGEST_DELAY = 5, 900  # seconds that a message waits after its first failure, and at the most
LONGEST_PAUSE = 30  # seconds between tries to reach a queue or store that does not answer


class Ending(Enum):
    """How a shard's execution ended; every received message comes to exactly one of these."""

    SUCCEEDED = "succeeded"
    SKIPPED = "skipped"  # its outcome stood already
    FAILED = "failed"  # for good; the failure outcome is committed
    RETRY = "retry"  # the engine failed; another attempt may succeed
    REJECTED = "rejected"  # no shard can be made of it, or it contradicts the store
    WRONG_WORKER = "wrong_worker"  # it needs another engine
    STORE_DOWN = "store_down"
    INTERRUPTED = "interrupted"
    UNUSED = "unused"  # received after the stop, and never started


# What the store holds a verdict on is done; only that is acknowledged.
SETTLED = frozenset({Ending.SUCCEEDED, Ending.SKIPPED, Ending.FAILED})
AT_ONCE = frozenset({Ending.INTERRUPTED, Ending.UNUSED})


@dataclass(frozen=True)
class Policy:
    """What the operator wants of a worker; times in seconds."""

    concurrency: int = 3  # one runs, while another commits and a third is received and started
    lease: int = 60
    grace: float = 30.0
    max_shards: int | None = None
    idle_timeout: float | None = None
    until_empty: bool = False


@dataclass(frozen=True)
class Message:
    """As much of a received message as decisions need."""

    receipt: str
    receive_count: int


# Events: what happened.
@dataclass(frozen=True)
class Tick:
    """Time passed."""


@dataclass(frozen=True)
class Polled:
    """A poll that was sent at `asked_at` answered."""

    messages: tuple[Message, ...]
    asked_at: float


@dataclass(frozen=True)
class PollFailed:
    """The queue did not answer a poll."""


@dataclass(frozen=True)
class Ended:
    """A shard's execution ended."""

    receipt: str
    ending: Ending


@dataclass(frozen=True)
class Renewed:
    """A renewal that was sent at `asked_at` answered; not `held` means that the lease is lost."""

    receipt: str
    held: bool
    asked_at: float


@dataclass(frozen=True)
class RenewFailed:
    """The queue did not answer a renewal."""

    receipt: str


@dataclass(frozen=True)
class Closed:
    """An acknowledgement or hand-back was carried out, or given up: the message is no longer this worker's."""

    receipt: str


@dataclass(frozen=True)
class Probed:
    """The store was asked whether it answers."""

    answers: bool


@dataclass(frozen=True)
class StopRequested:
    """Somebody wants the worker to end in order."""


Event = Tick | Polled | PollFailed | Ended | Renewed | RenewFailed | Closed | Probed | StopRequested


# Actions: what is to be done.
@dataclass(frozen=True)
class Poll:
    """Receive at most so many messages, with a long poll."""

    most: int


@dataclass(frozen=True)
class Run:
    """Execute a message's shard."""

    receipt: str


@dataclass(frozen=True)
class Renew:
    """Make the lease last a full lease from now."""

    receipt: str


@dataclass(frozen=True)
class Acknowledge:
    """Delete the message: the store holds its verdict."""

    receipt: str


@dataclass(frozen=True)
class HandBack:
    """Make the message visible again after `delay` seconds."""

    receipt: str
    delay: int


@dataclass(frozen=True)
class LetGo:
    """Do nothing more about a message whose lease is lost: it is somebody else's by now."""

    receipt: str


@dataclass(frozen=True)
class Interrupt:
    """Stop a shard's execution."""

    receipt: str


@dataclass(frozen=True)
class Probe:
    """Ask the store whether it answers again."""


@dataclass(frozen=True)
class Finish:
    """End: nothing is held and nothing is in flight."""


Action = Poll | Run | Renew | Acknowledge | HandBack | LetGo | Interrupt | Probe | Finish


@dataclass(frozen=True)
class Lease:
    """One message that this worker holds."""

    receive_count: int
    renewed_at: float  # when the lease that holds was asked for
    renew_at: float
    ending: Ending | None = None  # not None: its shard has ended
    closing: bool = False  # its message is being acknowledged or handed back
    renewing: bool = False
    lost: bool = False
    interrupted: bool = False


@dataclass(frozen=True)
class State:
    """All that a worker knows."""

    policy: Policy
    idle_since: float
    leases: Mapping[str, Lease]
    received: int = 0
    polling: bool = False
    poll_at: float = 0.0  # not before
    poll_failures: int = 0
    empty_polls: int = 0
    probe_at: float | None = None  # not None: the store is down
    probing: bool = False
    probe_failures: int = 0
    stop_by: float | None = None  # not None: stopping; then shards are interrupted
    finished: bool = False


def begin(policy: Policy, now: float) -> tuple[State, tuple[Action, ...]]:
    """Return the state of a worker that starts now, and its first actions."""
    return step(State(policy, idle_since=now, leases={}), Tick(), now)


def step(state: State, event: Event, now: float) -> tuple[State, tuple[Action, ...]]:
    """Take an event in; return the new state and what is to be done."""
    state, answer = _take(state, event, now)
    state, due = _due(state, now)
    return state, answer + due


def wake_at(state: State) -> float | None:
    """Return when something is due although nothing happens; None for never."""
    times = [lease.renew_at for lease in state.leases.values() if _is_kept(lease) and not lease.renewing]
    if state.stop_by is not None:
        if any(lease.ending is None and not lease.interrupted for lease in state.leases.values()):
            times.append(state.stop_by)
        return min(times, default=None)
    if state.probe_at is not None and not state.probing:
        times.append(state.probe_at)
    if _wants_messages(state) and state.probe_at is None:
        times.append(state.poll_at)
    if state.policy.idle_timeout is not None and not state.leases:
        times.append(state.idle_since + state.policy.idle_timeout)
    return min(times, default=None)


def _take(state: State, event: Event, now: float) -> tuple[State, tuple[Action, ...]]:
    match event:
        case Polled():
            return _polled(state, event, now)
        case PollFailed():
            failures = state.poll_failures + 1
            state = replace(state, polling=False, poll_failures=failures, poll_at=now + _pause(failures))
            return _close_all(state, now)
        case Ended():
            return _ended(state, event, now)
        case Renewed(receipt, held, asked_at) if receipt in state.leases:
            # Counted from when it was asked for: the queue's own clock cannot have started later than that.
            renewed = {"renewed_at": asked_at, "renew_at": asked_at + state.policy.lease / 3}
            return _close(_with(state, receipt, renewing=False, lost=not held, **renewed), receipt, now)
        case RenewFailed(receipt) if receipt in state.leases:
            # Sooner than a full interval: two thirds of the lease are left for the queue to answer in.
            return _close(_with(state, receipt, renewing=False, renew_at=now + state.policy.lease / 12), receipt, now)
        case Closed(receipt) if receipt in state.leases:
            leases = {key: lease for key, lease in state.leases.items() if key != receipt}
            # Empty polls from before it was closed say nothing: what was handed back is on the queue again.
            return replace(state, leases=leases, idle_since=now, empty_polls=0), ()
        case Probed(answers):
            if answers:
                return replace(state, probing=False, probe_at=None, probe_failures=0), ()
            failures = state.probe_failures + 1
            return replace(state, probing=False, probe_failures=failures, probe_at=now + _pause(failures)), ()
        case StopRequested():
            return (state if state.stop_by is not None else replace(state, stop_by=now + state.policy.grace)), ()
    return state, ()


def _polled(state: State, event: Polled, now: float) -> tuple[State, tuple[Action, ...]]:
    renew_at = event.asked_at + state.policy.lease / 3
    leases = {message.receipt: Lease(message.receive_count, event.asked_at, renew_at) for message in event.messages}
    state = replace(
        state,
        polling=False,
        poll_failures=0,
        empty_polls=0 if leases else state.empty_polls + 1,
        received=state.received + len(leases),
        idle_since=now if leases else state.idle_since,
        leases={**state.leases, **leases},
    )
    if state.stop_by is None:
        return state, tuple(Run(receipt) for receipt in leases)
    # The poll was in flight when the stop came: nobody shall wait for these messages' leases to run out.
    for receipt in leases:
        state = _with(state, receipt, ending=Ending.UNUSED)
    return _close_all(state, now)


def _ended(state: State, event: Ended, now: float) -> tuple[State, tuple[Action, ...]]:
    if event.ending is Ending.STORE_DOWN and state.probe_at is None:
        # Receives stop until the store answers: each would bring its message nearer to the dead-letter queue.
        state = replace(state, probe_at=now + _pause(1), probe_failures=1)
    return _close(_with(state, event.receipt, ending=event.ending), event.receipt, now)


def _close(state: State, receipt: str, now: float) -> tuple[State, tuple[Action, ...]]:
    """Acknowledge or hand back a message whose shard has ended, unless something in flight would meet it."""
    lease = state.leases[receipt]
    # A renewal that overtakes its message's hand-back would hide it from everybody for a whole lease.
    if lease.ending is None or lease.closing or lease.renewing:
        return state, ()
    # A poll in flight at the stop would receive what is handed back at once, and use up one of its receives.
    if lease.ending in AT_ONCE and state.polling:
        return state, ()
    state = _with(state, receipt, closing=True)
    # A lease that nobody confirmed for its whole length may be somebody else's by now.
    if lease.lost or now >= lease.renewed_at + state.policy.lease:
        return state, (LetGo(receipt),)
    if lease.ending in SETTLED:
        return state, (Acknowledge(receipt),)
    return state, (HandBack(receipt, 0 if lease.ending in AT_ONCE else delay_after(lease.receive_count)),)


def _close_all(state: State, now: float) -> tuple[State, tuple[Action, ...]]:
    actions: tuple[Action, ...] = ()
    for receipt in state.leases:
        state, closing = _close(state, receipt, now)
        actions += closing
    return state, actions


def _due(state: State, now: float) -> tuple[State, tuple[Action, ...]]:
    """Find what time and the state itself ask for."""
    actions: list[Action] = []
    for receipt, lease in state.leases.items():
        if _is_kept(lease) and not lease.renewing and lease.renew_at <= now:
            state = _with(state, receipt, renewing=True)
            actions.append(Renew(receipt))
    if state.stop_by is None and _is_done(state, now):
        state = replace(state, stop_by=now)
    if state.stop_by is not None:
        state, stopping = _stop(state, now)
        return state, (*actions, *stopping)
    if state.probe_at is not None:
        if not state.probing and state.probe_at <= now:
            state = replace(state, probing=True)
            actions.append(Probe())
    elif _wants_messages(state) and state.poll_at <= now:
        state = replace(state, polling=True)
        actions.append(Poll(_room(state)))
    return state, tuple(actions)


def _stop(state: State, now: float) -> tuple[State, tuple[Action, ...]]:
    actions: list[Action] = []
    if state.stop_by is not None and state.stop_by <= now:
        for receipt, lease in state.leases.items():
            if lease.ending is None and not lease.interrupted:
                state = _with(state, receipt, interrupted=True)
                actions.append(Interrupt(receipt))
    if not state.leases and not state.polling and not state.finished:
        state = replace(state, finished=True)
        actions.append(Finish())
    return state, tuple(actions)


def _is_done(state: State, now: float) -> bool:
    if state.leases or state.polling:
        return False
    policy = state.policy
    if policy.max_shards is not None and state.received >= policy.max_shards:
        return True
    if policy.until_empty and state.empty_polls >= EMPTY_POLLS and state.probe_at is None:
        return True
    return policy.idle_timeout is not None and now - state.idle_since >= policy.idle_timeout


def _wants_messages(state: State) -> bool:
    return not state.polling and state.stop_by is None and _room(state) > 0


def _room(state: State) -> int:
    """How many messages may be received: never more than can be started at once."""
    room = min(MOST_AT_ONCE, state.policy.concurrency - len(state.leases))
    if state.policy.max_shards is not None:
        room = min(room, state.policy.max_shards - state.received)
    return room


def _is_kept(lease: Lease) -> bool:
    return lease.ending is None and not lease.lost


def _with(state: State, receipt: str, **changes: Any) -> State:  # noqa: ANN401  fields of a lease
    lease = replace(state.leases[receipt], **changes)
    return replace(state, leases={**state.leases, receipt: lease})


def delay_after(receive_count: int) -> int:
    """Return the seconds that a message waits after so many receives: doubling, up to a quarter of an hour."""
    return int(min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(receive_count - 1, 20)))


def _pause(failures: int) -> float:
    return min(LONGEST_PAUSE, 2.0 ** min(failures - 1, 10))
