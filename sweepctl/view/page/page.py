"""The report of a run: one HTML page that works offline; computes nothing.

No library and no request: figures are inline SVG, and the page's Content-Security-Policy forbids loading anything.
Equal values give equal bytes.
"""

import base64
import hashlib
from collections.abc import Mapping
from importlib.resources import files

from sweepctl.results.analysis.comparison import Comparison
from sweepctl.results.analysis.discovery import Discovery
from sweepctl.results.analysis.overview import Overview
from sweepctl.verify import Report
from sweepctl.view.page import comparison, discovery, explore, metrics, run
from sweepctl.view.page.markup import Markup, element


def render(
    report: Report,
    overview: Overview,
    units: Mapping[str, str],
    against: Comparison | None = None,
    found: Discovery | None = None,
) -> str:
    """Return the page.

    Args:
        report: What verify found.
        overview: Everything else that the page shows of the run.
        units: The known units of parameters and metrics.
        against: The comparison with another run, which is the first of both.
        found: Where a condition holds.
    """
    subject = overview.summary.subject
    style, script = _read("style.css"), _read("script.js")
    policy = (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{subject.record.run_id}: sweep report"),
        element("style", Markup(style)),
    )
    main = element(
        "main",
        run.verdict(report),
        run.facts(overview),
        run.completeness(overview),
        metrics.section(overview, units),
        explore.section(overview, units),
        discovery.section(found, subject.dimensions, units) if found else "",
        comparison.section(against) if against else "",
        run.failures_section(overview, units),
        run.slow_shards(overview),
        run.points(overview, units),
    )
    foot = element("footer", "How the numbers are estimated: docs/report.md of sweepctl.")
    body = element("body", run.header(report, subject), main, foot, element("script", Markup(script)))
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


def _read(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
