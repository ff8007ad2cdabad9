"""The Typer application that all commands register with."""

from typing import Annotated

import typer

from sweepctl import __version__

app = typer.Typer(
    name="sweepctl",
    help="Run sharded simulation sweeps, with results that can be verified and queried.",
    epilog="Documentation: README.md and docs/ in the project's repository.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        typer.echo(f"sweepctl {__version__}")
        raise typer.Exit
