"""A run of 2^62 points in shards of one, planned or not: every command counts the missing ones, and lists few."""

import shlex
from pathlib import Path

import process_memory
import pytest
from typer.testing import CliRunner
from verify.runs import ENGINE, of_huge_run

from sweepctl.cli import app
from sweepctl.records.outcome import RunRecord
from sweepctl.shard import commit
from sweepctl.shard.run import run_shard, utc_now
from sweepctl.store import open_store

COMMANDS = {
    "status r": 0,
    "status r --json": 0,
    "runs": 0,
    "verify r": 1,
    "verify r --json": 1,
    "verify r --reexecute 2": 1,
    "report r --out r.html": 0,
    "summary r": 0,
    "summary r --json": 0,
    "query r 'SELECT count(*) FROM point_outcomes'": 0,
    "retry r": 0,
}


@pytest.mark.slow
@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("shard_points", [1, None], ids=["planned", "unplanned"])
def test_no_command_holds_a_list_of_what_is_missing(shard_points: int | None) -> None:
    store, first = open_store("sweep-results"), of_huge_run(0, 0)
    record = RunRecord(
        run_id=first.run_id,
        run_date=str(first.run_date),
        spec_json=first.spec.to_json(),
        spec_fingerprint=first.spec.fingerprint,
        total_points=first.total_points,
        shard_points=shard_points,
        created_at=utc_now(),
    )
    commit.pin_run(store, record)
    for shard in (0, 5):
        run_shard(of_huge_run(shard, shard), ENGINE, store)
    before = process_memory.begin()
    for command, code in COMMANDS.items():
        result = CliRunner().invoke(app, shlex.split(command))
        assert result.exit_code == code, (command, result.output)
        assert len(result.output) < 10 << 20, command
    assert Path("r.html").stat().st_size < 1 << 20
    assert process_memory.peak() - before < 512 << 20
