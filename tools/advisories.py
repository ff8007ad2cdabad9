"""Checks the locked versions of both languages for published advisories.

An advisory fails the check. A database that cannot be reached is reported but does not: the same commit must pass on a
machine without network access.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

LOCK = "requirements/dev.txt"
FETCH_SECONDS = 60
AUDIT_SECONDS = 180


def main(cargo_deny: str) -> int:
    """Check both languages, even if the first has an advisory; the exit code is 1 if either has one."""
    return max(check_rust(cargo_deny), check_python())


def check_rust(cargo_deny: str) -> int:
    """Fetch first, then check offline, so that a failed fetch is never mistaken for a finding."""
    say("advisories: Rust")
    try:
        for fetch in (("cargo", "fetch", "--locked"), (cargo_deny, "fetch", "db")):
            subprocess.run(fetch, check=True, capture_output=True, timeout=FETCH_SECONDS)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        say("  RustSec was not reached: advisories for Rust crates were not checked")
        return 0
    check = (cargo_deny, "--frozen", "--log-level", "error", "check", "advisories")
    return min(1, subprocess.run(check, check=False).returncode)


def check_python() -> int:
    """Query PyPI for every locked version. pip-audit writes its report only if every query was answered.

    A mirror without advisories reports an unknown version: pip-audit then skips the package and succeeds.
    """
    say("advisories: Python")
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        options = ("--require-hashes", "--disable-pip", "--progress-spinner=off", "--format=json", f"--output={report}")
        try:
            audit = (sys.executable, "-m", "pip_audit", "--requirement", LOCK, *options)
            subprocess.run(audit, check=False, capture_output=True, timeout=AUDIT_SECONDS)
            dependencies = json.loads(report.read_text(encoding="utf-8"))["dependencies"]
        except (subprocess.TimeoutExpired, FileNotFoundError):
            dependencies = []
    unchecked = sum("skip_reason" in package for package in dependencies)
    if unchecked == len(dependencies):
        say("  PyPI was not reached: advisories for Python packages were not checked")
    elif unchecked:
        say(f"  {unchecked} of {len(dependencies)} Python packages were not checked: PyPI did not answer for them")
    found = [(package, advisory) for package in dependencies for advisory in package.get("vulns", [])]
    for package, advisory in found:
        fixed = ", ".join(advisory["fix_versions"]) or "no version yet"
        say(f"  {package['name']} {package['version']}: {advisory['id']}, fixed in {fixed}")
    return int(bool(found))


def say(line: str) -> None:
    """Print one line immediately: the next step may be slow."""
    print(line if line.startswith(" ") else f"· {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
