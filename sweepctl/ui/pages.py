"""The pages as HTML: the report's style and more, one script that replaces what changed, and nothing from elsewhere."""

from collections.abc import Sequence
from functools import cache

from sweepctl.ui.parts import problem_part
from sweepctl.ui.problem import Problem
from sweepctl.ui.tables import Wanted
from sweepctl.view.page.markup import Markup, element, join
from sweepctl.view.page.page import document, policy_of, read

GAP = "<!-- what takes longer -->"  # a page may be sent in two halves
TABS = (("./", "Run"), ("points", "Points"), ("query", "Query"), ("report", "Report"))


@cache
def _texts() -> tuple[str, str]:
    style = read("sweepctl.view.page", "style.css") + read(__package__, "style.css")
    return style, read(__package__, "script.js")


@cache
def policy() -> str:
    """Return the Content-Security-Policy of these pages: they ask this server alone, and nobody may frame them."""
    asks_itself = policy_of(*_texts()).replace("form-action 'none'", "form-action 'self'")
    return f"{asks_itself}; connect-src 'self'; img-src data:; frame-ancestors 'none'"


def run_page(run_id: str, about: str, parts: dict[str, Markup]) -> tuple[str, str]:
    """Return a run's page in two halves; between them belongs what takes longer to compute."""
    place = {name: element("div", part, id=name) for name, part in parts.items()}
    main = element(
        "main",
        element("div", id="problem"),
        place["progress"],
        place["pace"],
        place["next"],
        place["shards"],
        place["failures"],
        # Before the rest: it is sent later, and updates need not wait for it.
        element("script", Markup(_texts()[1])),
        Markup(GAP),
        data_events="events",
    )
    first, _, second = _page(run_id, _header(run_id, about, place["state"], "./"), main, script="").partition(GAP)
    return first, second


def later(parts: dict[str, Markup]) -> Markup:
    """Return what comes between the halves of a run's page."""
    place = {name: element("div", part, id=name) for name, part in parts.items()}
    return join((element("section", element("h2", "Means"), place["choice"], place["means"]), place["failed"]))


def points_page(run_id: str, wanted: Wanted, found: Markup) -> str:
    """Return a page of points."""
    form = element(
        "form",
        element("label", "Condition in SQL, for instance ", element("code", "status = 'failure'"), for_="where"),
        element("input", type="text", id="where", name="where", value=wanted.where, autocomplete="off"),
        element("input", type="hidden", name="sort", value=wanted.sort),
        element("input", type="hidden", name="order", value="desc") if wanted.descending else "",
        element("button", "Filter", type="submit"),
        class_="ask",
    )
    main = element("main", element("section", element("h2", "Points"), form, found))
    return _page(f"Points of {run_id}", _header(run_id, "", Markup(), "points"), main)


def query_page(run_id: str, statement: str, found: Markup) -> str:
    """Return the page that asks SQL of a run."""
    form = element(
        "form",
        element("label", "One SELECT statement over the tables of the run", for_="sql"),
        element("textarea", statement, id="sql", name="sql", rows=5, spellcheck="false", autocomplete="off"),
        element("button", "Run", type="submit"),
        class_="ask tall",
    )
    main = element("main", element("section", element("h2", "Query"), form, found))
    return _page(f"Query of {run_id}", _header(run_id, "", Markup(), "query"), main)


def report_links() -> Markup:
    """Return the way back from a run's report, whose style has no tabs."""
    all_runs, run = element("a", "All runs", href="../../"), element("a", "The run", href="./")
    return element("nav", all_runs, " · ", run, aria_label="Pages")


def runs_page(store: str, found: Markup) -> str:
    """Return the page of all runs."""
    head = element("header", element("div", element("h1", "Runs"), element("p", store)))
    section = element("section", element("h2", "Newest first", class_="hidden"), element("div", found, id="runs"))
    return _page("Runs", head, element("main", element("div", id="problem"), section, data_events="events"))


def problem_page(problem: Problem, back: Sequence[tuple[str, str]] = ()) -> str:
    """Return the page of what went wrong."""
    links = element("nav", *(element("a", text, href=href) for href, text in back), class_="tabs", aria_label="Pages")
    main = element("main", problem_part(problem.message, problem.remedy))
    head = element("header", element("h1", str(problem.status)))
    return _page(f"{problem.status}: {problem.message}", join((head, links if back else "")), main)


def _header(run_id: str, about: str, state: Markup, current: str) -> Markup:
    links = (element("a", text, href=href, aria_current="page" if href == current else None) for href, text in TABS)
    name = element("div", element("h1", run_id), element("p", about) if about else "")
    tabs = element("nav", element("a", "All runs", href="../../"), *links, class_="tabs", aria_label="Pages of the run")
    return join((element("header", name, state), tabs))


def _page(title: str, head: Markup, main: Markup, *, script: str | None = None) -> str:
    style, usual = _texts()
    icon = element("link", rel="icon", href="data:,")
    foot = element(
        "footer",
        element("span", "Read-only. ", id="live"),
        element("noscript", "Without script, pages do not update: reload them."),
    )
    return document(f"{title} · sweepctl", (head, main, foot), style, usual if script is None else script, icon)
