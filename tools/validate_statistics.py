"""Simulates runs with known truth; writes the table of docs/statistics.md: how often intervals cover, and how wide.

Each line is an interval or an estimate of `summary`, `report` or `compare`, asked of many simulated runs. Tests hold
the same with fewer runs (tests/results/analysis).
"""

import math
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from results.analysis import test_prim as planted  # noqa: E402
from results.analysis.test_comparison import CELLS, compared  # noqa: E402
from results.analysis.test_demo import pairs  # noqa: E402
from results.analysis.test_estimators import FIRST, SHARED, TOTAL, blocks, ishigami  # noqa: E402
from results.analysis.test_morris import elementary_effects, morris_function  # noqa: E402
from results.analysis.views import cells_of, connect, grid, record_of, subject_of  # noqa: E402
from scipy.stats import qmc, rankdata  # noqa: E402

from sweepctl.results.analysis import prim  # noqa: E402
from sweepctl.results.analysis.differences import differences_by_level  # noqa: E402
from sweepctl.results.analysis.effects import means_by_level  # noqa: E402
from sweepctl.results.analysis.precision import Attained, measure  # noqa: E402
from sweepctl.results.analysis.sensitivity import estimators  # noqa: E402
from sweepctl.results.analysis.sensitivity.sample import first_order  # noqa: E402
from sweepctl.results.analysis.subject import Subject  # noqa: E402
from sweepctl.sweep.precision import Precision  # noqa: E402

Floats = NDArray[np.float64]
DOC = ROOT / "docs/statistics.md"
RUNS = 1_000
LOW, HIGH = 0.93, 0.97  # of a 95 % interval's coverage over 1,000 runs
LEAST = 0.85  # where the interval is not that of independent draws: docs/statistics.md says why
NEAR = 0.1  # of a width to that of theory
LEAST_STOPPED, LEAST_SKEWED = 0.9, 0.8  # of an interval that was waited for, with normal and with skewed noise
FEW, LEAST_FEW = 10, 0.75  # Morris' trajectories
MOST_DRAWS = 5_000
BOXES = 95  # of 100


class Row(NamedTuple):
    """One line of the table."""

    what: str
    truth: str
    measured: float
    expected: str
    passes: bool


def covers(what: str, truth: str, share: float, *, is_rough: bool = False, least: float = LEAST) -> Row:
    """Return a line about how often an interval holds the truth."""
    low, high = (least, 1.0) if is_rough else (LOW, HIGH)
    return Row(what, truth, share, f"{low:.2f} to {high:.2f}{', see below' if is_rough else ''}", low <= share <= high)


def main() -> int:
    """Measure all lines and write them; the exit code is 1 if one is out of its limits."""
    rows = list(measured())
    head = ["| estimate | truth | measured | expected |  |", "| -- | -- | -- | -- | -- |"]
    lines = [
        f"| {what} | {truth} | {share:.3f} | {expected} | {'passes' if passes else '**FAILS**'} |"
        for what, truth, share, expected, passes in rows
    ]
    start, end = "<!-- measured -->\n\n", "<!-- end -->\n"
    before, _, rest = DOC.read_text().partition(start)
    table = "\n".join([*head, *lines])
    DOC.write_text(f"{before}{start}{table}\n\n{end}{rest.partition(end)[2]}")
    print(table)
    return int(not all(row.passes for row in rows))


def measured() -> Iterator[Row]:
    """Yield all lines."""
    yield from levels()
    yield from demo()
    yield comparison()
    yield from saltelli("independent base samples", lambda run, n, k: np.random.default_rng(run).random((n, 2 * k)))
    yield from saltelli("Sobol' sequence", lambda run, n, k: qmc.Sobol(2 * k, seed=run).random(n), is_rough=True)
    yield g_function()
    yield from morris()
    yield from samples()
    yield from boxes()
    yield from stopping()


def levels() -> Iterator[Row]:
    """A noisy model: noise that all cells of a replicate share, and some of each cell's own."""
    design, shared, own, replicates = grid(a=[0, 1], b=[0, 1, 2]), 5.0, 1.0, 10
    cells, means_in, differences_in, widths = cells_of(design), 0, 0, []
    for run in range(RUNS):
        draws = np.random.default_rng(run)
        common, noise = draws.normal(0, shared, replicates), draws.normal(0, own, (2, 3, replicates))

        def function(cell: Any, r: int, common: Floats = common, noise: Floats = noise) -> Any:  # noqa: ANN401
            return {"m": float(0.1 * cell["a"] + cell["b"] + common[r] + noise[cell["a"], cell["b"], r])}

        with connect(cells, function, replicates) as connection:
            subject = subject_of(connection, design, replicates)
            found, _ = differences_by_level(connection, subject)
            (means,) = means_by_level(connection, subject, [subject.dimensions[:1]])
        (difference,), (mean,) = (found or {})[1,], means[0,]
        if difference is None or mean is None or difference.half_width is None or mean.half_width is None:
            raise AssertionError(run)
        means_in += abs(mean.mean - 1) <= mean.half_width
        differences_in += abs(difference.mean - 0.1) <= difference.half_width
        widths.append(difference.half_width / mean.half_width)
    model = "y = 0.1 a + b + noise, 10 replicates that share it"
    yield covers("mean by level", model, means_in / RUNS)
    yield covers("difference to the first level", model, differences_in / RUNS)
    theory = math.sqrt(2 * own**2 / 3 / (shared**2 + own**2 / 3))
    width = float(np.mean(widths))
    what = "its width beside that of a mean"
    yield Row(
        what, f"sqrt(2 s² / (S² + s²)) = {theory:.3f}", width, "within 0.1 of that", abs(width / theory - 1) < NEAR
    )


def demo() -> Iterator[Row]:
    """The demo's sweep: intervals of paired differences beside those of unpaired ones."""
    with tempfile.TemporaryDirectory() as folder:
        for pair in pairs(Path(folder)):
            widths = f"± {pair.paired:.4f} beside ± {pair.unpaired:.4f} unpaired"
            what = f"width of a paired difference, demo's sweep, {pair.levels}: {widths}"
            truth = f"sqrt(1 - 2 Cov / (Var a + Var b)) = {pair.theory:.3f}; correlation {pair.correlation:.3f}"
            passes = math.isclose(pair.ratio, pair.theory, rel_tol=1e-9)
            yield Row(what.replace("_", r"\_"), truth, pair.ratio, "equal to 1e-9", passes)


def comparison() -> Row:
    """Two versions of a model, the second 0.5 higher with noise of its own."""
    inside = 0
    for run in range(RUNS):
        noise = np.random.default_rng(run).normal(0, 1, 8)

        def second(cell: Any, r: int, noise: Floats = noise) -> Any:  # noqa: ANN401
            return {"m": float(0.5 + noise[r] * cell["a"])}

        (metric,) = compared(lambda _cell, _: {"m": 0.0}, second, 8).metrics
        if metric.test is None or metric.mean_difference is None:
            raise AssertionError(run)
        inside += abs(metric.mean_difference - 0.5) <= metric.test.half_width
    return covers("mean difference of two runs", f"0.5, {len(CELLS)} cells, 8 replicates", inside / RUNS)


def saltelli(base: str, sample: Callable[[int, int, int], Floats], *, is_rough: bool = False) -> Iterator[Row]:
    """Ishigami's function: Sobol' indices of 512 base samples."""
    first, total, second = np.zeros(3), np.zeros(3), 0.0
    for run in range(RUNS):
        x = (2 * sample(run, 512, 3) - 1) * math.pi
        found = estimators.sobol_indices(blocks(x[:, :3], x[:, 3:]), 3, seed=run)
        first += abs(found.first - FIRST) <= found.first_half_width
        total += abs(found.total - TOTAL) <= found.total_half_width
        if found.second is None or found.second_half_width is None:
            raise AssertionError(run)
        second += abs(found.second[0, 2] - SHARED) <= found.second_half_width[0, 2]
    for name, shares, truth in (("first", first, FIRST), ("total", total, TOTAL)):
        for place, share in enumerate(shares / RUNS):
            what = f"{name}-order index, {base}" if name == "first" else f"total index, {base}"
            yield covers(what, f"Ishigami x{place + 1}: {truth[place]:.4f}", float(share), is_rough=is_rough)
    yield covers(f"second-order index, {base}", f"Ishigami x1 x3: {SHARED:.4f}", second / RUNS, is_rough=is_rough)


def g_function() -> Row:
    """Sobol's g function with 0, 1, 4.5 and 9: the total index of the first of four."""
    a = np.array([0.0, 1.0, 4.5, 9.0])
    parts = 1 / (3 * (1 + a) ** 2)
    variance = float(np.prod(1 + parts) - 1)
    truth = float(parts[0] * np.prod(1 + parts[1:]) / variance)
    inside = 0
    for run in range(RUNS):
        first, second = np.random.default_rng(run).random((2, 512, 4))
        columns = [first, *(np.where(np.arange(4) == place, second, first) for place in range(4)), second]
        values = [np.prod((np.abs(4 * x - 2) + a) / (1 + a), axis=1) for x in columns]
        found = estimators.sobol_indices(np.column_stack(values), 4, seed=run)
        inside += abs(found.total[0] - truth) <= found.total_half_width[0]
    return covers("total index, independent base samples", f"Sobol' g x1: {truth:.4f}", inside / RUNS)


def morris() -> Iterator[Row]:
    """Morris' measures by trajectories of 4 levels; the truth is that of 200,000 trajectories."""
    chosen: list[tuple[str, Callable[[Floats], Floats], int, list[int], int]] = [
        ("Ishigami", lambda x: ishigami((2 * x - 1) * math.pi), 3, [0], 60),
        ("Morris", morris_function, 20, [0, 2, 7, 19], 60),
        ("Morris", morris_function, 20, [0, 2, 7, 19], FEW),
    ]
    for function_name, function, size, places, count in chosen:
        draws = np.random.default_rng(0)
        effects = np.vstack([elementary_effects(function, size, draws, 20_000) for _ in range(10)])
        truths = [effects.mean(axis=0), np.abs(effects).mean(axis=0), effects.std(axis=0)]
        inside = np.zeros((3, size))
        for run in range(RUNS):
            found = estimators.morris_measures(
                elementary_effects(function, size, np.random.default_rng(run + 1), count), run
            )
            inside[0] += abs(found.mu - truths[0]) <= found.mu_half_width
            inside[1] += abs(found.mu_star - truths[1]) <= found.mu_star_half_width
            inside[2] += abs(found.sigma - truths[2]) <= found.sigma_half_width
        for name, truth, shares in zip(("mu", r"mu\*", "sigma"), truths, inside / RUNS, strict=True):
            is_rough, least = count == FEW or name == "sigma", LEAST_FEW if count == FEW else LEAST
            for place in places:
                told = f"{function_name} x{place + 1}: {truth[place]:.3f}"
                what = f"{name} of {count} trajectories"
                yield covers(what, told, float(shares[place]), is_rough=is_rough, least=least)


def samples() -> Iterator[Row]:
    """Measures of one sample of independent draws."""

    def draw(run: int, cells: int) -> tuple[Floats, Floats]:
        x = np.random.default_rng(run).uniform(-math.pi, math.pi, (cells, 3))
        return x, ishigami(x)

    x, values = draw(10**6, 1_000_000)
    truth = float(estimators.partial_rank_correlations(rankdata(x, axis=0), rankdata(values))[0][0])
    ranked, fast, below = 0, 0, 0
    for run in range(RUNS):
        x, values = draw(run, 1_000)
        found, width = estimators.partial_rank_correlations(rankdata(x, axis=0), rankdata(values))
        ranked += abs(found[0] - truth) <= width[0]
        ranks = rankdata(x, "dense", axis=0).astype(int)
        _, index, half = first_order(ranks[:, 0], values)
        fast += abs(index - FIRST[0]) <= half
        noise = np.random.default_rng(run + 10**7).random(1_000)
        result = estimators.pawn(ranks[:, :1], noise, run)
        below += bool(result.index[0] <= result.by_chance)
    yield covers("partial rank correlation, 1,000 cells", f"Ishigami x1: {truth:.4f}", ranked / RUNS, is_rough=True)
    yield covers(
        "first-order index by RBD-FAST, 1,000 cells", f"Ishigami x1: {FIRST[0]:.4f}", fast / RUNS, is_rough=True
    )
    yield covers("PAWN below what chance makes, 1,000 cells", "no influence", below / RUNS)


def boxes() -> Iterator[Row]:
    """PRIM's boxes of samples in which one is planted."""
    found = 0
    for seed in range(100):
        columns, sample = planted.noisy(seed, [planted.PLANTED])
        box = prim.find(sample)
        found += box is not None and planted.is_close(planted.limits_of(columns, box[0]), planted.PLANTED)
    what = "box found: its limits within 0.05, no other dimension"
    yield Row(what, "planted in 1,000 points, 90 % inside, 10 % outside", found / 100, "0.95 or more", found >= BOXES)


def stopping() -> Iterator[Row]:
    """Replications by precision: the interval of a mean of 1 at the round that is precise enough."""
    for name, lowest in (("normal", LEAST_STOPPED), ("exponential", LEAST_SKEWED)):
        wanted: list[tuple[float | str, int]] = [(0.5, 5), (0.5, 10), (0.5, 30), (0.2, 10), ("20%", 10)]
        for half_width, least in wanted:
            inside, replications = stopped(name, half_width, least)
            what = f"mean at the stop, {name} noise, min {least}"
            truth = f"1, standard deviation 1; wanted ± {half_width}, {replications:.0f} replications on average"
            yield covers(what, truth, inside, is_rough=True, least=lowest)


def stopped(name: str, half_width: float | str, least: int) -> tuple[float, float]:
    """Return how often the interval holds the truth, and the mean number of replications."""
    wanted = Precision.model_validate({"min": least, "max": 100_000, "metric": "m", "half_width": half_width})
    cells = cells_of(grid(a=[0]))
    inside, replications = 0, 0
    with connect(cells, lambda *_: {"m": 0.0}) as connection:
        subject = subject_of(connection, grid(a=[0]), 1, "m")
        for run in range(RUNS):
            draws = np.random.default_rng(run)
            values = draws.normal(1, 1, MOST_DRAWS) if name == "normal" else draws.exponential(1, MOST_DRAWS)
            number, found = least, None
            while found is None or not found.is_enough:
                number = number if found is None else wanted.after(number, found.ratio)
                found = measured_round(connection, subject, values[:number], wanted)
            if found.widest is None:
                raise AssertionError(run)
            inside += abs(found.widest.mean - 1) <= found.widest.half_width
            replications += number
    return inside / RUNS, replications / RUNS


def measured_round(connection: Any, subject: Subject, values: Floats, wanted: Precision) -> Attained:  # noqa: ANN401
    """Return what a round with these values has attained."""
    number = len(values)
    columns = {"point_index": np.arange(number), "replicate": np.arange(number), "m": values}
    connection.register("point_outcomes", pa.table({**columns, "status": ["success"] * number}))
    return measure(connection, replace(subject, record=record_of(grid(a=[0]), number)), wanted)


if __name__ == "__main__":
    sys.exit(main())
