"""Commands that give Athena a store's tables."""

from typing import TYPE_CHECKING, Annotated

import typer

from sweepctl.cli.app import app
from sweepctl.cli.options import EngineOption, JsonOption, RegionOption
from sweepctl.cli.terminal import print_json, telling
from sweepctl.errors import UsageError

if TYPE_CHECKING:
    from sweepctl.protocol import Description

athena = typer.Typer(
    help="Tables and views of a store in Amazon Athena.",
    epilog="Examples:\n\n  sweepctl athena ddl --store s3://bucket/sweeps > tables.sql\n\n"
    "  sweepctl athena apply --store s3://bucket/sweeps --database sweeps",
    no_args_is_help=True,
)
app.add_typer(athena, name="athena")

BucketOption = Annotated[
    str, typer.Option("--store", envvar="SWEEPCTL_STORE", help="The store: s3://bucket/prefix. It is not looked into.")
]
DatabaseOption = Annotated[str, typer.Option("--database", help="The Glue database.")]
ModelOption = Annotated[
    list[str] | None,
    typer.Option("--model", help="Tables of this model; again for more.", show_default="all that the engine has"),
]


@athena.command(
    "ddl",
    epilog="Examples:\n\n  sweepctl athena ddl --store s3://bucket/sweeps\n\n"
    "  sweepctl athena ddl --store s3://bucket/sweeps --database sweeps --model queue > tables.sql",
)
def ddl_command(
    store: BucketOption,
    database: DatabaseOption = "sweeps",
    model: ModelOption = None,
    engine: EngineOption = None,
    json_output: JsonOption = False,
) -> None:
    """Print the statements that make database, tables and views; Athena runs them one at a time.

    Columns and types come from what the engine describes. Partitions are projected: nothing is to be crawled or
    repaired, and a shard can be queried the moment that it is committed.
    """
    with telling(json_output=json_output):
        from sweepctl.athena.statements import ddl

        location = _location(store)
        statements = list(ddl(_described(engine, model), _named(database), location))
        if json_output:
            print_json({"database": database, "store": location, "statements": statements})
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
    workgroup: Annotated[
        str, typer.Option("--workgroup", help="The Athena workgroup that makes the views.")
    ] = "primary",
    output: Annotated[
        str | None,
        typer.Option("--output", help="Where Athena puts results.", show_default="the workgroup's own place"),
    ] = None,
    engine: EngineOption = None,
    json_output: JsonOption = False,
    region: RegionOption = None,
) -> None:
    """Make database, tables and views through Glue and Athena; again, what is right already is left alone.

    A table whose columns or place are others is updated, and told. Nothing is dropped, no data is read.
    """
    with telling(json_output=json_output) as console:
        from sweepctl.athena.catalog import open_catalog

        catalog = open_catalog(_named(database), workgroup, output, region)
        made = []
        for each in catalog.apply(_described(engine, model), _location(store)):
            made.append(vars(each))
            console.print(f"{each.change:9}  {each.kind:8}  {each.name}", highlight=False, markup=False)
        if json_output:
            print_json({"database": database, "made": made})


def _described(engine: str | None, models: list[str] | None) -> "Description":
    """Return what the engine describes, of the models that were named."""
    from sweepctl.engine import Engine, find_engine

    found = Engine(find_engine(engine))
    if not models:
        return found.description
    return found.description.model_copy(update={"models": tuple(found.model(name) for name in models)})


def _location(store: str) -> str:
    from sweepctl.store import open_store

    location = store.rstrip("/")
    if not location.startswith("s3://"):
        raise UsageError(f"{store!r} is not in S3, where Athena looks", remedy="Give --store s3://bucket/prefix.")
    open_store(location)  # what is no bucket or prefix is refused
    return location


def _named(database: str) -> str:
    import re

    if not re.fullmatch(r"[a-z][a-z0-9_]{0,254}", database):
        raise UsageError(
            f"{database!r} is no name of a database", remedy="Use lower-case letters, digits and _, a letter first."
        )
    return database
