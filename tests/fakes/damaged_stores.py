"""Ways in which one file of a store is damaged or hostile, for every kind of file.

FILES["a pipe"](path)                           what is no file of its own, or no Parquet
RECORDS["shard_points of 0"](path)              a run record with one wrong value
"""

import dataclasses
import json
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sweepctl.records import table
from sweepctl.records.outcome import Artifact, EnginePin, Outcome, RunRecord

Damage = Callable[[Path], object]
MANY = 5_000_000  # rows of a table
MANY_RECORDS = 2_000_000  # which are longer
MANY_ARTIFACTS = 1_000_000
LONG = 400 << 20  # characters of a text


def instead(make: Damage) -> Damage:
    """Put something else in place of the file."""

    def damage(path: Path) -> None:
        path.unlink()
        make(path)

    return damage


def link_to(target: str) -> Damage:
    return instead(lambda path: path.symlink_to(target))


def linked_copy(path: Path) -> None:
    """The very file, but somewhere else."""
    path.symlink_to(path.rename(path.with_name("elsewhere")))


def socket_at(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(f"/proc/self/fd/{folder}/{path.name}")  # a path of a socket is short
    finally:
        os.close(folder)


def written(body: bytes) -> Damage:
    return lambda path: path.write_bytes(body)


def cut(path: Path) -> None:
    body = path.read_bytes()
    path.write_bytes(body[: len(body) // 2])


def garbled(path: Path) -> None:
    """Damage every page, and leave the footer; a file without one is damaged as a whole."""
    body = bytearray(path.read_bytes())
    footer = len(body) - 8 - int.from_bytes(body[-8:-4], "little")
    for place in range(4, footer if footer > 4 else len(body)):
        body[place] ^= 0x55
    path.write_bytes(body)


def grown(path: Path) -> None:
    """A tebibyte that takes no room on the disk."""
    os.truncate(path, 1 << 40)


def parquet(rows: pa.Table) -> Damage:
    return lambda path: pq.write_table(rows, path, compression="zstd")


FILES: dict[str, Damage] = {
    "a pipe": instead(os.mkfifo),
    "a folder": instead(Path.mkdir),
    "a socket": instead(socket_at),
    "a link to nothing": link_to("nowhere"),
    "a link to itself": instead(lambda path: path.symlink_to(path.name)),
    "a link to a device": link_to("/dev/zero"),
    "a link to the file itself, elsewhere": linked_copy,
    "an empty file": written(b""),
    "not Parquet": written(b"junk" * 999),
    "half of the file": cut,
    "pages that are damaged": garbled,
    "a tebibyte": grown,
    "a footer that says it is larger than the file": written(b"PAR1" + b"\xff\xff\xff\x7fPAR1"),
    "Parquet without a row or a column": parquet(pa.table({})),
    "rows of another table": parquet(pa.table({"x": [1, 2]})),
}
if os.geteuid() == 0:
    FILES["a device"] = instead(lambda path: os.mknod(path, 0o600 | 0o020000, os.makedev(1, 5)))


def record_of(path: Path) -> RunRecord | EnginePin | Outcome:
    kinds: dict[str, type] = {"run.parquet": RunRecord, "engine.parquet": EnginePin}
    record: RunRecord | EnginePin | Outcome = table.decode(kinds.get(path.name, Outcome), path.read_bytes(), "")
    return record


def field(**changes: Any) -> Damage:  # noqa: ANN401  fields of a record
    """Change fields of a record of one row."""
    return lambda path: path.write_bytes(table.encode(dataclasses.replace(record_of(path), **changes)))


RECORD: dict[str, Any] = {"compression": "none", "use_dictionary": False, "store_schema": False}  # as records are


def column(name: str, values: pa.Array, **options: Any) -> Damage:  # noqa: ANN401  of Parquet
    """Change a column to what a dataclass cannot hold."""
    options = {**RECORD, **options}

    def damage(path: Path) -> None:
        row = pq.read_table(path)
        row = row.set_column(row.schema.get_field_index(name), name, values)
        pq.write_table(row, path, **options)

    return damage


def first_row(found: pa.Table, count: int) -> pa.Table:
    """Return the first row, `count` times. Its texts are as dictionaries: millions of them would take seconds here."""
    texts = {field.name for field in found.schema if pa.types.is_string(field.type)}
    columns = [found[name].dictionary_encode() if name in texts else found[name] for name in found.column_names]
    return pa.table(columns, found.column_names).take(pa.repeat(pa.scalar(0), count))


def repeated(count: int) -> Damage:
    def damage(path: Path) -> None:
        rows = first_row(pq.read_table(path), count)
        pq.write_table(rows, path, **RECORD | {"use_dictionary": count > 2})

    return damage


def many_artifacts(path: Path) -> None:
    """As many artifacts of one outcome as have no room in the memory of a command."""
    field(artifacts=(Artifact("point_outcomes", "point_outcomes/x", 1, 1, "0" * 64),))(path)
    one = pq.read_table(path)["artifacts"].combine_chunks()
    values = one.values.take(pa.repeat(pa.scalar(0), MANY_ARTIFACTS))
    column("artifacts", pa.ListArray.from_arrays([0, MANY_ARTIFACTS], values, type=one.type))(path)


def long_text(name: str) -> Damage:
    """A text that takes a few kilobytes on the disk."""

    def damage(path: Path) -> None:
        column(name, pa.array([" " * LONG]), compression="zstd", write_statistics=False)(path)

    return damage


def lying(damage: Damage) -> Damage:
    """Let the footer say that whatever is large in it is small."""

    def lie(path: Path) -> None:
        damage(path)
        body, groups = path.read_bytes(), pq.read_metadata(path)
        footer = len(body) - 8 - int.from_bytes(body[-8:-4], "little")
        end = body[footer:]
        for group in map(groups.row_group, range(groups.num_row_groups)):
            sizes = [
                group.total_byte_size,
                *(group.column(at).total_uncompressed_size for at in range(group.num_columns)),
            ]
            for size in (each for each in sizes if each > LONG):
                end = end.replace(varint(size), varint(1_000, len(varint(size))))
        path.write_bytes(body[:footer] + end)

    return lie


def varint(number: int, least: int = 0) -> bytes:
    """Return a signed number as Parquet's footers have it, in at least so many bytes."""
    digits: list[int] = []
    rest = number << 1
    while rest >= 128 or len(digits) + 1 < least:
        digits.append(rest & 127 | 128)
        rest >>= 7
    return bytes([*digits, rest])


ROWS: dict[str, Damage] = {
    "no row": repeated(0),
    "two rows": repeated(2),
    "millions of rows": repeated(MANY_RECORDS),
    "a column of another type": column("run_id", pa.array([[1.5]])),
    "a value that is missing": column("run_id", pa.array([None], pa.string())),
    "a text that is not UTF-8": column("run_id", pa.array([b"\xff\xfe"], pa.binary())),
    "a run_id with a path": field(run_id="../../x"),
    "a very long run_id": long_text("run_id"),
    "a very long run_id that its footer hides": lying(long_text("run_id")),
}


def spec(**changes: Any) -> Damage:  # noqa: ANN401  any JSON value
    """Change fields of the spec in a run record; None removes one."""

    def damage(path: Path) -> None:
        record = record_of(path)
        assert isinstance(record, RunRecord)
        fields: Mapping[str, Any] = {**json.loads(record.spec_json), **changes}
        text = json.dumps({name: value for name, value in fields.items() if value is not None})
        field(spec_json=text)(path)

    return damage


RECORDS: dict[str, Damage] = {
    "a time beyond all years": column("created_at", pa.array([1 << 62]).cast(table.TIME)),
    "shard_points of 0": field(shard_points=0),
    "shard_points below 0": field(shard_points=-7),
    "total_points of 0": field(total_points=0),
    "total_points below 0": field(total_points=-12),
    "a date that is none": field(run_date="2026-02-30"),
    "a date that is a path": field(run_date="../../x"),
    "a spec that is not JSON": field(spec_json="spec"),
    "a spec that is a list": field(spec_json="[]"),
    "a spec that is nested deeply": field(spec_json="[" * 200_000 + "]" * 200_000),
    "a spec with a number without end": field(spec_json='{"seed":NaN}'),
    "a spec with a number of a million digits": field(spec_json=f'{{"seed":{"9" * 1_000_000}}}'),
    "a spec with one key twice": field(spec_json='{"seed":1,"seed":1}'),
    "a spec that is too long": long_text("spec_json"),
    "a spec without a seed": spec(seed=None),
    "a spec with a field too many": spec(more=1),
    "a spec with a seed that is a text": spec(seed="1"),
    "a spec with a model that is a path": spec(model="../x"),
    "a spec with outputs that are paths": spec(outputs=["../x"]),
    "a spec with outputs that are no list": spec(outputs=7),
    "a spec with 0 replications": spec(replications=0),
    "a spec with more replications than numbers": spec(replications=1 << 62),
    "a spec with a base that is a list": spec(base=[1]),
    "a spec with a base value that is a list": spec(base={"customers": [1]}),
    "a spec with limits that are a list": spec(limits=[1]),
    "a spec with a limit that is none": spec(limits={"failed_points": -1}),
    "a spec with a design that is a text": spec(design="grid"),
    "a spec with a stored design that is a path": spec(design={"sha256": "../../../etc/passwd"}),
    "a spec with a stored design that is a number": spec(design={"sha256": 7}),
}
DESIGNS: dict[str, Damage] = {
    "a spec without a design": spec(design={}),
    "a spec with a design of an unknown kind": spec(design={"kind": "spiral"}),
    "a spec with a design that has no cell": spec(design={"kind": "grid", "dimensions": {"servers": []}}),
    "a spec with a design that is too deep": spec(design={"kind": "grid", "dimensions": {"servers": [[[[[[]]]]]]}}),
}
STORED: dict[str, Damage] = {
    "a design that is nested deeply": written(b'{"a":' * 200_000),
    "another design": written(b'{"dimensions":{"servers":[1]},"kind":"grid"}'),
}
OUTCOMES: dict[str, Damage] = {
    "seconds that are no number": field(cpu_seconds=float("nan")),
    "seconds without end": field(cpu_seconds=float("inf")),
    "seconds below 0": field(cpu_seconds=-1e300),
    "bounds below 0": field(start_index=-(1 << 62), end_index_exclusive=-1),
    "points below 0": field(points_succeeded=-5),
    "a status that is none": field(status="maybe"),
    "an attempt that is a path": field(attempt_id="../x"),
    "a model that is a path": field(model="../x"),
    "an error of megabytes": long_text("error_message"),
    "a start beyond all years": column("started_at", pa.array([1 << 62]).cast(table.TIME)),
    "an artifact that is a path": field(artifacts=(Artifact("point_outcomes", "../../etc/passwd", 1, 1, "0" * 64),)),
    "artifacts by the million": many_artifacts,
}
PINS: dict[str, Damage] = {
    "a version that is very long": long_text("model_version"),
    "a model that is a path": field(model="../x"),
}


def rows(change: Callable[[pa.Table], pa.Table], **options: Any) -> Damage:  # noqa: ANN401  of Parquet
    """Change the rows of a file of a table."""
    return lambda path: pq.write_table(change(pq.read_table(path)), path, compression="zstd", **options)


def with_text(texts: Callable[[int], pa.Array]) -> Callable[[pa.Table], pa.Table]:
    """Put other texts where there is one that is read."""

    def change(found: pa.Table) -> pa.Table:
        name = "error_message" if "error_message" in found.column_names else "effective_parameters_json"
        return found.set_column(found.schema.get_field_index(name), name, texts(found.num_rows))

    return change


def repeated_text(count: int) -> pa.Array:
    """Texts of a megabyte, as many as a row group has rows, of which a file holds one."""
    return pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int32()), count), pa.array(["x" * (1 << 20)]))


TABLES: dict[str, Damage] = {
    "millions of rows in a group": rows(lambda found: first_row(found, MANY), row_group_size=MANY, store_schema=False),
    "a long text": rows(
        with_text(lambda count: pa.array([" " * LONG, *[""] * (count - 1)])),
        use_dictionary=False,
        write_statistics=False,
    ),
    "a text that is repeated": rows(
        lambda found: with_text(repeated_text)(found.take(pa.repeat(pa.scalar(0), 65_536))), store_schema=False
    ),
    "a column too few": rows(lambda found: found.drop_columns([found.column_names[-1]])),
    "a column that is a list": rows(
        lambda found: found.set_column(0, "run_id", pa.array([["q"]] * found.num_rows)), store_schema=False
    ),
}
