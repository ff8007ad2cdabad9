"""Fuzzes what reaches sweepctl from outside, each for some seconds.

    python tests/fuzz/run.py SECONDS [NAME [SEED]]

Inputs of the decoder of messages that are answered in a new way are kept in messages/.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from fuzz import compact, functions, messages, pages, processes, records, sweeps
from fuzz.fuzzer import Fuzzer

SUBJECTS: Mapping[str, Callable[[int, Path], Fuzzer]] = {
    "messages": messages.fuzzer,
    "sweep files": sweeps.sweep_files,
    "tables in CSV": sweeps.csv_tables,
    "tables in Parquet": sweeps.parquet_tables,
    "compact manifests": compact.manifests,
    "expressions": processes.expressions,
    "manifests of programs": processes.manifests,
    "records of engines": records.fuzzer,
    "replies of programs": processes.replies,
    "requests to programs": processes.requests,
    "sources of functions": functions.sources,
    "requests to functions": functions.requests,
    "requests of pages": pages.requests,
    "SQL of pages": pages.statements,
}


def fuzz(name: str, seconds: float, seed: int) -> Fuzzer:
    """Fuzz one of them; return the fuzzer."""
    with tempfile.TemporaryDirectory(prefix="sweepctl-fuzz-") as folder:
        fuzzer = SUBJECTS[name](seed, Path(folder))
        with fuzzer.ends:
            fuzzer.run(seconds)
    return fuzzer


def main(seconds: str, name: str = "", seed: str = "") -> None:
    for each in [name] if name else SUBJECTS:
        fuzzer = fuzz(each, float(seconds), int(seed) if seed else time.time_ns())
        if each == "messages":
            messages.keep(fuzzer.found)
        sys.stdout.write(f"  {each}, seed {fuzzer.seed}: {fuzzer}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
