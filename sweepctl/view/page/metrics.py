"""The metrics part of the page: one panel per metric, of which the reader chooses one; print shows all."""

from collections.abc import Mapping, Sequence

from sweepctl.results.analysis.differences import how_compared, independent, left_out
from sweepctl.results.analysis.effects import UNBALANCED
from sweepctl.results.analysis.overview import Overview, Pair, largest
from sweepctl.results.analysis.quantiles import QuantilesByLevel
from sweepctl.results.analysis.sensitivity.indices import Sensitivity
from sweepctl.results.analysis.subject import Subject
from sweepctl.results.analysis.summary import MetricSummary
from sweepctl.view.page import plots
from sweepctl.view.page.axes import cut, label
from sweepctl.view.page.heat_map import heat_map
from sweepctl.view.page.markup import Markup, element, join
from sweepctl.view.page.parallel import parallel
from sweepctl.view.page.strips import NOTE, quantile_scale, strips
from sweepctl.view.page.tables import crossed, definitions, points_table, table, with_unit
from sweepctl.view.wording import counted, sentence, shown


def section(overview: Overview, units: Mapping[str, str]) -> Markup:
    """Return all panels, and the control to choose one."""
    subject, metrics = overview.summary.subject, overview.summary.metrics
    if not subject.succeeded or not metrics:
        return element(
            "section", element("h2", "Metrics"), element("p", "No point has succeeded: there are no metrics.")
        )
    choices = (
        element(
            "label",
            element("input", type="radio", name="metric", value=metric.name, checked=place == 0),
            element("span", metric.name),
        )
        for place, metric in enumerate(metrics)
    )
    panels = (
        _panel(subject, metric, quantiles, pairs, units)
        for metric, quantiles, pairs in zip(metrics, overview.quantiles, overview.pairs, strict=True)
    )
    chooser = element("fieldset", element("legend", "Metric", class_="hidden"), *choices, class_="choice")
    return element(
        "section",
        element("h2", "Metrics"),
        element("p", subject.warning, class_="warning") if subject.warning else "",
        chooser if len(metrics) > 1 else "",
        *panels,
        _others(subject),
    )


def _others(subject: Subject) -> Markup:
    if not subject.other_metrics:
        return Markup()
    names = ", ".join(subject.other_metrics)
    return element("p", f"Not shown; choose them with sweepctl report --metric: {names}.", class_="note")


def _panel(
    subject: Subject,
    metric: MetricSummary,
    quantiles: Mapping[str, QuantilesByLevel],
    pairs: Sequence[Pair],
    units: Mapping[str, str],
) -> Markup:
    name = with_unit(metric.name, units)
    parts = [
        means(subject, metric, units),
        _differences(subject, metric, units),
        _strips(subject, metric, quantiles, units),
        _indices(metric.name, metric.sensitivity),
    ]
    if pairs:
        drawn = (_figure(crossed(a.name, b.name, units), heat_map(name, a, b, found)) for a, b, found in pairs)
        parts += [
            element("h4", "Pairs of dimensions"),
            element("p", "Means over all other dimensions, for the dimensions whose means differ most.", class_="note"),
            element("div", *drawn, class_="maps"),
        ]
    return element("article", *parts, *_ends(subject, metric, units), data_metric=metric.name)


def means(subject: Subject, metric: MetricSummary, units: Mapping[str, str]) -> Markup:
    """Return a metric's distribution, and its means by level with their intervals."""
    name, spread = with_unit(metric.name, units), metric.distribution
    missing = f", {spread.missing:,} without" if spread.missing else ""
    facts = definitions(
        [
            ("mean", spread.mean),
            ("standard deviation", spread.deviation),
            ("lowest", spread.minimum),
            ("highest", spread.maximum),
            ("points with a value", f"{spread.points:,}{missing}"),
        ]
    )
    warning = element("p", metric.warning, class_="warning") if metric.warning else ""
    return join((element("h3", name), facts, warning, _effects(subject, metric, name, units)))


def _ends(subject: Subject, metric: MetricSummary, units: Mapping[str, str]) -> list[Markup]:
    """Return the lowest and the highest points: as lines over the dimensions that matter most, and as tables."""
    if not metric.lowest:
        return []
    dimensions = [dimension for dimension, _ in largest(metric, len(subject.metrics))]
    parts = [element("h4", "Lowest and highest points")]
    if dimensions:
        note = "One line for each point. Points of one level are spread around it."
        figure = element("figure", parallel(metric, dimensions, units), class_="wide")
        parts += [element("p", note, class_="note"), figure]
    for title, rows in (("Lowest", metric.lowest), ("Highest", metric.highest)):
        parts += [element("h4", f"{title} {metric.name}"), points_table(title, rows, units, [metric.name])]
    return parts


def _effects(subject: Subject, metric: MetricSummary, name: str, units: Mapping[str, str]) -> Markup:
    figures, drawn = [], largest(metric, len(subject.metrics))
    if metric.distribution.counts:
        figures.append(_figure("Distribution: points by value", plots.histogram(name, metric.distribution)))
    ends = plots.effect_range([found for _, found in metric.effects])
    figures += [
        _figure(
            f"by {with_unit(dimension.name, units)}",
            plots.effect(metric.name, dimension, found, ends, metric.distribution.mean or 0.0),
        )
        for dimension, found in drawn
    ]
    return element(
        "div",
        element("h4", "Distribution and means by level"),
        element("p", f"{_interval(subject)}{_left_out(metric, len(drawn))}", class_="note"),
        element("p", left, class_="note") if (left := left_out(subject)) else "",
        "" if metric.balanced else element("p", UNBALANCED, class_="note"),
        element("div", *figures, class_="figures"),
    )


def _differences(subject: Subject, metric: MetricSummary, units: Mapping[str, str]) -> Markup:
    """Return the figures of the differences between levels; without replicates they would repeat those of the means."""
    drawn = [
        (dimension, metric.differences[dimension.name])
        for dimension, _ in largest(metric, len(subject.metrics))
        if dimension.name in metric.differences
    ]
    by_chance = independent(subject)
    if by_chance is None or not drawn:
        return Markup()
    compared = how_compared(subject, [dimension.name for dimension, _ in drawn])
    ends = plots.effect_range([found for _, found in drawn])
    figures = (
        _figure(
            f"by {with_unit(dimension.name, units)}, less {cut(label(dimension.levels[dimension.base]), 24)}",
            plots.effect(f"difference of {metric.name}", dimension, plots.with_base(dimension, found), ends, 0.0),
        )
        for dimension, found in drawn
    )
    return element(
        "div",
        element("h4", "Differences to the level that the design lists first"),
        element(
            "p",
            f"{sentence(compared)} Both sides share their random numbers. Bars are 95 % intervals over "
            f"{by_chance.name}. An interval that does not meet the dashed line is a difference that chance does not "
            "explain. To compare levels, use these and not the means above.",
            class_="note",
        ),
        element("div", *figures, class_="figures"),
    )


def _strips(
    subject: Subject, metric: MetricSummary, quantiles: Mapping[str, QuantilesByLevel], units: Mapping[str, str]
) -> Markup:
    drawn = [dimension for dimension, _ in largest(metric, len(subject.metrics))]
    if not drawn or not metric.distribution.points:
        return Markup()
    y = quantile_scale(quantiles[dimension.name] for dimension in drawn)
    figures = (
        _figure(f"by {with_unit(dimension.name, units)}", strips(metric.name, dimension, quantiles[dimension.name], y))
        for dimension in drawn
    )
    return element(
        "div",
        element("h4", "Distribution by level"),
        element("p", NOTE, class_="note"),
        element("div", *figures, class_="figures"),
    )


def _left_out(metric: MetricSummary, drawn: int) -> str:
    of = len(metric.effects)
    return f" Shown are the {drawn} of {of} dimensions whose means differ most." if drawn < of else ""


def _interval(subject: Subject) -> str:
    if subject.replications == 1:
        return "One replicate: no intervals. The dashed line is the mean over all points."
    of = (
        "replicates"
        if subject.replicate_batches == subject.replications
        else f"{subject.replicate_batches} batches of replicates"
    )
    return f"Bars are 95 % intervals over {of}. The dashed line is the mean over all points."


def _indices(name: str, sensitivity: Sensitivity) -> Markup:
    why_not = element("p", sentence(sensitivity.why_not), class_="note") if sensitivity.why_not else ""
    if sensitivity.effects:
        return element("div", element("h4", "Sensitivity"), why_not, _elementary_effects(sensitivity))
    if not sensitivity.indices:
        return element("div", element("h4", "Sensitivity"), why_not)
    has_totals = any(index.total is not None for index in sensitivity.indices)
    method = f"{sensitivity.method}, {counted('cells', sensitivity.cells)}"
    bar = "Bar: share of the variance explained by a dimension alone (first-order Sobol index)"
    outline = "; outline: including its interactions (total index)" if has_totals else ""
    return element(
        "div",
        element("h4", "Sensitivity"),
        element("p", f"{bar}{outline}. {sentence(method)}", class_="note"),
        element("figure", plots.indices(name, sensitivity), class_="wide"),
        why_not,
        _pairs_of_indices(sensitivity),
        _influences(sensitivity),
    )


def _elementary_effects(sensitivity: Sensitivity) -> Markup:
    note = (
        "What a change of the dimension over its whole range would make, by single steps at random places (Morris). "
        "mu*: mean size; mu: mean with its sign; a large sigma means that the effect depends on the place: it is "
        f"nonlinear, or the dimension interacts with others. {counted('cells', sensitivity.cells)}."
    )
    rows: list[Sequence[str]] = [
        [
            each.dimension,
            _plus_minus(each.mu_star, each.half_width),
            _plus_minus(each.mu, each.mu_half_width),
            _plus_minus(each.sigma, each.sigma_half_width),
        ]
        for each in sensitivity.effects
    ]
    return element(
        "div",
        element("p", note, class_="note"),
        table("Elementary effects", ["dimension", "mu*", "mu", "sigma"], rows),
    )


def _pairs_of_indices(sensitivity: Sensitivity) -> Markup:
    if not sensitivity.pairs:
        return Markup()
    rows = (
        [" and ".join(pair.dimensions), _plus_minus(pair.second_order, pair.half_width)]
        for pair in sensitivity.surest_pairs
    )
    return table("Shares of the variance that only two dimensions together explain", ["both", "second order"], rows)


def _influences(sensitivity: Sensitivity) -> Markup:
    if not sensitivity.influences:
        return Markup()
    note = (
        "PAWN: how far a dimension moves the whole distribution of the metric, from 0 to 1; up to "
        f"{sensitivity.pawn_by_chance:.3f} may be chance. Rank correlation: how steadily the metric rises (1) or falls "
        "(-1) with a dimension while all others are held."
    )
    rows: list[Sequence[str]] = [
        [
            each.dimension,
            _plus_minus(each.pawn, each.pawn_half_width),
            "–" if each.rank_correlation is None else _plus_minus(each.rank_correlation, each.rank_half_width or 0.0),
        ]
        for each in sensitivity.influences
    ]
    return element(
        "div",
        element("p", note, class_="note"),
        table("Influence without variance", ["dimension", "PAWN", "rank correlation"], rows),
    )


def _plus_minus(value: float, half_width: float) -> str:
    return f"{shown(value)} ± {shown(half_width)}"


def _figure(caption: str, drawing: Markup) -> Markup:
    return element("figure", element("figcaption", caption), drawing)
