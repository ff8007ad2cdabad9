"""Judges a history: each write and each acknowledgement when it happens, and the whole store in the end.

Findings, each of which must not be: overwritten, overwritten_success, downgraded, dangling, rows_lost,
outcome_before_history, acknowledged_without_outcome, torn, blamed, wrong_build, unfit, claimed_commit, stale_delete,
late_delete, lease_ran_out, left_behind, used_up, unlimited, wrong_design, undeclared, lost, duplicated, unrecorded,
false_conflict, false_rejection, wrong_worker, orphan, stray_task, unsettled, unended, compact_conflict, uncompacted,
litter, verify.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from fakes.bucket import Bucket
from fakes.disk import STORE
from fakes.message_queue import HeldMessage, Message
from fakes.simulated_engine import ROWS, SimulatedChild
from simulation.case import FIRST_DELAY, LEASE
from simulation.log import Log

from sweepctl.errors import ConflictError, InterruptedRunError
from sweepctl.messages import ShardMessage
from sweepctl.records import layout, table
from sweepctl.records.compact import Manifest, Part
from sweepctl.records.outcome import Artifact, Outcome, rank
from sweepctl.shard.run import Disposition
from sweepctl.spec import NO_LIMITS
from sweepctl.worker import lease
from sweepctl.worker.delivery import Delivery

POWER = "power loss"


@dataclass
class Checker:
    """`decoded` is what a message's body means, None where nothing; `work_of` what a worker knows of a delivery."""

    bucket: Bucket
    log: Log
    run_id: str
    now: Callable[[], float]
    decoded: Callable[[bytes], ShardMessage | None]
    work_of: Callable[[HeldMessage], Delivery | None] = lambda _delivery: None
    stood: set[str] = field(default_factory=set)  # attempts whose outcome stood once
    lacking: set[str] = field(default_factory=set)  # attempts without rows of another, which were not there yet
    acknowledged: list[tuple[str, ShardMessage]] = field(default_factory=list)  # by whom, and what
    began_at: dict[str, float] = field(default_factory=dict)  # of attempts
    _created_at: dict[str, float] = field(default_factory=dict)  # of objects
    _decoded: dict[bytes, Outcome] = field(default_factory=dict)

    def on_put(self, process: str, key: str, old: bytes | None, new: bytes) -> None:
        if old is None:
            self._created_at[key] = self.now()
        if key.startswith("shard_outcomes/"):
            self._on_outcome(process, key, old, new)
        elif old is not None and not key.startswith(".sweepctl/"):
            self.log.find("overwritten", f"{process} wrote over {key}")
        if key.startswith("shard_attempts/"):
            self._on_attempt(self.outcome(new))
        if key == layout.compact_manifest(self.run_id):
            self._require_there(process, Manifest.model_validate_json(new).parts)

    def _on_outcome(self, process: str, key: str, old: bytes | None, new: bytes) -> None:
        outcome = self.outcome(new)
        self.stood.add(outcome.attempt_id)
        self.log.note(self.now(), process, "outcome", key, f"{rank(outcome).name} {outcome.error_code or ''}")
        if old is not None:
            standing = self.outcome(old)
            if standing.status == "success":
                self.log.find("overwritten_success", f"{process} replaced {standing.attempt_id} at {key}")
            elif rank(outcome) <= rank(standing):
                self.log.find(
                    "downgraded", f"{process} replaced {rank(standing).name} by {rank(outcome).name} at {key}"
                )
        self._judge_named(process, key, outcome)

    def _judge_named(self, process: str, key: str, outcome: Outcome) -> None:
        """What an outcome is based on is there."""
        self._require_there(process, outcome.artifacts)
        if any(each.dataset == "parts" and each.rows != ROWS * outcome.points_succeeded for each in outcome.artifacts):
            self.log.find("rows_lost", f"{process} names a file without the rows of its points at {key}")
        history = key.replace("shard_outcomes/", "shard_attempts/", 1).replace(
            ".parquet", f"-{outcome.attempt_id}.parquet"
        )
        if not outcome.complete and history not in self.bucket.objects:
            self.log.find("outcome_before_history", f"{process} wrote the failure {outcome.attempt_id} at {key}")

    def _on_attempt(self, attempt: Outcome) -> None:
        """Note a conflict about a file that was not there: points of the attempt failed that had rows in another."""
        key, found, _ = (
            (attempt.error_message or "")
            .removeprefix("s3://memory/")
            .removeprefix(f"{STORE}/")
            .partition(" holds a different result")
        )
        # Between its look and this row another attempt may have made it.
        if found and (key not in self.bucket.objects or self._created_at[key] > self.began_at[attempt.attempt_id]):
            self.lacking.add(attempt.attempt_id)

    def on_power_loss(self, torn: Sequence[str]) -> None:
        """Each name has its content, each outcome what it is based on, and each acknowledged message its outcome."""
        for key in torn:
            self.log.find("torn", f"{key} has lost its content")
        if torn:
            return
        for key, body in self.bucket.objects.items():
            if key.startswith("shard_outcomes/"):
                self._judge_named(POWER, key, self.outcome(body))
            if key == layout.compact_manifest(self.run_id):
                self._require_there(POWER, Manifest.model_validate_json(body).parts)
        for what, meant in self.acknowledged:
            self._judge_acknowledged(f"{POWER}, {what}", meant)

    def _require_there(self, process: str, named: Sequence[Artifact | Part]) -> None:
        for each in named:
            body = self.bucket.objects.get(each.key)
            if body is None:
                self.log.find("dangling", f"{process} names {each.key}, which is not there")
            elif (len(body), hashlib.sha256(body).hexdigest()) != (each.bytes, each.sha256):
                self.log.find("dangling", f"{process} names other bytes than stand at {each.key}")

    def on_receive(self, message: Message, delivery: HeldMessage) -> None:
        """A lease that ran out while neither its holder nor the queue stood still was not looked after."""
        if not message.deliveries:
            return
        last = message.deliveries[-1]
        self._judge_receive(last, delivery)
        holder, since = last.process, last.at - 30
        # Those who leave messages behind are judged when they end.
        is_ended = holder.dead or not holder.tasks
        if last.excused or last.told_lost or last.handed_back or is_ended or holder.frozen_until >= since:
            return
        # While the queue does not answer, its holder goes on asking.
        is_asking = self.work_of(last) is None or self.now() - last.asked_at <= LEASE / 2
        if holder.troubled_at["queue"] < since or not is_asking:
            self.log.find("lease_ran_out", f"{last.receipt} of {holder.name}, before {delivery.receipt}")

    def _judge_receive(self, last: HeldMessage, delivery: HeldMessage) -> None:
        """A receive is not wasted: a message comes back after a pause."""
        if last.returned_at is None or last.ending is None:
            return
        if last.ending not in lease.AT_ONCE and self.now() < last.returned_at + FIRST_DELAY:
            self.log.find("used_up", f"{delivery.receipt} is received at once after {last.ending.value}")

    def on_arrive(self, delivery: HeldMessage) -> None:
        """A worker that stops takes back nothing: not by a request whose answer it was still waiting for, either."""
        deliveries = delivery.message.deliveries
        before = deliveries[: deliveries.index(delivery)]
        if before and before[-1].ending in lease.AT_ONCE and before[-1].process is delivery.process:
            found = f"{delivery.receipt} is received by {delivery.process.name}, which has handed it back"
            self.log.find("used_up", found)

    def on_close(self, delivery: HeldMessage) -> None:
        """An attempt that is over and is not the shard's success, or may not be, has left its row."""
        work = self.work_of(delivery)
        if work is None:
            return
        delivery.ending = work.ending
        if work.result is not None:
            is_due = work.result.attempt is not None and not work.result.attempt.complete
        else:
            # These are recorded after what failed: where the store does not answer either, they are not.
            is_due = isinstance(work.error, ConflictError | InterruptedRunError)
            is_due = is_due and delivery.process.troubled_at["store"] < delivery.at
        if is_due and not any(key.endswith(f"-{work.attempt_id}.parquet") for key in self._rows()):
            self.log.find("unrecorded", f"attempt {work.attempt_id} ended as {work.ending.value}, and has no row")

    def on_ended(self, delivery: Delivery, asked: Sequence[SimulatedChild]) -> None:
        """Judge an execution by the processes that it asked."""
        attempt = None if delivery.result is None else delivery.result.attempt
        if attempt is None or not asked:
            return
        if attempt.engine_sha256 is not None and {attempt.engine_sha256} != {each.build for each in asked}:
            self.log.find("wrong_build", f"{attempt.attempt_id} names a build that has not run it")
        limits = NO_LIMITS if delivery.message is None else delivery.message.spec.limits.of_points
        if limits != NO_LIMITS and not all(each.has_limits for each in asked):
            self.log.find("unlimited", f"{attempt.attempt_id} ran points of a run with limits without them")
        last = asked[-1]
        is_fault = (attempt.error_code or "").startswith("engine_") and not attempt.points_recorded
        if is_fault and last.requests > 1 and not last.was_late:
            self.log.find("blamed", f"{attempt.attempt_id} failed by an engine that had run another shard")

    def _rows(self) -> list[str]:
        return [key for key in self.bucket.objects if key.startswith("shard_attempts/")]

    def on_delete(self, message: Message, delivery: HeldMessage) -> None:
        """Judge an acknowledgement as it leaves the worker."""
        receipt, holder = delivery.receipt, delivery.process
        if delivery.told_lost:
            self.log.find("stale_delete", f"{holder.name} was told that {receipt} is lost, and deletes it")
        # Who stood still between the decision and the request could not know; nobody else is excused.
        if self.now() >= delivery.known_until and holder.frozen_until != self.now():
            self.log.find("late_delete", f"{holder.name} deletes {receipt} after its lease's end")
        what, meant = f"{holder.name} deletes {receipt}", self.decoded(message.body)
        if not self._judge_acknowledged(what, meant) or meant is None:
            return
        self.acknowledged.append((what, meant))
        work = self.work_of(delivery)
        if work is not None and _claims(work) and work.attempt_id not in self.stood:
            self.log.find("claimed_commit", f"{holder.name} takes another's outcome for its own at {receipt}")

    def _judge_acknowledged(self, what: str, meant: ShardMessage | None) -> bool:
        """Say whether the shard of a message has an outcome, and judge this one."""
        outcome = None if meant is None else self.standing(meant.shard_id)
        if meant is None or outcome is None:
            self.log.find("acknowledged_without_outcome", what)
            return False
        bounds = (outcome.start_index, outcome.end_index_exclusive)
        if outcome.retryable or bounds != (meant.start_index, meant.end_index_exclusive):
            self.log.find("acknowledged_without_outcome", f"{what}: {outcome.error_code}, {bounds}")
        if outcome.spec_fingerprint != meant.spec.fingerprint:
            self.log.find("acknowledged_without_outcome", f"{what} of another spec")
        return True

    def standing(self, shard_id: int) -> Outcome | None:
        """Return the outcome of a shard, wherever it lies."""
        name = f"/run={self.run_id}/shard-{shard_id:08d}.parquet"
        found = [key for key in self.bucket.objects if key.startswith("shard_outcomes/") and key.endswith(name)]
        if len(found) > 1:
            self.log.find("duplicated", f"shard {shard_id} has outcomes {found}")
        return self.outcome(self.bucket.objects[found[0]]) if found else None

    def attempts(self, shard_id: int) -> list[Outcome]:
        """Return the attempts that are recorded beside a shard's outcome."""
        keys = [key for key in self._rows() if layout.shard_of(key) == shard_id]
        return [self.outcome(self.bucket.objects[key]) for key in keys]

    def outcome(self, body: bytes) -> Outcome:
        if body not in self._decoded:
            self._decoded[body] = table.decode(Outcome, body, "memory")
        return self._decoded[body]


def _claims(work: Delivery) -> bool:
    return work.result is not None and work.result.disposition is Disposition.COMMITTED
