"""Elements of HTML and SVG as text in which nothing is markup but what this module made: everything else is escaped."""

from collections.abc import Iterable
from html import escape


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


Attribute = str | int | float | bool | None
_VOID = frozenset({"meta", "input", "rect", "circle", "line", "path"})


def element(tag: str, /, *children: str, **attributes: Attribute) -> Markup:
    """Return an element; a child that is no Markup is escaped.

    An attribute's name loses its last underscore (`class_`), and others become dashes (`aria_sort`); None and False
    leave it out, True gives it without a value.
    """
    said = "".join(
        f" {_attribute(key)}" if value is True else f' {_attribute(key)}="{escape(_short(value))}"'
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if tag in _VOID and not children:
        return Markup(f"<{tag}{said}/>")
    return Markup(f"<{tag}{said}>{join(children)}</{tag}>")


def join(children: Iterable[str]) -> Markup:
    """Return markup and text one after the other."""
    return Markup("".join(child if isinstance(child, Markup) else escape(child) for child in children))


def _attribute(key: str) -> str:
    return key.removesuffix("_").replace("_", "-") if key != "viewBox" else key


def _short(value: Attribute) -> str:
    # Coordinates: a tenth of a pixel is less than anyone sees, and a page has thousands of them.
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
