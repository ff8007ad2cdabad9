"""Several shards by one `run-shard`: one after the other, whatever becomes of each."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from cli.test_cli import TOY, error_of, sweepctl
from fakes.engines import scripted
from fakes.sweep_files import held_engine
from waiting import wait_until
from worker.processes import SWEEPCTL

QUEUE = TOY | {"run_id": "q", "model": "queue", "dimensions": {"arrival_rate": [0.5]}, "base": {"customers": 9}}

pytestmark = pytest.mark.usefixtures("elsewhere")


def written(folder: Path, count: int = 3, points: int = 4, **changes: object) -> Path:
    """Write the messages of so many shards, one per line."""
    total = count * points
    base = (
        QUEUE | {"replications": total}
        if changes.get("model") == "queue"
        else TOY | {"dimensions": {"x": [*range(total)]}}
    )
    bounds = ({"shard_id": n, "start_index": n * points, "end_index_exclusive": (n + 1) * points} for n in range(count))
    path = folder / "messages.jsonl"
    path.write_text("".join(json.dumps(base | {"total_points": total} | changes | each) + "\n" for each in bounds))
    return path


def outcomes() -> Sequence[str]:
    return sorted(path.stem for path in Path("sweep-results/shard_outcomes").rglob("*.parquet"))


def told_by(*arguments: object) -> dict[str, Any]:
    result = sweepctl(*arguments, "--json")
    told: dict[str, Any] = json.loads(result.stdout)
    assert told["exit_code"] == result.exit_code, result.stderr
    return told


def test_shards_are_run_one_after_the_other_and_complete_ones_are_skipped(tmp_path: Path) -> None:
    file = written(tmp_path, model="queue")
    first = told_by("run-shard", file)
    assert (first["exit_code"], first["shards"], first["succeeded"], first["skipped"]) == (0, 3, 3, 0)
    assert first["points"] == 12
    assert len(outcomes()) == 3
    again = told_by("run-shard", file)
    assert (again["exit_code"], again["succeeded"], again["skipped"], again["points"]) == (0, 0, 3, 0)
    assert "nothing was run: 3 shards already complete" in sweepctl("run-shard", file).stdout


def test_files_of_one_message_and_of_many_may_be_mixed(tmp_path: Path) -> None:
    one, two, three = written(tmp_path, model="queue").read_text().splitlines()
    (tmp_path / "one.json").write_text(one)
    (tmp_path / "rest.jsonl").write_text(f"{two}\n\n{three}\n")
    assert told_by("run-shard", tmp_path / "rest.jsonl", tmp_path / "one.json")["succeeded"] == 3


def test_a_list_of_one_is_answered_as_a_list(tmp_path: Path) -> None:
    file = written(tmp_path, count=1, model="queue")
    assert told_by("run-shard", file)["shards"] == 1
    assert sweepctl("run-shard", file, "--force", "--json").exit_code == 0


def test_an_engine_waits_for_the_next_shard(tmp_path: Path) -> None:
    engine = scripted(
        tmp_path,
        "open(told('starts'), 'a').write('x')\n"
        "while True:\n    start()\n    for index in range(begin, end): point(index)\n"
        "    say(toy_model.finished(end - begin))\n"
        "    request = json.loads(sys.stdin.buffer.readline())\n"
        "    begin, end = request['start_index'], request['end_index_exclusive']",
    )
    engine.write_text(engine.read_text().replace('"protocol"', '"again": true, "protocol"', 1))
    file = written(tmp_path)
    assert told_by("run-shard", file, "--engine", engine, "--concurrency", 1)["succeeded"] == 3
    assert (tmp_path / "starts").read_text() == "x"


def test_a_shard_that_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    file = written(tmp_path, model="queue", failure_injection_shards=[0])
    told = told_by("run-shard", file, "--allow-failure-injection")
    assert (told["exit_code"], told["succeeded"], told["failed"]) == (1, 2, 1)
    assert [(each["shard_id"], each["error_code"]) for each in told["failures"]] == [(0, "injected_failure")]


def test_a_complete_shard_with_failed_points_is_not_run_again_and_not_called_a_success(tmp_path: Path) -> None:
    file = written(tmp_path, run_id="r")
    engine = scripted(tmp_path, "run(failing={4})")
    first, again = (told_by("run-shard", file, "--engine", engine) for _ in range(2))
    assert (first["exit_code"], first["succeeded"], first["failed"], first["failed_before"]) == (1, 2, 1, 0)
    assert (again["exit_code"], again["skipped"], again["failed"], again["failed_before"]) == (1, 3, 0, 1)
    assert "`sweepctl retry r --engine" in sweepctl("run-shard", file, "--engine", engine).stdout


def test_a_message_that_conflicts_does_not_stop_the_others(tmp_path: Path) -> None:
    assert sweepctl("run-shard", written(tmp_path, model="queue", seed=2)).exit_code == 0
    others = written(tmp_path, model="queue").read_text()
    file = written(tmp_path, model="queue", run_id="another")
    file.write_text(others.splitlines()[0] + "\n" + file.read_text())
    told = told_by("run-shard", file)
    assert (told["exit_code"], told["succeeded"], told["failures"][0]["error_code"]) == (1, 3, "conflict")


def test_a_shard_that_is_too_large_does_not_stop_the_others(tmp_path: Path) -> None:
    file = written(tmp_path, model="queue", points=1)
    small = 2 * sum(path.stat().st_size for path in map(Path, _files_of_a_shard(file)))
    large = json.loads(file.read_text().splitlines()[0]) | {
        "run_id": "large", "replications": 5_000, "total_points": 5_000, "end_index_exclusive": 5_000,
    }  # fmt: skip
    file.write_text(json.dumps(large) + "\n" + file.read_text())
    told = told_by("run-shard", file, "--max-scratch-bytes", small, "--store", "another")
    assert (told["exit_code"], told["succeeded"], told["failures"][0]["error_code"]) == (1, 3, "bad_message")


def _files_of_a_shard(file: Path) -> Sequence[str]:
    assert sweepctl("run-shard", file).exit_code == 0
    return [str(each) for each in Path("sweep-results").rglob("shard-00000000.parquet")]


def test_a_failure_that_may_pass_has_its_own_exit_code(tmp_path: Path) -> None:
    engine = scripted(tmp_path, "sys.exit(3) if begin == 0 else run()")
    told = told_by("run-shard", written(tmp_path), "--engine", engine)
    assert (told["exit_code"], told["succeeded"], told["failed"]) == (4, 2, 1)


def test_a_store_that_fails_ends_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert sweepctl("run-shard", written(tmp_path, model="queue"), "--store", tmp_path / "file").exit_code == 5


@pytest.mark.parametrize("place", [0, 2])
def test_none_is_run_unless_all_messages_are_valid(tmp_path: Path, place: int) -> None:
    file = written(tmp_path, model="queue")
    lines = file.read_text().splitlines()
    lines[place] = lines[place].replace('"seed": 1', '"seed": 1.5')
    file.write_text("\n".join(lines))
    result = sweepctl("run-shard", file, "--json")
    assert result.exit_code == 3
    assert f"messages.jsonl:{place + 1}: seed" in error_of(result)["message"]
    assert not Path("sweep-results").exists()


def test_none_is_run_if_the_worker_does_not_allow_one(tmp_path: Path) -> None:
    assert sweepctl("run-shard", written(tmp_path, model="queue", failure_injection_shards=[2])).exit_code == 3
    assert not Path("sweep-results").exists()


def test_an_empty_list_and_force_are_usage_errors(tmp_path: Path) -> None:
    (tmp_path / "none.jsonl").touch()
    assert sweepctl("run-shard", tmp_path / "none.jsonl").exit_code == 2
    assert sweepctl("run-shard", written(tmp_path), "--force").exit_code == 2


@pytest.mark.slow
def test_sigterm_stops_it_and_the_same_command_runs_what_is_missing(tmp_path: Path) -> None:
    arguments = ["run-shard", written(tmp_path, 12, model="queue"), "--engine", held_engine(tmp_path, 5), "--json"]
    process = subprocess.Popen([*SWEEPCTL, *map(str, arguments)], stdout=subprocess.PIPE, text=True)
    wait_until(lambda: len(outcomes()) >= 3)
    process.terminate()
    told = json.loads(process.communicate()[0])
    assert (process.returncode, told["exit_code"], told["error"]["kind"]) == (130, 130, "interrupted")
    stood = len(outcomes())
    assert 3 <= stood < 12
    (tmp_path / "free").touch()
    again = told_by(*arguments[:-1])
    assert (again["exit_code"], again["skipped"], again["succeeded"]) == (0, stood, 12 - stood)
