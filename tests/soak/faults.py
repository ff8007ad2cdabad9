"""What goes wrong during a soak, one thing after the other, again and again."""

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from threading import Event

from soak.drains import Drain, can_have_disk
from soak.place import Restartable
from soak.sender import Sender

# More than any store accepts, and less: requests are dated, and S3 refuses what is 15 minutes off.
CLOCK_STEPS = (600, -600, 3 * 3600, -3 * 3600)
DOWN = 0.2  # of a fault's time: how long a server is down before it is started again


@dataclass(frozen=True)
class Rhythm:
    """Seconds: of a soak, from one fault to the next, and of a fault."""

    total: float
    period: float
    fault: float


@dataclass(frozen=True)
class Fault:
    """One that begins and ends; a restart is over when it has begun."""

    name: str
    begin: Callable[[], object]
    end: Callable[[], object] = lambda: None


def faults(
    store: Restartable, queue: Restartable, drains: Sequence[Drain], senders: Sequence[Sender], seconds: float
) -> list[Fault]:
    """Return those that this machine allows; each lasts for about so many `seconds`."""

    def lose_queues() -> None:
        queue.restart(seconds * DOWN)
        for sender in senders:
            sender.messages_lost = True

    def of_all(act: Callable[[Drain], object]) -> Callable[[], object]:
        return lambda: [act(drain) for drain in drains]

    found = [Fault("queue restarted", lose_queues), Fault("store restarted", lambda: store.restart(seconds * DOWN))]
    if can_have_disk():
        found.append(Fault("disk full", of_all(Drain.fill_disk), of_all(Drain.empty_disk)))
    if all(drain.has_clock for drain in drains):
        back = of_all(partial(Drain.set_clock, seconds=0))
        found += [
            Fault(f"clock {step:+} s", of_all(partial(Drain.set_clock, seconds=step)), back) for step in CLOCK_STEPS
        ]
    return found


def strike(schedule: Sequence[Fault], rhythm: Rhythm, given_up: Event, note: Callable[[str], object]) -> None:
    """Have faults strike one after the other, each once at least; note each once it is over."""
    until = time.monotonic() + rhythm.total
    for number, fault in enumerate(itertools.cycle(schedule)):
        if number >= len(schedule) and time.monotonic() >= until:
            return
        if given_up.wait(rhythm.period - rhythm.fault):
            return
        began_at = time.monotonic()
        fault.begin()
        try:
            given_up.wait(max(0.0, began_at + rhythm.fault - time.monotonic()))
        finally:
            fault.end()
        note(fault.name)
