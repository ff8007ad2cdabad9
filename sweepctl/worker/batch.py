"""A batch of messages in the hands of a function: one after the other, and each of them ended before time is up.

What becomes of a message is `delivery`'s business. Decided here is only whether there is time for it, and whether the
next one is worth beginning after what became of the last.
"""

import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sweepctl import logs
from sweepctl.engine.client import Engine
from sweepctl.errors import OutOfTimeError, ScratchError, StoreError, SweepctlError
from sweepctl.queue.contract import Received
from sweepctl.shard.run import Conditions, draw_attempt_id
from sweepctl.store.contract import Store
from sweepctl.worker.delivery import Delivery, deliver
from sweepctl.worker.events import Ending

# Kept of an invocation for what comes after the engine: the upload of what it wrote, and the outcome. Whoever is ended
# amid that leaves nothing that the next attempt does not take up, but its engine's time is lost.
COMMIT_SECONDS = 20.0
LEAST_SECONDS = 5.0  # of an engine: with less, a shard would be begun only to go back


@dataclass
class LambdaWorker:
    """Where shards are run, and what outlives an invocation: one for the life of a function's process."""

    engine: Engine
    store: Store
    monotonic: Callable[[], float] = time.monotonic
    _store_proven: bool = False

    def process(self, batch: Sequence[Received], seconds: float) -> list[Delivery]:
        """Run the shards of `batch` within `seconds`; return what came of each message, in order.

        What is not begun is UNUSED: it goes back untouched, and its error says why.
        """
        end = self.monotonic() + seconds
        longest = 0.0  # seconds of a shard of this batch: another run's shards say nothing of these
        deliveries = [Delivery(received, draw_attempt_id(), {}) for received in batch]
        unfit: SweepctlError | None = self._prove_store()
        for delivery in deliveries:
            began_at = self.monotonic()
            delivery.error = unfit or self._out_of_time(end - began_at, longest)
            if delivery.error is None:
                unfit = self._run(delivery, end)
                longest = max(longest, self.monotonic() - began_at)
        return deliveries

    def _prove_store(self) -> StoreError | None:
        """Have the store show, once, and again after it has failed, that it honours conditions; else what is wrong.

        Not when the process starts: one that gets no message writes nothing then, and a store that is down is told
        beside the messages that wait for it.
        """
        if not self._store_proven:
            try:
                self.store.probe()
            except StoreError as error:
                return error
            self._store_proven = True
        return None

    def _out_of_time(self, left: float, longest: float) -> OutOfTimeError | None:
        needed = COMMIT_SECONDS + max(LEAST_SECONDS, longest)
        if left >= needed:
            return None
        msg = f"{left:.1f} s are left, and a shard with its commit may take {needed:.1f} s"
        return OutOfTimeError(msg, remedy="Give the function more time (900 s is the most), or plan smaller shards.")

    def _run(self, delivery: Delivery, end: float) -> SweepctlError | None:
        """Run one shard; return what keeps this process from running any other, if anything does."""
        conditions = Conditions(deadline=end - COMMIT_SECONDS)
        try:
            deliver(delivery, self.engine, self.store, conditions, monotonic=self.monotonic)
        except Exception:  # noqa: BLE001  a defect that one message brings out must not run the others again
            delivery.ending = Ending.RETRY
            logs.warn("defect", message_id=delivery.received.message_id, trace=traceback.format_exc())
            return None
        # A disk that this shard filled is empty again: the next one may be smaller.
        if delivery.ending is Ending.STORE_DOWN and not isinstance(delivery.error, ScratchError):
            self._store_proven = False
            return delivery.error
        return delivery.engine_error
