"""Sweep files and tables of points, to be fuzzed: read, and drafted with the engine's models."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from fakes.sweep_files import ENGINE
from fuzz.fuzzer import ACCEPTED, Fuzzer, refusal
from fuzz.mutate import TOKENS
from paths import ROOT

from sweepctl.engine.client import Engine
from sweepctl.errors import SweepctlError
from sweepctl.sweep import file as sweep_file
from sweepctl.sweep.plan import draft

MODELS = Engine(ENGINE)
SWEEPS = Path(__file__).parent / "sweep_files"  # in addition to the examples
TABLE = 'name = "t"\nmodel = "queue"\nseed = 1\n[design]\nkind = "table"\nfile = "{name}"\n[shards]\npoints = 2\n'
KINDS = (
    "grid", "zip", "table", "random", "latin_hypercube", "sobol", "saltelli", "morris", "cross", "plackett_burman",
    "box_behnken", "central_composite", "fractional_factorial", "maximin_latin_hypercube",
)  # fmt: skip
WORDS = (
    *TOKENS,
    *(f'kind = "{kind}"\n'.encode() for kind in KINDS),
    b"[design]\n", b"[[design.parts]]\n", b"[design.dimensions]\n", b"[base]\n", b"[derived]\n", b"[limits]\n", b" = ",
    b"samples = 9223372036854775807\n", b"replications = 4294967296\n", b"samples = 1\n", b"2026-01-02", b"07:30:00",
    b"\n", b"inf", b"nan", b"0x1f", b"1_000", b"'", b'"""', b"{ linspace = { start = 0, stop = 1, num = 1000000000 } }",
    b"{ range = { start = 0, stop = 1e300, step = 1e-300 } }", b"{ logspace = { start = -400, stop = 400, num = 3 } }",
)  # fmt: skip
CSV = (
    b"servers,arrival_rate\n1,0.5\n2,0.75\n",
    b'warmup,service_rate\n"5",1e-3\n,2\n',
    b"customers\n7\n\n9\n",
    b"\xef\xbb\xbfservers;arrival_rate\r\n1;0,5\r\n",
)
ARRAYS: Sequence[Mapping[str, object]] = (
    {"servers": [1, 2], "arrival_rate": [0.5, 0.75]},
    {"warmup": pa.array([1, 2, None], pa.uint64()), "customers": pa.array([5, 6, 7], pa.int8())},
    {"servers": pa.array(["a", "b", "a"]).dictionary_encode(), "service_rate": pa.array([1.0, 2.0, 3.0], pa.float32())},
    {"servers": pa.array([[1], [2]]), "customers": pa.array([1, 2], pa.decimal128(9, 2))},
)


@dataclass(frozen=True)
class _Reader:
    """Reads a sweep file, or one that names a table, which is what is spoiled then."""

    folder: Path
    table: str | None = None

    def __call__(self, text: bytes) -> str:
        path = self.folder / "fuzzed.toml"
        if self.table is not None:
            path.write_text(TABLE.format(name=self.table))
        (self.folder / (self.table or path.name)).write_bytes(text)
        try:
            return f"{ACCEPTED} {draft(sweep_file.read(path), MODELS).file.sweep.model}"
        except SweepctlError as error:
            return refusal(error)


def sweep_files(seed: int, folder: Path) -> Fuzzer:
    files = [*sorted((ROOT / "examples").glob("*/sweep.toml")), *sorted(SWEEPS.glob("*.toml"))]
    return Fuzzer(_Reader(folder), [each.read_bytes() for each in files], seed, WORDS)


def csv_tables(seed: int, folder: Path) -> Fuzzer:
    return Fuzzer(_Reader(folder, "fuzzed.csv"), list(CSV), seed)


def parquet_tables(seed: int, folder: Path) -> Fuzzer:
    return Fuzzer(_Reader(folder, "fuzzed.parquet"), list(_parquet_files()), seed)


def _parquet_files() -> list[bytes]:
    found = []
    for arrays in ARRAYS:
        for compression in ("none", "snappy", "zstd"):
            sink = io.BytesIO()
            pq.write_table(pa.table(dict(arrays)), sink, compression=compression)
            found.append(sink.getvalue())
    return found
