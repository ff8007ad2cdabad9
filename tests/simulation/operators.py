"""What people do to a run while its workers are at it: send failed shards again, and compact it, one beside the other.

Each is a process of its own, which may be killed between any two requests.
"""

from threading import Event
from typing import TYPE_CHECKING

from fakes.toys import RUN_ID
from simulation.gate import Gate
from simulation.scheduler import Process

from sweepctl.compact.run import compact
from sweepctl.errors import (
    ConflictError,
    InterruptedRunError,
    NotWholeError,
    StoreError,
    SweepctlError,
    UnknownRunError,
)
from sweepctl.runs.retry import failed_shards
from sweepctl.store.contract import Store

if TYPE_CHECKING:
    from simulation.world import _World

MOST_OPERATORS = 8  # that are started in one history


def start_operators(world: "_World") -> None:
    """Have as many at work as the case has, and others where some were killed."""
    living = [process for process in world.operators if process.tasks]
    if len(living) < world.case.operators and len(world.operators) < MOST_OPERATORS:
        process = Process(f"o{len(world.operators)}")
        world.operators.append(process)
        world.scheduler.start(process, lambda: _live(world, process))


def _live(world: "_World", process: Process) -> None:
    stop = Event()
    _work(world, world.store(Gate(world.outside, process, stop.set)), process.name, stop)
    if world.machine is not None:
        world.machine.end(process)


def _work(world: "_World", store: Store, name: str, stop: Event) -> None:
    while not stop.is_set():
        world.scheduler.sleep(60 * world.random.random())
        try:
            if world.case.planned is not None and world.random.random() < 0.3:
                for body in failed_shards(store, RUN_ID).bodies():
                    world.queue.send(body)
            if _compact(world, store, name, stop):
                return
        except (StoreError, UnknownRunError, InterruptedRunError):
            continue


def _compact(world: "_World", store: Store, name: str, stop: Event) -> bool:
    try:
        already = compact(store, RUN_ID, stop=stop).already
    except NotWholeError:
        return False
    except ConflictError as error:
        world.log.find("compact_conflict", error.message)
        return True
    world.log.note(world.scheduler.now, name, "compact", RUN_ID, "already" if already else "done")
    if world.machine is not None:
        world.machine.pass_compaction(name)
    return True


def compact_in_the_end(world: "_World") -> str | None:
    """Compact the run where nothing disturbs it; return why that is refused, if it is."""
    try:
        compact(world.store(), RUN_ID)
    except SweepctlError as error:
        return error.message
    except Exception as error:  # noqa: BLE001  whatever it is
        world.log.find("stray_task", f"compact in the end: {error!r}")
    return None
