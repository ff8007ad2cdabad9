"""Results of several builds of an engine: whole only if they are known to agree."""

import hashlib
import io
import shlex
from pathlib import Path

import pyarrow.parquet as pq
from fakes import toys
from rich.console import Console
from typer.testing import CliRunner

from sweepctl import open_run
from sweepctl.cli import app
from sweepctl.engine.client import Engine
from sweepctl.records import layout, table
from sweepctl.records.outcome import EnginePin, Outcome
from sweepctl.records.run import find_outcome, require_run
from sweepctl.shard.run import run_shard
from sweepctl.store import Store
from sweepctl.verify import Check, Reexecution, Report, Verdict, verify
from sweepctl.verify.builds import build_name
from sweepctl.verify.reexecute import draw_sample
from sweepctl.view.verify import show_report

# Of the same version, and with other results.
OTHER = """
if sys.argv[1] == "run":
    start()
    for index in range(begin, end):
        say(toy_model.point(index, metrics={"m": 9.0}))
    say(toy_model.finished(end - begin))
    sys.exit(0)
"""
# The second point is beyond the machine.
TIMED_OUT = """
if sys.argv[1] == "run":
    start()
    for index in range(begin, end):
        failure = {"status": "failure", "metrics": ..., "error_code": "point_timeout", "error_message": "1 s"}
        say(toy_model.point(index, **failure) if index % 4 else toy_model.point(index))
    say(toy_model.finished(end - begin, 3))
    sys.exit(0)
"""


def build(folder: Path, behaviour: str = "") -> Engine:
    folder.mkdir()
    return toys.engine(folder, behaviour)


def run(store: Store, *engines: Engine) -> None:
    """Run one shard with each engine."""
    for engine, body in zip(engines, toys.messages(len(engines)), strict=True):
        run_shard(toys.decoded(body), engine, store)


def read(store: Store, key: str) -> bytes:
    stored = store.read(key)
    assert stored is not None
    return stored.body


def forget_build(store: Store, shard: int) -> None:
    """Write an outcome as an earlier release did, without its last columns."""
    path = Path(store.url, layout.ShardKeys(toys.RUN_ID, toys.RUN_DATE, shard).outcome)
    row = pq.read_table(path)
    added = ["engine_sha256", "points_machine_dependent", "points_excluded"]
    pq.write_table(row.drop_columns(added), path, compression="none", store_schema=False)


def doubt(report: Report) -> str:
    assert report.verdict is Verdict.UNPROVEN
    assert list(report.unchecked) == [Check.REEXECUTION]
    return report.unchecked[Check.REEXECUTION]


def test_outcomes_and_pin_name_the_build(store: Store, tmp_path: Path) -> None:
    engines = build(tmp_path / "one"), build(tmp_path / "other")
    run(store, *engines)
    digests = [hashlib.sha256(engine.path.read_bytes()).hexdigest() for engine in engines]
    keys = [layout.ShardKeys(toys.RUN_ID, toys.RUN_DATE, shard).outcome for shard in range(2)]
    assert [table.decode(Outcome, read(store, key), key).engine_sha256 for key in keys] == digests
    assert table.decode(EnginePin, read(store, layout.engine_pin("r")), "").engine_sha256 == digests[0]
    report = verify(store, "r", engines[0])
    expected = [{"engine_sha256": each, "shards": 1, "points_rerun": 0} for each in sorted(digests)]
    assert report.to_json()["builds"] == expected
    (note,) = report.findings
    assert (note.code, note.count) == ("outcomes.engine_versions", 2)
    assert all(each[:12] in note.message for each in digests)


def test_a_run_of_one_build_needs_nothing_run_again(store: Store, tmp_path: Path) -> None:
    one = build(tmp_path / "one")
    run(store, one, one)
    report = verify(store, "r", one)
    assert (report.verdict, [each.shards for each in report.builds]) == (Verdict.WHOLE, [2])


def test_two_builds_are_trusted_once_one_of_them_has_run_points_of_each(store: Store, tmp_path: Path) -> None:
    one, other = build(tmp_path / "one"), build(tmp_path / "other")
    run(store, one, other, other)
    assert "not known to agree" in doubt(verify(store, "r", one))
    for engine in (one, other):
        report = verify(store, "r", engine, Reexecution(1))
        assert (report.verdict, [each.points_rerun for each in report.builds]) == (Verdict.WHOLE, [1, 1])


def test_two_builds_with_other_results_are_never_whole(store: Store, tmp_path: Path) -> None:
    one, other = build(tmp_path / "one"), build(tmp_path / "other", OTHER)
    run(store, one, other)
    for engine in (one, other):
        doubt(verify(store, "r", engine))
        report = verify(store, "r", engine, Reexecution(1))
        assert report.verdict is Verdict.CORRUPT
        assert {each.code for each in report.findings} == {"outcomes.engine_versions", "reexecution.metrics"}


def test_a_third_build_does_not_prove_that_two_agree(store: Store, tmp_path: Path) -> None:
    one, other, third = (build(tmp_path / name) for name in ("one", "other", "third"))
    run(store, one, other)
    reason = doubt(verify(store, "r", third, Reexecution(None)))
    assert "--engine PATH --reexecute 2`, where PATH is build " in reason


def test_the_remedy_is_a_command_that_works(store: Store, tmp_path: Path) -> None:
    one, other = build(tmp_path / "one"), build(tmp_path / "other")
    run(store, one, other)
    program, *arguments = shlex.split(doubt(verify(store, "r", one)).split("`")[1])
    assert program == "sweepctl"
    result = CliRunner().invoke(app, arguments)
    assert (result.exit_code, result.stdout.split()[0]) == (0, "WHOLE")


def test_outcomes_of_earlier_releases_are_one_unknown_build(store: Store, tmp_path: Path) -> None:
    one, other = build(tmp_path / "one"), build(tmp_path / "other")
    run(store, one, other)
    forget_build(store, 1)
    assert "unknown" in doubt(verify(store, "r", one))
    rows = open_run("r", store.url).ask("SELECT engine_sha256 FROM shard_outcomes ORDER BY shard_id").arrow()
    assert rows["engine_sha256"].to_pylist() == [one.sha256, None]
    assert verify(store, "r", one, Reexecution(2)).verdict is Verdict.WHOLE
    forget_build(store, 0)
    report = verify(store, "r", one)
    assert (report.verdict, [each.engine_sha256 for each in report.builds]) == (Verdict.WHOLE, [None])


def test_points_beyond_the_machine_prove_nothing_of_a_build(store: Store, tmp_path: Path) -> None:
    one, other = build(tmp_path / "one"), build(tmp_path / "other", TIMED_OUT)
    run(store, one, other)
    reports = [verify(store, "r", one, Reexecution(1, seed)) for seed in range(9)]
    missed = [report for report in reports if 0 in {each.points_rerun for each in report.builds}]
    assert missed
    assert all("--reexecute all`" in doubt(report) for report in missed)
    assert verify(store, "r", one, Reexecution(None)).verdict is Verdict.FAILURES


def test_the_report_says_how_much_of_each_build_was_run_again(store: Store, tmp_path: Path) -> None:
    one, other = build(tmp_path / "one"), build(tmp_path / "other")
    run(store, one, other, other)
    text = io.StringIO()
    show_report(Console(file=text, width=200), verify(store, "r", one, Reexecution(1)))
    assert f"build {build_name(one.sha256)}: 1 shard, 1 point run again" in text.getvalue()
    assert f"build {build_name(other.sha256)}: 2 shards, 1 point run again" in text.getvalue()


def test_a_sample_has_a_point_of_each_build_however_small(store: Store, tmp_path: Path) -> None:
    one, other = build(tmp_path / "one"), build(tmp_path / "other")
    run(store, *[one] * 9, other)
    outcomes = [find_outcome(store, require_run(store, "r"), shard) for shard in range(10)]
    for seed in range(5):
        sample = draw_sample([each for each in outcomes if each is not None], 2, seed)
        assert (9 in sample, len(sample)) == (True, 2)
