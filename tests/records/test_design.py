"""A stored design is what its digest names, or nothing: absent, altered and false ones never reach an engine."""

import errno
import hashlib
import json
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from fakes.bucket import Bucket, Client
from fakes.refusing import refusing
from hypothesis import given
from hypothesis import strategies as st

from sweepctl.design import DESIGN, Design
from sweepctl.errors import AlteredDesignError, MessageError, MissingDesignError, ScratchError, UsageError
from sweepctl.messages import ShardMessageV2
from sweepctl.records import design as stored_design
from sweepctl.records import layout
from sweepctl.records.design import MAX_BYTES, encode, load, put, space_of
from sweepctl.spec import Spec
from sweepctl.store import Put, open_store
from sweepctl.store.contract import Store
from sweepctl.store.s3 import S3Store

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SOBOL = {
    "kind": "sobol",
    "samples": 4,
    "dimensions": {"b": {"choice": ["ü", 1, 1.0]}, "a": {"uniform": {"low": 0, "high": 1.5}}},
}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "store"))


def design(written: dict[str, Any]) -> Design:
    return DESIGN.validate_python(written)


def table(rows: Sequence[Sequence[object]]) -> Design:
    return design({"kind": "table", "columns": ["b", "a"], "rows": rows})


def written(store: Store, body: bytes) -> str:
    """Put what `put` would not, as another program might; return its digest."""
    sha256 = hashlib.sha256(body).hexdigest()
    assert store.create(layout.stored_design(sha256), body) is Put.WRITTEN
    return sha256


def message(sha256: str, **changes: Any) -> ShardMessageV2:  # noqa: ANN401  any JSON value
    spec = Spec("m", {"sha256": sha256}, changes.pop("base", {}), changes.pop("replications", 1), 1, ())
    bounds = {"total_points": 4, "shard_id": 0, "start_index": 0, "end_index_exclusive": 1, **changes}
    return ShardMessageV2.of(spec, "r", "2026-02-14", **bounds)


def test_a_formula_is_stored_as_its_json() -> None:
    body = encode(design(SOBOL))
    assert body.decode() == json.dumps(SOBOL, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def test_a_table_is_stored_as_json_lines() -> None:
    body = '{"columns":["b","a"],"kind":"table","rows":2}\n[1,"ü\\n"]\n[1.0,null]\n'.encode()
    assert encode(table([[1, "ü\n"], [1.0, None]])) == body


@pytest.mark.parametrize("kept", [design(SOBOL), table([[1, 2]] * 4)], ids=["formula", "table"])
def test_what_was_put_is_loaded_and_putting_it_again_is_nothing(store: Store, kept: Design) -> None:
    sha256 = put(store, encode(kept))
    assert put(store, encode(kept)) == sha256
    space = load(store, sha256)
    assert (space.cells, set(space.parameters)) == (kept.cells, set(kept.parameters))
    assert space.part(1, 3) == kept.part(1, 3)


def test_rivals_put_one_design(store: Store) -> None:
    body = encode(table([[place, place] for place in range(1_000)]))
    rivals = [threading.Thread(target=put, args=(store, body)) for _ in range(8)]
    for rival in rivals:
        rival.start()
    for rival in rivals:
        rival.join()
    assert load(store, put(store, body)).cells == 1_000


VALUES = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)


@given(st.data(), st.lists(st.tuples(VALUES, st.text(st.characters(codec="utf-8"))).map(list), min_size=1))
def test_any_rows_are_cut_out_as_they_were(data: st.DataObject, rows: list[list[Any]]) -> None:
    kept = table(rows)
    body = encode(kept)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(stored_design, "BLOCK_BYTES", data.draw(st.integers(1, 64)))
        space = stored_design.decode(body)
        first = data.draw(st.integers(0, len(rows) - 1))
        end = data.draw(st.integers(first + 1, len(rows)))
        assert list(map(repr, space.part(first, end)["rows"])) == list(map(repr, rows[first:end]))
        assert space.part(first, end) == kept.part(first, end)


def test_a_large_table_is_cut_without_its_other_rows(store: Store) -> None:
    """Rows that are none lie elsewhere: they are not even parsed."""
    lines = [f'[{place},"x"]\n' for place in range(50_000)]
    lines[7] = "[none]\n"
    header = json.dumps({"columns": ["a", "b"], "kind": "table", "rows": len(lines)}, separators=(",", ":"))
    space = load(store, written(store, f"{header}\n{''.join(lines)}".encode()))
    assert space.part(49_998, 50_000)["rows"] == [[49_998, "x"], [49_999, "x"]]
    with pytest.raises(MessageError, match="rows 1 to 10 of the stored table: line 8, column 2: must be valid JSON"):
        space.part(0, 10)


def test_an_absent_design_is_told_with_what_to_do(store: Store) -> None:
    with pytest.raises(MissingDesignError, match=f"specs/{'0' * 64} does not exist") as caught:
        load(store, "0" * 64)
    assert caught.value.remedy
    # It is looked for again: whoever was late may have put it meanwhile.
    sha256 = hashlib.sha256(encode(design(SOBOL))).hexdigest()
    with pytest.raises(MissingDesignError):
        load(store, sha256)
    put(store, encode(design(SOBOL)))
    assert load(store, sha256).cells == 4


def test_a_full_disk_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    store = S3Store("memory", "", cast("S3Client", Client(Bucket())), time.sleep)
    sha256 = written(store, encode(design(SOBOL)))
    monkeypatch.setattr(tempfile, "mkdtemp", refusing(errno.ENOSPC))
    with pytest.raises(ScratchError, match="No space left on device") as caught:
        load(store, sha256)
    assert "Free space" in str(caught.value.remedy)


def test_altered_bytes_are_never_taken_and_never_overwritten(store: Store) -> None:
    body = encode(design(SOBOL))
    sha256 = hashlib.sha256(body).hexdigest()
    store.create(layout.stored_design(sha256), body.replace(b"4", b"5"))
    with pytest.raises(AlteredDesignError, match=r"its bytes do not match"):
        load(store, sha256)
    with pytest.raises(AlteredDesignError):
        put(store, body)
    stored = store.read(layout.stored_design(sha256))
    assert stored is not None
    assert stored.body == body.replace(b"4", b"5")


def test_a_design_beyond_the_limit_is_neither_put_nor_loaded(store: Store) -> None:
    body = encode(design(SOBOL)) + b" " * MAX_BYTES
    with pytest.raises(UsageError, match="must be at most 67108864"):
        put(store, body)
    with pytest.raises(AlteredDesignError):
        load(store, written(store, body))


HEADER = b'{"columns":["a"],"kind":"table","rows":%d}\n'


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "must be valid JSON"),
        (b"\xff", "byte 0: must be UTF-8"),
        (b'{"kind":"grid","kind":"grid","dimensions":{}}', "kind: must appear once"),
        (b'{"kind":"grid","dimensions":{"a":[]}}', "dimensions.a: must have at least one value"),
        (b'{"kind":"grid","dimensions":{"a":["\\ud800"]}}', "an unpaired surrogate"),
        (HEADER % 2 + b"[1]\n", "must have 2 rows, one per line"),
        (HEADER % 1 + b"[1]", "must have 1 rows, one per line"),
        (HEADER % 0, "rows: Input should be greater than or equal to 1"),
        (b'{"columns":["a","a"],"kind":"table","rows":1}\n[1,1]\n', "columns: must name each parameter once"),
        (b'{"columns":["A"],"kind":"table","rows":1}\n[1]\n', 'columns.0: "A" must match'),
    ],
)
def test_what_is_no_design_is_told_with_its_place(store: Store, body: bytes, says: str) -> None:
    sha256 = written(store, body)
    with pytest.raises(MessageError) as caught:
        load(store, sha256)
    assert f"specs/{sha256} is not a design: " in caught.value.message
    assert says in caught.value.message


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (b"[1]\n[1,2]\n", "rows.1: must have one value for each of 1 columns, but has 2"),
        (b"[1],[2]\n[3]\n", "must have one array per line"),
        (b"[1\n2],[3]\n", "must have one array per line"),
        (b"[1]\n\n", "must have one array per line"),
        (b"[[1]]\n[1]\n", "0.0: must be a number, a string, true, false or null"),
        (b"[NaN]\n[1]\n", "NaN: numbers must be finite"),
    ],
)
def test_rows_that_are_none_are_told_before_an_engine_gets_them(store: Store, lines: bytes, says: str) -> None:
    space = load(store, written(store, HEADER % 2 + lines))
    with pytest.raises(MessageError) as caught:
        space.part(0, 2)
    assert caught.value.message == f"rows 1 to 2 of the stored table: {says}"


def test_a_message_must_fit_the_design_that_it_names(store: Store) -> None:
    sha256 = put(store, encode(design(SOBOL)))
    assert space_of(store, message(sha256)).cells == 4
    with pytest.raises(MessageError, match="total_points 4: must be the design's cells times replications, 8"):
        space_of(store, message(sha256, replications=2))
    with pytest.raises(MessageError, match="'a' is both a dimension and a base value"):
        space_of(store, message(sha256, base={"a": 1}))


def test_a_worker_reads_a_design_once_and_keeps_the_last_few(store: Store) -> None:
    kept = stored_design._Kept()
    digests = [put(store, encode(table([[place, 0]]))) for place in range(stored_design.KEPT + 1)]
    first = kept.get(store, digests[0])
    assert kept.get(store, digests[0]) is first
    for digest in digests:
        kept.get(store, digest)
    assert kept.get(store, digests[-1]) is kept.get(store, digests[-1])
    assert kept.get(store, digests[0]) is not first
