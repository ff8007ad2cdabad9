"""The Typer application that all commands register with."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from sweepctl import __version__
from sweepctl.texts import plain

# Typer has Click's exceptions under a private name, this one's subclass apart.
_UsageError: Any = typer.BadParameter.__base__


@contextmanager
def _plain_errors() -> Iterator[None]:
    try:
        yield
    except _UsageError as error:
        error.message = plain(error.message)
        raise


class _Commands(TyperGroup):
    """The commands; Typer's own errors about a command line quote it, and a name of a file may be in it."""

    def make_context(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401  as Typer has it
        with _plain_errors():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401  as Typer has it
        with _plain_errors():
            return super().invoke(ctx)


app = typer.Typer(
    cls=_Commands,
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
