"""The Typer application that all commands register with."""

import os
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


def _at_home(word: str) -> str:
    """Return a word with the user's home for `~/`, which a shell leaves as it is in quotes and after `--option=`."""
    option, is_value, path = word.partition("=") if word.startswith("--") else ("", "", word)
    return f"{option}{is_value}{os.path.expanduser(path)}" if path.startswith("~/") else word


class _Commands(TyperGroup):
    """The commands; Typer's own errors about a command line quote it, and a name of a file may be in it."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        *others: Any,  # noqa: ANN401  as Typer has it
        **options: Any,  # noqa: ANN401  as Typer has it
    ) -> Any:  # noqa: ANN401  as Typer has it
        with _plain_errors():
            return super().make_context(info_name, [_at_home(word) for word in args], *others, **options)

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
