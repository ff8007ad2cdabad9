"""A queue in memory with the semantics of SQS, and a clock that may run faster than the wall's.

    queue = MemoryQueue(Clock(20), max_receive_count=10)

Leases end, messages come back with a higher receive count, a receipt is stale once its message was delivered again,
and a message that was received too often moves to `dead`. Calls are logged in `calls`. `down` makes every call fail;
`schedule` makes single ones fail, counted from 0 like those of `store.faulty`; `before` sees a call before it happens
and may raise.
"""

import itertools
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from sweepctl.errors import QueueError
from sweepctl.queue.contract import QueueFacts, Received
from sweepctl.queue.sqs import Queue


class QueueFault(Enum):
    BEFORE = "the queue does not answer, nothing is done"
    AFTER = "it is done, the reply is lost"


class Call(NamedTuple):
    method: str
    receipt: str
    seconds: int = 0


class Clock:
    """Seconds that pass `speed` times as fast as the wall's."""

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self._from = self._wall_from = 0.0

    def __call__(self) -> float:
        return self._from + (time.monotonic() - self._wall_from) * self.speed

    def go_at(self, speed: float) -> None:
        """Pass at another speed from now on."""
        self._from, self._wall_from = self(), time.monotonic()
        self.speed = speed

    def wall(self, seconds: float) -> float:
        """How long `seconds` of this clock take."""
        return seconds / self.speed


@dataclass
class Message:
    """One message, wherever it is in its life."""

    message_id: str
    body: bytes
    visible_at: float
    receive_count: int = 0

    @property
    def receipt(self) -> str:
        """Of the latest delivery: an earlier one's is stale."""
        return f"{self.message_id}/{self.receive_count}"


class MemoryQueue(Queue):
    def __init__(self, clock: Clock | None = None, *, max_receive_count: int | None = None) -> None:  # no client
        self.url = "memory://queue"
        self.clock = clock or Clock()
        self.dead: list[Message] = []
        self.calls: list[Call] = []
        self.down = False
        self.schedule: Mapping[int, QueueFault] = {}
        self.before: Callable[[Call], None] = lambda _: None
        self._max_receive_count = max_receive_count
        self._messages: dict[str, Message] = {}
        self._numbers = itertools.count()
        self._changed = threading.Condition()

    def receive(self, most: int, *, wait: int, visibility: int) -> list[Received]:
        lost = self._enter(Call("receive", ""))
        until = self.clock() + wait
        with self._changed:
            while True:
                found = self._take(most, visibility)
                now = self.clock()
                if found or now >= until or self.down:
                    break
                # A lease that ends meanwhile makes its message visible without anybody's doing.
                next_at = min((each.visible_at for each in self._messages.values()), default=until)
                self._changed.wait(self.clock.wall(max(0.0, min(next_at, until) - now)))
        self._leave(lost=lost)
        return found

    def extend(self, receipt: str, seconds: int) -> bool:
        lost = self._enter(Call("extend", receipt, seconds))
        with self._changed:
            message = self._latest(receipt)
            held = message is not None and message.visible_at > self.clock()
            if message is not None and held:
                message.visible_at = self.clock() + seconds
                self._changed.notify_all()
        self._leave(lost=lost)
        return held

    def delete(self, receipt: str) -> bool:
        lost = self._enter(Call("delete", receipt))
        with self._changed:
            message = self._latest(receipt)
            if message is not None:
                del self._messages[message.message_id]
        self._leave(lost=lost)
        return message is not None

    def send(self, bodies: Sequence[bytes]) -> None:
        with self._changed:
            for body in bodies:
                message_id = f"message-{next(self._numbers)}"
                self._messages[message_id] = Message(message_id, body, self.clock())
            self._changed.notify_all()

    def facts(self) -> QueueFacts:
        with self._changed:
            now = self.clock()
            hidden = sum(message.visible_at > now for message in self._messages.values())
            return QueueFacts(
                visible=len(self._messages) - hidden,
                in_flight=hidden,
                delayed=0,
                visibility_timeout=30,
                dead_letter_queue=None if self._max_receive_count is None else "dead",
                max_receive_count=self._max_receive_count,
                fifo=False,
            )

    def expire(self) -> None:
        """End every lease now, as a pause of this process would."""
        with self._changed:
            for message in self._messages.values():
                message.visible_at = self.clock()
            self._changed.notify_all()

    def count(self, method: str) -> int:
        """How often a method was called."""
        return sum(call.method == method for call in tuple(self.calls))

    @property
    def bodies(self) -> list[bytes]:
        """What is on the queue, hidden or not."""
        with self._changed:
            return [message.body for message in self._messages.values()]

    def _take(self, most: int, visibility: int) -> list[Received]:
        now = self.clock()
        found: list[Received] = []
        for message in list(self._messages.values()):
            if message.visible_at > now or len(found) == most:
                continue
            if self._max_receive_count is not None and message.receive_count >= self._max_receive_count:
                self.dead.append(self._messages.pop(message.message_id))
                continue
            message.receive_count += 1
            message.visible_at = now + visibility
            found.append(Received(message.message_id, message.receipt, message.body, message.receive_count))
        return found

    def _latest(self, receipt: str) -> Message | None:
        message = self._messages.get(receipt.partition("/")[0])
        return message if message is not None and message.receipt == receipt else None

    def _enter(self, call: Call) -> bool:
        """Say whether the call's reply is to be lost."""
        with self._changed:
            fault = self.schedule.get(len(self.calls))
            self.calls.append(call)
        self.before(call)
        if fault is QueueFault.BEFORE or self.down:
            raise QueueError(f"scheduled before {call.method}")
        return fault is QueueFault.AFTER

    def _leave(self, *, lost: bool) -> None:
        if lost:
            raise QueueError("scheduled after a call")
