"""A shard of a stored design: what the engine is asked for; and a design that is not there leaves nothing."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes.engines import scripted

from sweepctl import protocol
from sweepctl.design import DESIGN
from sweepctl.engine.client import Engine
from sweepctl.errors import AlteredDesignError, ConflictError, MessageError, MissingDesignError
from sweepctl.messages import ShardMessageV2
from sweepctl.records import layout
from sweepctl.records.design import encode, put
from sweepctl.shard.run import Conditions, run_shard
from sweepctl.spec import Spec
from sweepctl.store.contract import Store

TABLE = {"kind": "table", "columns": ["x"], "rows": [[place] for place in range(10)]}
SOBOL = {"kind": "sobol", "samples": 10, "dimensions": {"x": {"integer": {"low": 0, "high": 9}}}}
FIRST_THREE = "for p in [*points[:4], points[-1].replace('10', '3')]: say(p)"
# What it was asked for goes beside its program.
ASKED = f"open(os.path.dirname(sys.argv[0]) + '/asked', 'w').write(json.dumps(request))\n{FIRST_THREE}"


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine(scripted(tmp_path, ASKED))


@pytest.fixture
def asked(tmp_path: Path) -> Callable[[], dict[str, Any]]:
    return lambda: dict(json.loads((tmp_path / "asked").read_text())["design"])


def message(design: dict[str, Any], **changes: Any) -> ShardMessageV2:  # noqa: ANN401  any JSON value
    bounds = {"total_points": 10, "shard_id": 0, "start_index": 0, "end_index_exclusive": 3, **changes}
    return ShardMessageV2.of(Spec("toy", design, {}, 1, 1, ()), "r", "2026-02-14", **bounds)


def stored(store: Store, design: dict[str, Any]) -> dict[str, Any]:
    return {"sha256": put(store, encode(DESIGN.validate_python(design)))}


def files(store: Store) -> set[str]:
    root = Path(store.url)
    return {str(path.relative_to(root)) for path in root.glob("[!.]*/**/*") if path.is_file()}


def test_the_engine_gets_the_rows_of_the_shard(
    store: Store, engine: Engine, asked: Callable[[], dict[str, Any]]
) -> None:
    part = {"kind": "table", "columns": ["x"], "first_row": 0, "rows": [[0], [1], [2]], "total_rows": 10}
    run_shard(message(stored(store, TABLE)), engine, store)
    assert asked() == part


def test_replicates_of_a_cell_need_one_row() -> None:
    space = DESIGN.validate_python(TABLE)
    spec = Spec("toy", TABLE, {}, 4, 1, ())
    for (start, end), (first, rows) in {(0, 1): (0, [[0]]), (3, 5): (0, [[0], [1]]), (4, 8): (1, [[1]])}.items():
        design = json.loads(protocol.encode_request(spec, space, start, end, None))["design"]
        assert (design["first_row"], design["rows"]) == (first, rows)


def test_the_engine_gets_all_of_a_stored_formula(
    store: Store, engine: Engine, asked: Callable[[], dict[str, Any]]
) -> None:
    assert run_shard(message(stored(store, SOBOL)), engine, store).outcome.status == "success"
    assert asked() == SOBOL


def test_an_absent_design_leaves_nothing(store: Store, engine: Engine) -> None:
    with pytest.raises(MissingDesignError):
        run_shard(message({"sha256": "0" * 64}), engine, store)
    assert files(store) == set()


def test_an_altered_design_leaves_nothing(store: Store, engine: Engine) -> None:
    store.create(layout.stored_design("0" * 64), b"{}")
    with pytest.raises(AlteredDesignError):
        run_shard(message({"sha256": "0" * 64}), engine, store)
    assert files(store) == {layout.stored_design("0" * 64)}


def test_a_total_that_is_not_the_designs_leaves_nothing(store: Store, engine: Engine) -> None:
    design = stored(store, TABLE)
    before = files(store)
    with pytest.raises(MessageError, match="total_points 11: must be"):
        run_shard(message(design, total_points=11), engine, store)
    assert files(store) == before


def test_a_request_that_no_engine_takes_is_the_messages_fault(
    store: Store, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "MAX_REQUEST_BYTES", 100)
    with pytest.raises(MessageError, match="bytes: an engine accepts at most 100"):
        run_shard(message(TABLE), engine, store)
    assert files(store) == set()


def test_a_design_and_its_stored_twin_are_two_sweeps(store: Store, engine: Engine) -> None:
    """They compute the same points; but whoever reads the run record finds one of them only."""
    run_shard(message(TABLE), engine, store)
    with pytest.raises(ConflictError, match="was created with spec"):
        run_shard(message(stored(store, TABLE)), engine, store, Conditions(force=True))
