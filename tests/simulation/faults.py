"""What goes wrong, and when: drawn from a seed, or given as a list.

Every call of the store, the queue and the engine is numbered. A drawn plan can be told again as the list of what it
did, and that list shortened: the rest of the history then unfolds from the same seed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from random import Random


class Fault(Enum):
    UNAVAILABLE = "503, nothing is done"
    CONFLICT = "409, nothing is done"
    LOST = "it is done, the reply is lost for good"
    RESENT = "it is done, the reply is lost, and it is asked again"
    TRUNCATED = "half of a body comes"
    STALL_BEFORE = "it is done minutes later"
    STALL_AFTER = "it is done, the reply comes minutes later"
    CRASH_BEFORE = "the process dies, nothing is done"
    CRASH_AFTER = "it is done, the process dies"
    FREEZE_BEFORE = "the process stands still for minutes, then it is done"
    FREEZE_AFTER = "it is done, then the process stands still for minutes"
    SIGTERM = "the worker is asked to stop"
    STORE_OUTAGE = "the store answers nobody for a while"
    QUEUE_OUTAGE = "the queue answers nobody for a while"
    HEARTBEAT_DEATH = "no lease of this worker can be extended from now on"
    DUPLICATE = "a message is delivered, and is visible all the same"
    UNDELETED = "the message is deleted, and comes back"
    ENGINE_CRASH = "the engine is killed"
    ENGINE_PARTIAL = "the engine ends in order, without its last record"
    ENGINE_HANG = "the engine says nothing more"
    ENGINE_INDEX = "the engine leaves a point out"
    ENGINE_COUNT = "the engine says that it did more than it wrote"
    ENGINE_GARBAGE = "the engine writes what is no record"
    ENGINE_NAN = "a metric is no number"
    ENGINE_MORE = "the engine writes more after its last record"
    ENGINE_VALUE = "a metric is another number"
    ENGINE_ENTRIES = "a column has more entries than its record has points"
    ENGINE_GONE = "the engine ends while it waits for its next shard"
    ENGINE_LATE = "the engine ends when it is asked again, before its first record"
    ENGINE_FORMER = "the engine, asked again, answers for its former shard"
    ENGINE_OTHER = "the engine, asked again, says that it is of another version"
    HOST_BLAMES = "a host says of a sound point that it ended its process"
    ENGINE_REPLACED = "the engine's file is replaced by another build of its version"
    DISK_FULL = "ENOSPC, nothing is done"
    DISK_ERROR = "EIO, nothing is done"
    POWER_LOSS = "all processes die, and what was not synced may be gone"


FOCUS = 0.3
F = Fault
_ANYWHERE = (
    F.CRASH_BEFORE,
    F.CRASH_AFTER,
    F.FREEZE_BEFORE,
    F.FREEZE_AFTER,
    F.SIGTERM,
    F.STALL_BEFORE,
    F.STALL_AFTER,
    F.STORE_OUTAGE,
    F.QUEUE_OUTAGE,
)
_ENGINE = (
    F.ENGINE_CRASH,
    F.ENGINE_PARTIAL,
    F.ENGINE_HANG,
    F.ENGINE_INDEX,
    F.ENGINE_COUNT,
    F.ENGINE_GARBAGE,
    F.ENGINE_NAN,
    F.ENGINE_MORE,
)

_SYSTEM_CALL = (
    F.CRASH_BEFORE,
    F.CRASH_AFTER,
    F.FREEZE_BEFORE,
    F.FREEZE_AFTER,
    F.SIGTERM,
    F.STALL_AFTER,
    F.DISK_ERROR,
    F.POWER_LOSS,
)

RECORDS = frozenset({"engine", "columns"})  # one record of an engine, of a point or of several
OF_ENGINES = RECORDS | {
    "resume",
    "build",
    "host",
    "scratch",
}  # and what else goes wrong with engines, not with the store or the queue

# Calls of which there are few: trouble is as likely as where it gathers.
SELDOM = frozenset({"resume", "host", "compacted"})

# System calls of the local store, and writes to temporary files. They have faults and numbers of their own: as if there
# were none of them in a history, every other call has those that it always had.
OF_THE_SYSTEM = frozenset({"look", "change", "rename", "file", "compacted"})
ON_DISK = OF_THE_SYSTEM | {"scratch"}
FIRST_FILE = -1_000_000  # numbers of files read at once go down from here, below those of all other calls on disk
OF_A_REQUEST = 10  # system calls are about as many as take the place of a request to a bucket

# What can happen to a call of each kind.
BY_CALL: Mapping[str, tuple[Fault, ...]] = {
    "put": (*_ANYWHERE, F.UNAVAILABLE, F.CONFLICT, F.LOST, F.RESENT, F.LOST, F.RESENT, F.CRASH_AFTER),
    "get": (*_ANYWHERE, F.UNAVAILABLE, F.TRUNCATED),
    "list": (*_ANYWHERE, F.UNAVAILABLE),
    "receive": (*_ANYWHERE, F.UNAVAILABLE, F.LOST, F.DUPLICATE, F.DUPLICATE),
    "extend": (*_ANYWHERE, F.UNAVAILABLE, F.LOST, F.HEARTBEAT_DEATH, F.HEARTBEAT_DEATH),
    "delete": (*_ANYWHERE, F.UNAVAILABLE, F.LOST, F.RESENT, F.UNDELETED),
    "facts": (*_ANYWHERE, F.UNAVAILABLE, F.LOST),
    "engine": (F.CRASH_BEFORE, F.FREEZE_BEFORE, F.SIGTERM, F.STALL_BEFORE, *_ENGINE),
    "columns": (F.CRASH_BEFORE, F.FREEZE_BEFORE, F.SIGTERM, F.STALL_BEFORE, *_ENGINE, F.ENGINE_ENTRIES),
    "resume": (F.ENGINE_GONE, F.ENGINE_LATE, F.ENGINE_FORMER, F.ENGINE_OTHER),
    "build": (F.ENGINE_REPLACED,),
    "host": (F.HOST_BLAMES,),
    "look": _SYSTEM_CALL,
    "change": (*_SYSTEM_CALL, F.CRASH_AFTER, F.DISK_FULL, F.DISK_FULL, F.POWER_LOSS),
    "rename": (*_SYSTEM_CALL, F.DISK_FULL, *(6 * (F.FREEZE_BEFORE,))),  # the one that needs a lock
    "file": (F.DISK_ERROR,),  # read at once, as Arrow does: it takes no time
    "compacted": (F.POWER_LOSS,),  # no call: the moment after it, when all that it is based on must be durable
    "scratch": (F.DISK_FULL,),
}


@dataclass
class Plan:
    """Which call meets which fault.

    `density` is how likely a call meets one. With `only`, no fault is drawn, and these happen.
    """

    seed: int
    density: float
    focus: str = ""  # where trouble gathers: calls that this is a part of are FOCUS likely to meet a fault
    lies: bool = False  # an engine may compute another number: nobody can tell which is right
    only: Mapping[int, Fault] | None = None
    enabled: bool = True
    calls: int = 0
    calls_on_disk: int = 0  # numbered downwards from -1
    files_read: int = 0  # likewise, from where no other call comes
    happened: dict[int, Fault] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._faults = Random(self.seed * 2 + 1)
        self._faults_on_disk = Random(f"faults on disk {self.seed}")
        self._faults_of_files = Random(f"faults of files {self.seed}")
        self._times = Random(self.seed * 2)

    def next(self, call: str, where: str) -> Fault | None:
        """Return what goes wrong with the next call."""
        number, faults = self._number(call)
        # Both are drawn for each call, so that a fault left out changes as little as it can.
        is_focus = call in SELDOM or (self.focus and self.focus in f"{call} {where}")
        density = self.density / OF_A_REQUEST if call in OF_THE_SYSTEM else self.density
        likely = FOCUS if is_focus else density
        strikes, which = faults.random() < likely, faults.random()
        if not self.enabled:
            return None
        choices = BY_CALL[call]
        if self.lies and call in RECORDS:
            choices = (*choices, F.ENGINE_VALUE, F.ENGINE_VALUE)
        if self.only is not None:
            # The history is another one where earlier faults are left out: this call may be of another kind by now.
            fault = self.only.get(number)
            fault = fault if fault in choices else None
        else:
            fault = choices[int(which * len(choices))] if strikes else None
        if fault is not None:
            self.happened[number] = fault
        return fault

    def _number(self, call: str) -> tuple[int, Random]:
        if call == "file":
            self.files_read += 1
            return FIRST_FILE - self.files_read, self._faults_of_files
        if call in ON_DISK:
            self.calls_on_disk += 1
            return -self.calls_on_disk, self._faults_on_disk
        self.calls += 1
        return self.calls - 1, self._faults

    def latency(self, usual: float) -> float:
        """Draw how long something takes: mostly little, sometimes much more, so that every order of things occurs."""
        drawn = self._times.random()
        scale = 20.0 if drawn > 0.9 else 1.0
        return usual * scale * self._times.random()

    def minutes(self) -> float:
        """Draw a time that outlasts a lease, or nearly."""
        return 40.0 + 200.0 * self._times.random()

    def choice(self, count: int) -> int:
        """Draw a number below `count`."""
        return int(self._times.random() * count)
