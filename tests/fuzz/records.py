"""What an engine writes of a shard's points, to be fuzzed: checked rows up to the first fault, and that fault."""

from pathlib import Path

from engine.test_reader import joined, reader
from fakes.toy_model import crashed_point, failed_point, in_columns, point, rows
from fuzz.fuzzer import ACCEPTED, Fuzzer, kind_of
from fuzz.mutate import TOKENS

RECORDS = (
    joined([point(0), failed_point(1), point(2)]),
    joined([rows(0, 1, 2), point(0), crashed_point(1), rows(2), point(2)]),
    joined([in_columns(point(0), failed_point(1), point(2))]),
)
WORDS = (b"\n", b'"status":"excluded",', b'"failure"', b'"point"', b'"points":2,', b'{"record":"rows",', b"[1,2]")


def answer(text: bytes) -> str:
    """Read whole lines, as they come from an engine."""
    records = reader(outputs=("parts",))
    batch = records.read(text if text.endswith(b"\n") else text + b"\n")
    for name in ("effective_parameters", "point_outcomes") if batch.rows else ():
        table = batch.rows[name]
        table.validate(full=True)
        assert table["point_index"].to_pylist() == list(range(records.next_index))
    if batch.fault is not None:
        return f"{batch.fault.error_code} {kind_of(batch.fault.message)}"
    return f"{ACCEPTED} {records.succeeded} {records.failed} {records.excluded} {sorted(batch.rows)}"


def fuzzer(seed: int, _: Path) -> Fuzzer:
    return Fuzzer(answer, list(RECORDS), seed, [*TOKENS, *WORDS])
