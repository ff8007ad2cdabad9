"""The parts of the page about the run as a whole: verdict, facts, shards, failures, points."""

from collections.abc import Mapping

from sweepctl.results.analysis.overview import Overview
from sweepctl.results.analysis.shards import MapCell, ShardMap
from sweepctl.results.analysis.subject import Subject
from sweepctl.verify import Coverage, Finding, Report, Verdict
from sweepctl.view.page.markup import Markup, element, join
from sweepctl.view.page.plots import shard_map_figure, state
from sweepctl.view.page.tables import Cell, definitions, points_table, table, with_unit
from sweepctl.view.wording import VERDICTS, counted, duration, time

MINUTE = 60.0


def header(report: Report, subject: Subject) -> Markup:
    """Return the run's name and its verdict."""
    record = subject.record
    replicates = f" × {subject.replications:,} replicates" if subject.replications > 1 else ""
    design = getattr(subject.space, "kind", "table")
    what = (
        f"{record.spec.model} · {design.replace('_', ' ')} of {counted('cells', subject.space.cells)}{replicates} · "
        f"{counted('points', record.total_points)}"
    )
    word = report.verdict.value
    return element(
        "header",
        element("div", element("h1", record.run_id), element("p", what)),
        element("p", word, class_=f"verdict {word}"),
    )


def verdict(report: Report) -> Markup:
    """Return the verdict, the checks and the findings of verify."""
    _, sentence = VERDICTS[report.verdict]
    checks = table(
        "Checks of sweepctl verify",
        ["check", "result", "checked", "findings"],
        ([_words(check.value), _words(report.state(check).value), _checked(covered), len(report.found_by(check))]
         for check, covered in report.coverage.items()),
    )  # fmt: skip
    return _section(
        "Verdict",
        element("p", f"{sentence[:1].upper()}{sentence[1:]}.", class_="lead"),
        element("details", element("summary", "What was checked"), checks, open=report.verdict is not Verdict.WHOLE),
        _findings(report),
    )


def _words(name: str) -> str:
    return name.replace("_", " ")


def _checked(covered: Coverage) -> str:
    checked = ", ".join(counted(kind, count) for kind, count in covered.checked.items()) or "nothing"
    return checked if covered.not_checked is None else f"{checked}; not checked: {covered.not_checked}"


def _findings(report: Report) -> Markup:
    """Return one row per finding code, with its count and first finding."""
    by_code: dict[str, list[Finding]] = {}
    for finding in report.findings:
        by_code.setdefault(finding.code, []).append(finding)
    if not by_code:
        return Markup()
    rows = (
        [code, found[0].severity.value, len(found), found[0].shard_id, found[0].message]
        for code, found in by_code.items()
    )
    return join(
        (
            element("h3", "Findings"),
            table(
                "Findings of sweepctl verify", ["code", "severity", "findings", "first shard", "first finding"], rows
            ),
            element("p", "All of them: ", element("code", f"sweepctl verify {report.run_id} --json"), class_="note"),
        )
    )


def facts(overview: Overview) -> Markup:
    """Return the run's identity, progress and cost."""
    subject, costs = overview.summary.subject, overview.costs
    record = subject.record
    wall = None
    if costs.first_start is not None and costs.last_end is not None:
        wall = (costs.last_end - costs.first_start).total_seconds()
    pairs: list[tuple[str, Cell]] = [
        ("points succeeded", f"{subject.succeeded:,} of {record.total_points:,}"),
        ("points failed", subject.failed),
        *([("points excluded by a constraint", subject.excluded)] if subject.excluded else []),
        ("shards", f"{overview.shard_map.shards:,}{'' if overview.shard_map.is_planned else ' so far'}"),
        ("seed", str(record.spec.seed)),
        ("run date", record.run_date),
        ("created (UTC)", time(record.created_at)),
        ("first shard started (UTC)", time(costs.first_start)),
        ("last shard ended (UTC)", time(costs.last_end)),
        ("elapsed time", "–" if wall is None else _duration(wall)),
        ("CPU time", _duration(costs.cpu_seconds)),
        ("points per second", subject.points / wall if wall else None),
        ("model version", ", ".join(costs.model_versions) or "–"),
        ("engine version", ", ".join(costs.engine_versions) or "–"),
        ("spec fingerprint", element("code", record.spec_fingerprint)),
    ]
    return _section("Run", definitions(pairs), _fixed(overview))


def _duration(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds < MINUTE else duration(seconds)


def _fixed(overview: Overview) -> Markup:
    if not overview.fixed:
        return Markup()
    return element(
        "details",
        element("summary", f"Parameters common to all points ({len(overview.fixed)})"),
        definitions(overview.fixed.items()),
    )


_STATES = {  # of a cell's shards: colour and meaning
    "succeeded": ("whole", "succeeded"),
    "missing": ("missing", "no outcome yet"),
    "points_failed": ("points", "complete, with failed points"),
    "retryable": ("retryable", "failed, may succeed on retry"),
    "failed": ("failed", "failed permanently, without records"),
}


def completeness(found: ShardMap) -> Markup:
    """Return the map of shards and its legend."""
    if not found.cells:
        return _section("Shards", element("p", "No shard has an outcome yet."))
    many = f" Each square is {found.shards_a_cell:,} shards, coloured by the worst of them." * (found.shards_a_cell > 1)
    planned = (
        "" if found.is_planned else " Total unknown: the run was not planned. Shards up to the last outcome are shown."
    )
    return _section(
        "Shards",
        element("p", f"{counted('shards', found.shards)} in point order.{many}{planned}"),
        element("div", shard_map_figure(found), class_="map"),
        _legend(found),
    )


def _legend(found: ShardMap) -> Markup:
    """Return the colours and their counts: shards by state, and squares that mix states."""
    key = element("svg", element("rect", width=10, height=10), width=10, height=10, aria_hidden="true")
    counts = [(*state, sum(getattr(cell, kind) for cell in found.cells)) for kind, state in _STATES.items()]
    counts.insert(1, ("partly", "squares with some outcomes missing", sum(map(_is_partly, found.cells))))
    return element(
        "ul",
        *(
            element("li", Markup(key.replace("<rect", f'<rect class="shard {colour}"')), f" {count:,} {meaning}")
            for colour, meaning, count in counts
            if count
        ),
        class_="legend",
    )


def _is_partly(cell: MapCell) -> bool:
    return state(cell) == "partly"


def failures_section(overview: Overview, units: Mapping[str, str]) -> Markup:
    """Return the failures by error code, and the first failed points."""
    groups = overview.summary.failures
    if not groups:
        return _section("Failures", element("p", "Nothing failed."))
    by_code = table(
        "Failures by error code",
        ["error code", "count", "of", "first", "message"],
        ([each.error_code, each.count, each.of, each.example, each.message] for each in groups),
    )
    if not overview.failed:
        return _section("Failures", by_code)
    parameters = list(overview.failed[0].parameters)
    listed = table(
        "Failed points",
        ["point", "replicate", *(with_unit(name, units) for name in parameters), "error code", "message"],
        (
            [row.point_index, row.replicate, *row.parameters.values(), row.error_code, row.error_message]
            for row in overview.failed
        ),
    )
    subject = overview.summary.subject
    left = subject.failed - len(overview.failed)
    query = f"sweepctl query {subject.record.run_id} \"SELECT * FROM points WHERE status = 'failure'\""
    more = element("p", f"{left:,} more: ", element("code", query), class_="note") if left else ""
    return _section("Failures", by_code, element("h3", "First failed points"), listed, more)


def slow_shards(overview: Overview) -> Markup:
    """Return the shards that took the most time per point."""
    rows: list[list[Cell]] = [
        [each.shard_id, each.points, each.seconds, each.cpu_seconds, 1000 * each.seconds / each.points]
        for each in overview.slowest
    ]
    if not rows:
        return Markup()
    return _section(
        "Slowest shards",
        element("p", "Time is recorded per shard, not per point: these took the most time per point."),
        table("Slowest shards", ["shard", "points", "seconds", "CPU seconds", "milliseconds per point"], rows),
    )


def points(overview: Overview, units: Mapping[str, str]) -> Markup:
    """Return the sortable table of points."""
    subject, rows = overview.summary.subject, overview.rows
    if not rows:
        return Markup()
    text = "All points, with the parameters that the design varies; the others are listed above."
    rest: Markup | str = ""
    simulated = subject.points - subject.excluded
    if subject.excluded:
        text = (
            f"The points that no constraint excludes ({subject.excluded:,} are), with the parameters that the design "
        )
        text += "varies; the others are listed above."
    if len(rows) < simulated:
        left_out = f" that no constraint excludes ({subject.excluded:,} are)" if subject.excluded else ""
        text = (
            f"{len(rows):,} of {simulated:,} points{left_out}, selected pseudo-randomly, with the parameters that the "
            "design varies; the others are listed above. For all points: "
        )
        rest = element("code", f'sweepctl query {subject.record.run_id} "SELECT * FROM points"')
    return _section(
        "Points", element("p", text, rest), points_table("Points", rows, units, subject.metrics, sortable=True)
    )


def _section(title: str, *parts: str) -> Markup:
    return element("section", element("h2", title), join(parts))
