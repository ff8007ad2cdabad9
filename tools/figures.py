"""Draws the figures of docs/validation.md: simulated points on theoretical curves.

Points and constants come from the Rust tests. The curves are computed here, independently of the tests, with SciPy.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.special import gammaln
from scipy.stats import poisson

Points = Iterable[dict[str, Any]]
Curve = NDArray[np.float64]
Constants = dict[str, float]

# The constants that the Rust tests print with the points.
CONSTANTS = ("servers", "kappa", "goose_drivers", "goose_trip", "staffing_trip")
# Equal points give equal bytes.
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "sweepctl",
    "svg.fonttype": "none",
    "font.size": 10,
    "axes.grid": True,
    "grid.alpha": 0.3,
}


def draw(points: Points, constants: Constants, folder: Path) -> None:
    """Write every figure as SVG to the folder; each point has `figure`, `series`, `x`, `y` and `error`."""
    by_figure: dict[str, list[dict[str, Any]]] = {}
    for point in points:
        by_figure.setdefault(point["figure"], []).append(point)
    folder.mkdir(exist_ok=True)
    with mpl.rc_context(STYLE):
        for name, theory in FIGURES.items():
            figure = Figure(figsize=(7, 4.2), layout="constrained")
            axes = figure.subplots()
            theory(axes, constants)
            simulated(axes, by_figure[name])
            axes.legend(fontsize="small")
            figure.savefig(folder / f"{name}.svg", metadata={"Date": None})


def simulated(axes: Axes, points: Points) -> None:
    """Add the points with bars of three standard errors, mostly smaller than the marks."""
    series: dict[str, list[tuple[float, float, float]]] = {}
    for point in points:
        series.setdefault(point["series"], []).append((point["x"], point["y"], point["error"]))
    for (name, values), mark in zip(series.items(), "osD^", strict=False):
        x, y, error = np.array(sorted(values)).T
        axes.errorbar(x, y, 3 * error, fmt=mark, markersize=5, markerfacecolor="none", label=f"simulated: {name}")


def erlang(axes: Axes, constants: Constants) -> None:
    """Draw Erlang's B, C and A."""
    servers = constants["servers"]
    load = np.linspace(9, 26, 200)
    lost = erlang_b(load, servers)
    stable = load < servers - 0.1
    waits = servers * lost / (servers - load * (1 - lost))
    axes.plot(load[stable], waits[stable], "k-", linewidth=1, label="Erlang C: share who wait")
    axes.plot(load, lost, "k--", linewidth=1, label="Erlang B: share lost")
    axes.plot(
        load, erlang_a(load, servers), "k:", linewidth=1, label="Erlang A: share who abandon, patience two services"
    )
    axes.set(xlabel=f"offered load, of {servers:.0f} drivers", ylabel="share of riders", title="Erlang limits")


def erlang_b(load: Curve, servers: float) -> Curve:
    """Return the share of riders lost: the last term of a truncated Poisson distribution."""
    return np.asarray(poisson.pmf(servers, load) / poisson.cdf(servers, load))


def erlang_a(load: Curve, servers: float, impatience: float = 0.5) -> Curve:
    """Return the share who abandon, of the birth-death process: queue length x impatience rate / arrival rate."""
    number = np.arange(1, 2_000)
    deaths = np.minimum(number, servers) + impatience * np.maximum(number - servers, 0)
    weights = np.exp(np.cumsum(np.log(load[:, None]) - np.log(deaths), axis=1))
    queue = (weights * np.maximum(number - servers, 0)).sum(axis=1) / (1 + weights.sum(axis=1))
    return np.asarray(impatience * queue / load)


def pickup(axes: Axes, constants: Constants) -> None:
    """Draw the law of the nearest of n on a unit torus."""
    n = np.geomspace(9, 1_100, 200)
    axes.loglog(n, 0.5 * np.exp(gammaln(n + 1) - gammaln(n + 1.5)), "k-", linewidth=1, label="Γ(n + 1) / 2Γ(n + 3/2)")
    axes.loglog(n, constants["kappa"] / np.sqrt(n), "k:", linewidth=1, label="0.5 / √n")
    axes.set(xlabel="idle drivers", ylabel="mean distance to the nearest", title="Pickup law on a unit torus")


def goose_chase(axes: Axes, constants: Constants) -> None:
    """Draw the throughput over idle drivers."""
    idle = np.linspace(4, 420, 500)
    drivers, trip = constants["goose_drivers"], constants["goose_trip"]
    line = (drivers - idle) / (trip + constants["kappa"] / np.sqrt(idle))
    axes.plot(idle, line, "k-", linewidth=1, label="L = O + Y (T + 0.5 / √O)")
    title = f"Wild goose chase: {drivers:.0f} drivers, trips of {trip}"
    axes.set(xlabel="idle drivers O", ylabel="throughput Y", title=title, ylim=(0, None))


def staffing(axes: Axes, constants: Constants) -> None:
    """Draw the fewest drivers beyond the load."""
    load = np.geomspace(300, 9_000, 100)
    # The least of O + Y kappa / sqrt(O), which is where O = (Y kappa / 2) ^ (2/3).
    fewest = 3 * (load / constants["staffing_trip"] * constants["kappa"] / 2) ** (2 / 3)
    axes.loglog(load, fewest, "k-", linewidth=1, label="3 (Yκ / 2)^(2/3)")
    axes.set(xlabel="load: drivers on trips", ylabel="drivers beyond the load", title="Staffing")


FIGURES: dict[str, Callable[[Axes, Constants], None]] = {
    "erlang": erlang,
    "pickup": pickup,
    "goose-chase": goose_chase,
    "staffing": staffing,
}
