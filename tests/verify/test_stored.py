"""Runs of a stored design are proven like all others, as long as the design is there as it was stored."""

from dataclasses import replace
from pathlib import Path

import pytest
from verify.runs import ENGINE, SPEC, messages, total

from sweepctl.design import DESIGN
from sweepctl.messages import ShardMessage, ShardMessageV2, decode
from sweepctl.records import layout
from sweepctl.records.design import encode, put
from sweepctl.shard.run import run_shard, utc_now
from sweepctl.spec import Spec
from sweepctl.store import Store, open_store
from sweepctl.verify import Reexecution, Verdict, verify

POINTS = total(SPEC)


def stored(store: Store, spec: Spec) -> Spec:
    """Return the spec with its design stored."""
    return replace(spec, design={"sha256": put(store, encode(DESIGN.validate_python(spec.design)))})


def shards(store: Store) -> list[ShardMessage]:
    """Return the messages of the usual run, its design stored."""
    spec = stored(store, SPEC)
    return [
        ShardMessageV2.of(
            spec,
            "r",
            "2026-02-14",
            total_points=POINTS,
            shard_id=each.shard_id,
            start_index=each.start_index,
            end_index_exclusive=each.end_index_exclusive,
        )
        for each in messages("r")
    ]


def test_a_run_of_a_stored_design_is_proven_and_run_again(store: Store) -> None:
    for message in shards(store):
        run_shard(message, ENGINE, store)
    report = verify(store, "r", ENGINE, Reexecution(None))
    assert [finding.code for finding in report.findings] == ["failures.failed"]
    assert (report.verdict, report.unchecked, report.total_points) == (Verdict.FAILURES, {}, POINTS)


def test_it_has_the_rows_of_its_twin_with_the_design_in_the_message(store: Store, tmp_path: Path) -> None:
    other = open_store(str(tmp_path / "other"))
    for mine, twin in zip(shards(store), messages("r"), strict=True):
        digests = {
            run_shard(message, ENGINE, place).outcome.content_sha256
            for message, place in ((mine, store), (twin, other))
        }
        assert len(digests) == 1


def test_its_repair_messages_name_the_stored_design(store: Store) -> None:
    run = shards(store)
    for message in (run[0], run[1], run[3]):
        run_shard(message, ENGINE, store)
    report = verify(store, "r", ENGINE)
    (body,) = report.messages()
    repair = decode(body, utc_now().date())
    assert (repair.spec, repair.space, repair.shard_id) == (run[2].spec, None, 2)
    run_shard(repair, ENGINE, store)
    assert verify(store, "r", ENGINE).verdict is Verdict.FAILURES


@pytest.mark.parametrize("code", ["run_record.design_missing", "run_record.design_altered"])
def test_a_design_that_is_gone_or_altered_is_damage(store: Store, code: str) -> None:
    run = shards(store)
    for message in run:
        run_shard(message, ENGINE, store)
    path = Path(store.url, "specs", run[0].spec.design["sha256"])
    if code == "run_record.design_missing":
        path.unlink()
    else:
        path.chmod(0o644)
        path.write_bytes(path.read_bytes().replace(b"100", b"101"))
    report = verify(store, "r", ENGINE)
    assert report.verdict is Verdict.CORRUPT
    (finding,) = report.findings
    assert (finding.code, finding.key) == (code, layout.stored_design(path.name))
    assert list(report.messages()) == []
    assert set(report.unchecked) == set(report.coverage)
