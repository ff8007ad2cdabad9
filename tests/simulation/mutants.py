"""The simulation proved: each mutant breaks one rule of the protocol, and must be caught.

    python tests/simulation/mutants.py [NAME ...]

Of mutants that are named, the smallest history that catches each is kept in regressions/, for every test run to play.
A mutant is a change of a few words in one production function. The words must be there exactly once, so that a mutant
cannot go stale unseen.
"""

import inspect
import multiprocessing
import re
import sys
import textwrap
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from simulation import memory, operators

from sweepctl.compact import parts
from sweepctl.compact import run as compaction
from sweepctl.engine import columns, points, reader, warm
from sweepctl.engine.run import EngineRun
from sweepctl.records import design as stored_design
from sweepctl.records import outcome
from sweepctl.shard import adopt, attempt, claim, commit, run
from sweepctl.store import files, local
from sweepctl.store.local import LocalStore
from sweepctl.store.s3 import S3Store
from sweepctl.worker import delivery, lease
from sweepctl.worker.drain import Worker

MOST_SCHEDULES = 2_000
PUBLISHED = """put = commit.commit_complete if outcome.complete else commit.commit_incomplete
            committed = put(store, run, outcome, execution.files)"""


@dataclass(frozen=True)
class Mutant:
    """`old` becomes `new` in a function, which `owners` hold under its name."""

    name: str
    owners: tuple[Any, ...]
    function: str
    old: str
    new: str

    @property
    def file_name(self) -> str:
        """Of a history that catches it, where one is kept among the regressions."""
        return re.sub(r"\W+", "-", self.name)

    @contextmanager
    def applied(self) -> Iterator[None]:
        original = getattr(self.owners[0], self.function)
        source = textwrap.dedent(inspect.getsource(original))
        assert source.count(self.old) == 1, f"{self.name}: {self.function} does not hold {self.old!r} once"
        module = sys.modules[original.__module__]
        made: dict[str, Any] = {}
        code = compile(source.replace(self.old, self.new), f"<mutant {self.name}>", "exec", dont_inherit=True)
        exec(code, vars(module), made)  # noqa: S102  this is how a mutant is made
        with ExitStack() as patches:
            for owner in self.owners:
                patches.enter_context(patch.object(owner, self.function, made[self.function]))
            memory.forget()
            patches.callback(memory.forget)
            yield


MUTANTS = (
    Mutant("a plain PUT", (S3Store,), "_create", 'partial(self._client.put_object, IfNoneMatch="*")',
           "self._client.put_object"),
    Mutant("a replacement without a condition", (S3Store,), "_replace",
           "partial(self._client.put_object, IfMatch=etag)", "self._client.put_object"),
    Mutant("409 taken for success", (S3Store,), "_create", "status == HTTPStatus.OK",
           "status in {HTTPStatus.OK, HTTPStatus.CONFLICT}"),
    Mutant("a failure overwrites a success", (outcome, commit), "judge", "rank(existing) >= rank(new)",
           "existing.attempt_id == new.attempt_id"),
    Mutant("412 taken for a loss, and cleaned up", (commit,), "_create_or_fetch", "    found = ",
           "    store._client._bucket.objects.pop(key, None)\n    raise StoreError('lost')\n    found = "),
    Mutant("acknowledged before the commit", (Worker,), "_run", "deliver(",
           "self.queue.delete(delivery.received.receipt)\n    deliver("),
    Mutant("a retryable failure acknowledged", (delivery,), "_ending_of",
           "Ending.RETRY if result.outcome.retryable else Ending.FAILED", "Ending.FAILED"),
    Mutant("a conflict acknowledged", (delivery,), "_ending_after",
           "case ConflictError() | DamagedError():\n            return Ending.REJECTED",
           "case ConflictError() | DamagedError():\n            return Ending.FAILED"),
    Mutant("acknowledged although the store is down", (delivery,), "_ending_after", "Ending.STORE_DOWN",
           "Ending.SKIPPED"),
    Mutant("the outcome before its data", (commit,), "commit_complete",
           "outcome = _commit_files(store, run, outcome, files)\n",
           "keys = layout.ShardKeys.of(run, outcome.shard_id)\n"
           "    named = tuple(_artifact(file, keys.dataset(file.dataset, outcome.model)) for file in files)\n"
           "    _commit_outcome(store, run, dataclasses.replace(outcome, artifacts=named))\n"
           "    outcome = _commit_files(store, run, outcome, files)\n"),
    Mutant("the verdict before its history", (commit,), "commit_incomplete",
           "record_attempt(store, run, outcome)\n    return _commit_outcome(store, run, outcome)",
           "standing = _commit_outcome(store, run, outcome)\n    record_attempt(store, run, outcome)\n"
           "    return standing"),
    Mutant("partial rows in the tables", (commit,), "_keep_partial",
           ".partial(file.dataset, outcome.model, outcome.attempt_id)", ".dataset(file.dataset, outcome.model)"),
    Mutant("a deletion by a stale receipt", (lease,), "_close",
           "if lease.lost or now >= lease.renewed_at + state.policy.lease:", "if False:"),
    Mutant("a lease never renewed", (lease,), "_agenda",
           "if lease.ending is None and not lease.lost and not lease.renewing:", "if False:"),
    Mutant("a lease counted from the reply", (lease,), "_held",
           '"renewed_at": asked_at, "renew_at": asked_at + state.policy.lease / 3',
           '"renewed_at": now, "renew_at": now + state.policy.lease / 3'),
    Mutant("the attempt's id ignored on read-back", (commit,), "_commit_outcome",
           "found is not None and found.attempt_id == outcome.attempt_id", "found is not None"),
    Mutant("the etag of a second read", (commit,), "_commit_outcome", "store.replace(key, body, stored.etag)",
           "store.replace(key, body, store.read(key).etag)"),
    Mutant("an outcome that stands taken for one's own", (commit,), "_commit_outcome", "if put is Put.WRITTEN:",
           "if put:"),
    Mutant("an attempt's id drawn per message", (Worker,), "_poll", "self.new_attempt_id()", "received.message_id"),
    Mutant("the writer's own date", (commit,), "agree_run", "return pin_run(store, proposed)",
           "pin_run(store, proposed)\n    return proposed"),
    Mutant("a spec not compared", (commit,), "require_same_run", "if run.spec_fingerprint != message.spec.fingerprint:",
           "if False:"),
    Mutant("a sharding not compared", (commit,), "require_same_run",
           "if planned is not None and planned != (message.start_index, message.end_index_exclusive):", "if False:"),
    Mutant("claims not compared", (claim,), "_require_free", "if claim.contradicts(other):", "if False:"),
    Mutant("claims of other patterns passed over", (claim,), "_require_free", "set(patterns) <= {own}", "patterns"),
    Mutant("no look after the claim", (claim, run), "claim_points",
           "    _require_free(store, run, claim, own, _patterns(store, run))", ""),
    Mutant("points not claimed", (claim, run), "claim_points", "store.create(claim.key(run.run_id, own), _body(claim))",
           "pass"),
    Mutant("points claimed after the commit", (run, delivery), "run_shard",
           f"claim_points(store, run, message)\n            {PUBLISHED}\n",
           f"{PUBLISHED}\n            claim_points(store, run, message)\n"),
    Mutant("an engine not pinned", (run, delivery), "run_shard",
           "commit.agree_engine(store, attempt.engine_pin)", "pass"),
    Mutant("an engine's counts believed", (reader.RecordReader,), "finish",
           "if self.next_index != self._message.end_index_exclusive or said != seen or self._held:", "if False:"),
    Mutant("an object that the store does not give taken for none", (S3Store,), "_get",
           "        raise store_error(error, self._address(key)) from error", "        return None"),
    Mutant("a worker that stops and walks off", (lease,), "_due",
           "state.stop_by is not None and not state.leases and not state.polling", "state.stop_by is not None"),
    Mutant("no lease renewed after the stop", (lease,), "_agenda",
           "if lease.ending is None and not lease.lost and",
           "if state.stop_by is None and lease.ending is None and not lease.lost and"),
    Mutant("no lease renewed while the store is down", (lease,), "_agenda",
           "if lease.ending is None and not lease.lost and",
           "if state.probe_at is None and lease.ending is None and not lease.lost and"),
    Mutant("a renewal that failed tried a lease later", (lease,), "_held", "now + state.policy.lease / 12",
           "now + state.policy.lease"),
    Mutant("a lease that is over taken back", (lease,), "_held",
           "not held or asked_at >= state.leases[receipt].renewed_at + state.policy.lease", "not held"),
    Mutant("an interruption without a row", (run, delivery), "run_shard",
           'commit.record_attempt(store, run, attempt.outcome(ended_by(interruption, "interrupted"), now()))', "pass"),
    Mutant("a failure without a row where another stands", (commit,), "commit_incomplete",
           "record_attempt(store, run, outcome)\n",
           "if find_outcome(store, run, outcome.shard_id) is None:\n        record_attempt(store, run, outcome)\n"),
    Mutant("a broken body taken for whole", (S3Store,), "_download", "failure = error", 'return response["ETag"]'),
    Mutant("the points after a crash never run", (points, attempt), "run_points",
           "fault.error_code not in OF_A_POINT", "fault.error_code in OF_A_POINT"),
    Mutant("a host that begins after the point that crashed", (points, attempt), "run_points",
           "requests.rest(reader.next_index)", "requests.rest(reader.next_index + 1)"),
    Mutant("points that hang have all of the time", (points._Way,), "after",
           'fault.error_code == "engine_timeout"', "False"),
    Mutant("a crash in one attempt taken for another result", (commit,), "_commit_points",
           "stands is None", "True"),
    Mutant("adopted rows counted as one's own", (adopt.Standing,), "outcome",
           "points_failed=self.failed", "points_failed=own.points_failed"),
    Mutant("adopted rows under one's own digest", (adopt.Standing,), "outcome",
           "content_sha256=self.content_sha256", "content_sha256=own.content_sha256"),
    Mutant("an engine asked again after a failed point", (EngineRun,), "__exit__", " and not self.finished.failed", ""),
    Mutant("a shard that fails by what another left", (points, attempt), "run_points", "run.was_asked", "False"),
    Mutant("an engine of another build asked again", (warm.WarmEngines,), "take",
           "(warm.sha256, warm.spec) == (sha256, spec)", "warm.spec == spec"),
    Mutant("a build named that was replaced meanwhile", (run, delivery), "run_shard",
           "if engine.sha256 != attempt.engine_sha256:", "if False:"),
    Mutant("entries of a column not counted", (columns._Span,), "places", "if entries == self.count else None", ""),
    Mutant("a compact file not written", (parts, compaction), "make_part",
           "store.create(planned.key, path) is Put.WRITTEN", "True"),
    Mutant("a run compacted that is not whole", (compaction, operators), "compact", "    _require_final(report)\n", ""),
    Mutant("handed back without delay", (lease,), "_delay", "if ending in AT_ONCE:", "if True:"),
    Mutant("a poll under way takes what is handed back", (lease,), "_close",
           "if lease.ending in AT_ONCE and state.polling:", "if False:"),
    Mutant("rows adopted that nobody has written", (commit,), "_commit_data",
           "stands is not None and stands.missing and not exists(store, key)", "False"),
    Mutant("rows kept of points that failed where they were first", (commit,), "_commit_data",
           "file = without(file, stands.apart)", "pass"),
    Mutant("a design not compared with its digest", (stored_design,), "_read",
           "if hashlib.sha256(body).hexdigest() != sha256:", "if False:"),
    Mutant("limits not given to the host", (points._Way,), "start",
           'self.limits.model_copy(update={"point_seconds": self._point_seconds}) if self.is_hosted else NO_LIMITS',
           "NO_LIMITS"),
    Mutant("limits without a host", (points, attempt), "run_points", "requests.limits != NO_LIMITS", "False"),
    Mutant("a model's declaration not kept", (commit,), "agree_engine", "layout.engine_pin(pin.run_id), pin,",
           "layout.engine_pin(pin.run_id), dataclasses.replace(pin, declaration_json=None),"),
    Mutant("content not synced before its name", (LocalStore,), "create", "files.sync(source)", "pass"),
    Mutant("a new outcome's content not synced before its name", (LocalStore,), "replace", "files.sync(source)",
           "pass"),
    Mutant("a name not synced", (LocalStore,), "_sync_folders", "files.sync(folder)", "pass"),
    Mutant("the folders above a name not synced", (LocalStore,), "_sync_folders", "files.sync(above)", "pass"),
    Mutant("a file replaced without the lock", (LocalStore,), "replace",
           'files.locked(self._work / "replace.lock")', "ExitStack()"),
    Mutant("a file replaced unseen", (LocalStore,), "replace", "current is None or current.etag != etag",
           "current is None"),
    Mutant("a rename instead of a link", (local,), "_link", "os.link", "os.replace"),
    Mutant("a file that exists taken for durable", (LocalStore,), "create", "self._sync_folders(path.parent)",
           "if put is Put.WRITTEN:\n            self._sync_folders(path.parent)"),
    Mutant("a file that was read taken for durable", (LocalStore,), "make_durable",
           "self._sync_folders(path.parent)", "pass"),
    Mutant("work folders of the dead left there", (files,), "_is_abandoned", "is_due and", "False and"),
    Mutant("a write that failed taken for durable", (commit,), "_commit_outcome",
           "store.make_durable(key)  # if that is what failed", "pass"),
    Mutant("a shard that is complete taken for durable", (run, delivery), "run_shard",
           "store.make_durable(layout.ShardKeys.of(run, message.shard_id).outcome)", "pass"),
    Mutant("metrics of a failed point in columns", (columns,), "_of_successes", "if pc.all(succeeded).as_py():",
           "if True:"),
)  # fmt: skip


@dataclass(frozen=True)
class Kill:
    mutant: str
    schedules: int  # that it took
    finding: str | None  # None: it lives

    def __str__(self) -> str:
        told = "LIVES" if self.finding is None else self.finding[:90]
        return f"{self.mutant:55} {self.schedules:5}  {told}"


def hunt(mutant: Mutant) -> Kill:
    """Play schedules until one catches the mutant."""
    from simulation.world import play  # noqa: PLC0415  the workers' modules, before anything is patched

    with mutant.applied():
        for seed in range(MOST_SCHEDULES):
            history = play(seed)
            if history.findings:
                return Kill(mutant.name, seed + 1, history.findings[0])
    return Kill(mutant.name, MOST_SCHEDULES, None)


def hunt_number(number: int) -> Kill:
    """Hunt one of MUTANTS: a mutant itself cannot be sent to another process."""
    return hunt(MUTANTS[number])


def hunt_all(numbers: Sequence[int]) -> Iterator[Kill]:
    """Hunt on all cores; yield kills in the mutants' order."""
    with multiprocessing.get_context("spawn").Pool() as pool:
        yield from pool.imap(hunt_number, numbers)


def keep(kill: Kill) -> None:
    from simulation import shrink, world  # noqa: PLC0415  as in `hunt`

    mutant = next(each for each in MUTANTS if each.name == kill.mutant)
    with mutant.applied():
        shrink.save(shrink.shrink(world.play(kill.schedules - 1)), name=mutant.file_name)


def main(names: Sequence[str]) -> int:
    from simulation.mutants import hunt_all  # noqa: PLC0415  by its own name, which other processes know it by

    began_at = time.monotonic()
    kills = []
    for kill in hunt_all([number for number, mutant in enumerate(MUTANTS) if not names or mutant.name in names]):
        kills.append(kill)
        print(kill, flush=True)
        if names and kill.finding is not None:
            keep(kill)
    print(f"{sum(kill.finding is not None for kill in kills)} of {len(kills)} caught, "
          f"{time.monotonic() - began_at:.0f} s")  # fmt: skip
    return int(any(kill.finding is None for kill in kills))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
