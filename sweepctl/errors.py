"""Every error that sweepctl raises on purpose: one tree, one exit code per class.

An error states the problem and where it is; its remedy says what to do. Only `cli` turns errors into messages and exit
codes; nothing else prints or exits.
"""

from typing import Any, ClassVar

from sweepctl.texts import plain

MAX_MESSAGE = 10_000  # characters
RUNNING = "had been running for"  # said of a point in the message of an `engine_timeout`


class SweepctlError(Exception):
    """Root of the tree; never raised itself."""

    exit_code: ClassVar[int] = 1
    kind: ClassVar[str] = "error"
    has_lines: ClassVar[bool] = False  # whether a newline in the message begins a line

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        """`message` states the problem in one line; `remedy` says what to do about it.

        Both may quote what an engine, a store, a message or a file name says: it is made plain here, for all errors.
        """
        lines = message.split("\n") if self.has_lines else [message[:MAX_MESSAGE]]
        self.message = "\n".join(map(plain, lines))
        self.remedy = None if remedy is None else plain(remedy)
        super().__init__(self.message)
        if self.remedy is not None:
            self.add_note(f"→ {self.remedy}")  # which Python and notebooks show below the message

    def to_json(self) -> dict[str, Any]:
        """Return what `--json` prints of it, and the exit code."""
        error = {"kind": self.kind, "message": self.message, "remedy": self.remedy}
        return {"error": error, "exit_code": self.exit_code}


class UsageError(SweepctlError):
    """The command line is invalid, or asks for something impossible."""

    exit_code = 2
    kind = "usage"


class QueryError(UsageError):
    """An SQL statement that is not a single SELECT, or that cannot be run."""

    kind = "query"
    has_lines = True  # DuckDB shows the place in the statement


class MessageError(SweepctlError):
    """A shard message that does not match its schema; nothing was written."""

    exit_code = 3
    kind = "bad_message"


class MissingDesignError(MessageError):
    """A message whose stored design is missing from the store; nothing was written."""

    kind = "missing_design"


class AlteredDesignError(MessageError):
    """A stored design whose bytes do not match its digest; nothing was written."""

    kind = "altered_design"


class SweepFileError(SweepctlError):
    """An invalid sweep file; nothing was written or sent."""

    exit_code = 3
    kind = "bad_sweep_file"
    has_lines = True

    def __init__(self, errors: tuple[str, ...], *, remedy: str) -> None:
        """`errors` has one line per broken rule: file, line, key, rule."""
        self.errors = tuple(map(plain, errors))
        count = f"{len(errors)} errors\n" if len(errors) > 1 else ""
        super().__init__(count + "\n".join(self.errors), remedy=remedy)

    def to_json(self) -> dict[str, Any]:
        """Return the errors as a list, too."""
        value = super().to_json()
        value["error"]["errors"] = list(self.errors)
        return value


class ConflictError(SweepctlError):
    """A valid message that contradicts what the store already holds; nothing was overwritten."""

    exit_code = 3
    kind = "conflict"


class UnknownRunError(SweepctlError):
    """The store holds nothing of this run."""

    kind = "unknown_run"


class NotWholeError(SweepctlError):
    """A run lacks points, or is damaged, so that what needs all of it cannot be done."""

    kind = "not_whole"


class AccountError(SweepctlError):
    """boto3 finds no credentials, or AWS rejects them."""

    kind = "account"


class EngineUnavailableError(SweepctlError):
    """The engine cannot be used: it is missing, does not start, or does not match its own description."""

    exit_code = 4
    kind = "engine_unavailable"


class ProgramError(EngineUnavailableError):
    """The engine cannot use a program that it was given: its manifest is wrong, or what it names is missing."""

    exit_code = UsageError.exit_code  # the user named it
    kind = "bad_program"
    has_lines = True

    def __init__(self, problems: str, *, remedy: str) -> None:
        """`problems` has one on each line: manifest, line, key, rule."""
        self.problems = tuple(map(plain, problems.splitlines()))
        count = f"{len(self.problems)} errors\n" if len(self.problems) > 1 else ""
        super().__init__(count + "\n".join(self.problems), remedy=remedy)

    def to_json(self) -> dict[str, Any]:
        """Return the problems as a list, too."""
        value = super().to_json()
        value["error"]["errors"] = list(self.problems)
        return value


class WrongEngineError(EngineUnavailableError):
    """The engine works, but cannot run this run: it lacks the model, or has another version."""


class EngineFaultError(SweepctlError):
    """The engine failed on a shard: it crashed, hung, wrote too much or broke the protocol. A retry may succeed."""

    exit_code = 4
    kind = "engine_fault"

    def __init__(
        self, error_code: str, message: str, *, remedy: str | None = None, point_index: int | None = None
    ) -> None:
        """`error_code` is recorded in the shard's failure outcome, for instance `engine_crashed`.

        `point_index` is the point that was running alone.
        """
        super().__init__(message, remedy=remedy)
        self.error_code = error_code
        self.point_index = point_index


class RefusedError(SweepctlError):
    """The engine rejected a request as invalid: the shard's spec is wrong, and a retry cannot succeed."""

    exit_code = 1
    kind = "refused"

    def __init__(self, error_code: str, message: str) -> None:
        """`error_code` is `invalid_parameters` where the author of the message can correct it."""
        super().__init__(message, remedy="Correct the parameter; `sweepctl models NAME` lists a model's parameters.")
        self.error_code = error_code


class StoreError(SweepctlError):
    """The store cannot be reached, rejects the request, or breaks its contract."""

    exit_code = 5
    kind = "store"


class ScratchError(StoreError):
    """This machine has no space, or no folder, for temporary files: it cannot run any shard."""

    kind = "scratch"


class NoRoomError(ScratchError):
    """This machine has too little space for one shard; others may be smaller, and another machine may have more."""


class DamagedError(StoreError):
    """The store answers, but one of its objects is not what sweepctl wrote: only what needs this object fails."""


class CatalogError(StoreError):
    """Athena or Glue cannot be reached, or rejects the request; changes made before are kept."""

    kind = "catalog"


class QueueError(SweepctlError):
    """The queue cannot be reached, rejects the request, or breaks its contract."""

    exit_code = 6
    kind = "queue"


class QueueRefusedError(QueueError):
    """The queue rejects every request until someone changes something: a retry cannot succeed."""


class EventError(SweepctlError):
    """The Lambda event is not a batch of SQS messages that the function can process."""

    kind = "bad_event"


class OutOfTimeError(SweepctlError):
    """Too little time is left in an invocation to start a shard; nothing was started."""

    kind = "out_of_time"


class DefectError(SweepctlError):
    """An unexpected exception, which one message triggered: a bug."""

    exit_code = 70  # EX_SOFTWARE of sysexits.h
    kind = "defect"


class FailedPointsError(SweepctlError):
    """More points of a run failed than its limit `failed_points` allows."""

    kind = "failed_points"


class InterruptedRunError(SweepctlError):
    """A stop signal ended the work before it was complete."""

    exit_code = 130
    kind = "interrupted"
