"""Verifies a run from its store alone (`proof`): every point exactly once, as designed and as its outcomes say."""

from typing import TYPE_CHECKING, Any

from sweepctl.verify.report import Check, Coverage, Finding, Report, Severity, Verdict

__all__ = ["Check", "Coverage", "Finding", "Reexecution", "Report", "Severity", "Verdict", "verify"]

if TYPE_CHECKING:
    from sweepctl.verify.proof import Reexecution, verify


def __getattr__(name: str) -> Any:  # noqa: ANN401  as the protocol of modules has it
    # Showing a report needs neither pyarrow nor the engine.
    if name in {"Reexecution", "verify"}:
        from sweepctl.verify import proof  # noqa: PLC0415

        return getattr(proof, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
