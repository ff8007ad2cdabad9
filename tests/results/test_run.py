"""`sweepctl.open_run`: a run's tables in Python."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import duckdb
import pandas as pd
import polars as pl
import pytest
from results.runs import connect, run
from typer.testing import CliRunner

import sweepctl
from sweepctl.cli import app
from sweepctl.engine.client import Engine, find_engine
from sweepctl.errors import QueryError, StoreError, UnknownRunError, UsageError
from sweepctl.store import open_store
from sweepctl.texts import extra_remedy
from sweepctl.verify import Verdict


def test_an_opened_run_gives_arrow_pandas_and_polars(root: Path) -> None:
    points = sweepctl.open_run("a", str(root)).points(columns=["arrival_rate", "mean_wait"], where="servers = 2 -- two")
    table = points.arrow()
    assert table.column_names == ["arrival_rate", "mean_wait"]
    assert table.num_rows == 6
    assert isinstance(points.pandas(), pd.DataFrame)
    assert isinstance(points.polars(), pl.DataFrame)

    def in_order(rows: Any) -> list[Any]:  # noqa: ANN401  rows of any of the three, which are in none
        return sorted(tuple(row.values()) for row in rows)

    frames = points.polars().to_dicts(), points.pandas().to_dict("records")
    assert [in_order(frame) for frame in frames] == [in_order(table.to_pylist())] * 2
    assert sum(batch.num_rows for batch in points.batches()) == 6


def test_an_opened_run_gives_outcomes_and_is_verified(root: Path) -> None:
    run_a = sweepctl.open_run("a", str(root))
    assert run_a.outcomes().arrow().num_rows == 3
    assert run_a.ask("SELECT count(*) AS n FROM point_outcomes").arrow().to_pylist() == [{"n": 12}]
    assert run_a.verify(engine=Engine(find_engine())).verdict is Verdict.WHOLE


def test_what_an_opened_run_does_not_have(root: Path) -> None:
    with pytest.raises(UsageError) as told:
        sweepctl.open_run("a", str(root)).points(columns=["arrivalrate"]).arrow()
    assert told.value.remedy == "Did you mean `arrival_rate`?"
    with pytest.raises(UsageError) as told:
        sweepctl.open_run("a", str(root)).points(columns=["qqq"]).arrow()
    assert str(told.value.remedy).endswith("(22 in all).")
    with pytest.raises(UnknownRunError):
        sweepctl.open_run("nope", str(root))


def test_the_package_alone_imports_nothing_heavy() -> None:
    script = "import sys, sweepctl; print(sorted({'pyarrow', 'duckdb', 'boto3'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, check=True).stdout == b"[]\n"


def test_without_duckdb_the_remedy_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(UsageError) as told, connect(open_store(str(root)), "a"):
        pass
    assert told.value.remedy == extra_remedy("query", "duckdb")


def test_a_run_is_compared_with_another_one(root: Path) -> None:
    found = sweepctl.open_run("a", str(root)).compare("b", metrics=["mean_wait"])
    assert found.is_exact
    assert [run.run_id for run in (found.pairing.first.run, found.pairing.second.run)] == ["b", "a"]


def test_an_opened_run_is_summarized(root: Path) -> None:
    opened = sweepctl.open_run("a", str(root))
    found = opened.summary(["utilisation", "mean_wait"], top=2)
    asked = ["summary", "a", "--store", str(root), "--metric", "utilisation", "--metric", "mean_wait", "--top", "2"]
    printed = CliRunner().invoke(app, [*asked, "--json"]).stdout
    mine, theirs = (
        json.loads(text, parse_float=lambda digits: f"{float(digits):.9g}")  # sums differ in their order
        for text in (json.dumps(found.to_json()), printed)
    )
    assert mine == theirs
    assert [len(metric.highest) for metric in found.metrics] == [2, 2]
    assert found.metrics[0].differences["servers"][1,][0] is not None
    assert [metric.name for metric in opened.summary().metrics] == ["mean_wait"]
    with pytest.raises(UsageError, match="mean_wiat"):
        opened.summary(["mean_wiat"])


def test_what_an_opened_run_answers_is_shown_in_short(tmp_path: Path) -> None:
    for run_id in ("a", "b"):
        run(open_store(str(tmp_path)), run_id, "queue", replications=40)
    opened = sweepctl.open_run("a", str(tmp_path))
    assert len(repr(opened.summary())) < 500
    assert len(repr(opened.discover("servers = 2"))) < 500
    assert len(repr(opened.compare("b", metrics=["mean_wait"]))) < 1_500


def test_an_opened_run_tells_where_a_condition_holds(tmp_path: Path) -> None:
    run(open_store(str(tmp_path)), "a", "queue", replications=40)
    opened = sweepctl.open_run("a", str(tmp_path))
    found = opened.discover("servers = 2 AND mean_wait >= 0")
    assert (found.points, found.met, found.used) == (160, 80, 160)
    (box,) = found.boxes
    assert [(each.dimension, each.low, each.high) for each in box.restrictions] == [("servers", 2, None)]
    with pytest.raises(QueryError) as told:
        opened.discover("mean_wiat > 5")
    assert "mean_wait" in str(told.value)


def test_a_number_of_points_is_not_negative(root: Path) -> None:
    opened = sweepctl.open_run("a", str(root))
    for ask in (lambda: opened.summary(top=-1), lambda: opened.compare("b", top=-1)):
        with pytest.raises(UsageError, match="top is -1"):
            ask()
    assert opened.summary(top=0).metrics[0].lowest == []


def test_a_file_that_cannot_be_read_is_an_error_of_the_store(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = sweepctl.open_run("a", str(root))
    for name in ("summarize", "compare", "discover"):
        monkeypatch.setattr(f"sweepctl.results.run.{name}", Mock(side_effect=duckdb.IOException("gone")))
    for ask in (opened.summary, lambda: opened.compare("b"), lambda: opened.discover("servers = 2")):
        with pytest.raises(StoreError, match="cannot be read: gone") as told:
            ask()
        assert "`sweepctl verify a`" in str(told.value.remedy)
