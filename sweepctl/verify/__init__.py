"""Proof from its store alone that a run is whole (`proof`): every point once, as designed and as promised."""

from sweepctl.verify.proof import Reexecution, verify
from sweepctl.verify.report import Check, Coverage, Finding, Report, Severity, Verdict

__all__ = ["Check", "Coverage", "Finding", "Reexecution", "Report", "Severity", "Verdict", "verify"]
