"""Pages of the command line, from Typer's commands: commands, options, environment variables, exit codes."""

import inspect
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import typer.main
from reference.markdown import code, codes, table

from sweepctl import errors
from sweepctl.cli import app

ANY = Any  # Typer has Click's types under private names
TYPES: Mapping[object, str] = {int: "integer", float: "number", Path: "path", str: "text"}
EMPTY = "–"


@dataclass(frozen=True)
class Command:
    """A command by its full name."""

    name: str
    command: Any
    group: str | None  # what `--help` shows it under

    @property
    def anchor(self) -> str:
        """The anchor of its section, on the page of commands."""
        return f"commands.md#sweepctl-{self.name.replace(' ', '-')}"

    @property
    def link(self) -> str:
        """A link to its section."""
        return f"[{self.name}]({self.anchor})"

    def parameters(self, kind: Literal["argument", "option"]) -> list[Any]:
        """Return its visible arguments or options."""
        return [each for each in self.command.params if each.param_type_name == kind and not each.hidden]

    @property
    def usage(self) -> str:
        """How it is called."""
        words = [
            f"{_metavar(each)}{'…' if each.nargs == -1 else ''}" if each.required else f"[{_metavar(each)}]"
            for each in self.parameters("argument")
        ]
        required = [f"{each.opts[0]} {_metavar(each)}" for each in self.parameters("option") if each.required]
        return " ".join(["sweepctl", self.name, *words, *required])


def commands(group: ANY = None, prefix: str = "", panel: str | None = None) -> Iterator[Command]:
    """Yield every visible command in the order of `--help`, those of groups too."""
    group = group or typer.main.get_command(app)
    context = typer.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        own = getattr(command, "rich_help_panel", None)
        shown_under = own if isinstance(own, str) else panel
        if hasattr(command, "list_commands"):
            yield from commands(command, f"{prefix}{name} ", shown_under)
        elif not command.hidden:
            yield Command(f"{prefix}{name}", command, shown_under)


NAMES = """\
Where a run is named, the beginning of its ID is enough if no other run's begins so, and `latest` is the run that was
created last. A run that has exactly this ID comes first, even one called `latest`. Which run is meant is said on
stderr, and JSON has its whole ID. `--run-id` names a new run, or the one to continue: it is taken as it is.

`sweepctl --install-completion` has the shell complete commands, options and, from the store, the IDs of runs."""


def commands_page() -> str:
    """Return the page of every command."""
    every = list(commands())
    parts = [NAMES]
    for group in dict.fromkeys(each.group for each in every):
        rows = [(each.link, _first_line(each.command)) for each in every if each.group == group]
        parts += [f"**{group}**"] if group else []
        parts.append(table(["command", "what it does"], rows))
    parts += [_section(each) for each in every]
    return "\n\n".join(parts)


def _section(each: Command) -> str:
    parts = [f"## sweepctl {each.name}", f"```\n{each.usage}\n```", *_paragraphs(each.command.help)]
    arguments = each.parameters("argument")
    if arguments:
        rows = [(code(_metavar(one)), one.help or "") for one in arguments]
        parts.append(table(["argument", "meaning"], rows))
    parts.append(table(["option", "value", "default", "meaning"], map(_option, each.parameters("option"))))
    lines = [line.strip() for line in (each.command.epilog or "").splitlines()]
    examples = "\n".join(f"$ {line}" for line in lines if line and line != "Examples:")
    parts.append(f"```console\n{examples}\n```")
    return "\n\n".join(parts)


def _option(option: ANY) -> tuple[str, str, str, str]:
    return codes(_names(option)), _value(option), _default(option), option.help or ""


def _names(option: ANY) -> list[str]:
    return sorted([*option.opts, *option.secondary_opts], key=len, reverse=True)


def _metavar(parameter: ANY) -> str:
    name: str = parameter.metavar or parameter.name.upper().replace("_", "-")
    return name.strip("[].")


def _value(option: ANY) -> str:
    annotation = option.type_descriptor.annotation
    if annotation is bool:
        return EMPTY
    if get_origin(annotation) is Literal:
        return ", ".join(map(code, get_args(annotation)))
    if option.metavar:
        return code(option.metavar)
    limits = [f"{sign} {_number(limit)}" for sign, limit in (("≥", option.min), ("≤", option.max)) if limit is not None]
    return " ".join([TYPES.get(annotation, "text"), ", ".join(limits)]).strip()


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) or value != int(value) else f"{int(value):,}"


def _default(option: ANY) -> str:
    if isinstance(option.show_default, str):
        return option.show_default
    if option.required:
        return "required"
    if option.default is None or option.default is False or not option.show_default:
        return EMPTY
    return _number(option.default) if isinstance(option.default, int | float) else code(option.default)


def _paragraphs(text: str | None) -> list[str]:
    return [_spans(" ".join(each.split())) for each in inspect.cleandoc(text or "").split("\n\n")]


def _spans(text: str) -> str:
    """Return a text whose options are code, as the terminal shows them in colour."""
    return re.sub(r"(?<![\w`/-])(--[a-z][a-z-]*[a-z])(?![\w`])", r"`\1`", text)


def _first_line(command: ANY) -> str:
    return _paragraphs(command.help)[0]


def options_page() -> str:
    """Return the table of every option, with the commands that take it."""
    every = list(commands())
    uses: dict[str, dict[str, list[Command]]] = {}
    for each in every:
        for option in each.parameters("option"):
            uses.setdefault(option.opts[0], {}).setdefault(option.help or "", []).append(each)
    rows = [
        (code(name), meaning, _takers(takers, every))
        for name, meanings in sorted(uses.items())
        for meaning, takers in meanings.items()
    ]
    return table(["option", "meaning", "commands"], rows)


def _takers(takers: list[Command], every: list[Command]) -> str:
    others = [each for each in every if each not in takers]
    if len(others) > len(takers) or len(takers) == 1:
        return ", ".join(each.link for each in takers)
    return "every command" if not others else f"all but {', '.join(each.link for each in others)}"


def environment_table() -> str:
    """Return the table of variables that are options, each with the meaning that most commands have for it."""
    options: dict[str, Counter[tuple[str, str, str]]] = {}
    for each in commands():
        for option in each.parameters("option"):
            if option.envvar:
                row = code(option.envvar), code(option.opts[0]), option.help or ""
                options.setdefault(option.envvar, Counter())[row] += 1
    return table(["variable", "option", "meaning"], [options[name].most_common(1)[0][0] for name in sorted(options)])


def errors_table() -> str:
    """Return the table of errors: exit code, kind in JSON, meaning."""
    kinds: dict[tuple[int, str], list[str]] = {}
    for each in vars(errors).values():
        if isinstance(each, type) and issubclass(each, errors.SweepctlError) and each is not errors.SweepctlError:
            kinds.setdefault((each.exit_code, each.kind), []).append(_paragraphs(each.__doc__)[0])
    rows = [(str(exit_code), code(kind), " ".join(texts)) for (exit_code, kind), texts in sorted(kinds.items())]
    return table(["exit code", "`kind`", "meaning"], rows)
