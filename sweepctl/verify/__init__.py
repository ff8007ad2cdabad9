"""Verifies a run from its store alone (`proof`): every point exactly once, as designed and as its outcomes say."""

from sweepctl.verify.proof import Reexecution, verify
from sweepctl.verify.report import Check, Coverage, Finding, Report, Severity, Verdict

__all__ = ["Check", "Coverage", "Finding", "Reexecution", "Report", "Severity", "Verdict", "verify"]
