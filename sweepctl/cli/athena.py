"""Commands that define a store's tables in Athena."""

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING, Annotated

import typer

from sweepctl.cli.app import Group, app
from sweepctl.cli.named import named_run
from sweepctl.cli.options import EndpointOption, EngineOption, JsonOption, ProgramOption, RegionOption, RunArgument
from sweepctl.cli.terminal import error_exit, print_json
from sweepctl.errors import UsageError

if TYPE_CHECKING:
    from sweepctl.athena.catalog import Catalog
    from sweepctl.engine.client import Engine

athena = typer.Typer(
    cls=Group,
    help="Tables and views of a store in Amazon Athena.",
    epilog="Examples:\n\n  sweepctl athena ddl --store s3://bucket/sweeps > tables.sql\n\n"
    "  sweepctl athena apply --store s3://bucket/sweeps --database sweeps",
    no_args_is_help=True,
)
app.add_typer(athena, name="athena")

# As in `options`, but without a default: Athena cannot read a local directory.
BucketOption = Annotated[
    str, typer.Option("--store", envvar="SWEEPCTL_STORE", help="Result store: s3://bucket/prefix.")
]
DatabaseOption = Annotated[str, typer.Option("--database", help="Glue database.")]
ModelOption = Annotated[
    list[str] | None,
    typer.Option("--model", help="Model whose tables to create; repeatable.", show_default="all models of the engine"),
]

SINCE = "First run_date that Athena lists; older runs are not found."


@athena.command(
    "ddl",
    epilog="Examples:\n\n  sweepctl athena ddl --store s3://bucket/sweeps\n\n"
    "  sweepctl athena ddl --store s3://bucket/sweeps --database sweeps --model queue > tables.sql",
)
def ddl_command(
    store: BucketOption,
    database: DatabaseOption = "sweeps",
    model: ModelOption = None,
    since: Annotated[
        dt.datetime | None,
        typer.Option(formats=["%Y-%m-%d"], metavar="DATE", help=SINCE, show_default="2000-01-01"),
    ] = None,
    engine: EngineOption = None,
    program: ProgramOption = None,
    json_output: JsonOption = False,
) -> None:
    """Print the statements that create the database, tables and views; Athena runs them one at a time.

    Columns and types come from the engine's description. Partitions are projected: no crawler or MSCK REPAIR is needed,
    and a shard can be queried as soon as it is committed.
    """
    with error_exit(json_output=json_output):
        from sweepctl.athena.statements import ddl
        from sweepctl.engine.client import Engine, find_engine

        catalog = _catalog(store, database, model, Engine(find_engine(engine), program), since)
        statements = list(ddl(catalog))
        if json_output:
            print_json({"database": database, "store": catalog.root, "statements": statements})
        else:
            typer.echo("\n\n".join(f"{each};" for each in statements))


@athena.command(
    "apply",
    epilog="Examples:\n\n  sweepctl athena apply --store s3://bucket/sweeps\n\n"
    "  sweepctl athena apply --store s3://bucket/sweeps --workgroup sweeps --output s3://bucket/athena/ --json",
)
def apply_command(
    store: BucketOption,
    database: DatabaseOption = "sweeps",
    model: ModelOption = None,
    workgroup: Annotated[str, typer.Option("--workgroup", help="Athena workgroup that creates the views.")] = "primary",
    output: Annotated[
        str | None,
        typer.Option("--output", help="S3 location for Athena's query results.", show_default="the workgroup's own"),
    ] = None,
    since: Annotated[
        dt.datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            metavar="DATE",
            help=f"{SINCE} If given, nothing of the store is read or counted.",
            show_default="that of the store's first run",
        ),
    ] = None,
    engine: EngineOption = None,
    program: ProgramOption = None,
    json_output: JsonOption = False,
    region: RegionOption = None,
) -> None:
    """Create or update the database, tables and views through Glue and Athena; what is up to date is left alone.

    A table with other columns is updated, and each difference is reported. If a table belongs to another store, nothing
    is changed. Nothing is dropped. Last, Athena counts the shards of the store's first run in two ways, which shows
    whether it finds the files.
    """
    with error_exit(json_output=json_output) as console:
        from sweepctl.athena.apply import apply, open_clients
        from sweepctl.athena.check import FirstRuns, count_shards, first_runs
        from sweepctl.athena.execution import Queries
        from sweepctl.engine.client import Engine, find_engine
        from sweepctl.store import open_store
        from sweepctl.view.athena import show_counted, show_made

        catalog = _catalog(store, database, model, Engine(find_engine(engine), program), since)
        if output is not None and not output.startswith("s3://"):
            raise UsageError(f"--output {output!r} is not in S3", remedy="Give s3://bucket/prefix/.")
        clients, queries = open_clients(region), Queries(workgroup, output)
        runs = FirstRuns(catalog.since) if since else first_runs(open_store(catalog.root, region=region))
        catalog = dataclasses.replace(catalog, since=runs.since)
        steps = apply(catalog, clients, queries)
        if json_output:
            made = [vars(step) for step in steps]
            check = count_shards(catalog, clients.athena, queries, runs.sample)
            print_json({"database": database, "store": catalog.root, "made": made, "check": check and vars(check)})
        else:
            show_made(console, catalog, steps)
            show_counted(console, count_shards(catalog, clients.athena, queries, runs.sample))


@athena.command(
    "iceberg",
    epilog="Examples:\n\n  sweepctl athena iceberg ridehail-surge --store s3://bucket/sweeps\n\n"
    "  sweepctl athena iceberg ridehail-surge --store s3://bucket/sweeps --database sweeps --json",
)
def iceberg_command(
    run_id: RunArgument,
    store: BucketOption,
    database: DatabaseOption = "sweeps",
    json_output: JsonOption = False,
    endpoint_url: EndpointOption = None,
    region: RegionOption = None,
) -> None:
    """Register a run's compact files, where they are, with Iceberg tables in Glue, one for each dataset.

    A table has the registered runs, each as a whole and once, whatever else the store holds. Repeating the command
    changes nothing. Needs the extra `iceberg`.
    """
    with error_exit(json_output=json_output) as console:
        from sweepctl.athena.catalog import require_database, root_in_s3
        from sweepctl.messages import require_run_id
        from sweepctl.store import open_store

        require_run_id(run_id)
        require_database(database)
        results = open_store(root_in_s3(store), endpoint_url=endpoint_url, region=region)
        from sweepctl.athena.iceberg import glue_catalog, register, require_manifest
        from sweepctl.records.run import require_run
        from sweepctl.view.athena import show_registered

        run_id = named_run(results, run_id)
        catalog, run = glue_catalog(region, endpoint_url), require_run(results, run_id)
        steps = register(catalog, database, results, run, require_manifest(results, run))
        if json_output:
            print_json({"database": database, "run_id": run_id, "tables": [vars(step) for step in steps]})
        else:
            show_registered(console, steps)


def _catalog(
    store: str, database: str, models: list[str] | None, engine: "Engine", since: dt.datetime | None
) -> "Catalog":
    from sweepctl.athena.catalog import catalog

    found = catalog(engine.description, models or (), database=database, store=store)
    return found if since is None else dataclasses.replace(found, since=str(since.date()))
