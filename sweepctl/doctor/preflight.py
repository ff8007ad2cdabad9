"""What a worker makes sure of before it takes the first message: engine, store and queue, each with a remedy."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sweepctl.engine.client import Engine
from sweepctl.errors import SweepctlError
from sweepctl.queue.contract import QueueFacts, refuse_fifo
from sweepctl.store.contract import Store

if TYPE_CHECKING:
    from sweepctl.queue.sqs import Queue

# Hand-backs count as receives: a worker that is stopped and restarted a few times must not bury good messages.
ENOUGH_RECEIVES = 10


@dataclass(frozen=True)
class Diagnosis:
    """One finding. An `error` keeps the worker from starting; a `remedy` without one is a warning."""

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
    """Look at everything, whatever fails; nothing is received and no message is touched.

    The store's probe leaves its object, and makes a store's directory.
    """
    return (
        *look("engine", lambda: check_engine(find())),
        *look("store", lambda: check_store(store)),
        *look("queue", lambda: _queue(queue.url, queue.facts(), lease)),
    )


def look(what: str, look_at: Callable[[], Sequence[Diagnosis]]) -> Sequence[Diagnosis]:
    """Return what is found, or the error that it ended with as a finding."""
    try:
        return look_at()
    except SweepctlError as error:
        return [Diagnosis(what, error.message, error.remedy, error)]


def check_engine(engine: Engine) -> Sequence[Diagnosis]:
    """Say what the engine holds."""
    described = engine.description
    models = ", ".join(f"{model.name} {model.version}" for model in described.models)
    return [Diagnosis("engine", f"{engine.path}, version {described.engine_version}; models: {models}")]


def check_store(store: Store) -> Sequence[Diagnosis]:
    """Probe the store."""
    store.probe()
    return [Diagnosis("store", f"{store.url} can be written and honours conditional writes")]


def _queue(url: str, facts: QueueFacts, lease: int) -> Sequence[Diagnosis]:
    visibility = (
        f"{facts.visibility_timeout} s by the queue's own setting; this worker's lease of {lease} s overrides it"
    )
    return [check_queue(url, facts), Diagnosis("visibility", visibility), check_redrive(facts)]


def check_queue(url: str, facts: QueueFacts) -> Diagnosis:
    """Say how deep the queue is; raises QueueError for a FIFO one."""
    if facts.fifo:
        raise refuse_fifo(url)
    return Diagnosis(
        "queue", f"{facts.visible} messages to receive, {facts.in_flight} in flight, {facts.delayed} delayed"
    )


def check_redrive(facts: QueueFacts) -> Diagnosis:
    """Say what becomes of a message that always fails."""
    if facts.dead_letter_queue is None or facts.max_receive_count is None:
        remedy = "Give the queue a redrive policy, else a message that always fails comes back until it expires."
        return Diagnosis("dead letters", "the queue has no dead-letter queue", remedy)
    finding = f"to {facts.dead_letter_queue} after {facts.max_receive_count} receives"
    if facts.max_receive_count < ENOUGH_RECEIVES:
        remedy = f"Set maxReceiveCount to {ENOUGH_RECEIVES} or more: a message handed back by a stopped worker counts."
        return Diagnosis("dead letters", finding, remedy)
    return Diagnosis("dead letters", finding)
