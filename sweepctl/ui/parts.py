"""The parts of a run's page. Each is replaced by itself when it changes, so each has an id, its name here."""

from collections.abc import Iterator, Sequence

from sweepctl.records.outcome import Caller
from sweepctl.runs.index import MalformedRun, StoredRun
from sweepctl.runs.status import State, Status
from sweepctl.texts import counted
from sweepctl.ui.live import Snapshot
from sweepctl.view.page import run
from sweepctl.view.page.markup import Markup, element, join
from sweepctl.view.page.pace import pace_figure
from sweepctl.view.page.tables import Cell, definitions, table
from sweepctl.view.runs import advice
from sweepctl.view.wording import duration, shown, time


def live_parts(snapshot: Snapshot, caller: Caller) -> dict[str, Markup]:
    """Return the parts that follow from the run's outcomes alone."""
    status = snapshot.status
    return {
        "state": state_chip(status),
        "progress": _progress(status),
        "pace": _pace(snapshot),
        "shards": run.completeness(snapshot.shard_map),
        "failures": _failures(status),
        "next": _next(status, caller),
    }


def state_chip(status: Status) -> Markup:
    """Return the verdict on how the run goes."""
    failed = status.shards_failed + status.shards_retryable + status.shards_unreadable
    text = _words(status.state) + (", with failures" if failed and status.is_done else "")
    return element("p", text, class_=f"verdict {'whole' if status.is_done and not failed else status.state}")


def _words(state: State) -> str:
    return state.replace("_", " ")


def _progress(status: Status) -> Markup:
    part = status.points_done / status.total_points
    left = "" if status.seconds_left is None or status.is_done else f", about {duration(status.seconds_left)} left"
    done = f"{status.points_done:,} of {status.total_points:,} points done ({part:.1%}){left}"
    unreadable = (
        f"{counted('outcomes', status.shards_unreadable)} cannot be read, and the map shows the shards as missing: "
        f"`sweepctl verify {status.run_id}` says why."
    )
    most = status.points_failed_limit
    return element(
        "section",
        element("h2", "Progress"),
        element("p", done, class_="lead"),
        element("progress", max=status.total_points, value=status.points_done, aria_label="Points done"),
        definitions(_facts(status)),
        element("p", unreadable, class_="warning") if status.shards_unreadable else "",
        element("p", f"More points failed than the run allows: {most:,}.", class_="warning")
        if status.has_too_many_failed
        else "",
    )


def _facts(status: Status) -> Iterator[tuple[str, Cell]]:
    rate = "overall" if status.is_done else "recently"
    yield f"points per second, {rate}", status.points_per_second
    of = "" if status.shards is None else f" of {status.shards:,}"
    yield "shards succeeded", f"{status.shards_succeeded:,}{of}"
    if status.shards_missing is not None:
        yield "shards without an outcome", status.shards_missing
    yield "shards failed", status.shards_failed + status.shards_retryable
    yield "points failed", status.points_failed
    if status.points_excluded:
        yield "points excluded by a constraint", status.points_excluded
    yield "other attempts", status.attempts
    yield "first shard began (UTC)", time(status.first_activity)
    yield "last shard ended (UTC)", time(status.last_activity)


def _pace(snapshot: Snapshot) -> Markup:
    if snapshot.pace is None:
        return Markup()
    text = "Points per second, from the start of the first shard"
    return element("figure", element("figcaption", text), pace_figure(snapshot.pace), class_="pace")


def _failures(status: Status) -> Markup:
    if not status.failures:
        return element("section", element("h2", "Failures"), element("p", "No shard failed."))
    rows: list[list[Cell]] = [[code, count] for code, count in status.failures.items()]
    kinds = [(status.shards_retryable, "may succeed on retry"), (status.shards_failed, "failed permanently")]
    text = ", ".join(f"{counted('shards', count)} {what}" for count, what in kinds if count)
    return element(
        "section",
        element("h2", "Failures"),
        element("p", f"{text}."),
        table("Failed shards by error code", ["error code", "shards"], rows),
    )


def _next(status: Status, caller: Caller) -> Markup:
    lines = [*advice(status, caller)]
    if not lines:
        return Markup()
    items = element("ul", *(element("li", element("code", line)) for line in lines), class_="next")
    return element("section", element("h2", "What to do next"), items)


def problem_part(message: str, remedy: str | None) -> Markup:
    """Return what went wrong, line by line, and what to do."""
    lines = (element("p", line) for line in message.split("\n"))
    return element(
        "div", *lines, element("p", remedy, class_="remedy") if remedy else "", class_="problem", role="alert"
    )


def runs_part(runs: Sequence[StoredRun], malformed: Sequence[MalformedRun]) -> Markup:
    """Return the runs of a store, newest first, and what is no run."""
    headings = ["run", "state", "points done", "of", "failed", "shards", "last activity (UTC)", "model"]
    rows = table("Runs", headings, map(_run_row, runs)) if runs else element("p", "The store has no runs.")
    others = [element("li", element("code", f"runs/{each.folder}"), f" {each.problem}") for each in malformed]
    return join((rows, element("ul", *others, class_="warning") if others else ""))


def _run_row(each: StoredRun) -> Sequence[Cell]:
    return [
        element("a", each.run_id, href=f"runs/{each.run_id}/"),
        element("span", _words(each.state), class_=f"state {each.state}"),
        each.points_done,
        each.total_points,
        each.points_failed,
        f"{each.outcomes:,} of {shown(each.shards)}",
        time(each.last_activity),
        each.model,
    ]
