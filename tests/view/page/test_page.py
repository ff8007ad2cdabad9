"""The page as text: what is on it, what is left out and told, and that nothing in it can be mistaken for markup."""

import datetime as dt
import math
import re
from html import unescape
from html.parser import HTMLParser
from itertools import product
from random import Random
from typing import Any

import pytest
from results.analysis.views import connect, grid, register_outcomes, subject_of
from view.page.pages import HOSTILE, page_of

from sweepctl.cli.report import METRICS, MOST_METRICS
from sweepctl.results.analysis import overview as overviews
from sweepctl.results.analysis import shards
from sweepctl.results.analysis.overview import make_overview
from sweepctl.results.analysis.sensitivity.indices import Index, Sensitivity
from sweepctl.verify import Finding
from sweepctl.view.page import plots
from sweepctl.view.page.axes import Scale, labels
from sweepctl.view.page.markup import Markup, element
from sweepctl.view.page.run import completeness


class Outline(HTMLParser):
    """Checks that elements are closed in order, and keeps their names and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: list[str] = []
        self.text = ""
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag: str, _attributes: Any) -> None:  # noqa: ANN401  as HTMLParser has it
        self.open.append(tag)
        self.names.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_text_and_attributes_are_escaped_and_markup_is_not_twice() -> None:
    inner = element("b", "a < b & c", data_x='"><i>')
    assert inner == '<b data-x="&quot;&gt;&lt;i&gt;">a &lt; b &amp; c</b>'
    assert element("p", inner, "<") == f"<p>{inner}&lt;</p>"
    assert isinstance(element("line", x1=1.25, hidden=True, class_=None), Markup)
    assert element("line", x1=1.25, hidden=True, class_=None) == '<line x1="1.2" hidden/>'


def test_labels_do_not_run_into_each_other() -> None:
    assert labels([(0.0, "1,000"), (20.0, "2,000"), (60.0, "3,000")]).count("<text") == 2


def test_a_scale_of_one_value_is_in_the_middle() -> None:
    assert Scale(3, 3, 0, 10).at(3) == 5
    assert Scale(1, 100, 0, 10, is_log=True).at(10) == pytest.approx(5)


def test_html_in_strings_stays_text() -> None:
    def function(cell: Any, _replicate: int) -> Any:  # noqa: ANN401
        return HOSTILE if cell["a"] == "x" else {"m": 1.5}

    finding = Finding("outcomes.unreadable", HOSTILE, shard_id=1)
    page = page_of([{"a": "x"}, {"a": HOSTILE}, {"a": "<b>"}], function, findings=(finding,))
    outline = Outline(page)
    assert outline.names.count("script") == 1
    assert "img" not in outline.names
    assert "<b>" in outline.text
    assert outline.text.count(HOSTILE) >= 4  # error code, message, parameter, versions, finding
    assert "<i>km</i>" not in page


def test_a_page_loads_nothing_and_its_policy_names_its_own_style_and_script() -> None:
    page = page_of([{"a": 1}, {"a": 2}], lambda _cell, _: {"m": 1.0})
    assert "default-src 'none'; style-src 'sha256-" in unescape(page)
    assert page.count("sha256-") == 2
    assert not [
        word for word in ("http:", "https:", "url(", "@import", ' src="', ' href="', ' style="') if word in page
    ]


def test_equal_runs_have_equal_pages() -> None:
    pages = {page_of([{"a": place} for place in range(50)], lambda cell, r: {"m": cell["a"] * r}, 3) for _ in range(3)}
    assert len(pages) == 1


def test_a_run_without_a_number_among_its_metrics_has_a_page() -> None:
    assert "No point has succeeded: there are no metrics" in page_of([{"a": 1}, {"a": 2}], lambda *_: {"word": "x"})


@pytest.mark.slow
@pytest.mark.parametrize(("named", "articles"), [(0, METRICS), (MOST_METRICS, MOST_METRICS)], ids=["usual", "most"])
def test_a_large_run_stays_below_a_megabyte(named: int, articles: int) -> None:
    """The most that a page can have: twelve dimensions of the most levels, all metrics, the most rows and boxes."""
    draw = Random(1)
    cells = [{f"a_rather_long_name_{d:02}": draw.randrange(16) * 0.123456 for d in range(12)} for _ in range(3000)]
    where = " AND ".join(f"a_rather_long_name_{d:02} > 0.7" for d in range(3))
    metrics = [f"metric_{place:02}" for place in range(14)]
    page = page_of(
        cells,
        lambda _cell, _: {metric: draw.gauss(1e5, 1e4) for metric in metrics},
        where=where,
        metrics=tuple(metrics[:named]),
    )
    outline = Outline(page)
    assert page.count('class="met"') == 9
    assert outline.names.count("article") == articles
    assert outline.text.count(f"Shown are the {60 // articles} of 12 dimensions") == articles
    assert outline.text.count("10 lowest10 highest") == articles
    # A metric has a map, and others where there is room: of 256 cells each, one of three.
    assert page.count('class="cells"') == articles
    others = ", ".join(metrics[articles:])
    assert f"Not shown; choose them with sweepctl report --metric: {others}." in outline.text
    assert re.search(r"\d+ of 3,000 points, selected pseudo-randomly", outline.text)
    assert 'sweepctl query r "SELECT * FROM points"' in outline.text
    assert len(page.encode()) < 1_000_000


def test_excluded_points_take_no_place_in_the_table_of_points() -> None:
    cells = [{"a": a} for a in range(1_000)]
    page = page_of(cells, lambda cell, _: {"m": cell["a"]} if cell["a"] < 400 else {"status": "excluded", "m": None})
    table = page.partition("<h2>Points</h2>")[2].partition("</table>")[0]
    assert table.count("<tr>") == 1 + 400
    assert ">excluded<" not in table
    assert "The points that no constraint excludes (600 are), with the parameters" in page


def test_a_plot_of_points_has_a_sample_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overviews, "MOST_SAMPLED", 50)
    cells = [{"a": a, "b": b} for a in range(40) for b in (False, True)]
    page = page_of(cells, lambda cell, _: {"m": cell["a"] if cell["b"] else None, "n": 1} if cell["a"] else "failed")
    assert "50 of 78 points that succeeded, selected pseudo-randomly." in Outline(page).text
    axes = re.findall(r'class="(across|up)( off)?" data-places="((?:[0-9a-z]{2}|--)*)"', page)
    assert [(kind, hidden) for kind, hidden, _ in axes] == [
        ("across", ""),
        ("across", " off"),
        ("up", ""),
        ("up", " off"),
    ]
    assert {len(places) for *_, places in axes} == {100}
    # Without a script the first choice is there, and points without a value are not.
    (dots,) = re.findall(r'd="([^"]*)" class="dots"', page)
    assert dots.count("M") == 50 - axes[2][2].count("--")
    assert 0 < dots.count("M") < 50
    assert '<p class="choose" hidden>' in page


@pytest.mark.parametrize(
    ("cells", "function", "said"),
    [
        ([], lambda _cell, _: {}, "No point has succeeded"),
        ([{"a": 1}, {"a": 2}], lambda _cell, _: "bad", "No point has succeeded"),
        ([{"a": 1}, {"a": 2}], lambda _cell, _: {"m": None}, "0, 2 without"),
        ([{"a": 1}], lambda _cell, _: {"m": 5.0}, "One replicate: no intervals"),
        ([{"a": 1}, {"a": 2}], lambda cell, _: {"m": cell["a"]}, "by a [<i>km</i>]"),
        ([{"a": None, "b": 1}, *({"a": a, "b": a % 2} for a in range(20))], lambda cell, _: {"m": cell["b"]}, "by a"),
        ([{"a": 1e300}, {"a": -1e300}], lambda cell, _: {"m": cell["a"]}, "by a"),
    ],
    ids=["no points", "all failed", "no values", "no dimension", "one dimension", "null among many", "huge"],
)
def test_a_run_at_the_edge_has_a_page(cells: list[dict[str, Any]], function: Any, said: str) -> None:  # noqa: ANN401
    assert said in Outline(page_of(cells, function, design=None if cells else grid(a=[1, 2]))).text


def test_the_legend_of_the_map_counts_shards_where_a_square_is_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "MAX_CELLS", 1)
    connection = connect([{"a": 1}], lambda _cell, _: {"m": 1.0})
    at = dt.datetime(2026, 2, 14, tzinfo=dt.UTC)
    usual = {"run_id": "r", "status": "success", "retryable": False, "start_index": 0, "end_index_exclusive": 1,
             "content_sha256": "c", "started_at": at, "finished_at": at, "cpu_seconds": 1.0}  # fmt: skip
    register_outcomes(connection, [{**usual, "shard_id": 0}, {**usual, "shard_id": 1}, {**usual, "shard_id": 4}])
    overview = make_overview(connection, subject_of(connection, grid(a=[1])))
    text = Outline(completeness(overview.shard_map)).text
    assert "5 shards in point order. Each square is 5 shards" in text
    assert text.endswith(" 3 succeeded 1 squares with some outcomes missing 2 no outcome yet")


def test_indices_are_bars_below_their_names() -> None:
    indices = (Index("a", 0.25, 0.01, 0.5, 0.02), Index("b" * 60, -0.1, None, None))
    figure = plots.indices("m", Sensitivity("a method", 10, indices))
    assert re.findall(r'width="([\d.]+)" height="10" class="bar"', figure) == ["100", "0"]
    assert re.findall(r'width="([\d.]+)" height="10" class="total"', figure) == ["200"]
    texts = re.findall(r">([^<]+)</text>", figure)
    assert texts == ["a", "0.25 ± 0.01, total 0.50 ± 0.02", "b" * 50 + "…", "-0.10"]


def test_figures_have_no_number_that_is_none() -> None:
    cells = [{"a": a, "b": b} for a, b in product([0.1, 5.0, 1000.0], [False, True])]
    page = page_of(cells, lambda cell, r: {"m": math.log(cell["a"]) if cell["b"] else None, "n": r}, 2)
    assert not re.search(r"\b(nan|inf|None)\b", page)
