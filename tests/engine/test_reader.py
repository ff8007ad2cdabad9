"""The worker believes no record: each rule about point and rows records has a line here that breaks it."""

from itertools import pairwise

import pytest
from fakes.toy_model import DESCRIPTION, failed_point, finished, point, rows
from hypothesis import given
from hypothesis import strategies as st

from sweepctl.engine.reader import Batch, RecordReader
from sweepctl.errors import EngineFaultError
from sweepctl.messages import ShardMessageV1
from sweepctl.protocol import Description, Finished

TOY = Description.model_validate(DESCRIPTION).models[0]
COUNT = 20


def reader(*, replications: int = 1, outputs: tuple[str, ...] = ()) -> RecordReader:
    message = ShardMessageV1(
        run_id="r",
        model="toy",
        dimensions={"x": list(range(COUNT // replications))},
        replications=replications,
        outputs=list(outputs),
        total_points=COUNT,
        shard_id=0,
        start_index=0,
        end_index_exclusive=COUNT,
        seed=1,
    )
    return RecordReader(message, TOY)


def joined(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def indices(batch: Batch) -> list[int]:
    table = batch.rows.get("point_outcomes")
    return [] if table is None else table["point_index"].to_pylist()


def test_good_lines_become_rows_of_both_datasets() -> None:
    batch = reader().read(joined([point(0), failed_point(1), point(2)]))
    assert batch.fault is None
    parameters, outcomes = batch.rows["effective_parameters"], batch.rows["point_outcomes"]
    assert parameters["x"].to_pylist() == [0, 1, 2]
    assert parameters["model_version"].to_pylist() == ["1"] * 3
    assert outcomes["m"].to_pylist() == [0.0, None, 1.0]
    assert outcomes["status"].to_pylist() == ["success", "failure", "success"]
    assert outcomes["error_code"].to_pylist() == [None, "domain_error", None]


BAD_LINES = {
    "not JSON": "point",
    "half of a line": point(10)[:-5],
    "two records on a line": point(10) + point(11),
    "no newline between": point(10) + " " + point(11),
    "an empty line": "",
    "a space before its first key": point(10).replace('{"record"', '{ "record"'),
    "another record": point(10, record="rows"),
    "a field too many": point(10, more=1),
    "a repeated field": point(10)[:-1] + ',"point_index":10}',
    "no point_index": point(10, point_index=...),
    "point_index null": point(10, point_index=None),
    "point_index text": point(10, point_index="10"),
    "point_index 10.0": point(10, point_index=10.0),
    "point_index beyond 64 bits": point(10, point_index=2**63),
    "no replicate": point(10, replicate=...),
    "another replicate": point(10, replicate=1),
    "no status": point(10, status=...),
    "another status": point(10, status="done"),
    "no parameters": point(10, parameters=...),
    "a parameter missing": point(10, parameters={}),
    "a parameter null": point(10, parameters={"x": None}),
    "a parameter too many": point(10, parameters={"x": 1, "y": 1}),
    "a parameter of another type": point(10, parameters={"x": 1.5}),
    "no JSON": point(10, effective_parameters_json=...),
    "two on a line and then an empty one": point(10) + point(11) + "\n",
    "a fingerprint in capitals": point(10, point_fingerprint="A" * 64),
    "a short fingerprint": point(10, point_fingerprint="0" * 63),
    "a fingerprint with another letter": point(10, point_fingerprint="0" * 31 + "g" + "0" * 32),
    "a fingerprint with another letter at its end": point(10, parameter_fingerprint="0" * 63 + "é"),
    "no fingerprint": point(10, parameter_fingerprint=...),
    "no metrics": point(10, metrics=...),
    "a metric missing": point(10, metrics={}),
    "a metric null": point(10, metrics={"m": None}),
    "a metric NaN": point(10, metrics={"m": float("nan")}),
    "a metric infinite": point(10, metrics={"m": float("-inf")}),
    "a metric beyond binary64": point(10).replace('"m":5.0', '"m":1e999'),
    "an error with a success": point(10, error_code="x", error_message="x"),
    "a failure without a code": point(10, status="failure", metrics=..., error_message="x"),
    "a failure without a message": point(10, status="failure", metrics=..., error_code="x"),
    "a failure with a code that is no name": point(
        10, status="failure", metrics=..., error_code="[/nope]", error_message="x"
    ),
    "a failure with a code of a name and a newline": point(
        10, status="failure", metrics=..., error_code="a\n", error_message="x"
    ),
    "a failure with a long code": point(10, status="failure", metrics=..., error_code="x" * 64, error_message="x"),
    "a failure with a long message": point(
        10, status="failure", metrics=..., error_code="x", error_message="ä" * 2_001
    ),
    "a failure with metrics": point(10, status="failure", error_code="x", error_message="x"),
}


@pytest.mark.parametrize("bad", BAD_LINES.values(), ids=BAD_LINES)
def test_a_bad_line_ends_the_records_and_keeps_those_before(bad: str) -> None:
    lines = [point(index) for index in range(COUNT)]
    lines[10] = bad
    one = reader()
    batch = one.read(joined(lines))
    assert batch.fault is not None
    assert batch.fault.error_code == "engine_invalid_output"
    assert indices(batch) == list(range(10))
    assert one.next_index == 10


@pytest.mark.parametrize("said", [9, 11, 0, 10_000], ids=str)
def test_an_index_out_of_order_is_named(said: int) -> None:
    lines = [point(index) for index in range(COUNT)]
    lines[10] = point(said)
    batch = reader().read(joined(lines))
    assert batch.fault is not None
    assert batch.fault.error_code == "engine_wrong_index"
    assert f"point_index {said} where 10 was expected" in batch.fault.message
    assert indices(batch) == list(range(10))


def test_more_points_than_were_asked_for() -> None:
    batch = reader().read(joined([point(index) for index in range(COUNT + 1)]))
    assert batch.fault is not None
    assert batch.fault.error_code == "engine_wrong_index"
    assert indices(batch) == list(range(COUNT))


@pytest.mark.parametrize("line", ["null", " null", "null" + point(0)])
def test_a_first_line_that_is_null_is_a_fault_and_ends_no_process(line: str) -> None:
    batch = reader().read(joined([line, point(0)]))
    assert batch.fault is not None
    assert batch.fault.error_code == "engine_invalid_output"


def test_invalid_utf8() -> None:
    raw = joined([point(0), failed_point(1)]).replace(b"x is odd", b"x is \xff")
    batch = reader().read(raw)
    assert batch.fault is not None
    assert indices(batch) == [0]


def test_replicates_follow_the_index() -> None:
    lines = [point(index, replicate=index % 4) for index in range(COUNT)]
    assert reader(replications=4).read(joined(lines)).fault is None
    assert reader(replications=5).read(joined(lines)).fault is not None


@pytest.mark.slow
@given(st.lists(st.integers(0, COUNT), max_size=5))
def test_content_and_rows_do_not_depend_on_how_the_lines_are_cut(cuts: list[int]) -> None:
    lines = [failed_point(index) if index % 3 else point(index) for index in range(COUNT)]
    whole, cut = reader(), reader()
    whole.read(joined(lines))
    seen: list[int] = []
    for start, end in pairwise(sorted({0, *cuts, COUNT})):
        seen += indices(cut.read(joined(lines[start:end])))
    assert seen == list(range(COUNT))
    assert (cut.content_sha256, cut.succeeded, cut.failed) == (whole.content_sha256, whole.succeeded, whole.failed)
    assert cut.first_failure == whole.first_failure
    assert cut.first_failure is not None
    assert cut.first_failure.point_index == 1


@pytest.mark.parametrize("said", [(COUNT - 1, COUNT - 1, 0), (COUNT, COUNT - 1, 1), (COUNT, COUNT, 1)], ids=str)
def test_counts_that_are_not_what_was_written(said: tuple[int, int, int]) -> None:
    one = reader()
    one.read(joined([point(index) for index in range(COUNT)]))
    one.finish(Finished.model_validate_json(finished(COUNT)))
    wrong = Finished(record="finished", points=said[0], succeeded=said[1], failed=said[2])
    with pytest.raises(EngineFaultError) as caught:
        one.finish(wrong)
    assert caught.value.error_code == "engine_wrong_count"


def test_an_end_before_the_last_point() -> None:
    one = reader()
    one.read(joined([point(0)]))
    with pytest.raises(EngineFaultError):
        one.finish(Finished.model_validate_json(finished(1)))


def test_rows_are_joined_to_their_points() -> None:
    one = reader(outputs=("parts",))
    first = one.read(joined([rows(0, 7, 8), point(0), point(1), rows(2)]))
    second = one.read(joined([point(2), rows(3, 9), point(3)]))
    assert (first.fault, second.fault) == (None, None)
    assert first.rows["parts"].to_pylist() == [
        {"run_id": "r", "shard_id": 0, "point_index": 0, "replicate": 0, "p": value} for value in (7, 8)
    ]
    assert second.rows["parts"]["point_index"].to_pylist() == [3]


BAD_ROWS = {
    "of another point": [rows(5, 1), point(0)],
    "of a failed point": [rows(0, 1), failed_point(0)],
    "twice for a point": [rows(0, 1), rows(0, 2), point(0)],
    "after their point": [point(0), rows(0, 1), point(1)],
    "of another dataset": [rows(0, 1, dataset="other"), point(0)],
    "of another replicate": [rows(0, 1, replicate=1), point(0)],
    "without columns": [rows(0, columns={}), point(0)],
    "with null columns": [rows(0, columns=None), point(0)],
    "with a column too many": [rows(0, columns={"p": [1], "q": [1]}), point(0)],
    "with a null": [rows(0, columns={"p": [None]}), point(0)],
}


@pytest.mark.parametrize("bad", BAD_ROWS.values(), ids=BAD_ROWS)
def test_bad_rows(bad: list[str]) -> None:
    batch = reader(outputs=("parts",)).read(joined(bad))
    assert batch.fault is not None
    assert batch.fault.error_code == "engine_invalid_output"


def test_rows_of_one_point_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sweepctl.engine.reader.MAX_ROWS_BYTES", 1_000)
    batch = reader(outputs=("parts",)).read(joined([point(0), rows(1, *range(1_000))]))
    assert indices(batch) == [0]
    assert batch.fault is not None
    assert batch.fault.error_code == "engine_flooded"


def test_the_longest_message_of_a_failure_is_taken() -> None:
    longest = point(0, status="failure", metrics=..., error_code="x" * 63, error_message="ä" * 2_000)
    assert reader().read(joined([longest])).fault is None


def test_rows_that_nobody_asked_for() -> None:
    assert reader().read(joined([rows(0, 1), point(0)])).fault is not None


@pytest.mark.parametrize("waiting", [["noise"], [rows(0, 1), rows(0, 1)]], ids=["noise", "rows"])
def test_lines_that_no_point_follows_do_not_pile_up(waiting: list[str]) -> None:
    batch = reader(outputs=("parts",)).read(joined([point(0), *waiting]))
    assert indices(batch) == [0]
    assert batch.fault is not None
