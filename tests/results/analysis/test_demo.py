"""Paired intervals of the demo's sweep beside unpaired ones: narrower by what the replicates' correlation gives."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from paths import ROOT

from sweepctl.engine.client import Engine, find_engine
from sweepctl.records.run import require_run
from sweepctl.results import views
from sweepctl.results.analysis.differences import differences_by_level
from sweepctl.results.analysis.effects import means_by_level
from sweepctl.results.analysis.subject import Subject
from sweepctl.shard.run import run_shard
from sweepctl.store import open_store
from sweepctl.sweep.file import read
from sweepctl.sweep.plan import draft

METRIC = "conversion_rate"


class Pair(NamedTuple):
    """A level and its dimension's first one."""

    levels: str
    paired: float  # half-widths of the difference's interval
    unpaired: float  # as of two runs with different seeds
    correlation: float  # of the two levels' means, over replicates
    theory: float  # of the two widths' ratio

    @property
    def ratio(self) -> float:
        return self.paired / self.unpaired


def pairs(folder: Path) -> Iterator[Pair]:
    """Run the demo's sweep into a folder; yield what is shown of each level, and theory's ratio of its widths."""
    engine, store = Engine(find_engine()), open_store(str(folder))
    drafted = draft(read(ROOT / "examples/ridehail-surge/sweep.toml"), engine)
    plan = drafted.plan("demo", "2026-02-14", 45)
    for shard in range(plan.shards):
        assert run_shard(plan.message(shard), engine, store).outcome.status == "success"
    record = require_run(store, "demo")
    with views.connect(store, [record]) as connection:
        subject = Subject.of(connection, record, drafted.file.space, [METRIC])
        means = means_by_level(connection, subject, [[dimension] for dimension in subject.dimensions])
        differences = differences_by_level(connection, subject)
        for dimension, by_level, found in zip(subject.dimensions, means, differences, strict=True):
            sql = f"SELECT list(m ORDER BY r) FROM (SELECT {dimension.name} AS d, replicate AS r, avg({METRIC}) AS m, "
            sql += "min(point_index) AS p FROM points GROUP BY ALL) GROUP BY d ORDER BY min(p)"
            first, *others = (np.array(replicates) for (replicates,) in connection.execute(sql).fetchall())
            for place, other in enumerate(others, start=1):
                half_widths = [each.half_width for (each,) in (by_level[0,], by_level[place,]) if each is not None]
                (difference,) = (found or {})[place,]
                assert difference is not None
                assert difference.half_width is not None
                names = " less ".join(str(dimension.levels[each].low) for each in (place, 0))
                (a, covariance), (_, b) = np.cov(first, other)
                yield Pair(
                    f"{dimension.name} {names}",
                    difference.half_width,
                    math.hypot(*(width or math.nan for width in half_widths)),
                    float(np.corrcoef(first, other)[0, 1]),
                    math.sqrt(1 - 2 * covariance / (a + b)),
                )


def test_paired_intervals_of_the_demo_are_narrower_by_what_theory_gives(tmp_path: Path) -> None:
    found = list(pairs(tmp_path))
    assert len(found) == 5
    for pair in found:
        assert pair.ratio == pytest.approx(pair.theory, rel=1e-9)
        assert pair.ratio < 1
