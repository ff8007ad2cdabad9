"""The report of a run: one HTML page that works offline; computes nothing.

No library and no request: figures are inline SVG, and the page's Content-Security-Policy forbids loading anything.
Equal values give equal bytes.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping
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
    *,
    links: str = "",
) -> str:
    """Return the page.

    Args:
        report: What verify found.
        overview: Everything else that the page shows of the run.
        units: The known units of parameters and metrics.
        against: The comparison with another run, which is the first of both.
        found: Where a condition holds.
        links: Markup of links to other pages, where there are any.
    """
    subject = overview.summary.subject
    main = element(
        "main",
        run.verdict(report),
        run.facts(overview),
        run.completeness(overview.shard_map),
        metrics.section(overview, units),
        explore.section(overview, units),
        discovery.section(found, subject.dimensions, units) if found else "",
        comparison.section(against) if against else "",
        run.failures_section(overview, units),
        run.slow_shards(overview),
        run.points(overview, units),
    )
    foot = element("footer", "How the numbers are estimated: docs/report.md of sweepctl.")
    parts = (links, run.header(report, subject), main, foot)
    policy = element("meta", http_equiv="Content-Security-Policy", content=policy_of(*_report_texts()))
    return document(f"{subject.record.run_id}: sweep report", parts, *_report_texts(), policy)


def report_policy() -> str:
    """Return the Content-Security-Policy of a report."""
    return policy_of(*_report_texts())


def document(title: str, parts: Iterable[str], style: str, script: str, more: str = "") -> str:
    """Return a whole page of a body's parts; `more` goes into its head."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        more,
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("style", Markup(style)),
    )
    body = element("body", *parts, element("script", Markup(script)) if script else "")
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


def policy_of(style: str, script: str) -> str:
    """Return the Content-Security-Policy of a page that loads nothing: it allows this style and this script alone."""
    return (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def read(package: str, name: str) -> str:
    """Return the text of a package's file."""
    return files(package).joinpath(name).read_text(encoding="utf-8")


def _report_texts() -> tuple[str, str]:
    return read(__package__, "style.css"), read(__package__, "script.js")


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
