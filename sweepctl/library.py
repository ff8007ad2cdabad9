"""What `import sweepctl` offers besides `open_run`: run a sweep, plan it, and list the runs of a store.

    swept = sweepctl.run_sweep("sweep.toml")
    swept.run.summary()

Everything is what the commands of these names do, and errors are theirs: their remedies are notes of the exception.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from threading import Event
from typing import Any, TypeVar

from rich.console import Console

from sweepctl import notebook
from sweepctl.engine.client import Engine, find_engine
from sweepctl.errors import UsageError
from sweepctl.local_sweep.run import LocalSweep, Watch, require_reusable
from sweepctl.messages import require_run_id
from sweepctl.records.named import find_run_id
from sweepctl.results.run import Run, open_run, open_views
from sweepctl.runs import index
from sweepctl.runs.index import MalformedRun, StoredRun
from sweepctl.runs.local import RunProgress
from sweepctl.shard.conditions import DEFAULT_TIMEOUT
from sweepctl.shard.run import utc_now
from sweepctl.store import open_store
from sweepctl.store.open import DEFAULT_STORE
from sweepctl.strict_json import short
from sweepctl.sweep.file import SweepFile, of_fields, read
from sweepctl.sweep.plan import draft
from sweepctl.sweep.preview import PlanReport, report
from sweepctl.verify.report import Verdict
from sweepctl.view.sweep import counting, running

WIDTH = 100  # columns of what a notebook shows as text

Sweep = str | Path | Mapping[str, Any]
T = TypeVar("T")


class Runs(list[StoredRun]):
    """The runs of a store, newest first."""

    malformed: Sequence[MalformedRun] = ()  # folders among them that are not readable runs

    def __repr__(self) -> str:
        """Return a line for each run."""
        lines = [
            f"{run.run_id}: {run.state}, {run.points_done:,} of {run.total_points:,} points of {run.model}"
            for run in self
        ]
        return "\n".join(lines or ["no runs"])

    def _repr_html_(self) -> str:
        head = ("run", "model", "state", "points", "done", "failed", "created (UTC)")
        return notebook.table(
            head,
            [
                (
                    run.run_id,
                    run.model,
                    run.state.replace("_", " "),
                    run.total_points,
                    run.points_done,
                    run.points_failed,
                    f"{run.created_at:%Y-%m-%d %H:%M}",
                )
                for run in self
            ],
        )


@dataclass(frozen=True, repr=False)
class Swept:
    """A sweep that was run and verified."""

    run: Run
    verdict: Verdict
    details: Mapping[str, Any]  # what `sweepctl run --json` prints

    @property
    def is_whole(self) -> bool:
        """Whether every point exists exactly once and matches its design and its outcome."""
        return self.verdict is Verdict.WHOLE

    def __repr__(self) -> str:
        """Return the run and its verdict."""
        return f"<Swept {self.verdict.value.upper()}: {self.run!r}>"

    def _repr_html_(self) -> str:
        return self.run._repr_html_() + notebook.title(self.verdict.value.upper())


def list_runs(store: str = DEFAULT_STORE) -> Runs:
    """List the runs of a store, newest first, each with how far it is.

    Args:
        store: A directory's path, or `s3://bucket/prefix` with boto3's own settings.

    Raises:
        StoreError: the store does not answer, or there is none.
    """
    found, malformed = index.list_runs(open_store(store), utc_now())
    runs = Runs(found)
    runs.malformed = malformed
    return runs


def plan(
    sweep: Sweep,
    *,
    run_id: str | None = None,
    pilot: int | None = None,
    point_seconds: float | None = None,
    engine: str | None = None,
    programs: Sequence[str | Path] = (),
) -> PlanReport:
    """Check a sweep and preview its points and shards, as `sweepctl plan` does; nothing is written.

    Args:
        sweep: A sweep file's path, or its fields as a dict.
        run_id: The name of the run. Default: the sweep's name, the date and a fingerprint.
        pilot: Run this many points to estimate time and cost.
        point_seconds: Seconds that a point of the pilot may take.
        engine: The engine's path. Default: the one that is installed with sweepctl.
        programs: Manifests of programs that are models.

    Raises:
        SweepFileError: the sweep is invalid; the error lists every problem.
        EngineUnavailableError: there is no engine, or it lacks the model.
    """
    contents = _read(sweep)
    worker, stop = Engine(find_engine(engine), [*map(Path, programs), *contents.programs]), Event()
    preview = partial(
        report,
        draft(contents, worker),
        worker,
        run_id,
        utc_now().date(),
        pilot,
        point_seconds=point_seconds,
        progress=lambda _points: None,
        stop=stop,
    )
    return _interruptible(preview, stop, "Nothing was written.")


def run_sweep(
    sweep: Sweep,
    *,
    run_id: str | None = None,
    store: str = DEFAULT_STORE,
    reuse: str | None = None,
    engine: str | None = None,
    programs: Sequence[str | Path] = (),
    concurrency: int = 2,
    threads: int | None = None,
    timeout: float = DEFAULT_TIMEOUT,
    progress: bool = True,
) -> Swept:
    """Run a whole sweep on this machine and verify it, as `sweepctl run` does.

    Called again it continues: only missing shards are run. An interrupt (Ctrl-C, or a notebook's stop) gives up the
    shards in progress and no others.

    Args:
        sweep: A sweep file's path, or its fields as a dict; NumPy's values and arrays in it are taken as Python's.
        run_id: The name of the run. Default: the newest run of the same sweep, or a new one.
        store: A directory's path, or `s3://bucket/prefix` with boto3's own settings.
        reuse: A run of the store, as for `open_run`, whose points are taken over.
        engine: The engine's path. Default: the one that is installed with sweepctl.
        programs: Manifests of programs that are models.
        concurrency: Shards in progress at once.
        threads: Threads of an engine. Default: all cores.
        timeout: Seconds after which a shard's engine is ended.
        progress: Whether to show what happens: on standard error, or below a notebook's cell.

    Returns:
        The run and its verdict, which may be other than whole: points that fail are no exception.

    Raises:
        SweepFileError: the sweep is invalid; the error lists every problem.
        ConflictError: `run_id` belongs to another sweep.
        EngineUnavailableError: there is no engine, or it lacks the model.
        FailedPointsError: more points failed than the sweep allows.
        StoreError: the store does not answer, or cannot be used.
        KeyboardInterrupt: it was interrupted; the same call continues.
    """
    results, contents = open_store(store), _read(sweep)
    worker = Engine(find_engine(engine), [*map(Path, programs), *contents.programs])
    drafted = draft(contents, worker)
    sources: tuple[str, ...] = ()
    if reuse is not None:
        require_run_id(reuse)
        require_reusable(drafted)
        sources = (find_run_id(results, reuse),)
    with _console(shown=progress) as console:
        is_line = progress and _is_notebook()
        watch: Watch = _counting if is_line else partial(running, console, is_watched=progress)
        local = LocalSweep(console, console, results, worker, concurrency, threads, timeout, watch)
        run = partial(local.run, drafted, run_id, sources, open_views, accept_failures=False)
        details, exit_code = _interruptible(run, local.stop, "The same call continues: only missing shards are run.")
    if local.error is not None:
        raise local.error
    run_of = open_run(details["run_id"], store)
    return Swept(run_of, Verdict(details["verdict"]), {**details, "exit_code": exit_code})


def _read(sweep: object) -> SweepFile:
    if isinstance(sweep, Mapping):
        return of_fields(_plain(sweep))
    if isinstance(sweep, str | Path):
        return read(Path(sweep))
    msg = f"not a sweep: {short(repr(sweep))} ({type(sweep).__name__})"
    raise UsageError(msg, remedy="Give a sweep file's path, or its fields as a dict.")


def _plain(value: Any) -> Any:  # noqa: ANN401  anything that a sweep may be given
    """Return a value with what a TOML file has: dicts, lists, and Python's own scalars."""
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if hasattr(value, "tolist"):  # NumPy's and pandas's, of one value or many
        return value.tolist()
    if isinstance(value, list | tuple | range):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, Path) else value


def _interruptible(work: Callable[[], T], stop: Event, remedy: str) -> T:
    """Do some work; an interrupt sets `stop`, and is raised once the work has ended.

    In a thread, so that an interrupt does not end it between any two instructions.
    """
    with ThreadPoolExecutor(1) as pool:
        task = pool.submit(work)
        try:
            return task.result()
        except KeyboardInterrupt as error:
            stop.set()
            error.add_note(f"→ {remedy}")
            raise


def _is_notebook() -> bool:
    return Console().is_jupyter


def _counting(total: int, complete: int) -> AbstractContextManager[Callable[[RunProgress], None]]:
    """Show progress below the notebook's cell, as a line that changes."""
    handle: Any = import_module("IPython.display").display({"text/plain": ""}, raw=True, display_id=True)
    return counting(lambda line: handle.update({"text/plain": line}, raw=True), total, complete)


@contextmanager
def _console(*, shown: bool) -> Iterator[Console]:
    """Yield the console for what happens; below a notebook's cell it is text."""
    if not shown:
        yield Console(quiet=True)
    elif _is_notebook():
        yield Console(file=sys.stdout, force_jupyter=False, force_terminal=False, color_system="standard", width=WIDTH)
    else:
        yield Console(stderr=True)
