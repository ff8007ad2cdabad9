"""The decoder takes what DESIGN promised to take, refuses the rest in one line, and never loses a number's type."""

import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweepctl.errors import MessageError
from sweepctl.messages import MAX_BYTES, decode

TODAY = dt.date(2026, 3, 1)
CONTRACT: dict[str, Any] = {
    "schema_version": "v1",
    "run_id": "demo-001",
    "run_date": "2026-02-14",
    "model": "ridehail",
    "dimensions": {"commission_rate": [0.1, 0.2], "num_drivers": [100, 200]},
    "total_points": 4,
    "shard_id": 1,
    "start_index": 2,
    "end_index_exclusive": 4,
    "seed": 42,
    "failure_injection_shards": [],
}
REQUIRED = ("run_id", "dimensions", "total_points", "shard_id", "start_index", "end_index_exclusive", "seed")


def body(**changes: Any) -> bytes:  # noqa: ANN401  any JSON value
    return json.dumps({**CONTRACT, **changes}).encode()


def refusal(raw: bytes) -> str:
    with pytest.raises(MessageError) as caught:
        decode(raw, TODAY)
    assert "\n" not in caught.value.message
    assert caught.value.remedy
    return caught.value.message


def test_takes_the_contract_message_as_it_is_written() -> None:
    message = decode(body(), TODAY)
    assert message.points == 2
    assert message.spec.design == {"kind": "grid", "dimensions": CONTRACT["dimensions"]}


def test_absent_fields_have_their_documented_meaning() -> None:
    message = decode(json.dumps({name: CONTRACT[name] for name in REQUIRED}).encode(), TODAY)
    assert (message.schema_version, message.model, message.run_date) == ("v1", "ridehail", None)
    assert (message.base, message.replications, message.outputs) == ({}, 1, [])


@pytest.mark.parametrize("name", REQUIRED)
def test_required_fields(name: str) -> None:
    assert refusal(json.dumps({k: v for k, v in CONTRACT.items() if k != name}).encode()) == f"{name}: Field required"


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b" " * (MAX_BYTES + 1), "at most 1048576"),
        (b'{"run_id": "\xff"}', "byte 12: must be UTF-8"),
        (b'{"seed": 1, "seed": 1}', "seed: must appear once"),
        (b'{"dimensions": {"a": [1], "a": [1]}}', "a: must appear once"),
        (b"[" * 100_000, "nest at most 16"),
        (b"[" * 20 + b"]" * 20, "nest at most 16"),
        (b"{", "line 1, column 2: must be JSON"),
        (b"[]", "must be a JSON object"),
        (b'{"seed": NaN}', "NaN: numbers must be finite"),
        (b'{"seed": -Infinity}', "-Infinity: numbers must be finite"),
        (b'{"seed": 1e999}', "1e999: numbers must be finite"),
        (b'{"seed": 9223372036854775808}', "must fit signed 64 bits"),
        (b'{"seed": ' + b"9" * 10_000 + b"}", "must fit signed 64 bits"),
        (b'{"run_id": "\\ud800"}', "half of a surrogate pair"),
        (body(bucket="mine"), "bucket: Extra inputs are not permitted"),
        (body(schema_version="v2"), "schema_version"),
        (body(seed=True), "seed: Input should be a valid integer"),
        (body(seed=1.0), "seed: Input should be a valid integer"),
        (body(seed="1"), "seed: Input should be a valid integer"),
        (body(run_id="a..b"), "run_id: must not contain '..'"),
        (body(run_id="../x"), "run_id"),
        (body(run_id="a/b"), "run_id"),
        (body(run_id="a\n"), "run_id"),
        (body(run_id="x" * 65), "run_id"),
        (body(run_date="2026-02-30"), "run_date"),
        (body(run_date="20260214"), "run_date"),
        (body(run_date="1999-12-31"), "run_date 1999-12-31: must lie between 2000-01-01"),
        (body(run_date="2026-03-03"), "run_date 2026-03-03: must lie between"),
        (body(model="Queue"), "model"),
        (body(dimensions={"seed": [1]}), "dimensions.seed: 'seed' is the name of an identity column"),
        (body(dimensions={"No": [1]}), "dimensions.No"),
        (body(dimensions={"a": [[1]]}), "dimensions.a.0: must be a number, a string, true, false or null"),
        (body(dimensions={"a": 1}), "dimensions.a"),
        (body(dimensions={"a": []}), "dimensions.a: must have at least one value"),
        (body(base={"num_drivers": 1}), "'num_drivers' is both a dimension and a base value"),
        (body(outputs=["trips", "trips"]), "outputs: must name each dataset once"),
        (body(replications=0), "replications"),
        (body(replications=2), "total_points 4: must be the design's product times replications, 8"),
        (body(total_points=5), "total_points 5"),
        (body(start_index=4), "start_index 4"),
        (body(end_index_exclusive=5), "must satisfy start < end <= total"),
        (body(shard_id=-1), "shard_id"),
        (body(failure_injection_shards=[-1]), "failure_injection_shards"),
    ],
)
def test_refuses_with_the_field_and_the_rule(raw: bytes, says: str) -> None:
    assert says in refusal(raw)


def test_a_run_date_may_be_tomorrow() -> None:
    assert decode(body(run_date="2026-03-02"), TODAY).run_date == "2026-03-02"


def test_numbers_keep_their_type_and_all_their_digits() -> None:
    values = [1, 1.0, True, "1", None, 2**53 + 1, 5e-324]
    message = decode(body(dimensions={"a": values}, total_points=7), TODAY)
    assert list(map(repr, message.dimensions["a"])) == list(map(repr, values))


def test_a_product_beyond_64_bits_is_refused_not_wrapped() -> None:
    huge = {f"d{i}": [0, 1] for i in range(64)}
    assert str(2**64) in refusal(body(dimensions=huge))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sorted(CONTRACT)), JSON)
def test_any_value_in_any_field_is_taken_or_refused_in_one_line(name: str, value: object) -> None:
    raw = body(**{name: value})
    try:
        decode(raw, TODAY)
    except MessageError:
        refusal(raw)


@given(st.binary(max_size=64))
def test_any_bytes_are_refused_in_one_line(raw: bytes) -> None:
    refusal(raw)
