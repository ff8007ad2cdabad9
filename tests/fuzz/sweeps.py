"""Sweep files and tables of points, to be fuzzed: read, and drafted with the engine's models."""

import io
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
from fakes.sweep_files import ENGINE
from fuzz.fuzzer import ACCEPTED, Fuzzer, refusal
from fuzz.mutate import TOKENS, mutate
from paths import ROOT

from sweepctl.engine.client import Engine
from sweepctl.errors import SweepctlError
from sweepctl.sweep import file as sweep_file
from sweepctl.sweep.plan import draft

MODELS = Engine(ENGINE)
SWEEPS = Path(__file__).parent / "sweep_files"  # in addition to an example
TABLE = 'name = "t"\nmodel = "ridehail"\nseed = 1\n[design]\nkind = "table"\nfile = "{name}"\n[shards]\npoints = 2\n'
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
# Parameters of each type: two integers, of which one may be null, two floats, a text and a truth value.
CSV = (
    b"match_radius,base_fare\n1,0.5\n2,0.75\n3,1e-3\n",
    b"epoch_ms,match_radius\n,1\n1750000000000,2\n",
    b'traffic_profile,surge_enabled\r\n"flat",true\r\n"two_peak",false\r\n',
    b"base_speed_kmh\n30\n32.5\n,\n",
    b"match_radius\n7\n\n9\n",
    b"\xef\xbb\xbfmatch_radius;base_fare\r\n1;0,5\r\n",
)
COLUMNS: Mapping[str, Sequence[object]] = {
    "match_radius": [1, 2, 3], "epoch_ms": [None, 1_750_000_000_000, 0], "base_fare": [0.5, 2.0, 0.0],
    "base_speed_kmh": [None, 30.0, 32.5], "traffic_profile": ["flat", "two_peak", "flat"],
    "surge_enabled": [True, False, True],
}  # fmt: skip
TYPES = (
    pa.int8(), pa.int64(), pa.uint64(), pa.float16(), pa.float32(), pa.float64(), pa.bool_(), pa.string(), pa.binary(),
    pa.large_string(), pa.dictionary(pa.int8(), pa.string()), pa.decimal128(20, 2), pa.date32(), pa.timestamp("ns"),
    pa.list_(pa.int64()), pa.null(), pa.binary(4), pa.string_view(), pa.time64("us"), pa.duration("s"),
)  # fmt: skip
OF_MAXIMIN = 20.0  # seconds: 2,000 cells of such a design take five of a machine that does nothing else


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
            sweep = draft(sweep_file.read(path), MODELS).file.sweep
        except SweepctlError as error:
            return refusal(error)
        return f"{ACCEPTED} {sweep.design.kind} {sorted(sweep.model_fields_set)}"


def sweep_files(seed: int, folder: Path) -> Fuzzer:
    files = [ROOT / "examples/ridehail-surge/sweep.toml", *sorted(SWEEPS.glob("*.toml"))]
    return Fuzzer(_Reader(folder), [each.read_bytes() for each in files], seed, WORDS, longest=OF_MAXIMIN)


def csv_tables(seed: int, folder: Path) -> Fuzzer:
    return Fuzzer(_Reader(folder, "fuzzed.csv"), list(CSV), seed)


def parquet_tables(seed: int, folder: Path) -> Fuzzer:
    """Half are spoiled in bytes; the others are sound files, of columns and types that may not fit the model."""
    random = Random(seed)

    def spoil(text: bytes, corpus: Sequence[bytes], random: Random, tokens: Sequence[bytes]) -> bytes:
        return _parquet(random) if random.random() < 0.5 else mutate(text, corpus, random, tokens)

    corpus = [_parquet(random) for _ in range(20)]
    return Fuzzer(_Reader(folder, "fuzzed.parquet"), corpus, seed, spoil=spoil)


def _parquet(random: Random) -> bytes:
    columns, sink = dict[str, pa.Array](), io.BytesIO()
    for name in random.sample([*COLUMNS], random.choice([1, 2, 3])):
        values = [random.choice(COLUMNS[name]) for _ in range(3)] * random.choice([1, 1, 100])
        columns[name] = pa.array(values)
        with suppress(pa.ArrowInvalid, pa.ArrowNotImplementedError):
            columns[name] = columns[name].cast(random.choice(TYPES)) if random.random() < 0.3 else columns[name]
    table = pa.table({name: column[: min(map(len, columns.values()))] for name, column in columns.items()})
    pq.write_table(
        table,
        sink,
        compression=random.choice(["none", "snappy", "zstd", "gzip"]),
        use_dictionary=random.choice([True, False]),
        store_schema=random.choice([True, False]),
        data_page_version=random.choice(["1.0", "2.0"]),
        row_group_size=random.choice([None, 2]),
        write_statistics=random.choice([True, False]),
    )
    return sink.getvalue()
