"""Two runs compared, against their definition written out in Python and against known truth."""

import math
import random
from collections.abc import Collection, Mapping
from dataclasses import replace
from statistics import fmean, stdev
from typing import Any

import pytest
from results.analysis.views import Function, cells_of, connect_runs, grid, record_of
from scipy.stats import ttest_1samp

from sweepctl.design import DESIGN as DESIGN_OF
from sweepctl.errors import UsageError
from sweepctl.results.analysis.comparison import Comparison, compare
from sweepctl.spec import Value

DESIGN = grid(a=[1, 2, 4], b=["x", "y"])
CELLS = cells_of(DESIGN)
UNIFORM = {"uniform": {"low": 0.0, "high": 1.0}}
DRAWN = {"kind": "random", "samples": 40, "dimensions": dict.fromkeys("ab", UNIFORM)}
NOISE = [random.Random(seed).gauss(0, 1) for seed in range(4_000)]


def compared(
    first: Function,
    second: Function,
    replications: int = 1,
    cells: tuple[list[dict[str, Value]], list[dict[str, Value]]] = (CELLS, CELLS),
    *,
    is_sample: bool = False,
    metrics: tuple[str, ...] = (),
) -> Comparison:
    """Compare the runs `old` and `new` of two functions."""
    runs = {"old": (cells[0], first), "new": (cells[1], second)}
    old, new = (replace(record_of(DESIGN, replications), run_id=run_id) for run_id in runs)
    old, new = (
        replace(run, total_points=len(each) * replications) for run, each in zip((old, new), cells, strict=True)
    )
    with connect_runs(runs, replications) as connection:
        space = DESIGN_OF.validate_python(DRAWN if is_sample else DESIGN)
        return compare(connection, old, new, space, metrics=metrics, top=3)


def value(cell: Mapping[str, Any], replicate: int) -> float:
    return float(cell["a"] * 10 + 5 * (cell["b"] == "y") + NOISE[replicate] * cell["a"])


def test_a_run_is_equal_to_its_copy_to_the_bit() -> None:
    found = compared(lambda cell, r: {"m": value(cell, r)}, lambda cell, r: {"m": value(cell, r)}, 3)
    assert found.is_exact
    (metric,) = found.metrics
    assert (metric.points, metric.equal, metric.mean_difference, metric.test, metric.largest) == (18, 18, 0, None, ())


def test_a_single_bit_of_one_point_is_found() -> None:
    def changed(cell: Mapping[str, Any], replicate: int) -> dict[str, Value]:
        found = value(cell, replicate)
        return {"m": math.nextafter(found, math.inf) if (cell["a"], cell["b"], replicate) == (2, "y", 1) else found}

    found = compared(lambda cell, r: {"m": value(cell, r)}, changed, 3)
    (metric,) = found.metrics
    assert not found.is_exact
    assert metric.differing == 1
    (point,) = metric.largest
    assert (point.first_index, point.second_index, point.replicate) == (10, 10, 1)
    assert point.parameters == {"a": 2, "b": "y"}
    assert point.second == math.nextafter(point.first, math.inf)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("first", "second"),
    [(0.0, -0.0), (None, 1.5), (1.5, None), ("x", "y"), (True, False), (2**62, 2**62 + 1), ("x", None)],
)
def test_any_other_value_differs(first: Value, second: Value) -> None:
    found = compared(lambda _cell, _: {"m": first, "n": 1}, lambda _cell, _: {"m": second, "n": 1})
    by_name = {metric.name: metric for metric in found.metrics}
    assert by_name["m"].differing == len(CELLS)
    assert by_name["n"].differing == 0
    assert [point.first_index for point in by_name["m"].largest] == [0, 1, 2]


def test_points_without_a_value_in_both_runs_are_equal() -> None:
    found = compared(
        lambda cell, _: {"m": None if cell["a"] == 1 else 2.5}, lambda cell, _: {"m": None if cell["a"] == 1 else 2.5}
    )
    assert found.is_exact


def test_points_are_matched_by_parameters_and_replicate_whatever_their_order() -> None:
    more: list[dict[str, Value]] = [*reversed(CELLS), {"a": 9, "b": "x"}]
    found = compared(lambda cell, r: {"m": value(cell, r)}, lambda cell, r: {"m": value(cell, r)}, 2, (CELLS, more))
    assert (found.pairing.counts.common, found.pairing.only_first, found.pairing.only_second) == (12, 0, 2)
    assert not any(metric.differing for metric in found.metrics)
    assert not found.is_exact


def test_repeated_cells_are_compared_once() -> None:
    found = compared(
        lambda cell, r: {"m": value(cell, r)}, lambda cell, r: {"m": value(cell, r)}, 1, (CELLS * 2, CELLS * 3)
    )
    assert (found.pairing.counts.common, found.pairing.only_first, found.pairing.only_second) == (6, 0, 0)
    assert ["6 points repeat" in note or "12 points repeat" in note for note in found.pairing.notes] == [True, True]


def test_failures_that_came_went_or_changed_are_counted() -> None:
    first = {(1, "x"): "bad", (2, "x"): "bad", (4, "x"): "bad"}
    second = {(1, "x"): "bad", (2, "x"): "worse", (1, "y"): "bad"}

    def failing(codes: Mapping[tuple[int, str], str]) -> Function:
        return lambda cell, _: codes.get((cell["a"], cell["b"]), {"m": 1.0})

    found = compared(failing(first), failing(second)).pairing.counts
    assert (found.both_failed, found.failed_differently, found.failures_came, found.failures_went) == (2, 1, 1, 1)


def test_the_test_is_students_over_the_means_of_replicates() -> None:
    def shifted(cell: Mapping[str, Any], replicate: int) -> dict[str, Value]:
        return {"m": value(cell, replicate) + 0.1 + 0.3 * NOISE[replicate + 50]}

    (metric,) = compared(lambda cell, r: {"m": value(cell, r)}, shifted, 6).metrics
    differences = [0.1 + 0.3 * NOISE[replicate + 50] for replicate in range(6)]
    expected = ttest_1samp(differences, 0)
    assert metric.mean_difference == pytest.approx(fmean(differences))
    assert metric.test is not None
    assert (metric.test.over, metric.test.pairs) == ("replicates", 6)
    assert metric.test.p_value == pytest.approx(expected.pvalue)
    low, high = expected.confidence_interval(0.95)
    assert metric.test.half_width == pytest.approx((high - low) / 2, rel=1e-4)
    points = [value(cell, replicate) for cell in CELLS for replicate in range(6)]
    assert metric.effect_size == pytest.approx(fmean(differences) / stdev(points))
    assert metric.first_mean == pytest.approx(fmean(points))
    assert metric.largest_difference == pytest.approx(max(map(abs, differences)))


def test_one_replicate_of_a_sample_is_tested_over_its_cells_and_one_of_a_grid_not_at_all() -> None:
    cells: list[dict[str, Value]] = [{"a": index, "b": "x"} for index in range(40)]

    def noisy(cell: Mapping[str, Any], _: int) -> dict[str, Value]:
        return {"m": NOISE[cell["a"]]}

    both = (cells, cells)
    (metric,) = compared(lambda _cell, _: {"m": 0.0}, noisy, 1, both, is_sample=True).metrics
    assert metric.test is not None
    assert (metric.test.over, metric.test.pairs) == ("cells", 40)
    assert metric.test.p_value == pytest.approx(ttest_1samp(NOISE[:40], 0).pvalue)
    (metric,) = compared(lambda _cell, _: {"m": 0.0}, noisy, 1, both).metrics
    assert metric.test is None


@pytest.mark.slow
def test_intervals_of_a_difference_that_is_known_cover_it_in_95_of_100_samples() -> None:
    """Noise is shared by all cells of a replicate, as it is with common random numbers.

    Each sample is a metric, which is compared by its own values alone. A true coverage of 95 % is outside the bounds in
    5 of 100 sets of 400 samples, and one of 90 % within them in 2 of 100; these samples are the same each time.
    """
    covered, samples, at_once = 0, 400, 25  # of more metrics at once each takes longer
    for start in range(0, samples, at_once):
        noise = {
            f"m{sample}": [random.Random(f"{sample} {replicate}").gauss(0, 1) for replicate in range(8)]
            for sample in range(start, start + at_once)
        }

        def first(cell: Mapping[str, Any], replicate: int, names: Collection[str] = noise) -> dict[str, Value]:
            return dict.fromkeys(names, value(cell, replicate))

        def second(
            cell: Mapping[str, Any], replicate: int, noise: Mapping[str, list[float]] = noise
        ) -> dict[str, Value]:
            return {name: value(cell, replicate) + 0.5 + each[replicate] * cell["a"] for name, each in noise.items()}

        found = compared(first, second, 8).metrics
        assert len(found) == at_once
        for metric in found:
            assert metric.test is not None
            assert metric.mean_difference is not None
            covered += abs(metric.mean_difference - 0.5) <= metric.test.half_width
    assert 0.93 <= covered / samples <= 0.97


def test_bad_questions_are_refused() -> None:
    def one(_cell: Mapping[str, Any], _: int) -> dict[str, Value]:
        return {"mean_wait": 1.0}

    with pytest.raises(UsageError, match="no metric 'mean_wai'") as told:
        compared(one, one, metrics=("mean_wai",))
    assert told.value.remedy == "Did you mean `mean_wait`?"
    run = record_of(DESIGN, 1)
    other = replace(run, run_id="other", spec_json=run.spec_json.replace('"toy"', '"another"'))
    with connect_runs({"r": (CELLS, one)}) as connection:
        space = DESIGN_OF.validate_python(DESIGN)
        assert compare(connection, run, run, space).is_exact
        with pytest.raises(UsageError, match="run r is of model toy, run other of another"):
            compare(connection, run, other, space)


def test_a_parameter_that_one_version_lacks_may_have_one_value_only() -> None:
    def one(_cell: Mapping[str, Any], _: int) -> dict[str, Value]:
        return {"m": 1.0}

    cells: list[dict[str, Value]] = [{**cell, "new": 3} for cell in CELLS]
    found = compared(one, one, 1, (CELLS, cells)).pairing
    assert found.counts.common == len(CELLS)
    assert any("Only run new has the parameter new" in note for note in found.notes)
    with pytest.raises(UsageError, match="'new' varies in run new"):
        compared(one, one, 1, (CELLS, [{**cell, "new": place} for place, cell in enumerate(CELLS)]))


def test_runs_without_a_common_point_say_what_keeps_them_apart() -> None:
    def one(_cell: Mapping[str, Any], _: int) -> dict[str, Value]:
        return {"m": 1.0}

    cells: tuple[list[dict[str, Value]], list[dict[str, Value]]] = ([{"a": 1, "b": "x"}], [{"a": 1, "b": "y"}])
    found = compared(one, one, 1, cells)
    assert found.pairing.counts.common == 0
    assert "No point is common: b is x in run old and y in run new." in found.pairing.notes
    assert not found.is_exact
