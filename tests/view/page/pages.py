"""Pages of runs that were never run: any strings, any failures."""

import datetime as dt
from dataclasses import replace
from typing import Any

from results.analysis.views import connect, register_outcomes, subject_of

from sweepctl.cli.report import METRICS
from sweepctl.results.analysis.discovery import discover
from sweepctl.results.analysis.overview import make_overview
from sweepctl.verify import Check, Coverage, Finding, Report
from sweepctl.view.page.page import render

HOSTILE = "</script><script>document.title='spoiled'</script><img src=x onerror=\"document.title='spoiled'\">"
NOW = dt.datetime(2026, 2, 14, tzinfo=dt.UTC)


def page_of(
    cells: list[dict[str, Any]],
    function: Any,  # noqa: ANN401  as views.connect takes it
    replications: int = 1,
    design: dict[str, Any] | None = None,
    findings: tuple[Finding, ...] = (),
    *,
    where: str | None = None,
    metrics: tuple[str, ...] = (),
) -> str:
    """Return the page of a run of these cells; with three boxes, the same three times, where a condition holds."""
    connection = connect(cells, function, replications)
    shard = {"run_id": "r", "shard_id": 0, "status": "success", "retryable": False, "content_sha256": "c",
             "started_at": NOW, "finished_at": NOW, "cpu_seconds": 1.0, "engine_version": HOSTILE,
             "model_version": HOSTILE, "start_index": 0, "end_index_exclusive": max(1, len(cells))}  # fmt: skip
    register_outcomes(connection, [shard])
    names = sorted({name for cell in cells for name in cell})
    rows = {"kind": "table", "columns": names, "rows": [[cell[name] for name in names] for cell in cells]}
    subject = subject_of(connection, design or rows, replications, *metrics, most=METRICS)
    found = discover(connection, subject, where) if where else None
    overview = make_overview(connection, subject)
    coverage: dict[Check, Coverage] = {
        check: Coverage({"points": 1}, None) for check in Check if check is not Check.REEXECUTION
    }
    report = Report("r", findings, coverage, len(cells))
    boxes = replace(found, boxes=found.boxes[:1] * 3) if found else None
    return render(report, overview, {"m": "s", "a": "<i>km</i>"}, found=boxes)
