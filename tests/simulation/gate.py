"""Between a worker and everything outside it: each call takes time, and may meet a fault."""

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from botocore.exceptions import ClientError, ReadTimeoutError
from simulation.faults import OF_ENGINES, OF_THE_SYSTEM, Fault, Plan
from simulation.log import Log
from simulation.scheduler import Process, Scheduler

T = TypeVar("T")
LATENCY = 0.5  # seconds on the way there, or back; mostly
DISK_LATENCY = 0.02  # of a system call
_ERRORS = {Fault.DISK_FULL: errno.ENOSPC, Fault.DISK_ERROR: errno.EIO}
GIVES_UP_AFTER = {"store": 60.0, "queue": 10.0}  # seconds that a client waits for a reply
_STORE_CALLS = OF_THE_SYSTEM | {"put", "get", "list"}
# They befall the worker or everybody; which calls they spoil shows later.
_OF_NO_CALL = frozenset({Fault.SIGTERM, Fault.STORE_OUTAGE, Fault.QUEUE_OUTAGE})


@dataclass
class Outside:
    """What the workers of one history share."""

    scheduler: Scheduler
    plan: Plan
    log: Log
    down_until: dict[str, float] = field(default_factory=lambda: {"store": 0.0, "queue": 0.0})
    network: Process = field(default_factory=lambda: Process("network"))
    lose_power: Callable[[Process], None] = lambda _process: None


@dataclass
class Gate:
    """What lies between one process and the outside."""

    outside: Outside
    process: Process
    stop: Callable[[], None] = lambda: None

    def fault(self, call: str, where: str) -> Fault | None:
        """Number a call, and say what goes wrong with it."""
        fault = self.outside.plan.next(call, where)
        if fault is not None:
            self.outside.log.note(self.outside.scheduler.now, self.process.name, "fault", f"{call} {where}", fault.name)
            if call not in OF_ENGINES and fault not in _OF_NO_CALL:
                self.trouble(_service(call))
        return fault

    def trouble(self, service: str) -> None:
        """Note that a call of the store or of the queue goes wrong, which is not this process's own doing."""
        self.process.troubled_at[service] = self.outside.scheduler.now

    def call(self, call: str, where: str, effect: Callable[[Fault | None], T]) -> T:
        """Have something done by the store or the queue; it is told what goes wrong, in case that is its own matter."""
        scheduler, plan = self.outside.scheduler, self.outside.plan
        fault = self.fault(call, where)
        scheduler.sleep(plan.latency(LATENCY))
        self.before(fault)
        service = _service(call)
        if fault is Fault.UNAVAILABLE or fault is Fault.CONFLICT or scheduler.now < self.outside.down_until[service]:
            self.trouble(service)
            if fault is not Fault.CONFLICT:  # which is asked again
                self.outside.log.note(scheduler.now, self.process.name, "failed", f"{call} {where}")
            raise refusal(409 if fault is Fault.CONFLICT else 503)
        if fault is Fault.STALL_BEFORE:
            self._later(lambda: effect(None), f"{call} {where}", service)
        if fault is Fault.RESENT:
            with suppress(ClientError):
                effect(None)
        answer = effect(fault)
        self._after(fault, f"{call} {where}", service)
        scheduler.sleep(plan.latency(LATENCY))
        return answer

    def disk(self, call: str, where: str, effect: Callable[[], T]) -> T:
        """Have a system call carried out."""
        fault = self.fault(call, where)
        if call != "file":
            self.outside.scheduler.sleep(self.outside.plan.latency(DISK_LATENCY))
        # One that comes when the time of faults is over would end the workers that settle the rest.
        if fault is Fault.POWER_LOSS and self.outside.plan.enabled:
            self.outside.lose_power(self.process)
        self.before(fault)
        if fault in _ERRORS:
            raise OSError(_ERRORS[fault], os.strerror(_ERRORS[fault]))
        answer = effect()
        self._after(fault, f"{call} {where}", "store")
        return answer

    def write_temporary(self, where: str) -> None:
        """Have something written to temporary files, for which there may be no space."""
        if self.fault("scratch", where) is Fault.DISK_FULL:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def before(self, fault: Fault | None) -> None:
        """Have happen what happens to the process before anything else."""
        scheduler, plan = self.outside.scheduler, self.outside.plan
        match fault:
            case Fault.CRASH_BEFORE:
                self._die()
            case Fault.FREEZE_BEFORE:
                self._freeze()
            case Fault.SIGTERM:
                self.stop()
            case Fault.STORE_OUTAGE | Fault.QUEUE_OUTAGE:
                service = "store" if fault is Fault.STORE_OUTAGE else "queue"
                self.outside.down_until[service] = scheduler.now + plan.minutes() / 2

    def _after(self, fault: Fault | None, what: str, service: str) -> None:
        scheduler, plan = self.outside.scheduler, self.outside.plan
        match fault:
            case Fault.CRASH_AFTER:
                self._die()
            case Fault.FREEZE_AFTER:
                self._freeze()
            case Fault.LOST:
                self._give_up(what, service)
            case Fault.STALL_AFTER if service == "queue":
                self._give_up(what, service)
            case Fault.STALL_AFTER:
                scheduler.sleep(plan.minutes())
                self.trouble(service)

    def _die(self) -> None:
        self.outside.log.note(self.outside.scheduler.now, self.process.name, "life", "dies")
        self.outside.scheduler.kill(self.process)

    def _freeze(self) -> None:
        self.outside.scheduler.freeze(self.process, self.outside.plan.minutes())
        self.outside.scheduler.sleep(0)

    def _later(self, effect: Callable[[], object], what: str, service: str) -> None:
        """Have something done after the client has given up: the request was on its way."""
        scheduler, minutes = self.outside.scheduler, self.outside.plan.minutes()

        def arrive() -> None:
            scheduler.sleep(minutes)
            with suppress(ClientError):
                effect()

        scheduler.start(self.outside.network, arrive)
        self._give_up(what, service)

    def _give_up(self, what: str, service: str) -> None:
        self.outside.scheduler.sleep(GIVES_UP_AFTER[service])
        self.trouble(service)
        self.outside.log.note(self.outside.scheduler.now, self.process.name, "failed", what)
        raise ReadTimeoutError(endpoint_url="memory:")


def _service(call: str) -> str:
    return "store" if call in _STORE_CALLS else "queue"


_CODES = {404: "NoSuchKey", 409: "ConditionalRequestConflict", 412: "PreconditionFailed", 503: "SlowDown"}


def refusal(status: int, code: str | None = None) -> ClientError:
    """Return what boto3 raises."""
    error = {"Code": code or _CODES[status], "Message": "simulated"}
    return ClientError({"Error": error, "ResponseMetadata": {"HTTPStatusCode": status}}, "Simulated")  # type: ignore[typeddict-item]
