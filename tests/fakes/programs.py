"""Programs that are models: Python functions with their manifests, run by this interpreter."""

import sys
from pathlib import Path

MANIFEST = """\
name = "{name}"
version = "1"
python = "{name}.py:simulate"
interpreter = "{python}"
environment = {environment}

[metrics]
{metrics}
"""

DOUBLE = """\
def simulate(x: float = 1.0, steps: int = 3):
    return {"y": 2 * x * steps}
"""


def write_program(
    folder: Path,
    source: str = DOUBLE,
    metrics: str = 'y = "float"',
    *,
    name: str = "double",
    needs: list[str] | None = None,
) -> Path:
    """Write a function `simulate` and its manifest, whose path is returned."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(source)
    manifest = folder / f"{name}.toml"
    manifest.write_text(MANIFEST.format(name=name, python=sys.executable, environment=needs or [], metrics=metrics))
    return manifest


def write_sweep(folder: Path, program: str | None = "double.toml", *, name: str = "double") -> Path:
    """Write a sweep file of four points of a program, one a shard."""
    path = folder / "sweep.toml"
    path.write_text(
        f'name = "s"\nmodel = "{name}"\nseed = 1\n'
        + (f'program = "{program}"\n' if program else "")
        + '[design]\nkind = "grid"\n[design.dimensions]\nx = [0.5, 1.5]\nsteps = [1, 2]\n[shards]\npoints = 1\n'
    )
    return path
