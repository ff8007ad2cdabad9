"""Runs of every design, from messages to proof: in the message and stored, in any cut, repaired and run again."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pytest
from verify.runs import ENGINE, RUN_DATE, total

from sweepctl import protocol
from sweepctl.design import DESIGN
from sweepctl.engine.points import REPORT_SECONDS
from sweepctl.messages import ShardMessage, ShardMessageV2, decode
from sweepctl.records.design import encode, put
from sweepctl.shard.run import run_shard, utc_now
from sweepctl.spec import Spec
from sweepctl.store import Store, open_store
from sweepctl.verify import Reexecution, Verdict, verify

AXES = {
    "arrival_rate": {"linspace": {"start": 0.5, "stop": 0.8, "num": 4}},
    "servers": {"range": {"start": 4, "stop": 0, "step": -1}},
}
DISTRIBUTIONS = {
    "arrival_rate": {"uniform": {"low": 0.25, "high": 0.75}},
    "service_rate": {"normal": {"mean": 1, "std": 0.25, "low": 0.5}},
    "servers": {"integer": {"low": 1, "high": 3}},
    "customers": {"choice": [10, 20, 30]},
}
DESIGNS: dict[str, dict[str, Any]] = {
    "grid of formulas": {"kind": "grid", "dimensions": AXES},
    "zip": {"kind": "zip", "dimensions": {**AXES, "service_rate": [1, 1.5, 2.0, 3]}},
    "random": {"kind": "random", "samples": 11, "dimensions": DISTRIBUTIONS},
    "latin hypercube": {"kind": "latin_hypercube", "samples": 11, "dimensions": DISTRIBUTIONS},
    "sobol": {"kind": "sobol", "samples": 16, "dimensions": DISTRIBUTIONS},
    "plain sobol": {"kind": "sobol", "samples": 16, "scramble": False, "dimensions": DISTRIBUTIONS},
    "saltelli": {
        "kind": "saltelli",
        "base_samples": 3,
        "dimensions": {name: DISTRIBUTIONS[name] for name in ("arrival_rate", "service_rate")},
    },
    "morris": {
        "kind": "morris",
        "trajectories": 3,
        "dimensions": DISTRIBUTIONS | {"service_rate": {"log_uniform": {"low": 1, "high": 2}}},
    },
    "cross": {
        "kind": "cross",
        "parts": [
            {"kind": "table", "columns": ["servers"], "rows": [[1], [3]]},
            {"kind": "random", "samples": 3, "dimensions": {"arrival_rate": DISTRIBUTIONS["arrival_rate"]}},
            {"kind": "zip", "dimensions": {"service_rate": [1, 2], "customers": [10, 20]}},
        ],
    },
    "table": {
        "kind": "table",
        "columns": ["servers", "arrival_rate"],
        "rows": [[1 + place % 3, 0.5 + place / 64] for place in range(13)],
    },
}


@pytest.fixture(params=DESIGNS)
def spec(request: pytest.FixtureRequest) -> Spec:
    return Spec("queue", DESIGNS[request.param], {"warmup": 1}, 3, 42, ())


def shards(spec: Spec, points: int, size: int) -> Iterator[ShardMessage]:
    for shard, start in enumerate(range(0, points, size)):
        end = min(start + size, points)
        yield ShardMessageV2.of(
            spec, "r", RUN_DATE, total_points=points, shard_id=shard, start_index=start, end_index_exclusive=end
        )


def stored(store: Store, spec: Spec) -> Spec:
    return replace(spec, design={"sha256": put(store, encode(DESIGN.validate_python(spec.design)))})


def rows(store: Store, dataset: str) -> list[dict[str, Any]]:
    """Return what a run says of its points, without what tells its shards apart."""
    found = ds.dataset(Path(store.url) / dataset / "queue", format="parquet").to_table().sort_by("point_index")
    return list(found.drop_columns(["shard_id"]).to_pylist())


def test_a_run_is_proven_repaired_and_run_again(store: Store, spec: Spec) -> None:
    run = list(shards(spec, total(spec), 4))
    for message in run[:1] + run[2:]:
        assert run_shard(message, ENGINE, store).outcome.status == "success"
    (body,) = verify(store, "r", ENGINE).messages()
    repair = decode(body, utc_now().date())
    assert (repair.spec, repair.shard_id) == (spec, 1)
    run_shard(repair, ENGINE, store)
    report = verify(store, "r", ENGINE, Reexecution(None))
    assert (report.verdict, report.findings, report.unchecked) == (Verdict.WHOLE, [], {})


@pytest.mark.slow
def test_the_stored_design_has_the_same_points_in_any_cut(store: Store, spec: Spec, tmp_path: Path) -> None:
    other = open_store(str(tmp_path / "other"))
    for message in shards(spec, total(spec), 8):
        run_shard(message, ENGINE, store)
    for message in shards(stored(other, spec), total(spec), 5):
        run_shard(message, ENGINE, other)
    assert verify(other, "r", ENGINE, Reexecution(4)).verdict is Verdict.WHOLE
    for dataset in ("effective_parameters", "point_outcomes"):
        assert rows(store, dataset) == rows(other, dataset)


def test_cells_vary_and_replicates_of_a_cell_do_not(store: Store, spec: Spec) -> None:
    for message in shards(spec, total(spec), 100):
        run_shard(message, ENGINE, store)
    names = [row["parameter_fingerprint"] for row in rows(store, "effective_parameters")]
    assert names[::3] == names[1::3] == names[2::3]
    assert len(set(names)) == len(names) / 3


def test_a_table_is_proven_where_a_request_holds_no_more_than_a_shards_rows(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = stored(store, Spec("queue", DESIGNS["table"], {"customers": 5, "warmup": 0}, 1, 1, ()))
    run = list(shards(spec, 13, 3))
    space = DESIGN.validate_python(DESIGNS["table"])
    bounds = [(each.start_index, each.end_index_exclusive) for each in run]
    requests = [
        protocol.encode_request(spec, space, *each, 1, report_seconds=REPORT_SECONDS, columns=True) for each in bounds
    ]
    monkeypatch.setattr(protocol, "MAX_REQUEST_BYTES", max(map(len, requests)) + 10)
    for message in run:
        run_shard(message, ENGINE, store)
    report = verify(store, "r", ENGINE, Reexecution(None))
    assert (report.verdict, report.unchecked) == (Verdict.WHOLE, {})
