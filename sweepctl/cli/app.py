"""The Typer application that all commands register with."""

import inspect
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, get_args

import typer
from typer.core import TyperGroup

from sweepctl import __version__
from sweepctl.errors import UsageError
from sweepctl.texts import nearest, plain

# Typer has Click's exceptions under a private name, this one's subclass apart.
_UsageError: Any = typer.BadParameter.__base__


JSON_VARIABLE = "SWEEPCTL_JSON"

# Every command, under the heading that `--help` has it, in the order of use.
PANELS: Mapping[str, Sequence[str]] = {
    "Start": ("init", "models", "check-model", "plan", "doctor"),
    "Run": ("run", "retry", "run-shard", "point"),
    "Inspect": ("runs", "status", "ui", "verify", "summary", "report", "compare", "query", "compact"),
    "Queue": ("submit", "send", "drain"),
    "Cloud": ("athena",),
}
_PANEL_OF = {name: panel for panel, names in PANELS.items() for name in names}


def wants_json(arguments: Sequence[str]) -> bool:
    """Return whether a command line that was not understood asks for JSON."""
    return "--json" in arguments or os.environ.get(JSON_VARIABLE, "").lower() in ("1", "true", "t", "yes", "y", "on")


@contextmanager
def _plain_errors(arguments: Sequence[str]) -> Iterator[None]:
    try:
        yield
    except _UsageError as error:
        error.message = plain(_in_own_words(error))
        if near := getattr(error, "possibilities", None):  # of an option, the nearest first
            error.message += f". Did you mean '{near[0]}'?"
            error.possibilities = None
        if wants_json(arguments):
            typer.echo(json.dumps(UsageError(error.format_message(), remedy=_help(error.ctx)).to_json()))
        raise


def _in_own_words(error: Any) -> str:  # noqa: ANN401  Typer has Click's types under private names
    """Return the message of an error; of a bad value without pydantic's words, and with the choice that is nearest."""
    said: str = error.message.removeprefix("Value error, ").replace("Input should", "must", 1)
    said = re.sub(r", unable to parse string as an? \w+$", "", said)
    choices = get_args(error.param.type_descriptor.annotation) if getattr(error, "param", None) else ()
    given = error.__cause__.errors()[0]["input"] if choices and error.__cause__ else None
    near = nearest(given, choices) if isinstance(given, str) else None
    return said if near is None else f"{said.removesuffix('.')}. Did you mean '{near}'?"


def _help(context: Any) -> str:  # noqa: ANN401  Typer has Click's types under private names
    command = "sweepctl" if context is None else context.command_path
    return f"`{command} --help` shows the arguments and options."


class Group(TyperGroup):
    """Commands whose help has whole paragraphs: Rich would end a line where the docstring does."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401  as Typer has it
        """Return a command by name."""
        command = super().get_command(ctx, cmd_name)
        if command is not None and command.help:
            paragraphs = inspect.cleandoc(command.help).split("\n\n")
            command.help = "\n\n".join(" ".join(each.split("\n")) for each in paragraphs)
        return command


def _at_home(word: str) -> str:
    """Return a word with the user's home for `~/`, which a shell leaves as it is in quotes and after `--option=`."""
    option, is_value, path = word.partition("=") if word.startswith("--") else ("", "", word)
    return f"{option}{is_value}{os.path.expanduser(path)}" if path.startswith("~/") else word


class _Commands(Group):
    """The commands; Typer's own errors about a command line quote it, and a name of a file may be in it."""

    _arguments: Sequence[str] = ()

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401  as Typer has it
        """Return the names of all commands, in the order of their panels."""
        return sorted(super().list_commands(ctx), key=list(_PANEL_OF).index)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401  as Typer has it
        """Return a command by name, with its panel."""
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            command.rich_help_panel = _PANEL_OF[cmd_name]
        return command

    def make_context(self, info_name: Any, args: list[str], *rest: Any, **options: Any) -> Any:  # noqa: ANN401  as Typer has it
        self._arguments = tuple(args)
        with _plain_errors(self._arguments):
            return super().make_context(info_name, [_at_home(word) for word in args], *rest, **options)

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401  as Typer has it
        with _plain_errors(self._arguments):
            return super().invoke(ctx)


app = typer.Typer(
    cls=_Commands,
    name="sweepctl",
    help="Run sharded simulation sweeps, with results that can be verified and queried.",
    epilog="Documentation: README.md and docs/ in the project's repository.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
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
