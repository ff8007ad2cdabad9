"""Outcomes that are decoded without Arrow are what Arrow decodes, whatever bytes there are."""

import datetime as dt
from dataclasses import replace
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from records.test_outcome import SUCCESS

from sweepctl.errors import DamagedError
from sweepctl.records import table, template
from sweepctl.records.outcome import Artifact, Outcome
from sweepctl.records.template import OutcomeDecoder

RECORD: dict[str, Any] = {"compression": "none", "use_dictionary": False, "store_schema": False}  # as records are
CHANGES = 500


def outcome(shard: int, *, artifacts: int = 2) -> Outcome:
    """Return one of the outcomes of a run, each with other values of the same lengths."""
    random = Random(shard)
    started_at = SUCCESS.started_at + dt.timedelta(milliseconds=random.randrange(10**9))
    return replace(
        SUCCESS,
        shard_id=shard,
        start_index=2 * shard,
        end_index_exclusive=2 * shard + 2,
        attempt_id=random.randbytes(16).hex(),
        started_at=started_at,
        finished_at=started_at + dt.timedelta(milliseconds=7),
        cpu_seconds=random.random(),
        content_sha256=random.randbytes(32).hex(),
        artifacts=tuple(
            Artifact(f"table_{number}", f"table/shard-{shard:08d}.parquet", random.randrange(9_999), 2, f"{shard:064x}")
            for number in range(artifacts)
        ),
        engine_sha256="a" * 64,
        points_machine_dependent=0,
    )


@pytest.fixture
def by_arrow(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Return the files that Arrow decodes, as it does."""
    decoded: list[bytes] = []
    whole = table.decode

    def decode(kind: type[Outcome], body: bytes, where: str) -> Outcome:
        decoded.append(body)
        return whole(kind, body, where)

    monkeypatch.setattr(table, "decode", decode)
    return decoded


def decoded(decoder: OutcomeDecoder, body: bytes) -> Outcome | str:
    try:
        return decoder.decode(body, lambda: "here")
    except DamagedError as error:
        return error.message


def by_table(body: bytes) -> Outcome | str:
    try:
        return table.decode(Outcome, body, "here")
    except DamagedError as error:
        return error.message


def test_files_of_one_form_are_decoded_alike_and_one_by_arrow(by_arrow: list[bytes]) -> None:
    outcomes = [outcome(shard) for shard in range(50)]
    decoder = OutcomeDecoder()
    assert [decoded(decoder, table.encode(each)) for each in outcomes] == outcomes
    assert len(by_arrow) == 1


def test_files_of_many_forms_are_told_apart(by_arrow: list[bytes]) -> None:
    forms: list[dict[str, Any]] = [
        {},
        {"artifacts": ()},
        {"content_sha256": f"v2:{'b' * 64}"},
        {"engine_sha256": None, "points_machine_dependent": None},
        {"attempt_number": 3, "points_excluded": 1},
        {"status": "failure", "error_code": "point_failed", "error_message": "ä€𝄞", "error_point_index": 0},
        {"status": "failure", "error_code": "engine_crashed", "error_message": "", "retryable": True},
        {"status": "failure", "error_code": "engine_crashed", "error_message": "", "retryable": False},
    ]
    outcomes = [replace(outcome(shard, artifacts=3), **forms[shard % len(forms)]) for shard in range(70)]
    decoder = OutcomeDecoder()
    assert [decoded(decoder, table.encode(each)) for each in outcomes] == outcomes
    assert len(by_arrow) == len(forms)


def test_a_file_with_any_byte_changed_is_what_arrow_makes_of_it() -> None:
    decoder, random = OutcomeDecoder(), Random(1)
    body = table.encode(outcome(0))
    decoded(decoder, body)
    read = 0
    for _ in range(CHANGES):
        changed = bytearray(table.encode(outcome(1 + random.randrange(9))))
        changed[random.randrange(len(changed))] = random.randrange(256)
        found = decoded(decoder, bytes(changed))
        assert found == by_table(bytes(changed))
        read += isinstance(found, Outcome)
    assert 0 < read < CHANGES


def test_any_byte_that_is_changed_is_damage_where_all_are_to_be_as_written(by_arrow: list[bytes]) -> None:
    decoder, random = OutcomeDecoder(exact=True), Random(1)
    outcomes = [outcome(shard, artifacts=0) for shard in range(1, 10)]
    assert [decoded(decoder, table.encode(each)) for each in outcomes] == outcomes
    assert len(by_arrow) == 1
    for _ in range(CHANGES):
        body = table.encode(random.choice(outcomes))
        at = random.randrange(body.index(b"parquet-cpp"))  # of another version of that, nothing is known
        changed = body[:at] + bytes([body[at] ^ (1 << random.randrange(8))]) + body[at + 1 :]
        assert isinstance(decoded(decoder, changed), str)
    assert isinstance(decoded(decoder, body.replace(b"parquet-cpp", b"parquet-\xff\xff\xff")), str)


@pytest.mark.parametrize("options", [{"compression": "zstd"}, {"write_statistics": False}])
def test_what_another_writer_made_is_not_as_written(options: dict[str, Any]) -> None:
    body = written(pq.read_table(pa.BufferReader(table.encode(outcome(1)))), **options)
    assert "zstd" in options.values() or by_table(body) == outcome(1)
    assert isinstance(decoded(OutcomeDecoder(exact=True), body), str)


def test_of_what_another_version_of_arrow_wrote_values_are_compared_with_their_statistics() -> None:
    for column in ("started_at", "cpu_seconds", "attempt_id", "shard_id", "engine_version"):
        body = table.encode(outcome(1)).replace(b"parquet-cpp-arrow version 2", b"parquet-cpp-arrow version 1")
        assert decoded(OutcomeDecoder(exact=True), body) == outcome(1)
        metadata = pq.read_metadata(pa.BufferReader(body))
        chunk = metadata.row_group(0).column(table.OUTCOME.names.index(column))
        end = chunk.data_page_offset + chunk.total_compressed_size
        for change in (1, 2):
            changed = body[: end - 8] + bytes([body[end - 8] ^ change]) + body[end - 7 :]
            assert by_table(changed) != outcome(1)
            assert isinstance(decoded(OutcomeDecoder(exact=True), changed), str)


def test_every_byte_of_values_that_is_changed_is_seen_to_be_invalid_as_by_arrow() -> None:
    decoder, body = OutcomeDecoder(), table.encode(outcome(0))
    decoded(decoder, body)
    for value in (outcome(0).attempt_id, "success", "a" * 64, "table_1", outcome(0).artifacts[0].key):
        for new in (b"\x00", b"\xff", b"*"):
            at = body.index(value.encode())
            changed = body[:at] + new + body[at + 1 :]
            changed = changed.replace(value.encode(), new + value.encode()[1:])
            assert decoded(decoder, changed) == by_table(changed)


@pytest.mark.parametrize("options", [{"compression": "zstd"}, {"use_dictionary": True}, {"data_page_version": "2.0"}])
def test_what_another_writer_made_is_decoded_by_arrow(options: dict[str, Any], by_arrow: list[bytes]) -> None:
    decoder = OutcomeDecoder()
    bodies = [written(pq.read_table(pa.BufferReader(table.encode(outcome(n)))), **options) for n in range(3)]
    assert [decoded(decoder, body) for body in bodies] == [by_table(body) for body in bodies]
    assert len(by_arrow) == 2 * len(bodies)


def test_numbers_of_another_type_are_not_taken_for_those_of_this_one() -> None:
    decoder = OutcomeDecoder()
    bodies = []
    for ended in (0, 5):
        at = dt.datetime(1970, 1, 1, 0, 0, ended, tzinfo=dt.UTC)  # the first is 0 in any unit
        row = pq.read_table(pa.BufferReader(table.encode(replace(outcome(1), started_at=at, finished_at=at))))
        place = row.schema.get_field_index("finished_at")
        times = row.column(place).cast(pa.timestamp("us", tz="UTC"))
        bodies.append(written(row.set_column(place, "finished_at", times)))
    assert [decoded(decoder, body) for body in bodies] == [by_table(body) for body in bodies]


def test_nothing_is_learnt_from_columns_that_share_their_bytes(by_arrow: list[bytes]) -> None:
    decoder = OutcomeDecoder()
    bodies = []
    for word in ("other", "words"):
        body = table.encode(replace(outcome(1), engine_version=word, model=word))
        group = pq.read_metadata(pa.BufferReader(body)).row_group(0)
        places = [group.column(n).data_page_offset for n in range(group.num_columns)]
        one, two = (places[table.OUTCOME.names.index(name)] for name in ("engine_version", "model"))
        bodies.append(body.replace(varint(two), varint(one)))
    assert [decoded(decoder, body) for body in bodies] == [by_table(body) for body in bodies]
    assert len(by_arrow) == 2 * len(bodies)


def varint(number: int) -> bytes:
    """Return a number of two bytes as Thrift's compact protocol has it, and what comes before it in a footer."""
    return bytes([0x26, number << 1 & 127 | 128, number >> 6])


def test_an_encoding_that_looks_plain_for_zeros_is_not_taken_for_plain() -> None:
    decoder = OutcomeDecoder()
    bodies = []
    for rows in ((0, 0), (1, 2)):
        artifacts = tuple(replace(each, rows=n) for each, n in zip(outcome(1).artifacts, rows, strict=True))
        row = pq.read_table(pa.BufferReader(table.encode(replace(outcome(1), artifacts=artifacts))))
        split = {"artifacts.list.element.rows": "BYTE_STREAM_SPLIT"}
        bodies.append(written(row, column_encoding=split))
    assert [decoded(decoder, body) for body in bodies] == [by_table(body) for body in bodies]


def test_files_of_earlier_releases_are_learnt_from_too(by_arrow: list[bytes]) -> None:
    decoder = OutcomeDecoder()
    old = [replace(outcome(shard), engine_sha256=None, points_machine_dependent=None) for shard in range(5)]
    rows = [pq.read_table(pa.BufferReader(table.encode(each))) for each in old]
    assert [decoded(decoder, written(row.select(row.column_names[:-3]))) for row in rows] == old
    assert len(by_arrow) == 1


def test_what_is_learnt_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template, "MAX_TEMPLATES", 3)
    decoder = OutcomeDecoder()
    for length in range(10):
        decoded(decoder, table.encode(replace(outcome(1), error_message="x" * length)))
    assert sum(map(len, decoder._templates.values())) == 3


def written(row: pa.Table, **options: Any) -> bytes:  # noqa: ANN401  of Parquet
    sink = pa.BufferOutputStream()
    pq.write_table(row, sink, **RECORD | options)
    return bytes(sink.getvalue())
