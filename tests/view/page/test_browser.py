"""The page in a real browser: it renders, asks for nothing, works by keyboard, and has a dark and a printed form."""

import base64
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from fakes.chromium import violations
from playwright.sync_api import Browser, Page
from view.page.pages import HOSTILE, page_of

pytestmark = [pytest.mark.servers, pytest.mark.filterwarnings("default::DeprecationWarning")]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cells = [{"a": a, "b": b, "word": word} for a in range(3) for b in (1.5, 20.0) for word in ("x", HOSTILE)]
    page = page_of(
        cells,
        lambda cell, r: (
            HOSTILE if cell["a"] == 2 else {"m": 1000.0 * cell["a"] - cell["b"] + r, "n": cell["b"] or None}
        ),
        3,
    )
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(page)
    return path


@pytest.fixture
def page(browser: Browser, file: Path) -> Iterator[Page]:
    """Give the open page; at the end nothing was complained of, and nothing asked for but the file."""
    told: list[str] = []
    asked: list[str] = []
    page = browser.new_page(viewport={"width": 1000, "height": 800})
    page.on("console", lambda message: told.append(message.text))
    page.on("pageerror", lambda error: told.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri())
    yield page
    page.close()
    assert (told, asked) == ([], [file.as_uri()])


def column(page: Page, place: int) -> list[str]:
    return page.locator(f"section:last-of-type tbody td:nth-child({place})").all_inner_texts()


def background(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


def test_it_renders_and_html_in_strings_is_inert(page: Page) -> None:
    assert page.title() == "r: sweep report"
    assert page.locator("h1").inner_text() == "r"
    assert page.locator("svg[role=img]:visible").count() >= 5
    assert page.locator("script").count() == 1
    assert page.locator("img").count() == 0
    assert page.get_by_text(HOSTILE).count() > 1


def test_a_table_is_sorted_by_keyboard(page: Page) -> None:
    heading = page.locator("section:last-of-type th").filter(has_text=re.compile(r"^m\b"))
    place = 1 + int(heading.evaluate("heading => heading.cellIndex"))
    heading.get_by_role("button").focus()
    assert heading.get_by_role("button").evaluate("button => getComputedStyle(button).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    assert heading.get_attribute("aria-sort") == "ascending"
    values = [float(text.replace(",", "")) for text in column(page, place) if text != "–"]
    assert values == sorted(values)
    assert column(page, place)[-1] == "–"
    page.keyboard.press("Space")
    assert heading.get_attribute("aria-sort") == "descending"
    assert [float(text.replace(",", "")) for text in column(page, place)[: len(values)]] == values[::-1]
    assert column(page, place)[-1] == "–"
    assert page.locator("th[aria-sort=descending]").count() == 1


def test_another_metric_is_chosen_by_keyboard(page: Page) -> None:
    panels = page.locator("article:visible")
    assert panels.locator("h3").all_inner_texts() == ["m [s]"]
    page.locator("input[name=metric]").first.focus()
    page.keyboard.press("ArrowRight")
    assert panels.locator("h3").all_inner_texts() == ["n"]


def test_metric_and_dimension_of_the_plot_of_points_are_chosen_by_keyboard(page: Page) -> None:
    figure, dots = page.locator(".explore"), page.locator(".explore .dots")
    assert figure.locator("figcaption").inner_text() == "m [s] by a [<i>km</i>]"
    first = dots.get_attribute("d")
    page.get_by_label("Metric").last.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    assert figure.locator("figcaption").inner_text() == "n by b"
    assert figure.locator("svg").get_attribute("aria-label") == "n by b"
    assert figure.locator("g:visible > text").all_text_contents()[:2] == ["1.5", "20"]
    drawn = re.findall(r"M([\d.]+) ([\d.]+)h0", dots.get_attribute("d") or "")
    assert dots.get_attribute("d") != first
    # Two values of b and of n: low values of both are at the left, and at the bottom.
    assert {(float(x) < 244, float(y) > 135) for x, y in drawn} == {(True, True), (False, False)}
    assert len(drawn) == 24  # of 36 points a third failed


def saved(page: Page, figure: str, kind: str) -> tuple[str, bytes]:
    """Save a figure by keyboard; return the file's name and content."""
    page.locator(f"svg[aria-label='{figure}'] + .save").get_by_text(kind).focus()
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    return download.value.suggested_filename, download.value.path().read_bytes()


def test_a_figure_is_saved_as_svg_with_its_own_colours(page: Page) -> None:
    name, content = saved(page, "Mean of m by a", "SVG")
    assert name == "r-Mean-of-m-by-a.svg"
    root = ET.fromstring(content)  # noqa: S314  made by the page
    assert root.get("viewBox") == "0 -26 300 216"
    assert next(text.text for text in root.iter("{http://www.w3.org/2000/svg}text")) == "Mean of m by a"
    dots = list(root.iter("{http://www.w3.org/2000/svg}circle"))
    assert {(dot.get("fill"), dot.get("r")) for dot in dots} == {("rgb(11, 92, 143)", "3.2px")}
    assert not re.search(rb"var\(|class=|<style", content)


SAME = """async (images) => {
  const [first, second] = await Promise.all(images.map(async (source) => {
    const image = Object.assign(new Image(), { src: source });
    await image.decode();
    const canvas = Object.assign(document.createElement("canvas"), { width: 2 * WIDTH, height: 2 * HEIGHT });
    const pen = canvas.getContext("2d");
    pen.drawImage(image, 0, 0, canvas.width, canvas.height);
    return pen.getImageData(0, 0, canvas.width, canvas.height).data;
  }));
  return first.filter((value, place) => Math.abs(value - second[place]) > 80).length / first.length;
}"""


@pytest.mark.parametrize("figure", ["Mean of m by a", "Mean of m [s] by a and b", "m [s] by a [<i>km</i>]"])
def test_a_figure_is_saved_as_png_that_looks_as_the_svg(browser: Browser, page: Page, figure: str) -> None:
    (_, svg), (name, png) = saved(page, figure, "SVG"), saved(page, figure, "PNG")
    assert re.fullmatch(r"r-[\w-]+\.png", name)
    width, height = struct.unpack(">II", png[16:24])
    root = ET.fromstring(svg)  # noqa: S314  made by the page
    box = [float(each) for each in root.get("viewBox", "").split()]
    assert [width, height] == [2 * box[2], 2 * box[3]]
    sources = [
        f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
        for kind, content in (("svg+xml", svg), ("png", png))
    ]
    script = SAME.replace("WIDTH", f"{box[2]}").replace("HEIGHT", f"{box[3]}")
    with browser.new_page() as other:
        assert other.evaluate(script, sources) < 0.002  # the share that differs: text is smoothed a little differently


def test_wide_tables_scroll_by_themselves(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    regions = page.locator(".scroll")
    assert regions.count() == page.locator("table").count() == page.locator(".scroll[tabindex='0'][aria-label]").count()


def test_dark_and_light_follow_the_reader(page: Page) -> None:
    page.emulate_media(color_scheme="light")
    light = background(page)
    page.emulate_media(color_scheme="dark")
    assert background(page) != light


def test_print_is_light_and_has_every_panel(page: Page) -> None:
    page.emulate_media(media="print", color_scheme="dark")
    assert background(page) == "rgb(255, 255, 255)"
    assert page.locator("article:visible").count() == 2
    assert page.locator(".choice:visible, .choose:visible, .save:visible").count() == 0
    page.set_viewport_size({"width": 700, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.pdf().startswith(b"%PDF")


def test_everybody_can_read_it(page: Page) -> None:
    assert violations(page) == []
