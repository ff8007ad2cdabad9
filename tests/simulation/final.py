"""What must hold of a history's end: every message accounted for, and a store that `verify` finds sound."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fakes.simulated_engine import Behaviour, SimulatedEngine, declared
from fakes.toys import RUN_ID
from simulation.case import Case, decoded
from simulation.faults import Fault
from simulation.operators import compact_in_the_end

from sweepctl.messages import ShardMessage, body_digest
from sweepctl.records import layout
from sweepctl.records.outcome import EnginePin, Outcome
from sweepctl.records.run import find_record, find_run
from sweepctl.records.sharding import Claim
from sweepctl.verify import verify
from sweepctl.verify.report import CODES, Severity
from sweepctl.worker.events import Ending

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
    case, log = _as_settled(world), world.log
    world.case = case
    dead = {message.body for message in world.queue.dead}
    unfinished = set()
    for shard_id, message in case.shards.items():
        outcome = _outcome_of(world, message)
        if outcome is None or outcome.retryable:
            unfinished.add(shard_id)
            if not _is_excused(world, message):
                log.find("lost", f"shard {shard_id} has {outcome and outcome.error_code}")
            if not any(decoded(body) == message for body in dead):
                log.find("lost", f"shard {shard_id} has no verdict, and no message")
        elif case.injected.isdisjoint({shard_id}) and not case.behaviour.refuses and not outcome.complete:
            log.find("lost", f"shard {shard_id} has {outcome.error_code} instead of its points")
        _judge_conflicts(world, message)
    for body in case.strangers:
        _judge_stranger(world, body, body in dead)
    for body in case.rivals:
        _judge_rival(world, body)
    _judge_rejections(world)
    if world.machine is not None:
        world.machine.judge_end()
    _judge_by_verify(world, unfinished)


def _as_settled(world: "_World") -> Case:
    """Return the case in which messages of the spec that came second are strangers."""
    case, record = world.case, find_run(world.store(), RUN_ID)
    if not case.usurpers or record is None:
        return case
    first = decoded(case.bodies[0])
    if first is not None and first.spec.fingerprint == record.spec_fingerprint:
        return replace(case, strangers=(*case.strangers, *case.usurpers))
    return replace(case, bodies=case.usurpers, strangers=(*case.strangers, *case.bodies))


def is_unfinished(world: "_World", body: bytes) -> bool:
    """Say whether a message is of a shard that should have a verdict, and has none."""
    message = decoded(body)
    if message is None or body in world.case.strangers:
        return False
    if body in world.case.rivals:
        return not _is_settled(world, body)
    outcome = _outcome_of(world, message)
    return (outcome is None or outcome.retryable) and not _is_excused(world, message)


def _judge_conflicts(world: "_World", message: ShardMessage) -> None:
    if not (world.case.lies or _has_stranger(world, message.shard_id) or _has_rival(world)):
        for attempt in _conflicts(world, message):
            if attempt.attempt_id in world.checker.lacking:
                continue
            world.log.find("false_conflict", f"shard {message.shard_id}: {attempt.error_message}")


def _judge_rival(world: "_World", body: bytes) -> None:
    if not _is_settled(world, body):
        world.log.find("lost", f"a rival has neither an outcome nor a conflict: {body!r}")


def _outcome_of(world: "_World", message: ShardMessage) -> Outcome | None:
    """Return the outcome of exactly the message's shard: a rival may have had its number first."""
    outcome = world.checker.standing(message.shard_id)
    return outcome if outcome is not None and Claim.of(outcome) == Claim.of(message) else None


def _conflicts(world: "_World", message: ShardMessage) -> list[Outcome]:
    attempts = world.checker.attempts(message.shard_id)
    return [each for each in attempts if each.status == "conflict" and Claim.of(each) == Claim.of(message)]


def _is_settled(world: "_World", body: bytes) -> bool:
    """Say whether a rival came first or was refused; or could not be run by the engines that there are."""
    message = decoded(body)
    assert message is not None
    is_run = _outcome_of(world, message) is not None or bool(_conflicts(world, message))
    return is_run or world.case.other_version


def _has_rival(world: "_World") -> bool:
    """Say whether a rival has points: what is refused claims none, so that the run's own shards have theirs then."""
    own = {Claim.of(message) for message in world.case.shards.values()}
    claims = map(Claim.of_key, world.bucket.objects)
    return any(claim is not None and claim not in own for claim in claims)


def _is_excused(world: "_World", message: ShardMessage) -> bool:
    """Say whether a shard cannot come to a verdict by itself."""
    case = world.case
    if _has_rival(world) and _conflicts(world, message):
        return True
    indices = range(message.start_index, message.end_index_exclusive)
    if not case.behaviour.hosts and not case.behaviour.poison.isdisjoint(indices):
        return bool(world.checker.attempts(message.shard_id)) or case.other_version
    statuses = {attempt.status for attempt in world.checker.attempts(message.shard_id)}
    # Where an engine lied, the shard is in conflict for good; that is recorded.
    return case.lies and "conflict" in statuses


def _judge_rejections(world: "_World") -> None:
    """No sound message is rejected, and no worker takes its engine for the wrong one where all are of one version."""
    unsound = {layout.rejection(body_digest(body)) for body in world.case.strangers if decoded(body) is None}
    for key in world.bucket.objects:
        # Without its design no message is sound.
        if key.startswith("rejected/") and key not in unsound and not world.case.lost_design:
            world.log.find("false_rejection", key)
    if not world.case.other_version:
        for name, worker in world.workers.items():
            if worker._tally.endings[Ending.WRONG_WORKER]:
                world.log.find("wrong_worker", name)


def _has_stranger(world: "_World", shard_id: int) -> bool:
    strangers = [decoded(body) for body in world.case.strangers]
    return any(message is not None and message.shard_id == shard_id for message in strangers)


def _judge_stranger(world: "_World", body: bytes, is_dead: bool) -> None:  # noqa: FBT001
    if not is_dead:
        world.log.find("acknowledged_without_outcome", f"a message of no shard is gone: {body[:60]!r}")
    message = decoded(body)
    if message is None:
        if layout.rejection(body_digest(body)) not in world.bucket.objects:
            world.log.find("unrecorded", f"a rejection: {body[:60]!r}")
    # Workers of another version may use up its receives: they hand it back unread.
    elif not world.case.other_version and not any(
        attempt.status == "conflict" for attempt in world.checker.attempts(message.shard_id)
    ):
        world.log.find("unrecorded", f"a conflict at shard {message.shard_id}")


def _judge_by_verify(world: "_World", unfinished: set[int]) -> None:
    version = next(iter(sorted({world.checker.outcome(body).model_version for body in _outcomes(world)})), "1")
    engine = SimulatedEngine(Behaviour(version), None, lambda: 0.0)
    refused = compact_in_the_end(world) if world.case.operators else None
    report = verify(world.store(), RUN_ID, engine)
    is_bad = any(each.severity in {Severity.DAMAGE, Severity.MISSING} for each in report.findings)
    if refused and not is_bad and all(each.complete for each in report.committed):
        world.log.find("uncompacted", refused)
    _judge_pin(world)
    for finding in report.findings:
        severity = CODES[finding.code]
        if finding.code == "artifacts.orphan" and layout.shard_of(finding.key or "") in _refused_rivals(world):
            continue  # it was refused after it wrote, and so was the run's own shard of its number
        if severity is Severity.DAMAGE:
            world.log.find("verify", f"{finding.code} {finding.message} {finding.key or ''}")
        elif severity is Severity.MISSING and not unfinished:
            world.log.find("verify", f"{finding.code} {finding.message}")
        elif finding.code in _LEFTOVERS:
            _judge_leftover(world, finding.key or "", unfinished | _refused_rivals(world))


def _judge_pin(world: "_World") -> None:
    """The run keeps its model as the engine declared it."""
    pin = find_record(world.store(), EnginePin, layout.engine_pin(RUN_ID))
    if pin is not None and pin.declaration_json != declared(pin.model_version).to_json():
        world.log.find("undeclared", f"the pin declares {pin.declaration_json}")


def _refused_rivals(world: "_World") -> set[int]:
    """Return the rivals with a claim and no verdict: one may have been refused after it wrote, for a later claim."""
    claims = set(map(Claim.of_key, world.bucket.objects))
    messages = [message for message in map(decoded, world.case.rivals) if message is not None]
    claimed = [each for each in messages if Claim.of(each) in claims]
    outcomes = {each.shard_id: world.checker.standing(each.shard_id) for each in claimed}
    return {shard_id for shard_id, outcome in outcomes.items() if outcome is None or outcome.retryable}


def _judge_leftover(world: "_World", key: str, unfinished: set[int]) -> None:
    """Data without an outcome belongs to a shard without a verdict; partial data to an attempt that could not go on."""
    is_partial = key.startswith("partial/")
    if not (_could_not_go_on(world, key) if is_partial else layout.shard_of(key) in unfinished):
        world.log.find("orphan", key)


def _could_not_go_on(world: "_World", key: str) -> bool:
    """Say why an attempt has partial data and no row: its process died, or a write or temporary file of its own failed.

    Nothing else excuses it, whatever went wrong with other calls.
    """
    attempt_id = key.removesuffix(".parquet").rpartition("-")[2]
    if attempt_id in world.checker.stood:
        return False
    own = [op for op in world.log.ops if attempt_id in op.where]
    writer = own[0].process
    is_dead = any(op.what == "life" and op.where == "dies" and op.process == writer for op in world.log.ops)
    return is_dead or any(op.what == "failed" and op.where.startswith("put ") for op in own) or _met_error(world, key)


def _met_error(world: "_World", key: str) -> bool:
    """Say whether the disk refused something in the folder of temporary files from which an object was made."""
    if world.machine is None:
        return False
    folder = f"/{world.machine.source_folders[key]}/"
    errors = {Fault.DISK_FULL.name, Fault.DISK_ERROR.name}
    return any(op.what == "fault" and op.effect in errors and folder in op.where for op in world.log.ops)


def _outcomes(world: "_World") -> list[bytes]:
    return [body for key, body in world.bucket.objects.items() if key.startswith("shard_outcomes/")]
