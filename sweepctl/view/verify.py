"""The report of `verify`: verdict, checks, example findings and advice."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console

from sweepctl.records import layout
from sweepctl.records.outcome import MACHINE_DEPENDENT, POINT_FAILED, UNKNOWN_CALLER, Caller
from sweepctl.verify.builds import build_name
from sweepctl.verify.repair import MOST_MESSAGES
from sweepctl.verify.report import NOT_REPRODUCED, SET_ASIDE, CheckState, Finding, Report, Severity
from sweepctl.view.bar import Bar
from sweepctl.view.console import foreign, new_table, show_table
from sweepctl.view.wording import VERDICTS, counted

_STATES = {CheckState.PASSED: "[green]✓[/]", CheckState.FAILED: "[red]✗[/]", CheckState.NOT_CHECKED: "[yellow]?[/]"}
EXAMPLES = 10  # per check; --json has all


@contextmanager
def examining(console: Console, run_id: str) -> Iterator[Callable[[str, int, int], None]]:
    """Show the current step and its progress on a terminal, and nothing elsewhere."""
    with Bar(console, "") as bar:
        bar.below = f"run {run_id}"
        task = bar.add_task("", total=None)
        yield lambda what, done, total: bar.update(task, description=what, completed=done, total=total or None)


def show_report(console: Console, report: Report, caller: Caller = UNKNOWN_CALLER) -> None:
    """Print the verdict, the checks, example findings, and advice."""
    show_verdict(console, report)
    table = new_table("", "check", "checked", "findings")
    for check, covered in report.coverage.items():
        checked = ", ".join(counted(kind, count) for kind, count in covered.checked.items()) or "nothing"
        if covered.not_checked is not None:
            checked += f"\n[yellow]not checked: {foreign(covered.not_checked)}[/]"
        if covered.note is not None:
            checked += f"\n[dim]{foreign(covered.note)}[/]"
        found = len(report.found_by(check))
        table.add_row(
            _STATES[report.state(check)], check.value.replace("_", " "), checked, f"{found:,}" if found else ""
        )
    show_table(console, table)
    for check in report.coverage:
        _show_findings(console, report.found_by(check))
    _show_failures(console, report)
    if len(report.builds) > 1:
        for build in report.builds:
            again = f"{counted('points', build.points_rerun)} run again"
            console.print(f"  build {build_name(build.engine_sha256)}: {counted('shards', build.shards)}, {again}")
    for line in _advice(report, caller):
        console.print(f"[dim]→ {foreign(line)}[/]", highlight=False, soft_wrap=True)


def show_verdict(console: Console, report: Report) -> None:
    """Print the verdict and what it means, on one line."""
    colour, sentence = VERDICTS[report.verdict]
    name = f"[bold {colour}]{report.verdict.name}[/]"
    points = (
        ""
        if report.total_points is None
        else f", {counted('points', report.total_points)} in {counted('shards', report.shards)}"
    )
    if report.points_excluded:
        points += f", {report.points_excluded:,} of them excluded by constraints"
    console.print(f"{name}  run [bold]{foreign(report.run_id)}[/]{points}: {sentence}", highlight=False, soft_wrap=True)


_SEVERITIES = {Severity.DAMAGE: "red", Severity.MISSING: "yellow", Severity.FAILURE: "yellow", Severity.NOTE: "dim"}


def _show_findings(console: Console, findings: Sequence[Finding]) -> None:
    for finding in findings[:EXAMPLES]:
        colour = _SEVERITIES[finding.severity]
        where = "" if finding.shard_id is None else f"shard {finding.shard_id}"
        if finding.point_index is not None:
            more = "" if finding.count == 1 else f" and {finding.count - 1:,} more"
            where += f"{where and ', '}point {finding.point_index}{more}"
        lines = [f"  [{colour}]{finding.code}[/] {where}{where and ': '}{foreign(finding.message)}"]
        if finding.key is not None:
            lines.append(f"      [dim]{foreign(finding.key)}[/]")
        for line in lines:
            console.print(line, highlight=False, soft_wrap=True)
    if len(findings) > EXAMPLES:
        console.print(f"  [dim]… and {len(findings) - EXAMPLES:,} more; --json has all[/]", highlight=False)


def _show_failures(console: Console, report: Report) -> None:
    if report.failures:
        table = new_table("failed shards", "error code", "points failed", "first failure", "retry")
        for group in report.failures:
            is_of_points = group.error_code == POINT_FAILED
            depends = is_of_points and not report.point_failures.keys().isdisjoint(MACHINE_DEPENDENT)
            again = "may succeed" if group.retryable else "not by retry" if depends else "would fail again"
            # A message is too long for a column; of a retryable failure, it is among the findings.
            first = group.example.partition(": ")[0] if is_of_points else "" if group.retryable else group.example
            table.add_row(
                f"{len(group.shards):,}",
                foreign(group.error_code),
                f"{group.points_failed:,}",
                foreign(first),
                again,
            )
        show_table(console, table)
    for code, points in report.point_failures.items():
        more = ", …" if points.count > len(points.first) else ""
        indices = f"{', '.join(map(str, points.first))}{more}"
        failed = "failed point" if points.count == 1 else "failed points"
        console.print(
            f"  {points.count:,} {failed}: [red]{foreign(code)}[/] at {indices}",
            highlight=False,
            soft_wrap=True,
        )
    most = max(report.attempts.values(), default=1)
    if most > 1:
        retried = sum(attempts > 1 for attempts in report.attempts.values())
        console.print(f"  attempts: more than one for {counted('shards', retried)}, at most {most}", highlight=False)


def _about_damage(report: Report) -> Iterator[str]:
    damaged = [each for each in report.findings if each.severity is Severity.DAMAGE and each.code not in SET_ASIDE]
    if any(not each.code.startswith("compact.") for each in damaged):
        yield "Nothing was changed. Restore the named files from a backup."
    if any(each.code.startswith("compact.") for each in damaged):
        yield (
            f"Move the compact files of this run and their manifest (below {layout.COMPACT}) out of the store, and "
            "compact it again once it is whole: the shards' own files have all its rows."
        )


def _advice(report: Report, caller: Caller) -> Iterator[str]:
    if report.set_aside:
        yield (
            "Stop the workers of this run, move these files out of the store, and verify again. "
            "No other file needs them, and no shard that is left loses a point:"
        )
        yield from (f"  {key}" for key in report.set_aside[:EXAMPLES])
        if len(report.set_aside) > EXAMPLES:
            yield f"  … and {len(report.set_aside) - EXAMPLES:,} more; --json has all, as `set_aside`"
    yield from _about_damage(report)
    if any(finding.code == "artifacts.missing" for finding in report.findings):
        yield "To recreate a missing data file, use `sweepctl run-shard --force` with its shard's message."
    if any(finding.code == NOT_REPRODUCED for finding in report.findings):
        yield (
            "Whether a point crashes or takes too long depends on the machine: verify again on one where it ends, "
            "with more --point-seconds if it is slow."
        )
    if count := report.missing.count:
        yield (
            f"The messages of {counted('shards', count)} would complete the run: --missing FILE writes them, "
            "--requeue --queue-url URL sends them."
        )
    if count > MOST_MESSAGES:
        yield f"At most {MOST_MESSAGES:,} of them are written or sent at once; when they have run, verify it again."
    if not report.point_failures.keys().isdisjoint(MACHINE_DEPENDENT):
        yield caller.machine_advice(
            report.run_id, has_outputs=report.record is not None and bool(report.record.spec.outputs)
        )
    for start, end in report.unknown_gaps[:EXAMPLES]:
        yield f"The store does not say which shards have points [{start}, {end}): send their original messages again."
