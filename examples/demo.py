"""Run a ride-hailing sweep into ./sweep-results, ask a question of it, and write its report to ./report.html."""

import os
import shlex
import subprocess
from pathlib import Path

RUN = "ridehail-surge"
FILE = "examples/ridehail-surge/sweep.toml"
QUESTION = """\
SELECT surge_enabled, num_drivers, round(avg(conversion_rate), 3) AS conversion \
FROM points GROUP BY ALL ORDER BY ALL"""


def sweepctl(*words: str) -> None:
    """Show a command and run it."""
    print(f"\n$ {shlex.join(['sweepctl', *words])}", flush=True)
    here = {"SWEEPCTL_STORE": "sweep-results", "SWEEPCTL_LOG_FORMAT": "text"}
    subprocess.run(["sweepctl", *words], check=True, env={**os.environ, **here})  # noqa: S607  whichever is on the path


def main() -> None:
    """Run the demonstration."""
    sweepctl("plan", FILE, "--run-id", RUN)
    sweepctl("run", FILE, "--run-id", RUN)
    sweepctl("query", RUN, QUESTION)
    sweepctl("report", RUN)
    print(f"\nOpen it in a browser: {Path('report.html').resolve()}")
    print("Run `make demo` again: the run is complete, so nothing is simulated twice.")


if __name__ == "__main__":
    main()
