"""Puts a program that is a model where it can run: `program_package.py ENGINE MANIFEST FOLDER [REQUIREMENTS] [PYTHON]`.

    FOLDER/manifest   the manifest's name, which the function reads
    FOLDER/files/     the manifest and the files that the engine says the program is made of, as they are
    FOLDER/packages/  what the requirements name
    FOLDER/bin/       an interpreter that is looked up on PATH

The author's interpreter stays where it is. In its place, at the manifest's `interpreter`, is a script that starts the
function's Python with the packages. They are beside the files, so that no pattern of the manifest finds them.
"""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from function_python import COMPILE, install, require_python, version_of

MARK = ".program-package"  # in a folder that was made here, and may be removed
# Started by its name, it would find itself on PATH, so it takes its folder away from there.
INTERPRETER = """\
#!/bin/sh
here=${{0%/*}}
PATH=${{PATH#"$here:"}}
export PATH PYTHONPATH="$here/{packages}"
exec python{version} "$@"
"""


def assemble(engine: Path, manifest: Path, folder: Path, python: str, requirements: Path | None = None) -> str:
    """Copy a program into an empty folder, with packages for the version of `python`; return its model and version."""
    manifest = manifest.resolve()
    program = describe(engine, manifest)
    files, packages = folder / "files", folder / "packages"
    for name in (manifest.name, *program["program"]["files"]):
        (files / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(manifest.parent / name, files / name)
    (folder / "manifest").write_text(manifest.name)
    version = version_of(python)
    if requirements is not None:
        install(packages, version, ("--require-hashes", "-r", str(requirements)))
        # Packages may contain modules that no Python compiles: templates, or tests of another version.
        subprocess.run((python, *COMPILE, "-qq", "-s", str(packages), str(packages)), check=False)
    write_interpreter(manifest, folder, version)
    # Of the manifest's files, those that are there must be the author's: the version is a part of every result.
    copied = describe(engine, files / manifest.name, (folder / "bin", Path(python).parent))
    if copied != program:
        sys.exit(f"{manifest}: a pattern of `files` matches its own interpreter, {interpreter_of(manifest)}: narrow it")
    return f"{program['name']} {program['version']}"


def describe(engine: Path, manifest: Path, path: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Return the engine's description of a program; exit with its complaint if it has one."""
    environment = {**os.environ, "PATH": os.pathsep.join([*map(str, path), os.environ["PATH"]])}
    command = (engine, "--program", manifest, "describe")
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr.rstrip())
    described: dict[str, Any] = next(each for each in json.loads(done.stdout)["models"] if each.get("program"))
    return described


def interpreter_of(manifest: Path) -> str:
    """Return the interpreter of a program; those that are no Python function may start one, too."""
    return str(tomllib.loads(manifest.read_text()).get("interpreter", "python3"))


def write_interpreter(manifest: Path, folder: Path, version: str) -> None:
    """Write the script that is the program's interpreter."""
    interpreter = interpreter_of(manifest)
    place = Path(os.path.normpath((folder / "files" if "/" in interpreter else folder / "bin") / interpreter))
    if not place.is_relative_to(folder):
        sys.exit(
            f"{manifest}: interpreter: {interpreter} is a place that only this machine has.\n"
            "Name one in the manifest's folder or the one above, .venv/bin/python, or leave it out."
        )
    place.parent.mkdir(parents=True, exist_ok=True)
    packages = os.path.relpath(folder / "packages", place.parent)
    place.write_text(INTERPRETER.format(packages=packages, version=version))
    place.chmod(0o755)


def main(engine: str, manifest: str, folder: str, requirements: str = "", python: str = "") -> None:
    """Write the folder anew."""
    if not manifest:
        sys.exit("missing: the program's manifest: make program PROGRAM=path/to/lv.toml")
    empty(Path(folder))
    packages = Path(requirements) if requirements else None
    print(f"  {folder}: {assemble(Path(engine), Path(manifest), Path(folder), require_python(python), packages)}")


def empty(folder: Path) -> None:
    """Make the folder, or remove what is in it; exit if it has something that was not made here."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        sys.exit(f"{folder} is a link or a file: name a folder to write to")
    if folder.exists() and any(folder.iterdir()) and not (folder / MARK).is_file():
        sys.exit(f"{folder} has files that were not made by this: move them away, or name another folder")
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / MARK).touch()


if __name__ == "__main__":
    main(*sys.argv[1:])
