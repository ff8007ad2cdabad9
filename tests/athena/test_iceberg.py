"""Compact files registered with Iceberg: real files, read back by pyiceberg, and by DuckDB where a snapshot says."""

import errno
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fakes.faulty import FaultyStore, StoreFault
from fakes.refusing import refusing
from fakes.servers import BUCKET, Server
from typer.testing import CliRunner
from verify.runs import SPEC, make_run

from sweepctl.athena.iceberg import Registered, register, require_manifest
from sweepctl.cli import app
from sweepctl.compact.run import compact
from sweepctl.errors import CatalogError, DamagedError, StoreError, UsageError
from sweepctl.records.run import require_run
from sweepctl.store import open_store
from sweepctl.verify import verify

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

DATASETS = ("effective_parameters", "point_outcomes", "customers", "shard_outcomes")
OUTCOMES = "sweeps.point_outcomes_queue_compact"


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of 24 points; `one` is compact."""
    root = tmp_path_factory.mktemp("two") / "store"
    store = open_store(str(root))
    make_run(store, "one")
    make_run(store, "other", replace(SPEC, seed=7))
    compact(store, "one")
    return root


@pytest.fixture
def root(two: Path, tmp_path: Path) -> Path:
    """Return a copy of the store."""
    return Path(shutil.copytree(two, tmp_path / "store"))


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator["Catalog"]:
    """Return a catalog in a file."""
    from pyiceberg.catalog.sql import SqlCatalog  # noqa: PLC0415  takes seconds, in each process that collects tests

    made = SqlCatalog("test", uri=f"sqlite:///{tmp_path}/catalog.db")
    yield made
    made.close()


def registered(catalog: "Catalog", root: Path, run_id: str) -> list[Registered]:
    store = open_store(str(root))
    run = require_run(store, run_id)
    return list(register(catalog, "sweeps", store, run, require_manifest(store, run)))


def rows(catalog: "Catalog", name: str) -> pa.Table:
    return catalog.load_table(name).scan().to_arrow()


def source(root: Path, dataset: str) -> pa.Table:
    files = sorted((root / "compact-v1" / dataset).rglob("*.parquet"))
    return pa.concat_tables([pq.ParquetFile(each).read() for each in files])


def test_a_table_has_the_rows_of_the_compact_files_in_place(catalog: "Catalog", root: Path) -> None:
    steps = registered(catalog, root, "one")
    names = [f"sweeps.{each}_queue_compact" for each in DATASETS[:3]] + ["sweeps.shard_outcomes_compact"]
    assert [each.table for each in steps] == names
    for dataset, step in zip(DATASETS, steps, strict=True):
        table = catalog.load_table(step.table)
        assert (step.rows, step.already) == (source(root, dataset).num_rows, False)
        found, wanted = table.scan().to_arrow(), source(root, dataset)
        assert found.to_pylist() == wanted.to_pylist()
        paths = [task.file.file_path for task in table.scan().plan_files()]
        assert [Path(each).parent.parent.parent.parent.name for each in paths] == [dataset]
        with duckdb.connect() as database:
            count = database.execute("SELECT count(*) FROM read_parquet($1)", [paths]).fetchall()
            assert count == [(step.rows,)]
            assert table.scan().to_duckdb("t", database).execute("SELECT count(*) FROM t").fetchall() == count


def test_a_run_is_registered_once_and_only_when_it_is_asked_for(catalog: "Catalog", root: Path) -> None:
    registered(catalog, root, "one")
    again = registered(catalog, root, "one")
    assert all(each.already for each in again)
    with pytest.raises(UsageError, match="run other is not compact") as caught:
        registered(catalog, root, "other")
    assert caught.value.remedy == "sweepctl compact other"
    compact(open_store(str(root)), "other")
    assert rows(catalog, OUTCOMES).num_rows == 24
    assert not any(each.already for each in registered(catalog, root, "other"))
    assert sorted(rows(catalog, OUTCOMES)["run_id"].to_pylist()) == ["one"] * 24 + ["other"] * 24


def test_what_was_interrupted_goes_on(catalog: "Catalog", root: Path) -> None:
    store = open_store(str(root))
    run = require_run(store, "one")
    steps = register(catalog, "sweeps", store, run, require_manifest(store, run))
    next(steps)
    assert [each.already for each in registered(catalog, root, "one")] == [True, False, False, False]
    assert rows(catalog, OUTCOMES).num_rows == 24


def test_a_new_column_is_null_in_older_runs(catalog: "Catalog", root: Path) -> None:
    (path,) = (root / "compact-v1" / "point_outcomes").rglob("*.parquet")
    whole = pq.ParquetFile(path).read()
    registered(catalog, root, "one")
    store = open_store(str(root))
    compact(store, "other")
    (path,) = (each for each in path.parents[1].rglob("*.parquet") if each != path)
    pq.write_table(pq.ParquetFile(path).read().append_column("new", pa.array([1.5] * whole.num_rows)), path)
    run = require_run(store, "other")
    manifest = require_manifest(store, run)
    parts = tuple(
        each.model_copy(update={"bytes": path.stat().st_size}) if each.dataset == "point_outcomes" else each
        for each in manifest.parts
    )
    list(register(catalog, "sweeps", store, run, manifest.model_copy(update={"parts": parts})))
    assert rows(catalog, OUTCOMES)["new"].null_count == whole.num_rows
    assert rows(catalog, OUTCOMES)["new"].drop_null().to_pylist() == [1.5] * whole.num_rows


def test_a_column_of_another_type_is_refused(catalog: "Catalog", root: Path) -> None:
    registered(catalog, root, "one")
    store = open_store(str(root))
    compact(store, "other")
    folder = next((root / "compact-v1" / "effective_parameters").rglob("run=other"))
    (path,) = folder.iterdir()
    table = pq.ParquetFile(path).read()
    place = table.schema.get_field_index("servers")
    pq.write_table(table.set_column(place, "servers", pa.array(["2"] * table.num_rows)), path)
    with pytest.raises(CatalogError, match="cannot take the files of run other"):
        registered(catalog, root, "other")
    assert rows(catalog, "sweeps.effective_parameters_queue_compact").num_rows == 24


def test_other_files_of_a_registered_run_are_told(catalog: "Catalog", root: Path) -> None:
    registered(catalog, root, "one")
    store = open_store(str(root))
    run = require_run(store, "one")
    manifest = require_manifest(store, run)
    parts = tuple(each.model_copy(update={"bytes": each.bytes + 1}) for each in manifest.parts)
    with pytest.raises(CatalogError, match="other files of run one") as caught:
        list(register(catalog, "sweeps", store, run, manifest.model_copy(update={"parts": parts})))
    assert "Table.delete" in str(caught.value.remedy)
    for dataset in DATASETS:
        name = f"{dataset}_compact" if dataset == "shard_outcomes" else f"{dataset}_queue_compact"
        catalog.load_table(f"sweeps.{name}").delete("run_id == 'one'")
    assert not any(each.already for each in registered(catalog, root, "one"))
    assert rows(catalog, OUTCOMES).num_rows == 24


def test_a_table_of_another_store_is_left_alone(catalog: "Catalog", root: Path, tmp_path: Path) -> None:
    registered(catalog, root, "one")
    copy = Path(shutil.copytree(root, tmp_path / "copy"))
    with pytest.raises(CatalogError, match="of another store"):
        registered(catalog, copy, "one")


def test_a_file_that_is_missing_registers_nothing_of_its_table(
    catalog: "Catalog", root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweepctl.compact.plan.PART_BYTES", 1)
    compact(open_store(str(root)), "other")
    _, path, *_ = sorted((root / "compact-v1" / "effective_parameters").rglob("run=other/*.parquet"))
    path.unlink()
    with pytest.raises(CatalogError, match="cannot be read or written"):
        registered(catalog, root, "other")
    assert rows(catalog, "sweeps.effective_parameters_queue_compact").num_rows == 0


def test_metadata_in_the_store_is_of_no_run(catalog: "Catalog", root: Path) -> None:
    store = open_store(str(root))
    before = verify(store, "one", None)
    registered(catalog, root, "one")
    assert (root / "iceberg-v1" / "point_outcomes_queue_compact" / "metadata").is_dir()
    assert verify(store, "one", None).findings == before.findings


def test_a_compact_file_that_cannot_be_read_is_named(catalog: "Catalog", root: Path) -> None:
    (path,) = (root / "compact-v1" / "effective_parameters").rglob("*.parquet")
    path.unlink()
    with pytest.raises(DamagedError, match=r"effective_parameters.*part-00000.parquet cannot be read"):
        registered(catalog, root, "one")


def test_a_store_that_refuses_or_a_disk_that_fails_makes_no_file_a_damaged_one(
    catalog: "Catalog", root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("AWS Error ACCESS_DENIED during HeadObject operation")  # as Arrow: no number

    store = open_store(str(root))
    run = require_run(store, "one")
    manifest = require_manifest(store, run)
    monkeypatch.setattr(pq, "read_schema", refuse)
    with pytest.raises(StoreError, match="scheduled before"):
        next(register(catalog, "sweeps", FaultyStore(store, {0: StoreFault.ERROR_BEFORE}), run, manifest))
    monkeypatch.setattr(pq, "read_schema", refusing(errno.EIO))
    with pytest.raises(StoreError, match="Input/output error") as failed:
        next(register(catalog, "sweeps", store, run, manifest))
    assert not isinstance(failed.value, DamagedError)


@pytest.mark.servers
@pytest.mark.usefixtures("glue_and_athena")
def test_the_command_registers_with_glue(moto_server: Server) -> None:
    store = open_store(f"s3://{BUCKET}/iceberg", endpoint_url=moto_server.endpoint_url)
    make_run(store, "iced")
    compact(store, "iced")
    given = ["--store", f"s3://{BUCKET}/iceberg", "--endpoint-url", moto_server.endpoint_url]
    runner = CliRunner()
    shown = runner.invoke(app, ["athena", "iceberg", "iced", *given])
    assert shown.exit_code == 0, shown.output
    assert "sweeps.point_outcomes_queue_compact: 1 file, 24 rows, registered" in shown.stdout
    again = runner.invoke(app, ["athena", "iceberg", "iced", *given, "--json"])
    assert again.stdout.count('"already": true') == 4
    glue: Any = boto3.client("glue")
    tables = glue.get_tables(DatabaseName="sweeps")["TableList"]
    assert {each["Parameters"]["table_type"] for each in tables} == {"ICEBERG"}
    glue.create_database(DatabaseInput={"Name": "taken"})
    other = {"Name": "effective_parameters_queue_compact", "Parameters": {"classification": "parquet"}}
    glue.create_table(DatabaseName="taken", TableInput=other)
    taken = runner.invoke(app, ["athena", "iceberg", "iced", *given, "--database", "taken"])
    assert taken.exit_code == 5
    assert "has something else of the name effective_parameters_queue_compact" in taken.stderr


def test_the_command_refuses_a_directory(tmp_path: Path) -> None:
    shown = CliRunner().invoke(app, ["athena", "iceberg", "r", "--store", str(tmp_path)])
    assert shown.exit_code == 2
    assert "Athena reads only S3" in shown.stderr
