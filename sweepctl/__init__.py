"""sweepctl: bounded shards of large simulation sweeps, with results that can be trusted and queried.

For Python there are `run_sweep`, `plan`, `list_runs` and `open_run` (docs/python.md); all else is the command's.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sweepctl.library import list_runs, plan, run_sweep
    from sweepctl.results.run import open_run

__all__ = ["list_runs", "open_run", "plan", "run_sweep"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:  # noqa: ANN401  as the protocol of modules has it
    # Arrow and what stands on it take longer to import than most commands run.
    if name == "open_run":
        from sweepctl.results.run import open_run  # noqa: PLC0415

        return open_run
    if name in __all__:
        from sweepctl import library  # noqa: PLC0415

        return getattr(library, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
