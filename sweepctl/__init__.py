"""sweepctl: bounded shards of large simulation sweeps, with results that can be trusted and queried.

For Python there is `open_run`, which reads a run's results; all else is the command's.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sweepctl.results.run import open_run

__all__ = ["open_run"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:  # noqa: ANN401  as the protocol of modules has it
    # Arrow and what stands on it take longer to import than most commands run.
    if name == "open_run":
        from sweepctl.results.run import open_run  # noqa: PLC0415

        return open_run
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
