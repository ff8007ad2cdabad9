"""Proof from its store alone that a run is whole (`proof`): every point once, as designed and as promised."""

from sweepctl.verify.proof import Reexecution, verify
from sweepctl.verify.report import Check, Finding, Report, Severity, Tally, Verdict

__all__ = ["Check", "Finding", "Reexecution", "Report", "Severity", "Tally", "Verdict", "verify"]
