"""Speed and memory of points of `ridehail`: `make bench-ridehail`.

Times are medians of the CPU time of points that run one after another on one thread, in memory that is there already.
Where the time goes is sampled by `perf` in a build of its own, with frame pointers; without `perf` and `addr2line` that
table is left out. Both tables are Markdown, as in docs/decisions/0008-ridehail.md.
"""

import json
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

BENCH = ("cargo", "bench", "--quiet", "--locked", "-p", "sweep-models", "--bench", "ridehail-table")
FRAME_POINTERS = 'build.rustflags=["-C", "force-frame-pointers=yes"]'
LIMITS_MS = {500: 1.5, 1_000: 4, 10_000: 60, 100_000: 500}
PARTS = ("arrivals, quotes", "gather", "solve", "offers", "driving", "queue", "report", "rest")
# Whose time it is: the first rule that matches a function and its file, from the innermost call outwards.
RULES = (
    (r".* .*/ridehail/map/layout\.rs", None),  # once a box
    (r".* .*/ridehail/events\.rs", "queue"),
    (r".* .*/ridehail/assignment/.*", "solve"),
    (r".*\b([gG]ather|[rR]ivals).* .*/city/dispatch\.rs", "gather"),
    (r".* .*/city/dispatch\.rs", "offers"),
    (r".* .*/city/travel\.rs", "driving"),
    (r".* .*/ridehail/report\.rs", "report"),
    (r".* .*/(city/demand|arrivals)\.rs", "arrivals, quotes"),
    (r".*\bdriver_arrives\b.* .*/city\.rs", "arrivals, quotes"),
)


def build(*options: str) -> Path:
    """Build the program that runs the rows' points, and return where it is."""
    command = [*BENCH, "--no-run", "--message-format=json", *options]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    built = [json.loads(line) for line in done.stdout.splitlines()]
    return Path(next(unit["executable"] for unit in built if unit.get("executable")))


def rows(program: Path) -> list[dict[str, Any]]:
    """Return what the rows' points took."""
    done = subprocess.run([program], check=True, stdout=subprocess.PIPE, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def shares(program: Path, row: int) -> dict[str, float]:
    """Return each part's share of the time of a row's points."""
    with tempfile.TemporaryDirectory() as folder:
        samples = Path(folder) / "perf.data"
        record = ["perf", "record", "--quiet", "--event=cpu-clock", "--freq=1999", "-g", f"--output={samples}"]
        subprocess.run([*record, program, "--only", str(row)], check=True, capture_output=True)
        stacks = _stacks(program, samples)
    calls = _inlined(program, {address for stack in stacks for address in stack})
    times = Counter(_part([call for address in stack for call in calls[address]]) for stack in stacks)
    del times[None]
    return {part: times[part] / times.total() for part in PARTS}


def _stacks(program: Path, samples: Path) -> list[list[int]]:
    """Return the program's addresses in each sample's stack, from the innermost call outwards."""
    list_symbols = ["nm", str(program)]
    names = subprocess.run(list_symbols, check=True, capture_output=True, text=True).stdout
    symbols = {fields[2]: int(fields[0], 16) for fields in map(str.split, names.splitlines()) if len(fields) == 3}
    command = ["perf", "script", f"--input={samples}", "--fields=ip,sym,symoff", "--no-demangle", "--no-inline"]
    script = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    stacks = []
    for sample in script.split("\n\n"):
        stack = []
        for depth, frame in enumerate(sample.strip().splitlines()):
            found = re.fullmatch(r"\s*\w+ (.+)\+0x([0-9a-f]+)", frame)
            if found and found[1] in symbols:
                # All but the innermost one are return addresses, one after the call.
                stack.append(symbols[found[1]] + int(found[2], 16) - (depth > 0))
        if stack:
            stacks.append(stack)
    return stacks


def _inlined(program: Path, addresses: set[int]) -> dict[int, list[str]]:
    """Return "function file" of all the calls that were inlined at each address."""
    command = ["addr2line", "--addresses", "--functions", "--inlines", "--demangle", f"--exe={program}"]
    listed = "\n".join(map(hex, addresses))
    lines = subprocess.run(command, input=listed, check=True, capture_output=True, text=True).stdout
    calls: dict[int, list[str]] = {}
    for block in re.split(r"^0x", lines, flags=re.MULTILINE)[1:]:
        address, *pairs = block.splitlines()
        files = (line.rsplit(":", 1)[0] for line in pairs[1::2])
        calls[int(address, 16)] = [f"{function} {file}" for function, file in zip(pairs[::2], files, strict=True)]
    return calls


def _part(calls: list[str]) -> str | None:
    for call in calls:
        for pattern, part in RULES:
            if re.fullmatch(pattern, call):
                return part
    return "rest"


def main() -> None:
    """Measure and print the table."""
    measured = rows(build())
    print("| riders / drivers, 3 h | spawned | events | per point | limit | per event | peak | bound | allocations |")
    print("|---|---|---|---|---|---|---|---|---|")
    for row in measured:
        bound = 200 * (row["riders"] + row["drivers"]) + 8_000_000
        print(
            f"| {_city(row)} | {row['spawned'][0]:,} / {row['spawned'][1]:,} | {row['events']:,.0f} "
            f"| {row['ns'] / 1e6:.2f} ms | {LIMITS_MS[row['riders']]} ms | {row['ns_an_event']:.0f} ns "
            f"| {row['peak_bytes'] / 1e6:.1f} MB | {bound / 1e6:.1f} MB | {row['allocations']} |"
        )
    if not (shutil.which("perf") and shutil.which("addr2line")):
        return
    program = build("--config", FRAME_POINTERS)
    print(f"\n| share of time | {' | '.join(PARTS)} |")
    print("|---" * (1 + len(PARTS)) + "|")
    for number, row in enumerate(measured):
        parts = shares(program, number)
        print(f"| {_city(row)} | {' | '.join(f'{parts[part]:.0%}' for part in PARTS)} |")


def _city(row: dict[str, Any]) -> str:
    begins = f"from {row['from_hour']} h" if row["from_hour"] else "midnight"
    return f"{row['riders']:,} / {row['drivers']:,}, {begins}"


if __name__ == "__main__":
    main()
