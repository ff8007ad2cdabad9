"""Markdown as this project's formatter leaves it."""

import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path

import mdformat

SETTINGS = Path(__file__).parents[2] / ".mdformat.toml"


def formatted(text: str) -> str:
    """Return a page as `make format` would leave it."""
    return mdformat.text(text, options=tomllib.loads(SETTINGS.read_text()), extensions={"gfm", "tables"})


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; a bar in a cell is no border."""
    lines = [head, ["--"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines) + "\n"


def code(text: object) -> str:
    """Return a text as code."""
    return f"`{text}`"


def codes(texts: Iterable[object]) -> str:
    """Return texts as code, in a row."""
    return ", ".join(map(code, texts))
