"""Commands that put a store's tables into Athena."""

from typing import TYPE_CHECKING, Annotated

import typer

from sweepctl.cli.app import app
from sweepctl.cli.options import DEFAULT_STORE, EngineOption, JsonOption, RegionOption, StoreOption
from sweepctl.cli.terminal import print_json, telling
from sweepctl.errors import UsageError

if TYPE_CHECKING:
    from sweepctl.athena.catalog import Catalog

DatabaseOption = Annotated[str, typer.Option(help="The database of the tables.")]
ModelOption = Annotated[str | None, typer.Option(help="Of this model only.", show_default="all of the engine's")]

athena_app = typer.Typer(help="Put a store's tables and views into Amazon Athena.", no_args_is_help=True)
app.add_typer(athena_app, name="athena")


@athena_app.command(
    "ddl",
    epilog="Examples:\n\n  sweepctl athena ddl --store s3://bucket/sweeps\n\n"
    "  sweepctl athena ddl --store s3://bucket/sweeps --model queue --database research",
)
def ddl_command(
    store: StoreOption = DEFAULT_STORE,
    database: DatabaseOption = "sweeps",
    model: ModelOption = None,
    engine: EngineOption = None,
    json_output: JsonOption = False,
) -> None:
    """Print the statements that make database, tables and views; nothing is sent.

    Columns and types are those that the engine describes. Athena takes one statement at a time.
    """
    with telling(json_output=json_output):
        from sweepctl.athena.statements import statements

        found = _catalog(store, database, model, engine)
        named = [{"name": name, "sql": sql} for name, sql in statements(found)]
        if json_output:
            print_json({"database": database, "statements": named})
        else:
            typer.echo("\n".join(f"{each['sql']};\n" for each in named))


@athena_app.command(
    "apply",
    epilog="Examples:\n\n  sweepctl athena apply --store s3://bucket/sweeps --workgroup research\n\n"
    "  sweepctl athena apply --store s3://bucket/sweeps --output-location s3://bucket/athena-results/",
)
def apply_command(
    store: StoreOption = DEFAULT_STORE,
    database: DatabaseOption = "sweeps",
    model: ModelOption = None,
    workgroup: Annotated[str, typer.Option(help="Athena's work group that runs the views' statements.")] = "primary",
    output_location: Annotated[
        str | None,
        typer.Option(help="Where Athena puts results of statements.", show_default="the work group's own"),
    ] = None,
    engine: EngineOption = None,
    json_output: JsonOption = False,
    region: RegionOption = None,
) -> None:
    """Make database, tables and views stand in AWS as `ddl` prints them; again, it changes only what differs.

    A table with other columns is updated, and told. One over another store is left alone, and so is everything then.
    """
    with telling(json_output=json_output) as console:
        from sweepctl import view_athena
        from sweepctl.athena.apply import Queries, apply, open_clients

        found = _catalog(store, database, model, engine)
        if output_location is not None and not output_location.startswith("s3://"):
            raise UsageError(f"{output_location!r} is no place in S3", remedy="Give s3://bucket/prefix/.")
        steps = apply(found, open_clients(region), Queries(workgroup, output_location))
        if json_output:
            print_json({"database": database, "store": found.root, "changes": [vars(step) for step in steps]})
        else:
            view_athena.show_changes(console, found, steps)


def _catalog(store: str, database: str, model: str | None, engine: str | None) -> "Catalog":
    from sweepctl.athena.catalog import catalog
    from sweepctl.engine import Engine, find_engine

    return catalog(Engine(find_engine(engine)).description, model, database=database, store=store)
