"""A queue in memory with the semantics of SQS in virtual time, and what `sqs.Queue` uses of boto3's client.

Messages come in any order, come again when their lease ends or for no reason at all, and move away when they came too
often. A receipt is stale once its message was delivered again; what a server does with a stale one varies, so it does.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from simulation.faults import Fault
from simulation.gate import Gate, Outside, refusal
from simulation.scheduler import Process

from sweepctl.worker.events import Ending

INVALID = "ReceiptHandleIsInvalid"


@dataclass
class HeldMessage:
    """One delivery of a message, and what its holder knows of its lease."""

    message: "Message"
    receipt: str
    receive_count: int
    process: Process
    at: float
    known_until: float  # the lease's end, as far as the holder can know
    asked_at: float  # when its holder last asked for more time, or had it closed
    told_lost: bool = False
    handed_back: bool = False
    ending: Ending | None = None  # of its shard, once it is closed
    returned_at: float | None = None  # when the queue had it back
    excused: bool = True  # its end is nobody's fault: so it is until the delivery has arrived


@dataclass
class Message:
    message_id: str
    body: bytes
    visible_at: float = 0.0
    receive_count: int = 0
    deliveries: list[HeldMessage] = field(default_factory=list)


@dataclass
class MessageQueue:
    """The messages. The callbacks see what happens to them; `on_close` sees what is deleted or handed back."""

    outside: Outside
    max_receive_count: int
    messages: dict[str, Message] = field(default_factory=dict)
    dead: list[Message] = field(default_factory=list)
    least_wait: float = 0.0  # of a poll, whatever it asks for
    on_delete: Callable[[Message, HeldMessage], None] = lambda _message, _delivery: None
    on_close: Callable[[HeldMessage], None] = lambda _delivery: None
    on_receive: Callable[[Message, HeldMessage], None] = lambda _message, _delivery: None
    on_arrive: Callable[[HeldMessage], None] = lambda _delivery: None  # where the answer came before the client gave up
    _bodies: dict[str, Message] = field(default_factory=dict)

    def send(self, body: bytes) -> None:
        message = Message(f"m{len(self._bodies)}", body)
        self.messages[message.message_id] = self._bodies[message.message_id] = message

    def redrive(self) -> None:
        """Give every message another chance, as an operator does."""
        for message in self.dead:
            message.visible_at = self.outside.scheduler.now
            self.messages[message.message_id] = message
        self.dead.clear()
        for message in self.messages.values():
            message.receive_count = 0

    def delivery(self, receipt: str) -> tuple[Message, HeldMessage]:
        message = self._bodies[receipt.partition("/")[0]]
        return message, next(each for each in message.deliveries if each.receipt == receipt)

    def is_latest(self, message: Message, delivery: HeldMessage) -> bool:
        return message.message_id in self.messages and message.deliveries[-1] is delivery

    def take(self, most: int, visibility: int, process: Process, *, twice: bool) -> Iterator[HeldMessage]:
        now = self.outside.scheduler.now
        visible = [each for each in self.messages.values() if each.visible_at <= now]
        while visible and most:
            message = visible.pop(self.outside.plan.choice(len(visible)))
            if message.receive_count >= self.max_receive_count:
                self.dead.append(self.messages.pop(message.message_id))
                self.outside.log.note(now, "queue", "dead", message.message_id)
                continue
            most -= 1
            message.receive_count += 1
            receipt = f"{message.message_id}/{len(message.deliveries)}"
            delivery = HeldMessage(message, receipt, message.receive_count, process, now, now + visibility, now)
            self.on_receive(message, delivery)
            message.deliveries.append(delivery)
            message.visible_at = now if twice else now + visibility
            yield delivery


class Client:
    """boto3's client of the queue, for one worker whose leases are so long."""

    def __init__(self, queue: MessageQueue, gate: Gate, lease: int) -> None:
        self._queue = queue
        self._gate = gate
        self._lease = lease
        self._heart_is_dead = False

    def receive_message(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401  boto3's
        scheduler = self._gate.outside.scheduler
        asked_at = scheduler.now

        twice = False

        def take(fault: Fault | None) -> list[HeldMessage]:
            nonlocal twice
            until = scheduler.now + max(request["WaitTimeSeconds"], self._queue.least_wait)
            twice = fault is Fault.DUPLICATE
            while True:
                most, visibility = request["MaxNumberOfMessages"], request["VisibilityTimeout"]
                found = list(self._queue.take(most, visibility, self._gate.process, twice=twice))
                if found or scheduler.now >= until:
                    return found
                due = min((each.visible_at for each in self._queue.messages.values()), default=until)
                scheduler.sleep(max(0.01, min(due, until) - scheduler.now))

        received = []
        for delivery in self._gate.call("receive", "", take):
            delivery.known_until = asked_at + self._lease
            delivery.excused = twice
            self._queue.on_arrive(delivery)
            received.append(
                {
                    "MessageId": delivery.message.message_id,
                    "ReceiptHandle": delivery.receipt,
                    "Body": delivery.message.body.decode(),
                    "Attributes": {"ApproximateReceiveCount": str(delivery.receive_count)},
                }
            )
            self._note("receive", delivery.receipt)
        return {"Messages": received}

    def change_message_visibility(self, *, QueueUrl: str, ReceiptHandle: str, VisibilityTimeout: int) -> None:  # noqa: N803
        del QueueUrl
        scheduler = self._gate.outside.scheduler
        asked_at = scheduler.now
        message, delivery = self._queue.delivery(ReceiptHandle)
        delivery.asked_at = asked_at
        is_renewal = VisibilityTimeout == self._lease
        if not is_renewal:
            delivery.handed_back = True
            self._queue.on_close(delivery)

        def extend(fault: Fault | None) -> bool:
            if fault is Fault.HEARTBEAT_DEATH:
                self._heart_is_dead = True
                raise refusal(503)
            is_latest = self._queue.is_latest(message, delivery)
            held = is_latest and message.visible_at > scheduler.now
            # Of a lease that is over, servers refuse more or grant it; of a message that somebody else has, or nobody
            # any more, some say yes and do nothing.
            granted = held or self._gate.outside.plan.choice(2) == 1
            if granted and is_latest:
                message.visible_at = scheduler.now + VisibilityTimeout
                delivery.returned_at = None if is_renewal else scheduler.now
            effect = "held" if held else "granted" if granted else "lost"
            self._note("extend", ReceiptHandle, f"{VisibilityTimeout} {effect}")
            return granted

        if self._heart_is_dead and is_renewal and self._gate.outside.plan.enabled:
            self._gate.trouble("queue")
            raise refusal(503)
        if not self._gate.call("extend", ReceiptHandle, extend):
            delivery.told_lost = True
            raise refusal(400, INVALID)
        if is_renewal:
            # Whoever asked after its end had lost it, whatever the server grants.
            delivery.told_lost = asked_at >= delivery.known_until
            delivery.known_until = max(delivery.known_until, 0 if delivery.told_lost else asked_at + self._lease)

    def delete_message(self, *, QueueUrl: str, ReceiptHandle: str) -> None:  # noqa: N803
        del QueueUrl
        message, delivery = self._queue.delivery(ReceiptHandle)
        delivery.asked_at = self._gate.outside.scheduler.now
        self._queue.on_close(delivery)
        self._queue.on_delete(message, delivery)

        def delete(fault: Fault | None) -> None:
            is_latest = self._queue.is_latest(message, delivery)
            # Of a stale receipt, AWS says that the message "might not be deleted": so it might.
            stale = None if is_latest else ("refused", "ignored", "deleted")[self._gate.outside.plan.choice(3)]
            self._note("delete", ReceiptHandle, stale or "deleted")
            if stale == "refused":
                raise refusal(400, INVALID)
            if stale != "ignored" and fault is not Fault.UNDELETED:
                self._queue.messages.pop(message.message_id, None)

        self._gate.call("delete", ReceiptHandle, delete)

    def get_queue_attributes(self, **_request: Any) -> dict[str, Any]:  # noqa: ANN401  boto3's
        now = self._gate.outside.scheduler.now

        def facts(_fault: Fault | None) -> dict[str, Any]:
            hidden = sum(each.visible_at > now for each in self._queue.messages.values())
            return {
                "Attributes": {
                    "ApproximateNumberOfMessages": str(len(self._queue.messages) - hidden),
                    "ApproximateNumberOfMessagesNotVisible": str(hidden),
                    "ApproximateNumberOfMessagesDelayed": "0",
                    "VisibilityTimeout": "30",
                }
            }

        return self._gate.call("facts", "", facts)

    def _note(self, what: str, receipt: str, effect: str = "") -> None:
        self._gate.outside.log.note(self._gate.outside.scheduler.now, self._gate.process.name, what, receipt, effect)
