"""Views: each right, whatever is there; nothing else within reach; the same answers from S3."""

import errno
import shutil
import signal
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from fakes.refusing import refusing
from fakes.servers import BUCKET, Server
from pyarrow import fs
from results.runs import asked, connect, run

from sweepctl.errors import DamagedError, InterruptedRunError, QueryError, StoreError
from sweepctl.records import table
from sweepctl.records.outcome import RunRecord
from sweepctl.records.run import require_run
from sweepctl.results import files, formats, views
from sweepctl.store import Store, open_store
from sweepctl.store.contract import Entry


@pytest.fixture(params=["plain", "wildcards"])
def store(request: pytest.FixtureRequest, root: Path, tmp_path: Path) -> Store:
    """Return the same runs in two folders, one of them with a name that SQL would take for a pattern."""
    if request.param == "plain":
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
    counts = {view: len(asked(store, "a", f"SELECT * FROM {view}")) for view in views.VIEWS}
    assert counts == {
        "points": 12,
        "effective_parameters": 12,
        "point_outcomes": 12,
        "shard_outcomes": 3,
        "shard_attempts": 0,
        "kept_files": 0,
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
    for view in views.VIEWS:
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


def test_a_disk_that_fails_is_not_taken_for_a_damaged_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "require_bounded", refusing(errno.EIO))
    with pytest.raises(StoreError, match="Input/output error") as failed:
        asked(open_store(str(root)), "a", "SELECT * FROM points")
    assert not isinstance(failed.value, DamagedError)


def test_damage_that_a_query_comes_across_is_told(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path, dirs_exist_ok=True)
    (last,) = (tmp_path / "point_outcomes/queue").glob("*/run=a/shard-00000002.parquet")
    last.write_bytes(last.read_bytes()[:-100])
    with pytest.raises(DamagedError, match="shard-00000002") as told:
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
    record.write_bytes(table.encode(RunRecord(**changed)))
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
    with connect(store, "a") as database:
        for sql in FORBIDDEN:
            with (
                pytest.raises(QueryError),
                formats.record_batches(views.ask(database, with_paths(sql, root))) as reader,
            ):
                reader.read_all()
        # None of them has spoilt the connection, so that the next one would be refused for another reason.
        assert views.ask(database, "SELECT count(*) FROM points").fetchall() == [(12,)]


@pytest.mark.parametrize("is_damaged", [False, True])
def test_a_bucket_that_fails_while_arrow_reads_is_no_damage_of_the_file(
    moto_server: Server, root: Path, *, is_damaged: bool
) -> None:
    for path in root.rglob("run=a/*.parquet"):
        moto_server.s3.upload_file(str(path), BUCKET, f"failing-{is_damaged}/{path.relative_to(root)}")
    store = open_store(f"s3://{BUCKET}/failing-{is_damaged}", endpoint_url=moto_server.endpoint_url)
    run = require_run(store, "a")
    if is_damaged:
        for entry in store.objects("point_outcomes/"):
            moto_server.s3.put_object(Bucket=BUCKET, Key=f"failing-True/{entry.key}", Body=bytes(entry.bytes))
    _, folder = store.filesystem()
    nowhere = fs.S3FileSystem(endpoint_override="http://127.0.0.1:9", anonymous=True, region="eu-west-1")
    with pytest.raises(StoreError, match=r"shard-0000000\d") as told:
        files.RunTables(store, run, nowhere, folder).rows("point_outcomes")
    assert isinstance(told.value, DamagedError) == is_damaged


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
    "SELECT filename FROM read_blob('{folder}/shard-00000000.parquet')",
    "SELECT filename FROM read_blob('{folder}/../../../../runs/run=a/run.parquet')",
    "SELECT filename FROM read_blob('{folder}/../run=b/shard-00000000.parquet')",
    "FROM read_blob('{folder}/link')",
    "FROM enable_logging(storage = 'file', storage_path = '{root}/log')",
    "FROM enable_profiling(save_location = '{root}/profile')",
    "SELECT 1; SELECT 2",
    "",
    "-- nothing",
]


def with_paths(sql: str, root: Path) -> str:
    """Put in paths as SQL takes them: the store's folder, and the one of a table."""
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


def test_no_secret_is_there_to_be_read(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with duckdb.connect() as database:
        database.execute("CREATE PERSISTENT SECRET s (TYPE http, BEARER_TOKEN 'x')")
        assert len(database.execute("FROM duckdb_secrets()").fetchall()) == 1
    assert asked(open_store(str(root)), "a", "FROM duckdb_secrets()") == []


def test_too_little_memory_is_told() -> None:
    assert "more memory" in str(views.refused(duckdb.OutOfMemoryException("no room")).remedy)


def test_what_is_wrong_with_a_question_is_said(root: Path) -> None:
    with pytest.raises(QueryError, match="mean_wait"):
        asked(open_store(str(root)), "a", "SELECT mean_weit FROM points")
    with pytest.raises(QueryError, match="points"):
        asked(open_store(str(root)), "a", "SELECT * FROM poins")
    with pytest.raises(QueryError, match="syntax"):
        asked(open_store(str(root)), "a", "SELEC 1")
    with pytest.raises(QueryError, match="boom"):
        asked(open_store(str(root)), "a", "SELECT error('boom')")


@pytest.mark.slow
def test_an_interrupted_query_says_so(root: Path) -> None:
    with connect(open_store(str(root)), "a") as database:
        rows = views.ask(database, "SELECT sum(hash(a.range + b.range)) FROM range(10_000_000) a, range(100_000) b")
        signal.signal(signal.SIGALRM, lambda *_: database.interrupt())
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        with pytest.raises(InterruptedRunError), formats.record_batches(rows) as reader:
            reader.read_all()


def test_points_of_a_shard_without_its_outcome_can_be_left_out(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path, dirs_exist_ok=True)
    (outcomes,) = (tmp_path / "shard_outcomes").glob("*/run=a")
    (outcomes / "shard-00000002.parquet").unlink()
    counted = "SELECT count(*) AS n FROM points"
    store = open_store(str(tmp_path))
    assert asked(store, "a", counted) == [{"n": 12}]
    assert asked(store, "a", f"{counted} SEMI JOIN shard_outcomes USING (shard_id)") == [{"n": 8}]


def test_no_file_is_looked_at_before_its_size_and_footer_are(root: Path, tmp_path: Path) -> None:
    """The first file of a table, from which its columns are taken, too."""
    shutil.copytree(root, tmp_path, dirs_exist_ok=True)
    (first,) = (tmp_path / "point_outcomes/queue").glob("*/run=a/shard-00000000.parquet")
    first.chmod(0o644)
    length = 70_000_000
    with first.open("wb") as file:
        file.truncate(length)
        file.seek(length)
        file.write(length.to_bytes(4, "little") + b"PAR1")
    with pytest.raises(DamagedError, match="a footer of 70000000 bytes: must be at most"):
        asked(open_store(str(tmp_path)), "a", "SELECT * FROM points")


@pytest.mark.parametrize("missing", [1, 2, 3])
def test_outcomes_of_earlier_releases_lack_the_last_columns(tmp_path: Path, missing: int) -> None:
    store = open_store(str(tmp_path / "store"))
    run(store, "a", "queue", 0, 2)
    run(store, "a", "queue", 1, 2)
    (first, _) = sorted(tmp_path.glob("store/shard_outcomes/**/*.parquet"))
    rows = pq.read_table(str(first))
    pq.write_table(rows.select(rows.column_names[:-missing]), str(first), compression="none")
    found = asked(store, "a", "SELECT shard_id, engine_sha256 IS NULL AS lacks FROM shard_outcomes ORDER BY shard_id")
    assert [each["lacks"] for each in found] == [missing == 3, False]


def test_an_outcome_that_no_worker_writes_is_shown_beside_the_others(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path, dirs_exist_ok=True)
    store, sql = open_store(str(tmp_path)), "SELECT * FROM shard_outcomes ORDER BY shard_id"
    whole = asked(store, "a", sql)
    (path,) = tmp_path.glob("shard_outcomes/*/run=a/shard-00000001.parquet")
    rows = pq.read_table(str(path), partitioning=None)
    at = rows.schema.get_field_index("status")
    path.chmod(0o644)
    changed = rows.set_column(at, rows.schema.field(at), pa.nulls(1, pa.string()))
    pq.write_table(changed, str(path), compression="none", store_schema=False)
    found = asked(store, "a", sql)
    assert found[1] == whole[1] | {"status": None}
    assert [found[0], *found[2:]] == [whole[0], *whole[2:]]


def test_outcomes_are_read_in_bulk(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    guarded = files.RunTables._guarded

    def one(self: files.RunTables, name: str, entry: Entry, fragment: ds.ParquetFileFragment) -> pq.FileMetaData:
        opened.append(name)
        return guarded(self, name, entry, fragment)

    monkeypatch.setattr(files.RunTables, "_guarded", one)
    monkeypatch.setattr(files, "AT_ONCE", 2)
    found = asked(store, "a", "SELECT shard_id, len(artifacts) AS files FROM shard_outcomes ORDER BY ALL")
    assert found == [{"shard_id": shard, "files": 2} for shard in range(3)]
    assert "point_outcomes" in opened
    assert "shard_outcomes" not in opened


def test_memory_is_bounded_where_that_is_asked_for(root: Path) -> None:
    store = open_store(str(root))
    with views.connect(store, [require_run(store, "a")], memory="50MB") as database:
        assert database.execute("SELECT current_setting('memory_limit')").fetchall() == [("47.6 MiB",)]
        with pytest.raises(duckdb.Error, match="configuration has been locked"):
            database.execute("SET memory_limit = '1GB'")
