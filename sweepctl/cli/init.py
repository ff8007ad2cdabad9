"""The command that writes a sweep to start from, for a built-in model or for one's own."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sweepctl.cli.app import app
from sweepctl.cli.options import EngineOption, JsonOption
from sweepctl.cli.terminal import error_exit, print_json
from sweepctl.errors import ProgramError, UsageError
from sweepctl.texts import listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sweepctl.protocol import Model
    from sweepctl.sweep.starter.manifest import Manifest


@app.command(
    "init",
    epilog="Examples:\n\n  sweepctl init my-sweep\n\n  cd my-sweep && sweepctl run sweep.toml\n\n"
    "  sweepctl init my-model --python my_model.py:simulate\n\n"
    "  sweepctl init my-cannon --command './cannon {in} {out}'\n\n"
    "  sweepctl init my-sweep --engine target/release/my-engine --model my_model\n\n  sweepctl init my-engine --rust",
)
def init_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the sweep file, created if needed.")],
    python: Annotated[
        str | None, typer.Option(metavar="FILE:FUNCTION", help="Python function that is the model.")
    ] = None,
    command: Annotated[
        str | None, typer.Option(metavar="WORDS", help="Command line that runs one point, with {in} and {out}.")
    ] = None,
    serve: Annotated[
        str | None, typer.Option(metavar="WORDS", help="Command line of a program that speaks the model protocol.")
    ] = None,
    program: Annotated[Path | None, typer.Option(metavar="FILE", help="Manifest that there is already.")] = None,
    rust: Annotated[bool, typer.Option("--rust", help="Create a crate for models in Rust.")] = False,
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="Model of the engine, or name of the new one.")
    ] = None,
    engine: EngineOption = None,
    json_output: JsonOption = False,
) -> None:
    """Create a commented sweep file to start from, with its schema for editors, and say the next command.

    Without options it is one of a built-in model, with a sample shard message. With --python, --command or --serve a
    manifest makes a model of that program: it is written beside the Python file, or else into the current folder.
    """
    with error_exit(json_output=json_output) as console:
        from sweepctl.view.console import foreign

        given = {
            "--python": python,
            "--command": command,
            "--serve": serve,
            "--program": program,
            "--rust": rust or None,
        }
        ways = [name for name, value in given.items() if value is not None]
        if len(ways) > 1:
            raise UsageError(f"{' and '.join(ways)} exclude each other", remedy="Give one of them.")
        if program is not None and model is not None:
            raise UsageError("--model: the manifest has the model's name already", remedy="Omit --model.")
        start = _Start(folder, model, engine)
        if rust:
            written, following = start.crate()
        elif ways:
            written, following = start.program(python, command, serve, program)
        else:
            written, following = start.engine() if model is not None else start.starter()
        if json_output:
            print_json({"written": [str(path) for path in written], "next": following})
            return
        for path in written:
            console.print(f"  {foreign(path)}", highlight=False, soft_wrap=True)
        for step in following:
            console.print(f"→ {foreign(step)}", highlight=False, soft_wrap=True)


class _Start:
    """What is written for each kind of model; each way returns the paths, and what to do next."""

    def __init__(self, folder: Path, model: str | None, engine: str | None) -> None:
        self._folder, self._model, self._engine = folder, model, engine
        self._sweep = folder / "sweep.toml"

    def starter(self) -> "tuple[Sequence[Path], Sequence[str]]":
        from sweepctl.sweep.starter.write import STARTER_MODEL, write_starter

        if self._engine is not None:
            from sweepctl.engine.client import Engine, find_engine

            names = sorted(each.name for each in Engine(find_engine(self._engine)).description.models)
            if STARTER_MODEL not in names:
                if len(names) > 1:
                    msg = f"the engine {self._engine} has several models: {listed(names)}"
                    raise UsageError(msg, remedy="Give one of them with --model.")
                self._model = names[0]
                return self.engine()
        return write_starter(self._folder), [f"sweepctl plan {self._sweep}"]

    def crate(self) -> "tuple[Sequence[Path], Sequence[str]]":
        from sweepctl.sweep.starter.crate import crate_of
        from sweepctl.sweep.starter.manifest import name_of
        from sweepctl.sweep.starter.write import write_new

        name = name_of(self._model or self._folder.resolve().name)
        built = self._folder / "target" / "release" / name
        return write_new(crate_of(self._folder, name)), [
            f"cargo build --release --manifest-path {self._folder / 'Cargo.toml'}",
            f"sweepctl check-model --engine {built}",
            f"sweepctl plan {self._sweep} --engine {built}",
        ]

    def engine(self) -> "tuple[Sequence[Path], Sequence[str]]":
        from sweepctl.engine.client import Engine, find_engine
        from sweepctl.sweep.starter.write import write_new

        path = find_engine(self._engine)
        found = Engine(path).model(self._model or "")
        option = "" if self._engine is None else f" --engine {self._engine}"
        return write_new(self._files(found, None)), [f"sweepctl plan {self._sweep}{option}"]

    def program(
        self, python: str | None, command: str | None, serve: str | None, program: Path | None
    ) -> "tuple[Sequence[Path], Sequence[str]]":
        from sweepctl.engine.client import find_engine
        from sweepctl.sweep.starter.manifest import model_of, of_function, of_process
        from sweepctl.sweep.starter.write import PROGRAM_SCHEMA, require_new, shipped, write_new

        path = find_engine(self._engine)
        if program is not None:
            return write_new(self._files(model_of(path, program), program)), self._following(program)
        if python is not None:
            manifest = of_function(python, self._folder, self._model)
        elif command is not None:
            manifest = of_process("command", command, self._model)
        else:
            manifest = of_process("serve", serve or "", self._model)
        schema = manifest.path.with_name(PROGRAM_SCHEMA)
        places = [self._sweep, manifest.path, schema]
        require_new({place: shipped(PROGRAM_SCHEMA) if place == schema else b"" for place in places})
        found, is_known = self._completed(manifest, path)
        written = write_new({**self._files(found, manifest.path), schema: shipped(PROGRAM_SCHEMA)})
        first = [] if is_known else [f"edit {manifest.path}: [metrics] must name what the program returns"]
        return [manifest.path, *written], [*first, *self._following(manifest.path)]

    def _completed(self, manifest: "Manifest", engine: Path) -> "tuple[Model, bool]":
        try:
            return manifest.complete(engine)
        except ProgramError as error:
            again = f"sweepctl init {self._folder} --program {manifest.path}"
            raise ProgramError("\n".join(error.problems), remedy=f"Complete {manifest.path}, then: {again}") from error

    def _files(self, model: "Model", manifest: Path | None) -> dict[Path, bytes]:
        from sweepctl.sweep.starter.manifest import require_printable
        from sweepctl.sweep.starter.model import sweep_of
        from sweepctl.sweep.starter.write import SWEEP_SCHEMA, shipped

        named = None if manifest is None else os.path.relpath(manifest.resolve(), self._folder.resolve())
        require_printable(named or "")
        return {self._sweep: sweep_of(model, named), self._folder / SWEEP_SCHEMA: shipped(SWEEP_SCHEMA)}

    def _following(self, manifest: Path) -> "Sequence[str]":
        return [f"sweepctl check-model --program {manifest}", f"sweepctl plan {self._sweep}"]
