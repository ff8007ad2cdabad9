"""The first manifest of a program: what is known of it, and examples of what is not."""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sweepctl.engine.client import Engine
from sweepctl.errors import ProgramError, UsageError
from sweepctl.names import IDENTITY_COLUMNS
from sweepctl.protocol import Model
from sweepctl.sweep.starter.function import function_names, read_function
from sweepctl.sweep.starter.write import PROGRAM_SCHEMA
from sweepctl.texts import did_you_mean

MAX_NAME = 60  # with room for `my_`
_EXAMPLE, _GUESS = "# an example: replace it", "# guessed: correct it"
_ABOUT = "# Parameters, their types, defaults and docs come from the function; what is said here has the last word.\n"
_NO_METRICS = '[metrics]\n# peak = "float" # what it returns for each point: "float", "int", "bool" or "string"\n'
# While the engine reads it: a model has at least one metric.
_STAND_IN = '[metrics]\nresult = "float"\n'

_TEXT = """\
#:schema ./{schema}
# The model `{name}`. `sweepctl check-model --program {file}` tries it.

name = "{name}"
version = "1" # what you call this state of it; an edit of its files makes another model_version by itself
{way}
# files = ["data/*.csv"]          # what it is made of besides
# environment = ["LICENSE_SERVER"] # variables that it needs

{parameters}# birth = {{ range = [0, 10], unit = "1/time", doc = "of prey" }}

"""


@dataclass(frozen=True)
class Manifest:
    """A manifest to write: its place, and its text with metrics and without."""

    path: Path
    head: str
    metrics: str | None  # the section; None if nothing is known

    def complete(self, engine: Path) -> tuple[Model, bool]:
        """Write it, let the engine read it, and return the model, and whether its metrics are known.

        Raises:
            ProgramError: something else is missing; the manifest stays, to be completed.
            UsageError: it cannot be written.
        """
        self._write("")
        try:
            return model_of(engine, self.path), True  # an annotation of the function says what it returns
        except ProgramError:
            self._write(self.metrics or _STAND_IN)
        try:
            return model_of(engine, self.path), self.metrics is not None
        finally:
            self._write(self.metrics or _NO_METRICS)

    def _write(self, metrics: str) -> None:
        try:
            self.path.write_text(self.head + metrics)
        except OSError as error:
            raise UsageError(f"{self.path}: {error.strerror}", remedy="Make the folder writable.") from error


def model_of(engine: Path, manifest: Path) -> Model:
    """Return the model of a program, as the engine reads its manifest.

    Raises:
        ProgramError: it has mistakes.
    """
    (model,) = (each for each in Engine(engine, [manifest]).description.models if each.program)
    return model


def of_function(given: str, folder: Path, name: str | None) -> Manifest:
    """Return the manifest of `file.py:function`, beside the file, which is looked for here and in `folder`.

    Raises:
        UsageError: there is no such file, or it lacks the function.
    """
    file, _, function = given.rpartition(":") if ":" in given else (given, "", "")
    path = next((each for each in (Path(file), folder / file) if file and each.is_file()), None)
    if path is None:
        raise UsageError(f"--python {given}: no such file", remedy="Give file.py:function.")
    require_printable(given)
    _require_function(path, function)
    found = read_function(path, function)
    beside = next((each for each in (".venv/bin/python", "venv/bin/python") if (path.parent / each).exists()), None)
    interpreter = f'interpreter = "{beside}"' if beside else '# interpreter = ".venv/bin/python" # python3 of the PATH'
    way = f"python = {_quoted(f'{path.name}:{function}')}\n{interpreter}"
    parameters = _ABOUT + _section("parameters", found.defaults, _EXAMPLE)
    metrics = _section("metrics", {key: _quoted(kind) for key, kind in found.metrics.items()}, _GUESS)
    rows = "".join(map(_dataset, found.datasets, found.datasets.values()))
    manifest = path.with_suffix(".toml")
    head = _head(manifest, name or name_of(path.stem), way, parameters)
    return Manifest(manifest, head, f"{metrics}{rows}" if found.metrics else None)


def _require_function(path: Path, name: str) -> None:
    names = function_names(path)
    if not name:
        raise UsageError(
            f"{path}: which function?", remedy=f"Give {path}:FUNCTION. {did_you_mean('', names, 'Functions')}"
        )
    if names and name not in names:
        msg = f"{path}: there is no function {name} at the top of the file"
        raise UsageError(msg, remedy=did_you_mean(name, names, "Functions"))


def of_process(key: str, words: str, name: str | None) -> Manifest:
    """Return the manifest of a program that is started as `words`, in this folder.

    Raises:
        UsageError: the words are not a command line.
    """
    try:
        command = shlex.split(words)
    except ValueError as error:
        raise UsageError(f"--{key} {words}: {error}", remedy="Quote it as for a shell.") from error
    require_printable(words)
    if not command:
        raise UsageError(f"--{key} is empty", remedy="Give the program and its arguments.")
    program = next((word for word in command[::-1] if re.fullmatch(r"[\w.][\w./-]*", word)), command[0])
    name = name or name_of(Path(program).stem)
    used = re.findall(r"\$\{([a-z][a-z0-9_]*)", words)
    if not used and (key == "serve" or "{in}" in words):
        used = ["x"]
    source = '"float"' if key == "serve" or "{out}" in words else "{ type = \"float\", pattern = 'result: (\\S+)' }"
    path, way = Path(f"{name}.toml"), f"{key} = [{', '.join(map(_quoted, command))}]"
    if key == "command":
        way += '\n# keep = ["run.log"]             # of a failed point, kept in the store'
    head = _head(path, name, way, _section("parameters", dict.fromkeys(used, "1.0"), _EXAMPLE))
    return Manifest(path, head, _section("metrics", {"result": source}, _EXAMPLE))


def require_printable(text: str) -> None:
    """Raise UsageError for what a TOML file cannot name: undecodable bytes of a path, or control characters."""
    if not text.isprintable():
        raise UsageError(f"{text}: has characters that no file can name", remedy="Rename it.")


def name_of(text: str) -> str:
    """Return a model's name made from the name of a file."""
    name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_").lstrip("0123456789_")[:MAX_NAME]
    name = name or "model"
    return f"my_{name}" if name in IDENTITY_COLUMNS else name


def _head(path: Path, name: str, way: str, parameters: str) -> str:
    return _TEXT.format(schema=PROGRAM_SCHEMA, name=name, file=path.name, way=way, parameters=parameters)


def _dataset(name: str, columns: Sequence[str]) -> str:
    if not columns:
        return f'\n# [datasets.{_key(name)}] # if these are rows\n# columns = {{ time = "float" }}\n'
    types = ", ".join(f'{_key(column)} = "float"' for column in columns)
    return f"\n[datasets.{_key(name)}]\ncolumns = {{ {types} }} {_GUESS}\n"


def _section(name: str, members: Mapping[str, str], note: str) -> str:
    return f"[{name}]\n" + "".join(f"{_key(key)} = {value} {note}\n" for key, value in members.items())


def _key(name: str) -> str:
    return name if name.isascii() and name.isidentifier() else _quoted(name)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
