"""Registers a run's compact files, where they are, with Iceberg tables, which Athena and others read as they are.

A table `<dataset>_<model>_compact` has the runs that were registered: each as a whole, by one commit, and once. The
files are the manifest's; only Iceberg's own metadata is written, below `iceberg-v1/`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
from botocore.exceptions import BotoCoreError, ClientError

from sweepctl.athena.catalog_errors import catalog_error, catalog_errors
from sweepctl.errors import CatalogError, DamagedError, UsageError
from sweepctl.records.compact import Manifest, Part, find_manifest, remedy_of
from sweepctl.records.datafile import require_damage_of
from sweepctl.records.outcome import RunRecord
from sweepctl.records.table import PARQUET_ERRORS, SHARD_OUTCOMES
from sweepctl.store.contract import Store
from sweepctl.texts import extra_remedy

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

FOLDER = "iceberg-v1"  # of the metadata, in the store: no dataset has a name with a dash
_AGAIN = "Run the command again: a run is registered once."


@dataclass(frozen=True)
class Registered:
    """What a table has of a run."""

    table: str
    files: int
    rows: int
    already: bool  # whether it had them before


def require_manifest(store: Store, run: RunRecord) -> Manifest:
    """Return the manifest of a run's compact files.

    Raises:
        UsageError: the run is not compact.
        StoreError: the store does not answer, or the manifest is damaged.
    """
    manifest = find_manifest(store, run)
    if manifest is None:
        raise UsageError(f"run {run.run_id} is not compact", remedy=f"sweepctl compact {run.run_id}")
    return manifest


def glue_catalog(region: str | None, endpoint_url: str | None) -> "Catalog":
    """Open Glue's catalog, with boto3's credentials for it and for the files; nothing is sent yet.

    Raises:
        UsageError: pyiceberg is not installed.
        CatalogError: boto3's settings cannot be used.
    """
    try:
        from pyiceberg.catalog.glue import GlueCatalog  # noqa: PLC0415  an extra
    except ImportError as error:
        raise UsageError("Iceberg tables need pyiceberg", remedy=extra_remedy("iceberg", "pyiceberg[glue]")) from error
    with catalog_errors("Glue"):
        session = boto3.session.Session(region_name=region)
        credentials = session.get_credentials()
        found = None if credentials is None else credentials.get_frozen_credentials()
        properties = {
            "client.region": session.region_name,
            "client.access-key-id": found and found.access_key,
            "client.secret-access-key": found and found.secret_key,
            "client.session-token": found and found.token,
            "s3.endpoint": endpoint_url,
        }
        return GlueCatalog("glue", None, **{name: value for name, value in properties.items() if value})


def register(
    catalog: "Catalog", database: str, store: Store, run: RunRecord, manifest: Manifest
) -> Iterator[Registered]:
    """Register every dataset of a run, and yield each as it is done.

    Args:
        catalog: pyiceberg's; a table that is missing in it is created.
        database: The database, or namespace, of the tables; created if it is missing.
        store: Where the run's compact files are.
        run: The run.
        manifest: Of its compact files.

    Raises:
        CatalogError: the catalog refuses a step, a name is taken, or a table has the run with other files; the steps
            before it stay done.
        DamagedError: a compact file cannot be read.
        StoreError: the store does not answer, or refuses, or a disk fails.
    """
    from pyiceberg import exceptions  # noqa: PLC0415  an extra

    name = database
    try:
        catalog.create_namespace_if_not_exists(database)
        for dataset in manifest.datasets:
            name = table_name(dataset, run)
            yield _register(catalog, f"{database}.{name}", store, run, manifest.of(dataset))
    except (BotoCoreError, ClientError) as error:
        raise catalog_error(error, name) from error
    except exceptions.CommitFailedException as error:
        raise CatalogError(f"{name}: another process changed it at the same time", remedy=_AGAIN) from error
    except (exceptions.NoSuchIcebergTableError, exceptions.NoSuchPropertyException) as error:
        msg = f"{database} has something else of the name {name}"
        raise CatalogError(msg, remedy="Choose another --database.") from error
    except (exceptions.ValidationError, ValueError) as error:
        msg = f"{name} cannot take the files of run {run.run_id}: {error}"
        raise CatalogError(msg, remedy="A column may have another type now: choose another --database.") from error
    except OSError as error:
        msg = f"{name}: a file of the store {store.url} cannot be read or written: {error}"
        raise CatalogError(msg, remedy=f"Allow s3:PutObject below {FOLDER}/, and s3:GetObject.") from error


def table_name(dataset: str, run: RunRecord) -> str:
    """Return the name of the table of a dataset's compact files."""
    return f"{dataset}_compact" if dataset == SHARD_OUTCOMES else f"{dataset}_{run.spec.model}_compact"


def _register(catalog: "Catalog", identifier: str, store: Store, run: RunRecord, parts: Sequence[Part]) -> Registered:
    location = store.locate(f"{FOLDER}/{identifier.partition('.')[2]}")
    schema = _schema_of(store, run, parts[0])
    if catalog.table_exists(identifier):
        table = catalog.load_table(identifier)
    else:
        table = catalog.create_table(identifier, schema=schema, location=location)
    if table.location() != location:
        msg = f"{identifier} is of another store: {table.location()}"
        raise CatalogError(msg, remedy="Choose another --database for this store.")
    wanted = {store.locate(part.key): part.bytes for part in parts}
    existing = _files_of(table, wanted)
    if existing not in ({}, wanted):
        msg = f"{identifier} has other files of run {run.run_id} than its manifest names"
        raise CatalogError(msg, remedy="Take them out with pyiceberg's `Table.delete`, and register it again.")
    if not existing:
        with table.transaction() as change:
            with change.update_schema() as update:
                update.union_by_name(schema)  # a model may have more columns than when the table was created
            change.add_files([*wanted], snapshot_properties={"sweepctl.run_id": run.run_id})
    return Registered(identifier, len(parts), sum(part.rows for part in parts), bool(existing))


def _schema_of(store: Store, run: RunRecord, part: Part) -> pa.Schema:
    filesystem, root = store.filesystem()
    try:
        return pq.read_schema(root + part.key, filesystem=filesystem).remove_metadata()
    except PARQUET_ERRORS as error:
        # Once more from a file here: Arrow's errors about a bucket cannot be told from those about a damaged file.
        with store.borrow(part.key) as path:
            try:
                if path is not None:
                    return pq.read_schema(path).remove_metadata()
            except PARQUET_ERRORS as again:
                require_damage_of(store.locate(part.key), again)
        msg = f"{store.locate(part.key)} cannot be read: {error}"
        raise DamagedError(msg, remedy=remedy_of(store, run.run_id)) from error


def _files_of(table: "Table", wanted: dict[str, int]) -> dict[str, int]:
    """Return the sizes of the files in the table that lie where these do."""
    folder = next(iter(wanted)).rpartition("/")[0] + "/"
    rows = table.inspect.files().select(["file_path", "file_size_in_bytes"]).to_pylist()
    return {each["file_path"]: each["file_size_in_bytes"] for each in rows if each["file_path"].startswith(folder)}
