"""Rounds of `run` and `submit` where replications are chosen by precision."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from rich.console import Console

from sweepctl.records.outcome import RunRecord
from sweepctl.records.run import require_run
from sweepctl.results.analysis.precision import Attained, measure
from sweepctl.results.analysis.subject import Subject
from sweepctl.results.views import require_duckdb
from sweepctl.runs.rounds import Round, Rounds
from sweepctl.runs.status import Status, StatusReader
from sweepctl.runs.submit import Submission
from sweepctl.shard.run import utc_now
from sweepctl.store import Store
from sweepctl.sweep.plan import Draft
from sweepctl.sweep.precision import Precision
from sweepctl.view.rounds import show_end, show_round, show_unfinished

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Runs a sweep under a run_id with the points of other runs; returns what --json prints, and the exit code.
RunOne = Callable[[Draft, str | None, tuple[str, ...]], tuple[dict[str, Any], int]]
# Opens the views of runs of a store.
OpenViews = Callable[[Store, Sequence[RunRecord]], AbstractContextManager["DuckDBPyConnection"]]

SETTLED = ("whole", "failures")  # verdicts on a run to which no retry would add a value


class RoundsCommand:
    """What the rounds of one command have found so far."""

    def __init__(self, console: Console, store: Store, rounds: Rounds, opened: OpenViews) -> None:
        """Show the rounds on `console`; their runs are in `store`, and their views are `opened`."""
        self._console = console
        self._opened = opened
        self._store = store
        self._rounds = rounds
        self._told: list[dict[str, Any]] = []
        self.is_precise = False  # the last round that was told

    def to_json(self) -> dict[str, Any]:
        """Return the fields of rounds in --json."""
        return {"rounds": self._told, "is_precise": self.is_precise}

    def run(self, run: RunOne, reuse: tuple[str, ...]) -> tuple[dict[str, Any], int]:
        """Run rounds on this machine until they are precise enough; return what --json prints, and the exit code."""
        following: Round | None = self._walk()[0]
        result, exit_code = dict[str, Any](), 0
        while following is not None:
            current, following = following, None
            # What another run knows, too: it may have more replications than the round before.
            sources = reuse if current.earlier is None else (current.earlier, *reuse)
            result, exit_code = run(current.draft, current.run_id, sources)
            self._rounds.begun[current.replications] = require_run(self._store, result["run_id"])
            is_settled = result["verdict"] in SETTLED
            following = self._tell(current, self._measured(current) if is_settled else None)
        return result | self.to_json(), exit_code or int(not self.is_precise)

    def to_submit(self) -> Round | Submission:
        """Return the round to send, the first that is not settled; if no other is wanted, what was sent of the last."""
        current, status = self._walk()
        if status is None:
            return current
        if not status.is_done:
            show_unfinished(self._console, status, current.replications)
            self._tell(current, None)
            return current
        self._tell(current, self._measured(current))
        shards = status.shards or 0
        return Submission(status.run_id, status.run_date, shards, 0, shards, 0.0)

    def _walk(self) -> tuple[Round, Status | None]:
        """Return the first round that is not settled, or the last one, and its status; None if it has not begun."""
        current = self._rounds.first
        while (record := self._rounds.begun.get(current.replications)) is not None:
            status = StatusReader(self._store, record).read(utc_now())
            attained = self._measured(current) if status.is_done else None
            if attained is None or self._is_last(current, attained):
                return current, status
            current = self._tell(current, attained) or current
        return current, None

    def _tell(self, current: Round, attained: Attained | None) -> Round | None:
        """Show what a round has attained, None if it is not settled; return the next one if one is wanted."""
        run_id, replications = self._rounds.begun[current.replications].run_id, current.replications
        found = attained and attained.to_json()
        self._told.append({"run_id": run_id, "replications": replications, "precision": found})
        self.is_precise = attained is not None and attained.is_enough
        if attained is None:
            return None
        precision = self._rounds.precision
        show_round(self._console, replications, attained, precision)
        if not self._is_last(current, attained):
            return self._rounds.after(replications, attained.ratio)
        show_end(self._console, run_id, replications, attained, precision)
        return None

    def _is_last(self, current: Round, attained: Attained) -> bool:
        # Without any mean, more replications are no use either: all points fail.
        return attained.is_enough or not attained.means or current.replications >= self._rounds.precision.max

    def _measured(self, current: Round) -> Attained:
        record, precision = self._rounds.begun[current.replications], self._rounds.precision
        with self._opened(self._store, [record]) as connection:
            subject = Subject.of(connection, record, current.draft.file.space, [precision.metric])
            return measure(connection, subject, precision)


def open_rounds(
    console: Console, store: Store, drafted: Draft, precision: Precision, run_id: str | None, *, opened: OpenViews
) -> RoundsCommand:
    """Return the rounds of a sweep that chooses its replications by `precision`.

    Raises:
        UsageError: DuckDB is not installed, or the run_id is invalid.
        SweepFileError: the last round might have too many shards.
        StoreError: the store does not answer.
    """
    require_duckdb()
    return RoundsCommand(console, store, Rounds.find(drafted, precision, store, run_id), opened)
