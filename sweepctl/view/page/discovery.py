"""The part of the page about the boxes in which a condition holds."""

from collections.abc import Mapping, Sequence
from itertools import combinations

from sweepctl.results.analysis.discovery import MOST_DRAWN, Box, Discovery
from sweepctl.results.analysis.subject import Dimension
from sweepctl.view.discovery import P_VALUE, TERMS, held, title, used
from sweepctl.view.page.markup import Markup, element
from sweepctl.view.page.scatter import scatter
from sweepctl.view.page.tables import Cell, crossed, table, with_unit
from sweepctl.view.wording import chance, limits, sentence, share

PAIRED = 3  # dimensions of a box whose pairs have a figure each


def section(discovery: Discovery, dimensions: Sequence[Dimension], units: Mapping[str, str]) -> Markup:
    """Return where the condition holds: how often, then each box with a plot of pairs."""
    parts = [element("p", sentence(f"the condition {held(discovery)}"))]
    if discovery.used < discovery.points:
        parts.append(element("p", sentence(used(discovery)), class_="warning"))
    parts += [_box(discovery, place, box, dimensions, units) for place, box in enumerate(discovery.boxes, 1)]
    if discovery.why_not:
        parts.append(element("p", sentence(discovery.why_not), class_="note"))
    if discovery.boxes:
        parts.append(element("p", f"{sentence(TERMS)} {P_VALUE}.", class_="note"))
    return element("section", element("h2", f"Where {discovery.where}"), *parts)


def _box(
    discovery: Discovery, place: int, box: Box, dimensions: Sequence[Dimension], units: Mapping[str, str]
) -> Markup:
    rows: list[list[Cell]] = [
        [with_unit(each.dimension, units), limits(each.low, each.high, each.values), chance(each.p_value)]
        for each in box.restrictions
    ]
    steps: list[list[Cell]] = [
        [
            step.points,
            share(step.coverage),
            share(step.density),
            share(step.mass),
            f"{', '.join(step.restricted) or 'none'}{' ← the box, before pasting' * step.is_chosen}",
        ]
        for step in box.trajectory
    ]
    headings = ["points", "coverage", "density", "mass", "restricted dimensions"]
    peeled = table(f"Peeling of box {place}", headings, steps)
    return element(
        "div",
        element("h3", title(place, box).capitalize()),
        table(f"Limits of box {place}", ["dimension", "in the box", "p"], rows),
        _pairs(discovery, place, box, dimensions, units),
        element("details", element("summary", "Peeling, step by step"), peeled),
    )


def _pairs(
    discovery: Discovery, place: int, box: Box, dimensions: Sequence[Dimension], units: Mapping[str, str]
) -> Markup:
    by_name = {dimension.name: dimension for dimension in dimensions}
    # A box that restricts one dimension is drawn over another one, too.
    names = [each.dimension for each in box.restrictions][:PAIRED]
    names += [name for name in by_name if name not in names][: max(0, 2 - len(names))]
    figures = [
        element(
            "figure",
            element("figcaption", crossed(a, b, units)),
            scatter(discovery.where, box, by_name[a], by_name[b]),
        )
        for a, b in combinations(names, 2)
    ]
    if not figures:
        return Markup()
    drawn = f"{len(box.drawn_met):,} points{' in no earlier box' * (place > 1)}"
    note = (
        "Large dots: the condition holds; small grey ones: it does not. The outline is the box. "
        f"Drawn: {drawn}, at most {MOST_DRAWN:,}, selected pseudo-randomly; those of one level are spread around it."
    )
    return element("div", element("p", note, class_="note"), element("div", *figures, class_="maps"))
