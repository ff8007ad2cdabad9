"""Soaks two drains, prints what was found, and writes every sample to a file.

    python tests/soak/run.py SECONDS FILE

Exits with 1 if anything grows or a run is not whole.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median

from fakes.servers import SETTINGS
from soak.judge import quarter
from soak.soak import Plan, Report, Soak
from soak.watch import Sample

COLUMNS = ("memory", "own_memory", "descriptors", "threads", "children", "files", "oldest_file")


def main(seconds: str, path: str) -> int:
    os.environ |= SETTINGS
    plan = Plan.of(float(seconds))
    began_at = time.monotonic()
    with Path(path).open("w") as file, tempfile.TemporaryDirectory(prefix="sweepctl-soak-") as folder:

        def note(what: str, value: object) -> None:
            file.write(json.dumps({what: asdict(value) if isinstance(value, Sample) else value}) + "\n")
            file.flush()

        report = Soak(plan, Path(folder), note).run()
        lines = [*summary(report, plan), f"all processes: {_share(time.monotonic() - began_at)}"]
        lines += report.findings() or ["flat"]
        note("summary", lines)
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if report.findings() else 0


def summary(report: Report, plan: Plan) -> Iterator[str]:
    """Yield the numbers as lines."""
    for name, samples in report.samples.items():
        seconds, cpu = samples[-1].at - samples[0].at, samples[-1].cpu - samples[0].cpu
        runs = report.runs[name]
        yield f"{name}: {runs} runs of {plan.shards} shards whole, {seconds:.0f} s, {cpu / seconds:.1%} of a core"
        for column in COLUMNS:
            medians = " ".join(_shown(median(_values(quarter(samples, which), column)), column) for which in range(4))
            most = _shown(max(_values(samples, column)), column)
            rest = " ".join(_shown(each, column) for each in _values(report.rest[name], column))
            yield f"  {column}: medians of quarters {medians}, most {most}, at rest {rest}"
    yield "faults: " + ", ".join(f"{name} {times}" for name, times in report.struck.items())


def _values(samples: Sequence[Sample], column: str) -> list[float]:
    return [getattr(each, column) for each in samples]


def _shown(number: float, column: str) -> str:
    return f"{number / 2**20:.1f}" if "memory" in column else f"{number:g}"


def _share(seconds: float) -> str:
    """Return what this process and those that have ended took of a core."""
    return f"{sum(os.times()[:4]) / seconds:.1%} of a core"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
