"""`sweepctl query`: forms of an answer, files, terminals, signals, and what cannot be asked."""

import csv
import dataclasses
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from results.runs import asked
from typer.testing import CliRunner
from waiting import LIMIT, wait_until

from sweepctl.cli import app
from sweepctl.records import table
from sweepctl.records.outcome import RunRecord
from sweepctl.results import recorded
from sweepctl.store import open_store


def invoke(root: Path, *arguments: str) -> Any:  # noqa: ANN401  whatever Typer's runner gives
    return CliRunner().invoke(app, ["query", "--store", str(root), *arguments])


READ: dict[str, Callable[[Path], pa.Table]] = {
    "csv": pyarrow.csv.read_csv,
    "json": lambda path: pa.Table.from_pylist(json.loads(path.read_text())["rows"]),
    "parquet": pq.read_table,
    "arrow": lambda path: pa.ipc.open_stream(path.read_bytes()).read_all(),
}
SELECT = "SELECT point_index, arrival_rate, status, NULL AS nothing FROM points ORDER BY 1"


def test_csv_into_a_pipe(root: Path) -> None:
    lines = invoke(root, "a", SELECT).stdout.splitlines()
    assert lines[0] == '"point_index","arrival_rate","status","nothing"'
    assert lines[1] == '0,0.5,"success",'
    assert len(lines) == 13


FORMULAS = [
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "\uff1d1+1",
    "\uff0b1",
    "\uff0d1",
    "\uff20x",
    "-",
    "=",
    "--1",
]
TEXTS = ["-1", "+2.5e-3", "-inf", "1=1", " =1", "'=1", "a@b", "", '"=1"', "-1 ", "x\n=1"]


def test_a_csv_has_no_text_that_a_spreadsheet_computes(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.csv"
    texts = [text.replace("'", "''") for text in FORMULAS + TEXTS]
    sql = "SELECT unnest(['" + "', '".join(texts) + "']) AS text"
    assert invoke(root, "a", sql, "--out", str(out)).exit_code == 0
    with out.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert [text for (text,) in rows[1:]] == [f"'{each}" for each in FORMULAS] + TEXTS


def test_numbers_and_times_in_a_csv_are_as_they_are(root: Path) -> None:
    sql = "SELECT -1 AS i, -0.5 AS d, '-inf'::DOUBLE x, INTERVAL '-1 day' AS t, [-1] AS l, '=x'::ENUM('=x') AS e"
    assert invoke(root, "a", sql).stdout.splitlines()[1] == """-1,-0.5,-inf,"-1 day","[-1]","'=x\""""


@pytest.mark.parametrize("form", ["json", "parquet", "arrow"])
def test_other_forms_have_each_text_as_it_is(root: Path, tmp_path: Path, form: str) -> None:
    out = tmp_path / "x"
    assert invoke(root, "a", "SELECT '=1+1' AS \"=x\"", "--format", form, "--out", str(out)).exit_code == 0
    assert READ[form](out).to_pylist() == [{"=x": "=1+1"}]


def test_json_is_one_object(root: Path) -> None:
    sql = "SELECT 'nan'::DOUBLE x, 1.5::DECIMAL(9, 1) d, '<b>' s, DATE '2026-02-14' t, [1] l, 2::HUGEINT ** 100 h"
    told = json.loads(invoke(root, "a", sql, "--json").stdout)
    assert told["rows"] == [{"x": None, "d": 1.5, "s": "<b>", "t": "2026-02-14", "l": [1], "h": 2.0**100}]
    assert told["columns"][0] == {"name": "x", "type": "double"}


@pytest.mark.parametrize("form", ["csv", "json", "parquet", "arrow"])
def test_a_file_of_every_form_holds_the_same_rows(root: Path, tmp_path: Path, form: str) -> None:
    out = tmp_path / "answer"
    assert invoke(root, "a", SELECT, "--format", form, "--out", str(out)).exit_code == 0
    assert READ[form](out).to_pylist() == asked(open_store(str(root)), "a", SELECT)
    assert list(tmp_path.iterdir()) == [out]


def test_a_file_is_whole_or_not_at_all(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "answer.csv"
    out.write_text("before")
    failing = "SELECT CASE WHEN range = 900000 THEN error('boom') END FROM range(1000000)"
    for told in invoke(root, "a", failing, "--out", str(out)), invoke(root, "a", failing):
        assert (told.exit_code, "boom" in told.stderr, "Correct the statement" in told.stderr) == (2, True, True)
    assert out.read_text() == "before"
    assert list(tmp_path.iterdir()) == [out]


def test_the_ending_of_a_file_is_its_form(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "answer.parquet"
    done = invoke(root, "a", SELECT, "--out", str(out), "--json")
    assert json.loads(done.stdout) == {"out": str(out), "format": "parquet", "rows": 12}
    assert pq.read_table(out).num_rows == 12
    assert invoke(root, "a", SELECT, "--out", str(tmp_path / "x.PARQUET")).exit_code == 0
    assert pq.read_table(tmp_path / "x.PARQUET").num_rows == 12
    done = invoke(root, "a", SELECT, "--out", str(tmp_path / "x.csv.gz"))
    assert (done.exit_code, "unknown output format" in done.stderr) == (2, True)


def test_what_only_arrow_has_a_type_for_is_text_elsewhere(root: Path, tmp_path: Path) -> None:
    sql = "SELECT finished_at - started_at >= INTERVAL 0 SECOND AS sane, INTERVAL 90 SECOND AS took FROM shard_outcomes"
    assert json.loads(invoke(root, "b", sql, "--json").stdout)["rows"] == [{"sane": True, "took": "00:01:30"}]
    assert invoke(root, "b", sql).stdout.splitlines()[1] == 'true,"00:01:30"'
    assert invoke(root, "b", sql, "--out", str(tmp_path / "x.parquet")).exit_code == 0
    assert pq.read_table(tmp_path / "x.parquet").to_pylist() == [{"sane": True, "took": "00:01:30"}]
    assert "00:01:30" in invoke(root, "b", sql, "--format", "table").stdout


@pytest.mark.parametrize("form", ["json", "table"])
def test_a_value_without_a_place_is_told(root: Path, form: str) -> None:
    done = invoke(root, "a", "SELECT DATE '10000-01-01'", "--format", form)
    assert done.exit_code == 2
    assert "CAST(column AS VARCHAR)" in done.stderr


def test_columns_of_one_name_are_told_apart(root: Path) -> None:
    assert json.loads(invoke(root, "a", "SELECT 1 AS x, 2 AS x", "--json").stdout)["rows"] == [{"x": 1, "x_1": 2}]


def test_a_string_does_not_steer_the_terminal(root: Path) -> None:
    assert r"c\x1b[2J" in invoke(root, "a", 'SELECT 1 AS "c\x1b[2J"', "--format", "table").stdout
    assert r"a\x1b[2Jb" in invoke(root, "a", "SELECT 'a' || chr(27) || '[2Jb' AS s", "--format", "table").stdout


def test_what_nobody_planned_says_so(root: Path, tmp_path: Path) -> None:
    assert "recorded of run a: 3 shards; total unknown: the run was not planned" in invoke(root, "a", "SELECT 1").stderr
    (tmp_path / "empty").mkdir()
    assert "has no runs" in invoke(tmp_path / "empty", "--all", "SELECT 1").stderr
    missing = invoke(tmp_path / "nope", "--all", "SELECT 1")
    assert missing.exit_code == 5
    assert "nope does not exist" in missing.stderr


def test_a_run_that_is_not_whole_says_so(root: Path, tmp_path: Path) -> None:
    """It still answers; where nothing is recorded, columns of the model are not known, and the hint says why."""
    shutil.copytree(root, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "runs/run=a/run.parquet"
    path.write_bytes(table.encode(dataclasses.replace(table.decode(RunRecord, path.read_bytes(), ""), shard_points=4)))
    assert invoke(tmp_path, "a", "SELECT 1").stderr == ""
    (outcomes,) = (tmp_path / "shard_outcomes").glob("*/run=a")
    (outcomes / "shard-00000002.parquet").unlink()
    done = invoke(tmp_path, "a", "SELECT count(*) FROM shard_outcomes")
    assert (done.exit_code, done.stdout.splitlines()[1]) == (0, "2")
    assert "recorded of run a: 2 of 3 shards; see `sweepctl status a`" in done.stderr
    for name in ("shard_outcomes", "effective_parameters", "point_outcomes"):
        shutil.rmtree(tmp_path / name)
    assert invoke(tmp_path, "a", "SELECT * FROM points").exit_code == 0
    done = invoke(tmp_path, "a", "SELECT mean_wait FROM points")
    assert done.exit_code == 2
    assert "0 of 3 shards" in done.stderr


def test_a_run_of_many_shards_is_better_made_compact(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(root, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "runs/run=a/run.parquet"
    path.write_bytes(table.encode(dataclasses.replace(table.decode(RunRecord, path.read_bytes(), ""), shard_points=4)))
    monkeypatch.setattr(recorded, "MANY_SHARDS", 3)
    assert "once it is whole, use `sweepctl compact a`" in invoke(tmp_path, "a", "SELECT 1").stderr
    monkeypatch.setattr(recorded, "MANY_SHARDS", 4)
    assert invoke(tmp_path, "a", "SELECT 1").stderr == ""


def test_a_table_on_a_terminal(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    few = invoke(root, "a", "SELECT point_index AS i, '[red]x' AS s FROM points ORDER BY 1", "--format", "table").stdout
    assert "[red]x" in few
    assert "11" in few
    many = invoke(root, "a", "SELECT range FROM range(1000)", "--format", "table").stdout
    assert "first 100 rows" in many
    wide = invoke(root, "a", "SELECT * FROM points", "--format", "table").stdout
    assert "first 10 rows" in wide
    none = invoke(root, "a", "SELECT 1 AS x WHERE false", "--format", "table").stdout
    assert "no rows" in none


@pytest.mark.parametrize(
    ("arguments", "exit_code", "told"),
    [
        (["nope", "SELECT 1"], 1, "has no run"),
        (["../a", "SELECT 1"], 2, "run_id"),
        (["SELECT 1"], 2, "sweepctl query RUN_ID"),
        (["--all", "a", "SELECT 1"], 2, "with --all"),
        (["a", "SELECT nope FROM points"], 2, "nope"),
        (["a", "SELECT 1", "--out", "x.csv", "--format", "table"], 2, "terminal"),
        (["a", "SELECT 1", "--out", "no/such/folder.csv"], 2, "No such file"),
        (["a", "SELECT 1", "--json", "--format", "csv"], 2, "both write to"),
    ],
)
def test_what_cannot_be_asked(root: Path, arguments: list[str], exit_code: int, told: str) -> None:
    done = invoke(root, *arguments)
    assert done.exit_code == exit_code
    assert told in done.stderr


@pytest.mark.slow
def test_a_reader_who_leaves_is_no_error(root: Path) -> None:
    script = "from sweepctl.cli import main; main()"
    command = [sys.executable, "-P", "-c", script, "query", "a", "SELECT * FROM range(10000000)", "--store", str(root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        assert child.stdout.readline() == b'"range"\n'
        child.stdout.close()
        assert (child.wait(LIMIT), b"Traceback" in child.stderr.read()) == (0, False)


STREAM = "SELECT range, hash(range) AS h FROM range(1_000_000_000_000)"
# After some rows one step of DuckDB, which looks at no interruption within it.
STEP = """
    SELECT CASE WHEN range < 200_000 THEN 0 ELSE levenshtein(repeat('ab', range), repeat('ba', range)) END AS x
    FROM range(200_001)
"""


def query_process(root: Path, sql: str, *arguments: str) -> subprocess.Popen[bytes]:
    script = "from sweepctl.cli import main; main()"
    command = [sys.executable, "-P", "-c", script, "query", "a", sql, "--store", str(root), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("form", ["csv", "json", "parquet", "arrow"])
def test_ctrl_c_ends_a_stream_of_rows(root: Path, form: str, number: signal.Signals) -> None:
    with query_process(root, STREAM, "--format", form) as child:
        assert child.stdout is not None
        assert len(child.stdout.read(100_000)) == 100_000
        child.send_signal(number)
        _, stderr = child.communicate()
        assert (child.returncode, stderr.decode().splitlines()[-1]) == (130, "interrupted: the query was interrupted")


@pytest.mark.slow
@pytest.mark.parametrize("form", ["csv", "json", "parquet", "arrow"])
def test_ctrl_c_leaves_no_part_of_a_file(root: Path, tmp_path: Path, form: str) -> None:
    def written() -> int:
        return sum(part.stat().st_size for part in tmp_path.glob(f".out.{form}.*.part"))

    with query_process(root, STREAM, "--out", str(tmp_path / f"out.{form}")) as child:
        wait_until(lambda: written() > 100_000)
        child.send_signal(signal.SIGINT)
        _, stderr = child.communicate()
        assert (child.returncode, b"query was interrupted" in stderr) == (130, True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_ctrl_c_ends_a_step_of_any_length(root: Path) -> None:
    with query_process(root, STEP) as child:
        assert child.stdout is not None
        assert child.stdout.read(10) == b'"x"\n0\n0\n0\n'
        child.send_signal(signal.SIGINT)
        child.communicate()
        assert child.returncode == 130


@pytest.mark.slow
def test_a_signal_ends_a_query_whose_reader_has_paused(root: Path) -> None:
    with query_process(root, STREAM) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b'"range","h"\n'
        child.send_signal(signal.SIGINT)  # nobody reads on
        assert child.wait(LIMIT) == 130


@pytest.mark.slow
def test_ctrl_c_ends_a_query(root: Path, tmp_path: Path) -> None:
    sql = "SELECT sum(hash(a.range + b.range)) FROM range(10000000) a, range(1000000) b"
    out = tmp_path / "out.csv"
    script = "from sweepctl.cli import main; main()"
    command = [sys.executable, "-P", "-c", script, "query", "a", sql, "--store", str(root), "--out", str(out)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as child:
        wait_until(lambda: list(tmp_path.glob(".out.csv.*.part")))
        child.send_signal(signal.SIGINT)
        assert child.stderr is not None
        assert (child.wait(LIMIT), "interrupted" in child.stderr.read()) == (130, True)
    assert list(tmp_path.iterdir()) == []
