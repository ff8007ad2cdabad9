"""What must hold of a history's end: every message accounted for, and a store that `verify` finds sound."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from drain.toys import RUN_ID
from simulation.case import decoded
from simulation.faults import Fault
from simulation.toy_engine import Behaviour, SimulatedEngine

from sweepctl import layout
from sweepctl.messages import ShardMessage
from sweepctl.verify import verify
from sweepctl.verify.report import CODES, Severity

if TYPE_CHECKING:
    from simulation.world import _World

# What may be left where an attempt was killed, or was in conflict with what stood.
_LEFTOVERS = {"artifacts.uncommitted"}


class Inline(Executor):
    """Does everything at once, in the caller's thread: starting 30 threads takes longer than all that they would do."""

    def __init__(self, _workers: int) -> None:
        pass

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":  # noqa: ANN401
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001  whoever asks for the result gets it
            future.set_exception(error)
        return future


def judge_end(world: "_World") -> None:
    """Add what is wrong in the end to the log's findings."""
    case, checker, log = world.case, world.checker, world.log
    dead = {message.body for message in world.queue.dead}
    unfinished = set()
    for shard_id, message in case.shards.items():
        outcome = checker.standing(shard_id)
        if outcome is None or outcome.retryable:
            unfinished.add(shard_id)
            if not _is_excused(world, message):
                log.find("lost", f"shard {shard_id} has {outcome and outcome.error_code}")
            if not any(decoded(body) == message for body in dead):
                log.find("lost", f"shard {shard_id} has no verdict, and no message")
        elif case.injected.isdisjoint({shard_id}) and not case.behaviour.refuses and not outcome.complete:
            log.find("lost", f"shard {shard_id} has {outcome.error_code} instead of its points")
        if not case.lies and not _has_stranger(world, shard_id):
            for attempt in checker.attempts(shard_id):
                if attempt.status == "conflict":
                    log.find("false_conflict", f"shard {shard_id}: {attempt.error_message}")
    for body in case.strangers:
        _judge_stranger(world, body, body in dead)
    _judge_by_verify(world, unfinished)


def is_unfinished(world: "_World", body: bytes) -> bool:
    """Say whether a message is of a shard that should have a verdict, and has none."""
    message = decoded(body)
    if message is None or body in world.case.strangers:
        return False
    outcome = world.checker.standing(message.shard_id)
    return (outcome is None or outcome.retryable) and not _is_excused(world, message)


def _is_excused(world: "_World", message: ShardMessage) -> bool:
    """Say whether a shard cannot come to a verdict by itself."""
    case = world.case
    indices = range(message.start_index, message.end_index_exclusive)
    if not case.behaviour.poison.isdisjoint(indices):
        return bool(world.checker.attempts(message.shard_id)) or case.other_version
    statuses = {attempt.status for attempt in world.checker.attempts(message.shard_id)}
    # Where an engine lied, the shard is in conflict for good; that is recorded.
    return case.lies and "conflict" in statuses


def _has_stranger(world: "_World", shard_id: int) -> bool:
    strangers = [decoded(body) for body in world.case.strangers]
    return any(message is not None and message.shard_id == shard_id for message in strangers)


def _judge_stranger(world: "_World", body: bytes, is_dead: bool) -> None:  # noqa: FBT001
    if not is_dead:
        world.log.find("acknowledged_without_outcome", f"a message of no shard is gone: {body[:60]!r}")
    message = decoded(body)
    if message is None:
        if not any(key.startswith("rejected/") for key in world.bucket.objects):
            world.log.find("unrecorded", f"a rejection: {body[:60]!r}")
    elif not any(attempt.status == "conflict" for attempt in world.checker.attempts(message.shard_id)):
        world.log.find("unrecorded", f"a conflict at shard {message.shard_id}")


def _judge_by_verify(world: "_World", unfinished: set[int]) -> None:
    version = next(iter(sorted({world.checker.outcome(body).model_version for body in _outcomes(world)})), "1")
    engine = SimulatedEngine(Behaviour(version), None, lambda: 0.0)
    with patch("sweepctl.verify.ThreadPoolExecutor", Inline):
        report = verify(world.store(), RUN_ID, engine)
    for finding in report.findings:
        severity = CODES[finding.code]
        if severity is Severity.DAMAGE:
            world.log.find("verify", f"{finding.code} {finding.message} {finding.key or ''}")
        elif severity is Severity.MISSING and not unfinished:
            world.log.find("verify", f"{finding.code} {finding.message}")
        elif finding.code in _LEFTOVERS:
            _judge_leftover(world, finding.key or "", unfinished)


def _judge_leftover(world: "_World", key: str, unfinished: set[int]) -> None:
    """Data without an outcome belongs to a shard without a verdict; partial data to a worker that was in trouble.

    An outage of the store, whoever met it first, is everybody's: the attempt of partial data may be unrecorded then.
    """
    if not key.startswith("partial/"):
        if layout.shard_of(key) not in unfinished:
            world.log.find("orphan", key)
        return
    writers = {op.process for op in world.log.ops if op.what == "put" and op.where == key}
    faults = [op for op in world.log.ops if op.what == "fault"]
    is_outage = any(op.effect == Fault.STORE_OUTAGE.name for op in faults)
    if not is_outage and not writers & {op.process for op in faults}:
        world.log.find("orphan", key)


def _outcomes(world: "_World") -> list[bytes]:
    return [body for key, body in world.bucket.objects.items() if key.startswith("shard_outcomes/")]
