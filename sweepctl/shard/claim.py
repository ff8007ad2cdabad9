"""How the shards of an unplanned run keep off each other's points.

Nobody planned the run, so no record says which points its shards have: the first messages do. A shard claims its
points when it has run and before anything of it is published, and is refused where that contradicts what other shards
claimed. Claims are created and never changed. Each shard looks before it claims, so that what is refused leaves no
claim, and again afterwards: of two that contradict each other, the one that looks last sees the other's claim, however
they meet (docs/decisions/0014-claims.md).
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict

from sweepctl.errors import ConflictError, DamagedError
from sweepctl.messages import ShardMessage
from sweepctl.records import layout
from sweepctl.records.outcome import Outcome, RunRecord
from sweepctl.records.run import find_record, list_outcomes
from sweepctl.records.sharding import NO_PATTERN, Claim
from sweepctl.store.contract import Store

_REMEDY = (
    "Send the run's own messages, or use another run_id. If this message is the right one and the other shard has no "
    "outcome, stop the workers, move its claim out of the store, and send this message again."
)


def require_unclaimed(store: Store, run: RunRecord, message: ShardMessage) -> None:
    """Check, before a shard runs, that it may claim the message's points as far as others have by now; claim nothing.

    Raises:
        ConflictError: another shard has claimed or committed some of them, or the shard has others.
    """
    if run.shard_points is None:
        _free_pattern(store, run, Claim.of(message))


def claim_points(store: Store, run: RunRecord, message: ShardMessage) -> None:
    """Claim the message's points for its shard; a planned run needs no claims.

    Raises:
        ConflictError: another shard has claimed or committed some of them, or the shard has others.
    """
    if run.shard_points is not None:
        return
    claim = Claim.of(message)
    own = _free_pattern(store, run, claim)
    store.create(claim.key(run.run_id, own), _body(claim))
    _require_free(store, run, claim, own, _patterns(store, run))


def _free_pattern(store: Store, run: RunRecord, claim: Claim) -> str:
    """Return the pattern under which a claim is to be made; raise ConflictError if it contradicts another."""
    patterns = _patterns(store, run)
    if not patterns and next(list_outcomes(store, run.run_id, run.run_date, run.shards), None) is not None:
        # A shard that began since then has a claim; one without comes from a release before claims, or lost it.
        patterns = _patterns(store, run) or [NO_PATTERN]
    own = next((each for each in patterns if claim.fits(each, run.total_points)), claim.pattern(run.total_points))
    if patterns == [NO_PATTERN]:
        own = NO_PATTERN
    _require_free(store, run, claim, own, patterns)
    return own


def _patterns(store: Store, run: RunRecord) -> list[str]:
    return store.folders(layout.claims_folder(run.run_id))


def _body(claim: Claim) -> bytes:
    return json.dumps(asdict(claim)).encode() + b"\n"


def _require_free(store: Store, run: RunRecord, claim: Claim, own: str, patterns: Sequence[str]) -> None:
    """Raise ConflictError if the claim, of the pattern `own`, contradicts another; `patterns` are those of all."""
    if own != NO_PATTERN and set(patterns) <= {own}:
        return
    others = {each: key for each, key in _claims(store, run).items() if each != claim}
    differs = f"run {run.run_id} is sharded differently: shard {claim.shard_id} has points {claim} in this message"
    for other, key in others.items():
        if claim.contradicts(other):
            store.make_durable(key)  # its writer may not have, and the conflict that is recorded names it
            msg = f"{differs}, but shard {other.shard_id} has {other} ({store.locate(key)})"
            raise ConflictError(msg, remedy=_REMEDY)
    # One shard shows no pattern.
    is_regular = len(patterns) == 1 and patterns != [NO_PATTERN] and len(others) > 1
    if is_regular and not all(map(claim.is_in_order_with, others)):
        store.make_all_durable(others.values())
        msg = f"{differs}, which no shard of this number can have beside {len(others)} of the pattern {patterns[0]}"
        raise ConflictError(msg, remedy=_REMEDY)


def _claims(store: Store, run: RunRecord) -> dict[Claim, str]:
    """Return all claims and their keys; an outcome without one is given its own."""
    keys = [entry.key for entry in store.objects(layout.claims_folder(run.run_id))]
    found = {claim: key for key in keys if (claim := Claim.of_key(key)) is not None}
    claimed = {claim.shard_id for claim in found}
    for shard_id, entry in list_outcomes(store, run.run_id, run.run_date, run.shards):
        if shard_id in claimed:
            continue
        with suppress(DamagedError):  # which is for verify to report
            outcome = find_record(store, Outcome, entry.key)
            if outcome is not None:
                claim = Claim.of(outcome)
                found[claim] = claim.key(run.run_id, NO_PATTERN)
    for claim, key in found.items():
        if claim.shard_id not in claimed:
            store.create(key, _body(claim))
    return found
