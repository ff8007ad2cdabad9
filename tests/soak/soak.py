"""Two drains that live long, among faults: what they take is sampled, and every run is proved whole."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from fakes.servers import BUCKET, Server
from soak import faults, judge, place
from soak.drains import Drain, build_clock
from soak.models import Work, works
from soak.sender import Sender
from soak.watch import Sample, Watch
from waiting import LIMIT
from worker.processes import environment

Note = Callable[[str, object], object]
LOOKS_AT_REST = 5


@dataclass(frozen=True)
class Plan:
    """How long and how much; seconds, and shards of a run."""

    rhythm: faults.Rhythm
    shards: int
    point: float
    between: float  # two samples

    @classmethod
    def of(cls, seconds: float) -> "Plan":
        """Return the plan of a soak; in a short one, more happens in a second."""
        period = min(100.0, seconds / 10)
        shards, point = (200, 0.5) if seconds >= 120 else (30, 0.1)
        return cls(faults.Rhythm(seconds, period, 0.6 * period), shards, point, min(5.0, period / 8))


@dataclass
class Report:
    """What was found."""

    samples: dict[str, list[Sample]] = field(default_factory=dict)
    rest: dict[str, tuple[Sample, Sample]] = field(default_factory=dict)
    runs: dict[str, int] = field(default_factory=dict)  # that were whole
    struck: dict[str, int] = field(default_factory=dict)
    exit_codes: dict[str, int] = field(default_factory=dict)

    def findings(self) -> list[str]:
        """Return what is not as it must be."""
        found = [f"{name}: {each}" for name, samples in self.samples.items() for each in judge.growth(samples)]
        found += [f"{name}: {each}" for name, samples in self.rest.items() for each in judge.at_rest(*samples)]
        return found + [f"{name} ended with {code}" for name, code in self.exit_codes.items() if code]


@dataclass
class Soak:
    """What takes part in one."""

    plan: Plan
    folder: Path
    note: Note
    report: Report = field(default_factory=Report)
    senders: list[Sender] = field(default_factory=list)
    drains: list[Drain] = field(default_factory=list)
    watches: list[Watch] = field(default_factory=list)

    def run(self) -> Report:
        """Have the drains work for as long as planned, and until all that was sent is done.

        Raises:
            RuntimeError: a drain has ended.
            NotWholeError: a run is neither whole nor on its way there.
            TimeoutError: a run has not become whole although the faults had ceased.
        """
        with ExitStack() as running:
            schedule = self._begin(running)
            # A first run of each without faults, so that all is in memory that will be.
            self._during(lambda _: None)
            before = self._rest()
            self._during(lambda given_up: self._strike(schedule, given_up))
            for watch, first, last in zip(self.watches, before, self._rest(), strict=True):
                name = watch.drain.work.name
                self.report.samples[name], self.report.rest[name] = watch.samples, (first, last)
            for sender, drain in zip(self.senders, self.drains, strict=True):
                self.report.runs[drain.work.name] = len(sender.whole) + len(sender.removed)
                self.report.exit_codes[drain.work.name] = drain.stop()
        return self.report

    def _begin(self, running: ExitStack) -> Sequence[faults.Fault]:
        """Start servers and drains; return the faults."""
        kinds = works(self._new("programs"), self.plan.point)
        store = place.store_server(self._new("weed"))
        queue = place.queue_server(self._new("ministack"), [work.name for work in kinds])
        store_at, queue_at = running.enter_context(store), running.enter_context(queue)
        clock = build_clock(self.folder)
        for work in kinds:
            self._add(running, work, store_at, queue_at, clock)
        return faults.faults(store, queue, self.drains, self.senders, self.plan.rhythm.fault)

    def _add(self, running: ExitStack, work: Work, store: Server, queue: Server, clock: Path | None) -> None:
        settings = {"SWEEPCTL_STORE": f"s3://{BUCKET}", "SWEEPCTL_ENDPOINT_URL": store.endpoint_url}
        own = {**environment(), **settings, "XDG_CACHE_HOME": str(self.folder / "cache")}
        settings["SWEEPCTL_QUEUE_URL"] = f"{queue.endpoint_url}/000000000000/{work.name}"
        sender = Sender(
            work, self._new(f"sweeps-{work.name}"), store, settings["SWEEPCTL_QUEUE_URL"], own, self.plan.shards
        )
        drain = running.enter_context(Drain(work, self._new(f"drain-{work.name}"), clock, settings))
        self.senders.append(sender)
        self.drains.append(drain)

    def _during(self, strike: Callable[[Event], object]) -> None:
        """Send runs for as long as it takes to `strike`, and sample the drains until all is done."""
        self.watches = [Watch(drain, time.monotonic()) for drain in self.drains]
        given_up = Event()
        with ThreadPoolExecutor(1 + len(self.senders)) as pool:
            try:
                struck = pool.submit(strike, given_up)
                futures: list[Future[object]] = [
                    struck,
                    *(pool.submit(self._send, each, struck, given_up) for each in self.senders),
                ]
                while not all(future.done() for future in futures):
                    wait(futures, self.plan.between, FIRST_EXCEPTION)
                    for watch in self.watches:
                        self.note(watch.drain.work.name, watch.look())
                    for future in futures:
                        if future.done():
                            future.result()
            finally:
                given_up.set()

    def _send(self, sender: Sender, struck: Future[object], given_up: Event) -> object:
        """Send runs and have them verified; one at least."""
        until = None
        while not given_up.wait(self.plan.between / 2):
            is_over = struck.done() and sender.begun > 0
            if sender.send_and_verify(is_over=is_over):
                return None
            until = until or (time.monotonic() + LIMIT if is_over else None)
            if until and time.monotonic() > until:
                msg = f"never whole: {list(sender.running)}"
                raise TimeoutError(msg)
        return None

    def _strike(self, schedule: Sequence[faults.Fault], given_up: Event) -> None:
        def count(name: str) -> None:
            self.report.struck[name] = self.report.struck.get(name, 0) + 1
            self.note("fault", name)

        faults.strike(schedule, self.plan.rhythm, given_up, count)

    def _rest(self) -> list[Sample]:
        """Look at drains that have nothing to do."""
        watches = [Watch(drain, time.monotonic()) for drain in self.drains]
        for _ in range(LOOKS_AT_REST):
            time.sleep(self.plan.between / LOOKS_AT_REST)
            for watch in watches:
                watch.look()
        return [judge.least(watch.samples) for watch in watches]

    def _new(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir()
        return folder
