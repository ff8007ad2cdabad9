"""Every error that sweepctl raises on purpose: one tree, one exit code a class.

An error says what is wrong and where, and its remedy says what to do. `cli` is the only place that turns one into
a message and an exit code; nothing else prints or exits.
"""

from typing import ClassVar


class SweepctlError(Exception):
    """Root of the tree; never raised itself."""

    exit_code: ClassVar[int] = 1
    kind: ClassVar[str] = "error"

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        """Say what went wrong in one line, and how to go on."""
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class UsageError(SweepctlError):
    """The command line asks for something that cannot be."""

    exit_code = 2
    kind = "usage"


class QueryError(UsageError):
    """A statement that is no question, or that names what is not there."""

    kind = "query"


class MessageError(SweepctlError):
    """A shard message that breaks a rule of its schema; nothing was written."""

    exit_code = 3
    kind = "bad_message"


class MissingDesignError(MessageError):
    """A message of a stored design that this store does not hold; nothing was written."""

    kind = "missing_design"


class AlteredDesignError(MessageError):
    """A stored design whose bytes are not those that were stored; nothing was written."""

    kind = "altered_design"


class SweepFileError(SweepctlError):
    """A sweep file that breaks rules; nothing was written or sent."""

    exit_code = 3
    kind = "bad_sweep_file"

    def __init__(self, errors: tuple[str, ...], *, remedy: str) -> None:
        """`errors` has a line for each broken rule: file, line, key, rule."""
        count = f"{len(errors)} errors\n" if len(errors) > 1 else ""
        super().__init__(count + "\n".join(errors), remedy=remedy)
        self.errors = errors


class ConflictError(SweepctlError):
    """A valid message that contradicts what the store already holds; nothing was overwritten."""

    exit_code = 3
    kind = "conflict"


class UnknownRunError(SweepctlError):
    """The store holds nothing of a run."""

    kind = "unknown_run"


class AccountError(SweepctlError):
    """boto3 has no credentials, or AWS does not take them."""

    kind = "account"


class EngineUnavailableError(SweepctlError):
    """This worker has no engine that can be used: missing, not starting, or not what it described."""

    exit_code = 4
    kind = "engine_unavailable"


class WrongEngineError(EngineUnavailableError):
    """This worker's engine is sound, and not the one for this run: without the model, or of another version."""


class EngineFaultError(SweepctlError):
    """The engine failed on a shard: crashed, hung, flooded or broke the protocol. Another attempt may succeed."""

    exit_code = 4
    kind = "engine_fault"

    def __init__(self, error_code: str, message: str, *, remedy: str | None = None) -> None:
        """`error_code` is what the shard's failure outcome records, for instance `engine_crashed`."""
        super().__init__(message, remedy=remedy)
        self.error_code = error_code


class RefusedError(SweepctlError):
    """The engine refused a request in order: this shard's spec is wrong, and stays wrong."""

    exit_code = 1
    kind = "refused"

    def __init__(self, error_code: str, message: str) -> None:
        """`error_code` is `invalid_parameters` for what the message's author can correct."""
        super().__init__(message, remedy="Correct the parameter; `sweepctl models NAME` shows what a model takes.")
        self.error_code = error_code


class StoreError(SweepctlError):
    """The store cannot be reached, refuses the request, or does not keep its contract."""

    exit_code = 5
    kind = "store"


class ScratchError(StoreError):
    """There is no room, or no place, on this machine for files on their way to the store."""

    kind = "scratch"


class CatalogError(StoreError):
    """Athena or Glue, which hold the store's tables, cannot be reached or refuse; what was done before stays done."""

    kind = "catalog"


class QueueError(SweepctlError):
    """The queue cannot be reached, refuses the request, or does not keep its contract."""

    exit_code = 6
    kind = "queue"


class QueueRefusedError(QueueError):
    """The queue refuses, and goes on refusing until a person changes something: asking again is no use."""


class EventError(SweepctlError):
    """What invoked the function is no batch of messages of a queue that it can work on."""

    kind = "bad_event"


class OutOfTimeError(SweepctlError):
    """Too little is left of an invocation to begin a shard; nothing was begun."""

    kind = "out_of_time"


class InterruptedRunError(SweepctlError):
    """A stop signal ended the work before it was done."""

    exit_code = 130
    kind = "interrupted"
