"""Records the pictures of README.md and the site from a real session: `make pictures`.

docs/figures/report.png is the report of the sweep that `sweepctl init` writes, in Chromium. docs/figures/terminal.svg
is the screen of a terminal in which that sweep, with more points, is run, interrupted with Ctrl-C and run again. Needs
tmux and /usr/bin/chromium.
"""

import io
import re
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import FloatRect, sync_playwright
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

FIGURES = Path(__file__).parents[1] / "docs" / "figures"
CHROMIUM = "/usr/bin/chromium"
COLUMNS, LINES = 116, 40
PATIENCE = 120  # seconds that a screen is waited for
PROMPT = "$ "
RUN = "sweepctl run my-sweep/sweep.toml --run-id surge"
DARK = ((72, 79, 88), (255, 123, 114), (63, 185, 80), (210, 153, 34), (88, 166, 255), (188, 140, 255), (57, 197, 207))
BRIGHT = ((110, 118, 129), (255, 161, 152), (86, 211, 100), (227, 179, 65), (121, 192, 255), (210, 168, 255))
THEME = TerminalTheme(
    (22, 27, 34),
    (201, 209, 217),
    [*DARK, (177, 186, 196)],
    [*BRIGHT, (86, 212, 221), (240, 246, 252)],
)
# Rich's own template loads a font from elsewhere.
SVG = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="A sweep of 5,400 points \
is run, interrupted with Ctrl-C, and run again: it does what is missing, and is whole">
<style>
.{unique_id}-matrix {{ font: {char_height}px ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace }}
{styles}
</style>
<defs>{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


class Terminal:
    """A shell in tmux, whose screen is read and which is typed into."""

    def __init__(self, folder: Path) -> None:
        """Start it in a folder, where `sweepctl` is this one."""
        self._socket = str(folder / "tmux")
        script = folder / "bin" / "sweepctl"
        script.parent.mkdir()
        script.write_text(f'#!/bin/sh\nexec {sys.executable} -c "from sweepctl.cli import main; main()" "$@"\n')
        script.chmod(0o755)
        shell = f"cd {shlex.quote(str(folder))}; PS1='{PROMPT}' PATH={script.parent}:$PATH TERM=tmux-256color exec sh"
        self._tmux("new-session", "-d", "-x", str(COLUMNS), "-y", str(LINES), shell)

    def run(self, command: str) -> None:
        """Type a command."""
        self._tmux("send-keys", "-l", command)
        self._tmux("send-keys", "Enter")

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self._tmux("send-keys", "C-c")

    def wait_for(self, pattern: str) -> None:
        """Wait until the screen has a line."""
        deadline = time.monotonic() + PATIENCE
        while not re.search(pattern, self.screen(), re.MULTILINE):
            if time.monotonic() > deadline:
                raise SystemExit(f"the screen never had {pattern}:\n{self.screen()}")
            time.sleep(0.1)

    def screen(self, *options: str) -> str:
        """Return what is on the screen."""
        return self._tmux("capture-pane", "-p", *options)

    def close(self) -> None:
        """End the shell."""
        self._tmux("kill-server")

    def _tmux(self, *words: str) -> str:
        command = ["tmux", "-S", self._socket, "-f", "/dev/null", *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main() -> None:
    """Record both."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        terminal = Terminal(folder)
        try:
            terminal.wait_for(r"^\$$")
            terminal.run("sweepctl init my-sweep && sweepctl run my-sweep/sweep.toml --run-id first")
            terminal.wait_for("sweepctl query")
            terminal.run("sweepctl report first")
            terminal.wait_for("report written")
            photograph(folder / "report.html")
            terminal.run("clear")
            terminal.wait_for(r"\A\$$")
            enlarge(folder / "my-sweep" / "sweep.toml")
            record(terminal)
        finally:
            terminal.close()


def enlarge(sweep: Path) -> None:
    """Make a sweep long enough to be interrupted."""
    text = sweep.read_text()
    text = text.replace("replications = 10 ", "replications = 300 ").replace("seconds = 10", "points = 225")
    sweep.write_text(text)


def record(terminal: Terminal) -> None:
    """Run the sweep, interrupt it, run it again, and draw the screen."""
    terminal.run(RUN)
    terminal.wait_for(r"\b[89] shards")
    terminal.interrupt()
    terminal.wait_for(r"\A(?s:.*)^\$$")
    terminal.run(RUN)
    terminal.wait_for("WHOLE")
    terminal.wait_for("sweepctl query")
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(terminal.screen("-e").rstrip().removesuffix("$").rstrip()))
    svg = console.export_svg(title="sweepctl", theme=THEME, code_format=SVG, unique_id="t")
    (FIGURES / "terminal.svg").write_text(svg)


def photograph(page: Path) -> None:
    """Take a picture of a report, from its metrics on, of one whose intervals are wide enough to be seen."""
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=CHROMIUM) as browser:
        view = browser.new_page(viewport={"width": 1100, "height": 860}, color_scheme="light", device_scale_factor=1.5)
        view.goto(page.as_uri())
        view.get_by_text("avg_time_to_match_ms", exact=True).first.click()
        place = view.get_by_role("heading", name="Metrics").bounding_box()
        if place is None:
            raise SystemExit("the report has no metrics")
        part = FloatRect(x=0, y=place["y"] + view.evaluate("scrollY") - 24, width=1100, height=545)
        view.screenshot(path=FIGURES / "report.png", full_page=True, clip=part)


if __name__ == "__main__":
    main()
