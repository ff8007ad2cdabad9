"""Virtual time, and tasks of which exactly one runs: greenlets that give way only where they wait.

    scheduler = Scheduler()
    scheduler.start(process, task)
    scheduler.run()

A task belongs to a process. A process that is killed never does anything again: each of its tasks ends with `Crash`
where it waits. A process that stands still (`freeze`) goes on later, and does not know.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any

from fakes.faulty import Crash
from greenlet import getcurrent, greenlet

__all__ = ["Crash", "Inbox", "Lock", "Process", "Scheduler", "Task"]


NEVER = float("-inf")


@dataclass
class Process:
    """What lives, stands still and dies as one."""

    name: str
    dead: bool = False
    frozen_until: float = NEVER
    # When a call of either last went wrong for it: what it fails to do then is no fault of its own.
    troubled_at: dict[str, float] = field(default_factory=lambda: {"store": NEVER, "queue": NEVER})
    tasks: "dict[Task, None]" = field(default_factory=dict)  # in order of their start


@dataclass(eq=False)
class Task:
    process: Process
    greenlet: greenlet
    turn: int = 0  # of its waits: an entry on the agenda for an earlier one is void


class Scheduler:
    def __init__(self) -> None:
        self.now = 0.0
        self._hub = getcurrent()
        self._agenda: list[tuple[float, int, int, Task]] = []
        self._number = 0
        self._current: Task | None = None
        self._until = 0.0
        self._done: Callable[[], bool] = lambda: True
        self.crashes: list[tuple[str, BaseException]] = []  # of tasks that nobody killed

    def start(self, process: Process, work: Callable[[], object]) -> None:
        """Have `work` done by a process, beside whatever else it does."""
        task = Task(process, greenlet(parent=self._hub))
        task.greenlet.run = lambda: self._carry_out(task, work)
        process.tasks[task] = None
        self._wake(task, self.now)

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass for the task that calls."""
        task = self.current
        at = self.now + seconds
        if self._is_next(task, at):
            self.now = at
            return
        self._wake(task, at)
        self._give_way(task)

    def _is_next(self, task: Task, at: float) -> bool:
        """Say whether this task alone would go on at `at`: then nobody need give way, which is half of the work."""
        agenda, process = self._agenda, task.process
        while agenda and agenda[0][2] != agenda[0][3].turn:
            heapq.heappop(agenda)
        if process.dead or process.frozen_until > at or at > self._until or (agenda and agenda[0][0] <= at):
            return False
        return not self._done()

    @property
    def running(self) -> Process | None:
        """The process whose task runs; None outside of all tasks."""
        return None if self._current is None else self._current.process

    @property
    def current(self) -> Task:
        assert self._current is not None, "only a task can wait"
        return self._current

    def kill(self, process: Process) -> None:
        """End a process: at once where it is the caller's own, else before anything else of it happens."""
        process.dead = True
        for task in process.tasks:
            if task is not self._current:
                self._wake(task, self.now)
        if self._current is not None and self._current.process is process:
            raise Crash(process.name)

    def freeze(self, process: Process, seconds: float) -> None:
        """Have a process stand still, as a machine that is suspended does."""
        process.frozen_until = max(process.frozen_until, self.now + seconds)

    def run(self, until: float, done: Callable[[], bool]) -> bool:
        """Let things happen until they are done; False where that is not so at `until`, or nothing is left to do."""
        self._until, self._done = until, done
        while not done():
            if not self._agenda or self._agenda[0][0] > until:
                return False
            at, _, turn, task = heapq.heappop(self._agenda)
            if turn != task.turn:
                continue
            if task.process.frozen_until > at and not task.process.dead:
                self._push(task, task.process.frozen_until)
                continue
            self.now = max(self.now, at)
            task.turn += 1
            self._current = task
            task.greenlet.switch()
            self._current = None
        return True

    def _carry_out(self, task: Task, work: Callable[[], object]) -> None:
        try:
            if not task.process.dead:
                work()
        except Crash as crash:
            if not task.process.dead:
                self.crashes.append((task.process.name, crash))
        except BaseException as error:  # noqa: BLE001  the checker judges it
            self.crashes.append((task.process.name, error))
        finally:
            del task.process.tasks[task]

    def _wake(self, task: Task, at: float) -> None:
        task.turn += 1
        self._push(task, at)

    def _push(self, task: Task, at: float) -> None:
        self._number += 1
        heapq.heappush(self._agenda, (at, self._number, task.turn, task))

    def _give_way(self, task: Task) -> None:
        if task.process.dead:
            raise Crash(task.process.name)
        self._hub.switch()
        if task.process.dead:
            raise Crash(task.process.name)

    def wait(self, inbox: "Inbox", seconds: float) -> None:
        """Wait until something is put into an inbox, or for so long."""
        task = self.current
        inbox.waiting = task
        self._wake(task, self.now + seconds)
        self._give_way(task)
        inbox.waiting = None

    def notify(self, task: Task) -> None:
        """Wake a task that waits for an inbox."""
        self._wake(task, self.now)


class Inbox(SimpleQueue[Any]):
    """A queue between the tasks of one process, in virtual time."""

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__()
        self._scheduler = scheduler
        self.waiting: Task | None = None

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:  # noqa: ANN401, FBT001, FBT002
        super().put(item, block, timeout)
        if self.waiting is not None:
            self._scheduler.notify(self.waiting)
            self.waiting = None

    def get(self, block: bool = True, timeout: float | None = None) -> Any:  # noqa: ANN401, FBT001, FBT002
        if self.empty():
            assert block
            assert timeout is not None
            self._scheduler.wait(self, timeout)
        if self.empty():
            raise Empty
        return super().get(block=False)


class Lock:
    """What one task at a time holds, and others wait for in virtual time."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._held = False

    def __enter__(self) -> None:
        while self._held:
            self._scheduler.sleep(1.0)
        self._held = True

    def __exit__(self, *_: object) -> None:
        self._held = False
