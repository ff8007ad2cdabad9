"""The checks that a worker makes before it receives a message: engine, store and queue, each with a remedy."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sweepctl.engine.client import Engine
from sweepctl.errors import SweepctlError
from sweepctl.queue.contract import QueueFacts, refuse_fifo
from sweepctl.store.contract import Store
from sweepctl.store.s3 import S3Store

if TYPE_CHECKING:
    from sweepctl.queue.sqs import Queue

# Messages returned to the queue count as receives: a few restarts of a worker must not dead-letter good messages.
ENOUGH_RECEIVES = 10


@dataclass(frozen=True)
class Diagnosis:
    """One finding. With an `error`, a worker cannot start; a `remedy` without an `error` is a warning."""

    what: str
    finding: str
    remedy: str | None = None
    error: SweepctlError | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the finding as JSON."""
        return {
            "what": self.what,
            "state": "error" if self.error else "warning" if self.remedy else "ok",
            "finding": self.finding,
            "remedy": self.remedy,
        }


def examine(find: Callable[[], Engine], store: Store, queue: "Queue", lease: int) -> tuple[Diagnosis, ...]:
    """Make every check, even after one fails; no message is received.

    The store probe leaves its object, and creates a local store's directory.
    """
    return (
        *run_check("engine", lambda: check_engine(find())),
        *run_check("store", lambda: check_store(store)),
        *run_check("queue", lambda: _queue(queue.url, queue.facts(), lease)),
    )


def run_check(what: str, check: Callable[[], Sequence[Diagnosis]]) -> Sequence[Diagnosis]:
    """Return a check's findings, or the error that it raised as a finding."""
    try:
        return check()
    except SweepctlError as error:
        return [Diagnosis(what, error.message, error.remedy, error)]


def check_engine(engine: Engine) -> Sequence[Diagnosis]:
    """Report the engine's version and models."""
    described = engine.description
    models = ", ".join(f"{model.name} {model.version}" for model in described.models)
    return [Diagnosis("engine", f"{engine.path}, version {described.engine_version}; models: {models}")]


def check_store(store: Store) -> Sequence[Diagnosis]:
    """Probe the store."""
    store.probe()
    if isinstance(store, S3Store):
        store.probe_replacing()
    return [Diagnosis("store", f"{store.url} is writable and supports conditional writes")]


def _queue(url: str, facts: QueueFacts, lease: int) -> Sequence[Diagnosis]:
    visibility = f"{facts.visibility_timeout} s set on the queue; this worker overrides it with its lease of {lease} s"
    return [check_queue(url, facts), Diagnosis("visibility", visibility), check_redrive(facts)]


def check_queue(url: str, facts: QueueFacts) -> Diagnosis:
    """Report the queue's depth; raises QueueError for a FIFO queue."""
    if facts.fifo:
        raise refuse_fifo(url)
    return Diagnosis(
        "queue", f"messages: {facts.visible} visible, {facts.in_flight} in flight, {facts.delayed} delayed"
    )


def check_redrive(facts: QueueFacts) -> Diagnosis:
    """Report what happens to a message that always fails."""
    if facts.dead_letter_queue is None or facts.max_receive_count is None:
        remedy = "Add a redrive policy: without one, a message that always fails is redelivered until it expires."
        return Diagnosis("dead letters", "the queue has no dead-letter queue", remedy)
    finding = f"to {facts.dead_letter_queue} after {facts.max_receive_count} receives"
    if facts.max_receive_count < ENOUGH_RECEIVES:
        remedy = f"Set maxReceiveCount to {ENOUGH_RECEIVES} or more: messages returned by a stopped worker count."
        return Diagnosis("dead letters", finding, remedy)
    return Diagnosis("dead letters", finding)
