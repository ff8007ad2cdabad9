"""Writes the reference from the code: `make reference`. Of a page, only what is between its two marks is written."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from reference import answers, commands, files
from reference.markdown import formatted

from sweepctl.engine.client import Engine, find_engine

FOLDER = Path(__file__).parents[2] / "docs" / "reference"
BEGIN = "<!-- generated: `make reference` writes it; a test compares -->"
END = "<!-- end -->"


def _models() -> str:
    return files.models(Engine(find_engine(os.environ.get("SWEEPCTL_ENGINE"))).description.models)


PAGES: Mapping[str, Callable[[], str]] = {
    "commands": commands.commands_page,
    "options": commands.options_page,
    "environment": commands.environment_table,
    "exit-codes": commands.errors_table,
    "json": answers.page,
    "tables": files.columns,
    "sweep-file": files.sweep_file,
    "manifest": files.manifest,
    "models": _models,
}


def written(name: str) -> str:
    """Return a page with its generated part made again."""
    before, _, rest = (FOLDER / f"{name}.md").read_text().partition(BEGIN)
    return formatted(f"{before}{BEGIN}\n\n{PAGES[name]()}\n\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    for page in PAGES:
        (FOLDER / f"{page}.md").write_text(written(page))
