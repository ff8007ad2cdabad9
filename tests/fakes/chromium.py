"""The browser in which pages are tried, and axe-core, which checks them against WCAG 2.2."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from paths import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = Path("/usr/bin/chromium")
QUIET = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run",
]  # fmt: skip
AXE = (
    Path(os.environ.get("SWEEPCTL_AXE", ROOT / "target" / "tools" / "axe")) / "node_modules" / "axe-core" / "axe.min.js"
)
LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"]
CHECK = """async (levels) => (await axe.run({ runOnly: levels })).violations.map((each) => {
  const where = each.nodes.map((node) => `${node.target} (${node.any.map((why) => why.message)})`);
  return `${each.id}: ${each.help}: ${where.join("; ")}`;
})"""


def require(path: Path, remedy: str) -> None:
    """Leave a test out where a tool is missing, but for CI."""
    if not path.exists():
        message = f"no {path}: {remedy}"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    require(CHROMIUM, "install Debian's chromium")
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  only where there is a browser

    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET) as browser:
        yield browser


def violations(page: "Page") -> Sequence[str]:
    """Return what of a page breaks a rule of WCAG 2.2, level A or AA, in light and in dark."""
    require(AXE, "`make test-python` installs it")
    page.evaluate(AXE.read_text())
    found = list[str]()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found += [f"{scheme}: {each}" for each in page.evaluate(CHECK, LEVELS)]
    return found
