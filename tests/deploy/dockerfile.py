"""examples/deploy/Dockerfile, read without an engine: its instructions by stage."""

import json
import shlex
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from paths import ROOT

PATH = ROOT / "examples" / "deploy" / "Dockerfile"
KNOWN = {"ARG", "FROM", "RUN", "COPY", "ENV", "WORKDIR", "USER", "VOLUME", "ENTRYPOINT", "CMD"}


@dataclass(frozen=True)
class Instruction:
    """One line, continued ones joined; `stage` counts from 0."""

    stage: int
    name: str
    text: str

    @property
    def words(self) -> list[str]:
        """Its words, whether it is written as JSON or for a shell."""
        found: list[str] = json.loads(self.text) if self.text.startswith("[") else shlex.split(self.text)
        return found


def read() -> list[Instruction]:
    """Return every instruction; one that is not known here is an error."""
    lines = [line for line in PATH.read_text().splitlines() if line and not line.startswith("#")]
    found, stage = [], -1
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        name, _, text = line.partition(" ")
        assert name in KNOWN, line
        stage += name == "FROM"
        found.append(Instruction(stage, name, text.strip()))
    return found


def images() -> list[str]:
    """Return what is built on, besides the stage that is empty."""
    return [each.words[0] for each in read() if each.name == "FROM" and each.words[0] != "scratch"]


def sources() -> list[Path]:
    """Return what is copied from the project, relative to it."""
    copies = [each.words for each in read() if each.name == "COPY" and not each.text.startswith("--from")]
    return [Path(source) for words in copies for source in words[:-1]]


def is_in_context(path: Path) -> bool:
    """Whether Dockerfile.dockerignore lets a file through: the last pattern of it or a folder above counts."""
    lines = PATH.with_name("Dockerfile.dockerignore").read_text().splitlines()
    let = True
    for pattern in (line for line in lines if line and not line.startswith("#")):
        wanted = pattern.removeprefix("!")
        names = [str(each) for each in (path, *path.parents)]
        if any(fnmatch(name, wanted) or fnmatch(f"/{name}", wanted.replace("**", "*")) for name in names):
            let = pattern.startswith("!")
    return let
