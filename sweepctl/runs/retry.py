"""Which failed shards of a run may succeed on retry, and what to do about the others. Runs and sends nothing."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sweepctl.messages import ShardMessage, decode
from sweepctl.records.outcome import (
    INJECTED_FAILURE,
    INVALID_PARAMETERS,
    POINT_FAILED,
    UNKNOWN_CALLER,
    Caller,
    Outcome,
    RunRecord,
)
from sweepctl.records.outcomes import OutcomeReader
from sweepctl.records.run import list_outcomes, require_run
from sweepctl.store.contract import Store
from sweepctl.verify.outcomes import group_failures
from sweepctl.verify.repair import MissingShard, messages_of
from sweepctl.verify.report import FailureGroup

# Why a retry of a permanently failed shard would fail again, and what to do instead.
ADVICE: Mapping[str, str] = {
    POINT_FAILED: "The model has no result for these points, so a retry would fail again. Leave them out of the sweep; "
    "or if the model is wrong, correct it under a new model_version.",
    INVALID_PARAMETERS: "The engine refuses the parameter each time. Correct it and start a new run.",
    INJECTED_FAILURE: "Its message asked for it: send the shard's message without failure_injection_shards.",
}
# Where rules of the sweep file leave points without a valid value.
RULES = ("invalid_derived_parameter", "undefined_constraint")
_OF_RULES = (
    "The sweep file's rules give these points no valid value, so a retry would fail again. Correct `derived`, or "
    "exclude these points by a constraint (docs/expressions.md)."
)
_NO_ADVICE = "It would fail again."


@dataclass(frozen=True)
class FailedShards:
    """The failed shards of a run, by whether a retry may succeed."""

    record: RunRecord
    retryable: Sequence[MissingShard]
    permanent: Sequence[FailureGroup]
    unreadable: Sequence[str]  # keys of outcomes that cannot be read
    failed_points: int  # of complete shards
    machine_dependent: int  # of these points: those that may succeed elsewhere
    caller: Caller = UNKNOWN_CALLER

    def is_left(self, *, accept_failures: bool) -> bool:
        """Whether any shard is left that a retry does not mend, and that is not accepted as failed permanently."""
        return bool(self.unreadable) or (bool(self.permanent) and not accept_failures)

    def bodies(self) -> Iterator[bytes]:
        """Yield the message body of each shard to retry, made from the run record."""
        return messages_of(self.record, self.retryable)

    def messages(self, today: dt.date) -> Iterator[ShardMessage]:
        """Yield the same messages, decoded as by a worker; `today` bounds their dates."""
        return (decode(body, today) for body in self.bodies())

    def advice(self, group: FailureGroup) -> str:
        """Return what to do about shards that failed permanently."""
        own = ADVICE.get(group.error_code, _NO_ADVICE)
        if group.error_code != POINT_FAILED:
            return own
        if group.example.startswith(RULES):
            own = _OF_RULES
        advise = self.caller.machine_advice if self.machine_dependent else self.caller.again
        advice = advise(self.record.run_id, has_outputs=bool(self.record.spec.outputs))
        return advice if 0 < self.machine_dependent == self.failed_points else f"{own} {advice}"

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON values."""
        permanent = [{**asdict(group), "advice": self.advice(group)} for group in self.permanent]
        return {
            "run_id": self.record.run_id,
            "run_date": self.record.run_date,
            "retryable": len(self.retryable),
            "failed_for_good": permanent,
            "unreadable": list(self.unreadable),
        }


def failed_shards(store: Store, run_id: str, caller: Caller = UNKNOWN_CALLER) -> FailedShards:
    """Read the outcomes of a run and sort its failures.

    Raises:
        UnknownRunError: the store has no such run.
        StoreError: the store does not answer.
    """
    record = require_run(store, run_id)
    # A shard that failed permanently may have no row in shard_attempts, so all outcomes are read.
    keys = (entry.key for _, entry in list_outcomes(store, run_id, record.run_date, record.shards))
    failed: list[Outcome] = []
    unreadable: list[str] = []
    for key, found in OutcomeReader(store).read(keys):
        if not isinstance(found, Outcome):
            unreadable.append(key)
        elif found.status == "failure":
            failed.append(found)
    return FailedShards(
        record,
        [
            MissingShard(each.shard_id, each.start_index, each.end_index_exclusive)
            for each in sorted(failed, key=lambda outcome: outcome.shard_id)
            if each.retryable
        ],
        group_failures([each for each in failed if not each.retryable]),
        unreadable,
        sum(each.points_failed for each in failed if each.complete),
        sum(each.points_machine_dependent or 0 for each in failed if each.complete),
        caller,
    )
