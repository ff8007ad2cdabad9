"""The first engine in Rust: a crate with one model, and a sweep of it."""

from importlib.metadata import version
from pathlib import Path

from sweepctl.sweep.starter.model import sweep_text
from sweepctl.sweep.starter.write import SWEEP, SWEEP_SCHEMA, shipped


def crate_of(folder: Path, name: str) -> dict[Path, bytes]:
    """Return the files of a crate `name` whose model has that name too."""
    manifest = _named("Cargo.toml", name).replace("RUNTIME", _runtime())
    sweep = sweep_text(name, {"bias": [0.25, 0.5, 0.75], "tosses": [10, 100, 1000]}, {})
    return {
        folder / "Cargo.toml": manifest.encode(),
        folder / "src" / "main.rs": _named("main.rs", name).encode(),
        folder / SWEEP: sweep,
        folder / SWEEP_SCHEMA: shipped(SWEEP_SCHEMA),
    }


def _named(file: str, name: str) -> str:
    text = shipped(f"crate/{file}").decode()
    return text.replace('"coin"', f'"{name}"').replace("release/coin", f"release/{name}")


def _runtime() -> str:
    """Return the dependency on the runtime: its folder, where sweepctl runs from its sources."""
    path = Path(__file__).parents[3] / "rust" / "runtime"
    if path.is_dir():
        return f'{{ path = "{path}" }}'
    return f'"{version("sweepctl")}" # or {{ path = "…" }} of rust/runtime in sweepctl\'s sources'
