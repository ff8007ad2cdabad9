"""The pages of docs/: each is in the navigation, what errors point to exists, and code blocks are what they claim.

And the site of them is searched in a browser.
"""

import ast
import json
import os
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from fakes.chromium import require
from paths import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser

DOCS = ROOT / "docs"
MKDOCS = ROOT / "target" / "tools" / "docs" / "bin" / "mkdocs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if path.parent.name != "decisions")
MARKDOWN = [*DOCS.rglob("*.md"), *ROOT.glob("*.md"), *ROOT.glob("rust/*/README.md")]
FENCE = re.compile(r"^ *```([^\n]*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
LANGUAGES = {
    "",
    "c",
    "console",
    "javascript",
    "json",
    "markdown",
    "pycon",
    "python",
    "rust",
    "sh",
    "sql",
    "text",
    "toml",
    "yaml",
}
# A page that a text of the program names, with or without a place in it.
NAMED = re.compile(r"docs/([\w/-]+\.md)(#[\w-]+)?")


def in_navigation(nav: Any) -> Iterator[str]:  # noqa: ANN401  YAML
    """Yield the pages of a part of the navigation."""
    if isinstance(nav, str):
        yield nav
    else:
        for each in nav.values() if isinstance(nav, dict) else nav:
            yield from in_navigation(each)


def test_every_page_is_in_the_navigation_once() -> None:
    listed = list(in_navigation(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]))
    assert len(set(listed)) == len(listed)
    assert "decisions/" in listed, "the folder, whose pages the site lists in order"
    own = {str(path.relative_to(DOCS)) for path in PAGES}
    assert own == {each for each in listed if each.endswith(".md") and not each.startswith("project/")}


def anchors(page: Path) -> set[str]:
    """Return where links to a page may lead: its headings, as GitHub and MkDocs name them."""
    titles = re.findall(r"^#+ (.*)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_pages_that_errors_and_comments_name_exist() -> None:
    sources = [*(ROOT / "sweepctl").rglob("*.py"), *(ROOT / "rust").rglob("*.rs"), *(ROOT / "rust").rglob("*.py")]
    found = {match.groups() for path in sources for match in NAMED.finditer(path.read_text())}
    assert len(found) > 10
    for page, anchor in found:
        assert (DOCS / page).is_file(), page
        assert anchor is None or anchor[1:] in anchors(DOCS / page), page + anchor


def test_nobody_is_sent_to_an_index_that_has_no_sweepctl() -> None:
    """Until it is published: whoever registers the name there could have it installed."""
    for path in [*MARKDOWN, *(ROOT / "sweepctl").rglob("*.py")]:
        assert not re.search(r"""install ['"]?sweepctl\[""", path.read_text()), path


def require_json(text: str) -> None:
    """Raise ValueError unless a text is a JSON value, or one in each line."""
    try:
        json.loads(text)
    except json.JSONDecodeError:
        for line in text.splitlines():
            json.loads(line)


@pytest.mark.parametrize("path", MARKDOWN, ids=lambda path: str(path.relative_to(ROOT)))
def test_code_blocks_are_in_their_language(path: Path) -> None:
    for language, text in FENCE.findall(path.read_text()):
        assert language.partition(",")[0] in LANGUAGES, language
        assert not re.search(r"\]\([\w./-]+\.md\)", text), f"a link, which code shows as it is: {text}"
        if language == "python":
            ast.parse(text)
        if language == "toml":
            tomllib.loads(text)
        if language == "json" and "…" not in text:
            require_json(text)
        if language == "console":
            assert text.lstrip().startswith("$ "), text


def test_pictures_of_the_readme_are_there_small_and_fetch_nothing() -> None:
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", (ROOT / "README.md").read_text())
    assert len(pictures) == 3
    for name in pictures:
        content = (ROOT / name).read_bytes()
        assert len(content) < 300_000
        if name.endswith(".svg"):
            assert set(re.findall(rb"https?://[^\"' )]+", content)) <= {b"http://www.w3.org/2000/svg"}


@pytest.mark.slow
def test_the_search_of_the_site_works_from_a_folder_and_fetches_nothing(browser: "Browser", tmp_path: Path) -> None:
    require(MKDOCS, "`make docs` installs it")
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    subprocess.run([MKDOCS, "build", "--quiet", "--site-dir", tmp_path], cwd=ROOT, env=environment, check=True)
    page = browser.new_page()
    fetched = list[str]()
    page.on("request", lambda request: fetched.append(request.url))
    page.goto((tmp_path / "reference" / "commands.html").as_uri())
    page.get_by_placeholder("Search").click()
    page.keyboard.type("lotka")
    page.locator(".md-search-result__link").first.wait_for()
    assert {url.partition(":")[0] for url in fetched} == {"file"}
