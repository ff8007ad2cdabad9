"""Tables of the page: sortable by a button in each heading, and scrollable if they are wide."""

import re
from collections.abc import Iterable, Mapping, Sequence

from sweepctl.results.analysis.points import Row
from sweepctl.spec import Value
from sweepctl.view.page.markup import Markup, element, join
from sweepctl.view.wording import shown

Cell = Value | Markup
LONG = 40  # characters; longer cells may wrap
_TAG = re.compile("<[^>]*>")


def table(
    caption: str,
    headings: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    *,
    sortable: bool = False,
    orders: Mapping[int, str] | None = None,
) -> Markup:
    """Return a table; columns of numbers are right-aligned.

    Args:
        caption: Its name for those who cannot see it.
        headings: One per column.
        rows: The cells of each row.
        sortable: Whether a script sorts it, by a button in each heading.
        orders: `ascending` or `descending`, of columns by which it is sorted already.
    """
    cells = [list(row) for row in rows]
    numbers = [all(_is_number(row[place]) for row in cells) for place in range(len(headings))]
    head = (
        _heading(text, is_number=number, sortable=sortable, order=(orders or {}).get(place))
        for place, (text, number) in enumerate(zip(headings, numbers, strict=True))
    )
    body = (
        element("tr", *(_cell(value, is_number=number) for value, number in zip(row, numbers, strict=True)))
        for row in cells
    )
    whole = element(
        "table",
        element("caption", caption, class_="hidden"),
        element("thead", element("tr", *head)),
        element("tbody", *body),
    )
    # The keyboard must be able to reach a region that scrolls.
    return element("div", whole, class_="scroll", tabindex=0, role="region", aria_label=caption)


def _is_number(value: Cell) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _heading(text: str, *, is_number: bool, sortable: bool, order: str | None) -> Markup:
    kind = "n" if is_number else None
    if not sortable:
        return element("th", text, scope="col", class_=kind, aria_sort=order)
    return element("th", element("button", text, type="button"), scope="col", class_=kind, aria_sort="none")


def _cell(value: Cell, *, is_number: bool) -> Markup:
    text = value if isinstance(value, Markup) else shown(value)
    # Most cells are numbers: they go without a class, which the largest table would have thousands of times.
    length = len(_TAG.sub("", text)) if isinstance(text, Markup) else len(text)
    return element("td", text, class_=None if is_number else "long" if length > LONG else "word")


def points_table(
    caption: str, rows: Sequence[Row], units: Mapping[str, str], metrics: Sequence[str], *, sortable: bool = False
) -> Markup:
    """Return one row per point: these metrics, its index and replicate, and the parameters that the design varies."""
    parameters = [with_unit(name, units) for name in rows[0].parameters]
    headings = [*(with_unit(name, units) for name in metrics), "point", "replicate", *parameters]
    some_failed = any(row.status != "success" for row in rows)
    return table(
        caption,
        [*headings, "status"] if some_failed else headings,
        (
            [
                *(row.metrics[name] for name in metrics),
                row.point_index,
                row.replicate,
                *row.parameters.values(),
                *([row.error_code or row.status] if some_failed else ()),
            ]
            for row in rows
        ),
        sortable=sortable,
    )


def with_unit(name: str, units: Mapping[str, str]) -> str:
    """Return a parameter or metric with its unit, if it has one."""
    unit = units.get(name)
    return f"{name} [{unit}]" if unit else name


def crossed(across: str, up: str, units: Mapping[str, str]) -> str:
    """Return the caption of a figure by two dimensions."""
    return f"{with_unit(across, units)} (horizontal), {with_unit(up, units)} (vertical)"


def definitions(pairs: Iterable[tuple[str, Value | Markup]]) -> Markup:
    """Return a description list of names and values."""
    items = (
        element("div", element("dt", name), element("dd", value if isinstance(value, Markup) else shown(value)))
        for name, value in pairs
    )
    return element("dl", join(items))
