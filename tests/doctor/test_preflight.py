"""What a worker makes sure of before it takes a message: every finding, whatever fails."""

import dataclasses
from pathlib import Path
from typing import Any, cast

import pytest
from fakes import toys

from sweepctl.doctor.preflight import Diagnosis, check_store, examine
from sweepctl.engine.client import Engine, find_engine
from sweepctl.errors import EngineUnavailableError, QueueError, StoreError
from sweepctl.queue.contract import QueueFacts
from sweepctl.queue.sqs import Queue
from sweepctl.store import open_store
from sweepctl.store.s3 import S3Store

FACTS = QueueFacts(
    visible=3, in_flight=2, delayed=1, visibility_timeout=30, dead_letter_queue="dead", max_receive_count=10, fifo=False
)


def examined(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    engine: str | None = None,
    store: str = "store",
    **facts: Any,  # noqa: ANN401
) -> dict[str, Diagnosis]:
    queue = Queue("memory://queue", cast("Any", None), lambda _: None)
    monkeypatch.setattr(queue, "facts", lambda: dataclasses.replace(FACTS, **facts))

    def find() -> Engine:
        return toys.engine(folder) if engine is None else Engine(find_engine(engine))

    checks = examine(find, open_store(str(folder / store)), queue, 60)
    assert len({check.what for check in checks}) == len(checks)
    return {check.what: check for check in checks}


def test_all_is_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = examined(tmp_path, monkeypatch)
    assert not any(check.error or check.remedy for check in found.values())
    assert "models: toy 1" in found["engine"].finding
    assert "supports conditional writes" in found["store"].finding
    assert found["queue"].finding == "messages: 3 visible, 2 in flight, 1 delayed"
    assert found["visibility"].finding.startswith(
        "30 s set on the queue; this worker overrides it with its lease of 60 s"
    )
    assert found["dead letters"].finding == "to dead after 10 receives"


def test_a_missing_engine_is_a_finding_beside_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = examined(tmp_path, monkeypatch, engine=str(tmp_path / "none"))
    assert isinstance(found["engine"].error, EngineUnavailableError)
    assert found["engine"].remedy
    assert {"store", "queue", "visibility", "dead letters"} <= found.keys()


def test_a_store_that_cannot_be_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    assert isinstance(examined(tmp_path, monkeypatch, store="file")["store"].error, StoreError)


def test_a_fifo_queue_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = examined(tmp_path, monkeypatch, fifo=True)["queue"]
    assert isinstance(found.error, QueueError)
    assert "FIFO" in found.finding
    assert "standard queue" in str(found.remedy)


@pytest.mark.parametrize(
    ("facts", "remedy"),
    [
        ({"dead_letter_queue": None, "max_receive_count": None}, "redrive policy"),
        ({"max_receive_count": 9}, "maxReceiveCount to 10 or more"),
    ],
)
def test_a_queue_that_may_lose_or_bury_messages_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, facts: dict[str, Any], remedy: str
) -> None:
    found = examined(tmp_path, monkeypatch, **facts)["dead letters"]
    assert found.error is None
    assert remedy in str(found.remedy)


def test_a_bucket_is_asked_whether_it_replaces_too(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    for name in ("probe", "probe_replacing"):
        monkeypatch.setattr(S3Store, name, lambda _, name=name: asked.append(name))
    check_store(open_store("s3://bucket/sweeps"))
    assert asked == ["probe", "probe_replacing"]
