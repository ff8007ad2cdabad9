"""HTML and SVG elements as text; everything that this module did not make is escaped."""

from collections.abc import Iterable
from html import escape

from sweepctl.texts import plain


class Markup(str):
    """Text that is already markup, and is not escaped again."""

    __slots__ = ()


Attribute = str | int | float | bool | None
_VOID = frozenset({"meta", "input", "rect", "circle", "line", "path"})


def element(tag: str, /, *children: str, **attributes: Attribute) -> Markup:
    """Return an element; children that are not Markup are escaped.

    In an attribute's name, a trailing underscore is dropped (`class_`) and others become dashes (`aria_sort`). None and
    False omit the attribute; True writes it without a value.
    """
    text = "".join(
        f" {_attribute(key)}" if value is True else f' {_attribute(key)}="{_escaped(_short(value))}"'
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if tag in _VOID and not children:
        return Markup(f"<{tag}{text}/>")
    return Markup(f"<{tag}{text}>{join(children)}</{tag}>")


def join(children: Iterable[str]) -> Markup:
    """Return the concatenation of markup and escaped text."""
    return Markup("".join(child if isinstance(child, Markup) else _escaped(child) for child in children))


def _escaped(text: str) -> str:
    return escape(plain(text))


def _attribute(key: str) -> str:
    return key.removesuffix("_").replace("_", "-") if key != "viewBox" else key


def _short(value: Attribute) -> str:
    # Coordinates: a tenth of a pixel is less than anyone sees, and a page has thousands of them.
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
