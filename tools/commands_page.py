"""Writes docs/commands.md: every command with its arguments, options and examples, and which command has an option."""

import inspect
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import mdformat
import typer.main

from sweepctl.cli import app
from sweepctl.cli.app import PANELS

ROOT = Path(__file__).parents[1]
PATH = ROOT / "docs/commands.md"
TOP = """\
# Commands

`sweepctl COMMAND -h` prints the same. An option with an `env var` can be set by that variable, too. Where a `RUN_ID` is
asked for, the beginning of a run's ID is enough, or `latest`. At the end is a list of which commands have an option.
`make commands` writes this page from the code.
"""


def page() -> str:
    """Return the page."""
    group, commands = vars(typer.main.get_command(app))["commands"], dict[str, Any]()
    parts = [TOP]
    for panel, names in PANELS.items():
        parts.append(f"## {panel}\n")
        here = dict(chain.from_iterable(_within(name, group[name]) for name in names))
        parts += [_section(name, command) for name, command in here.items()]
        commands |= here
    parts.append(_index(commands))
    settings = tomllib.loads((ROOT / ".mdformat.toml").read_text())
    return mdformat.text("\n".join(parts), options=settings, extensions={"gfm", "tables"})


def _within(name: str, command: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401  Typer has its types under private names
    """Yield a command, or those of a group, by their whole names."""
    inner = vars(command).get("commands")
    if inner is None:
        yield name, command
    else:
        yield from ((f"{name} {each}", found) for each, found in inner.items())


def _section(name: str, command: Any) -> str:  # noqa: ANN401  as above
    context = typer.Context(command, info_name=f"sweepctl {name}")
    usage = command.get_usage(context).removeprefix("Usage: ")
    examples = [line.strip() for line in command.epilog.splitlines() if line.strip().startswith(("sweepctl", "cd "))]
    rows = "\n".join(
        " | ".join(["", f"`{shown}`", meaning, ""]).strip()
        for shown, meaning in (
            [text.replace("|", "\\|") for text in each.get_help_record(context)] for each in command.params
        )
    )
    text = inspect.cleandoc(command.callback.__doc__)
    fence = "```"
    return (
        f"### sweepctl {name}\n\n{text}\n\n{fence}\n{usage}\n{fence}\n\n| argument, option | meaning |\n| -- | -- |\n"
        f"{rows}\n\n{fence}\n" + "\n".join(examples) + f"\n{fence}\n"
    )


def _index(commands: dict[str, Any]) -> str:
    owners = defaultdict[str, list[str]](list)
    for name, command in commands.items():
        for option in (each for param in command.params for each in param.opts if each.startswith("--")):
            owners[option].append(f"`{name}`")
    rows = "\n".join(f"| `{option}` | {', '.join(owners[option])} |" for option in sorted(owners))
    return f"## Which commands have an option\n\n| option | commands |\n| -- | -- |\n{rows}\n"


if __name__ == "__main__":
    PATH.write_text(page())
