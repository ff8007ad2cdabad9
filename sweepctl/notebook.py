"""Values as notebooks show them: HTML without script, all text escaped, in the colours of the page around it."""

from collections.abc import Iterable, Sequence
from html import escape

from sweepctl.texts import plain

_TABLE = "border-collapse:collapse;margin:.4em 0;font-variant-numeric:tabular-nums"
_CELL = "padding:.2em .8em;border-bottom:1px solid rgba(128,128,128,.35);background:none;color:inherit"
_DIM = "opacity:.7;margin:.2em 0"


def shown(value: object) -> str:
    """Return a value as text: nothing as a dash, numbers with thousands separators, and floats with four digits."""
    match value:
        case None:
            return "–"
        case bool():
            return str(value).lower()
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.4g}"
    return plain(str(value))


def title(first: object, *others: object) -> str:
    """Return a line with its first part in bold."""
    rest = "".join(f", {escape(shown(each))}" for each in others)
    return f'<p style="margin:.4em 0"><b>{escape(shown(first))}</b>{rest}</p>'


def note(text: str) -> str:
    """Return a dimmed line."""
    return f'<p style="{_DIM}">{escape(shown(text))}</p>'


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table; numbers are to the right."""
    named = "".join(f'<th style="{_CELL};text-align:left">{escape(shown(name))}</th>' for name in head)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    top = f"<thead><tr>{named}</tr></thead>" if head else ""
    return f'<table style="{_TABLE}">{top}<tbody>{body}</tbody></table>'


def facts(known: Iterable[tuple[str, object]]) -> str:
    """Return a table of names and values."""
    return table((), [(name, shown(value)) for name, value in known])


def _cell(value: object) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return f'<td style="{_CELL};text-align:{"right" if is_number else "left"}">{escape(shown(value))}</td>'
