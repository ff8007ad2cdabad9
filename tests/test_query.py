"""Queries: every view right, whatever is there; nothing else within reach; answers in every form, whole."""

import json
import shutil
import signal
import subprocess
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from servers import BUCKET, Server
from typer.testing import CliRunner

import sweepctl
from sweepctl import answer, query
from sweepctl.cli import app
from sweepctl.commit import require_run
from sweepctl.engine import Engine, find_engine
from sweepctl.errors import InterruptedRunError, QueryError, StoreError, UnknownRunError, UsageError
from sweepctl.messages import ShardMessageV1
from sweepctl.shard import run_shard
from sweepctl.store import Store, open_store
from sweepctl.verify import Verdict

DESIGNS: dict[str, tuple[dict[str, list[Any]], dict[str, Any]]] = {
    "queue": ({"servers": [1, 2], "arrival_rate": [0.5, 0.75]}, {"customers": 10}),
    "epidemic": ({"population": [10, 20], "r0": [1.5, 2.0]}, {}),
}


def run(store: Store, run_id: str, model: str, shard_id: int = 0, shards: int = 1) -> None:
    dimensions, base = DESIGNS[model]
    message = ShardMessageV1(
        run_id=run_id,
        model=model,
        dimensions=dimensions,
        base=base,
        replications=3,
        total_points=12,
        shard_id=shard_id,
        start_index=12 * shard_id // shards,
        end_index_exclusive=12 * (shard_id + 1) // shards,
        seed=1,
    )
    assert run_shard(message, Engine(find_engine()), store).outcome.status == "success"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store under an awkward name: two runs of one model, one of another."""
    root = tmp_path_factory.mktemp("it's a store")
    for shard_id in range(3):
        run(open_store(str(root)), "a", "queue", shard_id, 3)
    run(open_store(str(root)), "b", "queue")
    run(open_store(str(root)), "e", "epidemic")
    return root


def connect(store: Store, run_id: str | None) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
    return query.connect(store, None if run_id is None else require_run(store, run_id))


def asked(store: Store, run_id: str | None, sql: str) -> list[dict[str, Any]]:
    with connect(store, run_id) as database, answer.batches(query.ask(database, sql)) as reader:
        rows: list[dict[str, Any]] = reader.read_all().to_pylist()
        return rows


@pytest.fixture(params=["duckdb", "arrow"])
def store(request: pytest.FixtureRequest, root: Path, tmp_path: Path) -> Store:
    """Return the same runs where DuckDB reads them itself, and where Arrow has to."""
    if request.param == "duckdb":
        return open_store(str(root))
    shutil.copytree(root, tmp_path / "a[1]*?")
    return open_store(str(tmp_path / "a[1]*?"))


def test_points_join_parameters_and_metrics_one_to_one(store: Store, root: Path) -> None:
    rows = asked(store, "a", "SELECT * FROM points ORDER BY point_index")
    parameters = pd.read_parquet(root / "effective_parameters/queue").query("run_id == 'a'").sort_values("point_index")
    metrics = pd.read_parquet(root / "point_outcomes/queue").query("run_id == 'a'").sort_values("point_index")
    assert list(rows[0])[-10:] == [
        *("servers", "customers", "warmup"),
        *("status", "error_code", "error_message", "mean_wait", "p_wait", "utilisation", "mean_queue_length"),
    ]
    assert len(set(rows[0])) == len(rows[0])
    assert [row["arrival_rate"] for row in rows] == list(parameters["arrival_rate"])
    assert [row["mean_wait"] for row in rows] == list(metrics["mean_wait"])


def test_every_view_is_of_the_one_run(store: Store) -> None:
    counts = {view: len(asked(store, "a", f"SELECT * FROM {view}")) for view in query.VIEWS}
    assert counts == {
        "points": 12,
        "effective_parameters": 12,
        "point_outcomes": 12,
        "shard_outcomes": 3,
        "shard_attempts": 0,
        "runs": 1,
    }


def test_all_runs_have_the_columns_of_all_models(store: Store) -> None:
    counted = asked(store, None, "SELECT run_id, count(servers) s, count(r0) r FROM points GROUP BY ALL ORDER BY 1")
    assert counted == [
        {"run_id": "a", "s": 12, "r": 0},
        {"run_id": "b", "s": 12, "r": 0},
        {"run_id": "e", "s": 0, "r": 12},
    ]
    assert [row["run_id"] for row in asked(store, None, "SELECT run_id FROM runs ORDER BY 1")] == ["a", "b", "e"]


def test_times_are_utc_and_artifacts_are_nested(store: Store) -> None:
    (row,) = asked(store, "b", "SELECT started_at, artifacts FROM shard_outcomes")
    assert str(row["started_at"].tzinfo) == "UTC"
    assert row["artifacts"][0]["rows"] == 12


def test_what_is_no_run_among_the_runs_is_passed_over(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path, dirs_exist_ok=True)
    for folder in ("run=a b", "run=..x", "notes"):
        (tmp_path / "runs" / folder).mkdir()
    assert asked(open_store(str(tmp_path)), None, "SELECT count(*) AS n FROM runs") == [{"n": 3}]


def test_a_store_without_runs_has_every_view(tmp_path: Path) -> None:
    for view in query.VIEWS:
        assert asked(open_store(str(tmp_path)), None, f"SELECT * FROM {view}") == []


def test_a_run_half_written_shows_what_is_whole(root: Path, tmp_path: Path) -> None:
    """A shard has its points once both of its files are there; a stray file is not read."""
    shutil.copytree(root, tmp_path, dirs_exist_ok=True)
    (folder,) = (tmp_path / "point_outcomes/queue").glob("*/run=a")
    (folder / "shard-00000002.parquet").unlink()
    (folder / "notes.txt").write_text("?")
    assert asked(open_store(str(tmp_path)), "a", "SELECT count(*) n FROM points") == [{"n": 8}]
    shutil.rmtree(folder)
    assert asked(open_store(str(tmp_path)), "a", "SELECT count(*) n FROM points WHERE status = ''") == [{"n": 0}]


def test_a_damaged_file_is_told(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path, dirs_exist_ok=True)
    (folder,) = (tmp_path / "point_outcomes/queue").glob("*/run=a")
    for path in folder.iterdir():
        path.chmod(0o644)
        path.write_bytes(b"PAR1")
    with pytest.raises(StoreError, match="shard-0000000"):
        asked(open_store(str(tmp_path)), "a", "SELECT * FROM points")


def test_damage_that_a_query_comes_across_is_told(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path, dirs_exist_ok=True)
    (last,) = (tmp_path / "point_outcomes/queue").glob("*/run=a/shard-00000002.parquet")
    last.write_bytes(last.read_bytes()[:-100])
    with pytest.raises(QueryError, match="shard-00000002") as told:
        asked(open_store(str(tmp_path)), "a", "SELECT * FROM points")
    assert "sweepctl verify" in str(told.value.remedy)


def test_a_parameter_and_a_metric_of_one_name_are_told_apart(tmp_path: Path) -> None:
    folders = [tmp_path / f"{name}/m/run_date=2026-02-14/run=r" for name in ("effective_parameters", "point_outcomes")]
    identity = {"run_id": ["r"], "shard_id": [0], "point_index": [0], "replicate": [0], "point_fingerprint": ["f"]}
    for value, folder in enumerate(folders):
        folder.mkdir(parents=True)
        pq.write_table(pa.table({**identity, "x": [value]}), folder / "shard-00000000.parquet")
    run(open_store(str(tmp_path)), "r", "queue")
    record = tmp_path / "runs/run=r/run.parquet"
    changed = pq.ParquetFile(record).read().to_pylist()[0]
    changed |= {"run_date": "2026-02-14", "spec_json": changed["spec_json"].replace('"queue"', '"m"')}
    record.unlink()
    pq.write_table(pa.Table.from_pylist([changed]), record)
    assert asked(open_store(str(tmp_path)), "r", "SELECT x, metric_x FROM points") == [{"x": 0, "metric_x": 1}]


@pytest.mark.servers
@pytest.mark.parametrize("server", ["moto_server", "weed_server"])
def test_the_same_answers_from_s3(root: Path, server: str, request: pytest.FixtureRequest) -> None:
    there: Server = request.getfixturevalue(server)
    for path in root.rglob("*.parquet"):
        there.s3.upload_file(str(path), BUCKET, f"queries/{path.relative_to(root)}")
    store = open_store(f"s3://{BUCKET}/queries", endpoint_url=there.endpoint_url)
    for sql in ("SELECT * FROM points WHERE arrival_rate > 0.6 ORDER BY run_id, point_index", "FROM runs ORDER BY ALL"):
        for run_id in ("a", None):
            assert asked(store, run_id, sql) == asked(open_store(str(root)), run_id, sql)
    for sql in FORBIDDEN:
        with pytest.raises(QueryError):
            asked(store, "a", with_paths(sql, root))


def test_s3_without_credentials_is_told(moto_server: Server, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in root.rglob("run.parquet"):
        moto_server.s3.upload_file(str(path), BUCKET, f"bare/{path.relative_to(root)}")
    store = open_store(f"s3://{BUCKET}/bare", endpoint_url=moto_server.endpoint_url)
    with connect(store, "a"):
        pass
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(StoreError, match="credentials"), connect(store, "a"):
        pass


FORBIDDEN = [
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM glob('/**')",
    "SELECT * FROM read_text('{root}/../other.txt')",
    "SELECT * FROM read_parquet('https://example.org/x.parquet')",
    "SELECT * FROM read_parquet('s3://bucket/x.parquet')",
    "SELECT getenv('HOME')",
    "SELECT * FROM secret_of_python",
    "COPY points TO '{root}/effective_parameters/x.csv'",
    "COPY (SELECT 1) TO '/dev/stdout'",
    "EXPLAIN ANALYZE COPY points TO '{root}/x.csv'",
    "ATTACH '{root}/x.db'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET enable_external_access = true",
    "PRAGMA enable_profiling",
    "CALL pragma_version()",
    "CREATE TABLE t AS SELECT 1",
    "DROP VIEW points",
    "EXPORT DATABASE '{root}/x'",
    "WITH x AS (COPY (SELECT 1) TO '{folder}/x.parquet') SELECT * FROM x",
    "WITH x AS (COPY (SELECT 1) TO '{folder}/shard-00000000.parquet') SELECT 1 UNION SELECT * FROM x",
    "FROM query('WITH x AS (COPY (SELECT 1) TO ''/tmp/x.parquet'') SELECT * FROM x')",
    "WITH x AS (INSERT INTO runs SELECT * FROM runs RETURNING *) SELECT * FROM x",
    "SELECT filename FROM read_blob('{folder}/../../../../runs/run=a/run.parquet')",
    "SELECT filename FROM read_blob('{folder}/../run=b/shard-00000000.parquet')",
    "FROM read_blob('{folder}/link')",
    "FROM enable_logging(storage = 'file', storage_path = '{root}/log')",
    "FROM enable_profiling(save_location = '{root}/profile')",
    "FROM duckdb_secrets()",
    "SELECT 1; SELECT 2",
    "",
    "-- nothing",
]


def with_paths(sql: str, root: Path) -> str:
    """Put in paths as SQL takes them: the store's folder, and the one of a table that DuckDB reads itself."""
    (folder,) = (root / "point_outcomes/queue").glob("*/run=a")
    return sql.replace("{root}", str(root).replace("'", "''")).replace("{folder}", str(folder).replace("'", "''"))


@pytest.mark.parametrize("sql", FORBIDDEN)
def test_nothing_but_the_views_is_within_reach(root: Path, tmp_path: Path, sql: str) -> None:
    shutil.copytree(root, tmp_path, dirs_exist_ok=True)
    (tmp_path.parent / "other.txt").write_text("secret")
    (folder,) = (tmp_path / "point_outcomes/queue").glob("*/run=a")
    (folder / "link").symlink_to(tmp_path.parent / "other.txt")
    secret_of_python = pd.DataFrame({"x": [1]})
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(QueryError):
        asked(open_store(str(tmp_path)), "a", with_paths(sql, tmp_path))
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    del secret_of_python


def test_a_refused_path_would_be_read_but_for_the_sandbox(root: Path) -> None:
    """The statements above fail because of where they point: inside the run's own folders the same is answered."""
    own = "SELECT count(*) AS n FROM read_blob('{folder}/shard-00000000.parquet')"
    assert asked(open_store(str(root)), "a", with_paths(own, root)) == [{"n": 1}]


def test_what_is_wrong_with_a_question_is_said(root: Path) -> None:
    with pytest.raises(QueryError, match="mean_wait"):
        asked(open_store(str(root)), "a", "SELECT mean_weit FROM points")
    with pytest.raises(QueryError, match="points"):
        asked(open_store(str(root)), "a", "SELECT * FROM poins")
    with pytest.raises(QueryError, match="syntax"):
        asked(open_store(str(root)), "a", "SELEC 1")
    with pytest.raises(QueryError, match="boom"):
        asked(open_store(str(root)), "a", "SELECT error('boom')")


def test_an_interrupted_query_says_so(root: Path) -> None:
    with connect(open_store(str(root)), "a") as database:
        rows = query.ask(database, "SELECT sum(hash(a.range + b.range)) FROM range(10_000_000) a, range(100_000) b")
        signal.signal(signal.SIGALRM, lambda *_: database.interrupt())
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        with pytest.raises(InterruptedRunError), answer.batches(rows) as reader:
            reader.read_all()


# The command.


def invoke(root: Path, *arguments: str) -> Any:  # noqa: ANN401  whatever Typer's runner gives
    return CliRunner().invoke(app, ["query", "--store", str(root), *arguments])


SELECT = "SELECT point_index, arrival_rate, status, NULL AS nothing FROM points ORDER BY 1"


def test_csv_into_a_pipe(root: Path) -> None:
    lines = invoke(root, "a", SELECT).stdout.splitlines()
    assert lines[0] == '"point_index","arrival_rate","status","nothing"'
    assert lines[1] == '0,0.5,"success",'
    assert len(lines) == 13


def test_json_is_one_object(root: Path) -> None:
    sql = "SELECT 'nan'::DOUBLE x, 1.5::DECIMAL(9, 1) d, '<b>' s, DATE '2026-02-14' t, [1] l, 2::HUGEINT ** 100 h"
    told = json.loads(invoke(root, "a", sql, "--json").stdout)
    assert told["rows"] == [{"x": None, "d": 1.5, "s": "<b>", "t": "2026-02-14", "l": [1], "h": 2.0**100}]
    assert told["columns"][0] == {"name": "x", "type": "double"}


@pytest.mark.parametrize("form", ["csv", "json", "parquet", "arrow"])
def test_a_file_of_every_form_holds_the_same_rows(root: Path, tmp_path: Path, form: str) -> None:
    out = tmp_path / "answer"
    assert invoke(root, "a", SELECT, "--format", form, "--out", str(out)).exit_code == 0
    read = {
        "csv": pyarrow.csv.read_csv,
        "json": lambda path: pa.Table.from_pylist(json.loads(path.read_text())["rows"]),
        "parquet": pq.read_table,
        "arrow": lambda path: pa.ipc.open_stream(path.read_bytes()).read_all(),
    }[form]
    assert read(out).to_pylist() == asked(open_store(str(root)), "a", SELECT)
    assert list(tmp_path.iterdir()) == [out]


def test_a_file_is_whole_or_not_at_all(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "answer.csv"
    out.write_text("before")
    failing = "SELECT CASE WHEN range = 900000 THEN error('boom') END FROM range(1000000)"
    assert invoke(root, "a", failing, "--out", str(out)).exit_code == 2
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
    assert (done.exit_code, "says no form" in done.stderr) == (2, True)


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
    assert "3 (of how many, nobody planned) shards of run a" in invoke(root, "a", "SELECT 1").stderr
    assert "has no runs" in invoke(tmp_path / "nope", "--all", "SELECT 1").stderr


def test_points_of_a_shard_without_its_outcome_can_be_left_out(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path, dirs_exist_ok=True)
    (outcomes,) = (tmp_path / "shard_outcomes").glob("*/run=a")
    (outcomes / "shard-00000002.parquet").unlink()
    counted = "SELECT count(*) AS n FROM points"
    store = open_store(str(tmp_path))
    assert asked(store, "a", counted) == [{"n": 12}]
    assert asked(store, "a", f"{counted} SEMI JOIN shard_outcomes USING (shard_id)") == [{"n": 8}]


def test_a_run_that_is_not_whole_says_so(root: Path, tmp_path: Path) -> None:
    """It still answers; where nothing is recorded, columns of the model are not known, and the hint says why."""
    shutil.copytree(root, tmp_path, dirs_exist_ok=True)
    record = pa.parquet.ParquetFile(tmp_path / "runs/run=a/run.parquet").read()
    place = record.column_names.index("shard_points")
    pq.write_table(record.set_column(place, record.field(place), pa.array([4])), tmp_path / "runs/run=a/run.parquet")
    assert invoke(tmp_path, "a", "SELECT 1").stderr == ""
    (outcomes,) = (tmp_path / "shard_outcomes").glob("*/run=a")
    (outcomes / "shard-00000002.parquet").unlink()
    done = invoke(tmp_path, "a", "SELECT count(*) FROM shard_outcomes")
    assert (done.exit_code, done.stdout.splitlines()[1]) == (0, "2")
    assert "2 of 3 shards of run a are recorded; `sweepctl status a` follows it" in done.stderr
    for name in ("shard_outcomes", "effective_parameters", "point_outcomes"):
        shutil.rmtree(tmp_path / name)
    assert invoke(tmp_path, "a", "SELECT * FROM points").exit_code == 0
    done = invoke(tmp_path, "a", "SELECT mean_wait FROM points")
    assert done.exit_code == 2
    assert "0 of 3 shards" in done.stderr


def test_a_table_on_a_terminal(root: Path) -> None:
    few = invoke(root, "a", "SELECT point_index AS i, '[red]x' AS s FROM points ORDER BY 1", "--format", "table").stdout
    assert "[red]x" in few
    assert "11" in few
    many = invoke(root, "a", "SELECT range FROM range(1000)", "--format", "table").stdout
    assert "the first 100 rows" in many
    wide = invoke(root, "a", "SELECT * FROM points", "--format", "table").stdout
    assert "the first 10 rows" in wide
    none = invoke(root, "a", "SELECT 1 AS x WHERE false", "--format", "table").stdout
    assert "no rows" in none


@pytest.mark.parametrize(
    ("arguments", "exit_code", "told"),
    [
        (["nope", "SELECT 1"], 1, "no record of a run"),
        (["../a", "SELECT 1"], 2, "run_id"),
        (["SELECT 1"], 2, "sweepctl query RUN_ID"),
        (["--all", "a", "SELECT 1"], 2, "with --all"),
        (["a", "SELECT nope FROM points"], 2, "nope"),
        (["a", "SELECT 1", "--out", "x.csv", "--format", "table"], 2, "terminal"),
        (["a", "SELECT 1", "--out", "no/such/folder.csv"], 2, "No such file"),
        (["a", "SELECT 1", "--json", "--format", "csv"], 2, "both want"),
    ],
)
def test_what_cannot_be_asked(root: Path, arguments: list[str], exit_code: int, told: str) -> None:
    done = invoke(root, *arguments)
    assert done.exit_code == exit_code
    assert told in done.stderr


def test_a_reader_who_leaves_is_no_error(root: Path) -> None:
    script = "from sweepctl.cli import main; main()"
    command = [sys.executable, "-P", "-c", script, "query", "a", "SELECT * FROM range(10000000)", "--store", str(root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        assert child.stdout.readline() == b'"range"\n'
        child.stdout.close()
        assert (child.wait(60), b"Traceback" in child.stderr.read()) == (0, False)


def test_ctrl_c_ends_a_query(root: Path, tmp_path: Path) -> None:
    sql = "SELECT sum(hash(a.range + b.range)) FROM range(10000000) a, range(1000000) b"
    out = tmp_path / "out.csv"
    script = "from sweepctl.cli import main; main()"
    command = [sys.executable, "-P", "-c", script, "query", "a", sql, "--store", str(root), "--out", str(out)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as child:
        while not (tmp_path / ".out.csv.part").exists():
            time.sleep(0.01)
        child.send_signal(signal.SIGINT)
        assert child.stderr is not None
        assert (child.wait(60), "interrupted" in child.stderr.read()) == (130, True)
    assert list(tmp_path.iterdir()) == []


# Python.


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
    assert told.value.remedy == "Did you mean 'arrival_rate'?"
    with pytest.raises(UsageError) as told:
        sweepctl.open_run("a", str(root)).points(columns=["qqq"]).arrow()
    assert "mean_wait" in str(told.value.remedy)
    with pytest.raises(UnknownRunError):
        sweepctl.open_run("nope", str(root))


def test_the_package_alone_imports_nothing_heavy() -> None:
    script = "import sys, sweepctl; print(sorted({'pyarrow', 'duckdb', 'boto3'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, check=True).stdout == b"[]\n"


def test_without_duckdb_the_remedy_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(UsageError) as told, connect(open_store(str(root)), "a"):
        pass
    assert told.value.remedy == "pip install 'sweepctl[query]'"
