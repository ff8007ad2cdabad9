"""A batch of messages in a Lambda function: processed one after the other, each ended before the time is up.

`delivery` processes a message. This module decides only whether there is time for it, and whether the result of one
message makes it pointless to start the next.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sweepctl.engine.client import Engine
from sweepctl.errors import OutOfTimeError, StoreError, SweepctlError
from sweepctl.queue.contract import Received
from sweepctl.shard.run import USUAL, Conditions, draw_attempt_id
from sweepctl.store.contract import Store
from sweepctl.worker.delivery import Delivery, deliver
from sweepctl.worker.events import Ending

# Reserved in an invocation for what follows the engine: uploading its files, and the outcome. A function that is killed
# meanwhile leaves nothing that the next attempt cannot handle, but the engine's time is lost.
COMMIT_SECONDS = 20.0
LEAST_SECONDS = 5.0  # for an engine: with less, a shard would be started only to be returned to the queue


@dataclass
class LambdaWorker:
    """Runs batches, and keeps what outlives an invocation: one for the life of a function's process."""

    engine: Engine
    store: Store
    monotonic: Callable[[], float] = time.monotonic
    conditions: Conditions = USUAL
    _store_proven: bool = False

    def process(self, batch: Sequence[Received], seconds: float) -> list[Delivery]:
        """Run the shards of `batch` within `seconds`; return each message's delivery, in order.

        A message that is not started is UNUSED: it returns to the queue, and its error says why.
        """
        end = self.monotonic() + seconds
        longest = 0.0  # seconds of a shard of this batch: shards of earlier batches may be of other runs
        deliveries = [Delivery(received, draw_attempt_id(), {}) for received in batch]
        fatal: SweepctlError | None = self._prove_store()
        for delivery in deliveries:
            began_at = self.monotonic()
            delivery.error = fatal or self._out_of_time(end - began_at, longest)
            if delivery.error is None:
                fatal = self._run(delivery, end)
                longest = max(longest, self.monotonic() - began_at)
        return deliveries

    def _prove_store(self) -> StoreError | None:
        """Probe the store, once and again after each failure; return the error if it does not pass.

        Not when the process starts: a process that gets no message should write nothing, and an error of the store is
        reported with the messages that it affects.
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
        msg = f"{left:.1f} s left, but a shard and its commit may take {needed:.1f} s"
        return OutOfTimeError(msg, remedy="Raise the function's timeout (at most 900 s), or plan smaller shards.")

    def _run(self, delivery: Delivery, end: float) -> SweepctlError | None:
        """Run one shard; return the error that keeps this process from running any other, if there is one."""
        conditions = replace(self.conditions, deadline=end - COMMIT_SECONDS)
        deliver(delivery, self.engine, self.store, conditions, monotonic=self.monotonic)
        if delivery.ending is Ending.STORE_DOWN:
            self._store_proven = False
            return delivery.error
        return delivery.engine_error
