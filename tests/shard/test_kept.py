"""Files that a program keeps of its points: in the store with the shard's outcome, and in no result."""

import base64
import json
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from fakes.sweep_files import ENGINE
from waiting import LIMIT

from sweepctl.engine import kept
from sweepctl.engine.client import Engine
from sweepctl.engine.kept import KeptFiles
from sweepctl.errors import EngineFaultError, MessageError
from sweepctl.messages import ShardMessage, ShardMessageV1
from sweepctl.protocol import Model
from sweepctl.records.outcome import KEPT_FILES, Outcome
from sweepctl.records.run import require_run
from sweepctl.results.views import ask, connect
from sweepctl.shard import attempt, commit
from sweepctl.shard.run import Conditions, Disposition, run_shard
from sweepctl.store.contract import Store
from sweepctl.verify import Verdict, verify
from sweepctl.verify.proof import Reexecution

MANIFEST = """\
name = "logged"
version = "1"
command = ["./run.sh", "${x}", "{out}"]
keep = ["run.log", "deep/core"]
KEEP_OF
[parameters]
x = 1
[metrics]
y = "float"
"""
# Point 1 fails, point 2 crashes, point 3 has no number, and point 4 leaves a link.
SCRIPT = r"""#!/bin/sh
echo "process $$ of point $1" > run.log
mkdir deep
printf '\377\000' > deep/core
case $1 in
    1) exit 3;;
    2) kill -11 $$;;
    3) printf '{"y":"NaN"}' > $2; exit;;
    4) rm run.log; ln -s /etc/hostname run.log; exit 1;;
esac
printf '{"y":%s}' $1 > $2
"""


def engine(folder: Path, keep_of: str = "") -> Engine:
    script = folder / "run.sh"
    script.write_text(SCRIPT)
    script.chmod(0o755)
    (folder / "logged.toml").write_text(MANIFEST.replace("KEEP_OF", keep_of))
    return Engine(ENGINE, [folder / "logged.toml"])


def message(values: list[int] | None = None) -> ShardMessage:
    values = [0, 1, 2, 3, 4] if values is None else values
    return ShardMessageV1.model_validate(
        {
            "run_id": "r", "model": "logged", "dimensions": {"x": values}, "total_points": len(values), "shard_id": 0,
            "start_index": 0, "end_index_exclusive": len(values), "seed": 1,
        }
    )  # fmt: skip


def files_of(store: Store, outcome: Outcome) -> dict[tuple[int, str], bytes]:
    (artifact,) = (each for each in outcome.artifacts if each.dataset == KEPT_FILES)
    rows = pq.read_table(Path(store.url) / artifact.key).to_pylist()
    assert artifact.rows == len(rows)
    assert all(row["bytes"] == len(row["content"]) for row in rows)
    return {(row["point_index"], row["name"]): row["content"] for row in rows}


def test_files_of_failed_points_are_in_the_store(store: Store, tmp_path: Path) -> None:
    outcome = run_shard(message(), engine(tmp_path), store).outcome
    assert (outcome.points_succeeded, outcome.points_failed, outcome.retryable) == (1, 4, False)
    found = files_of(store, outcome)
    assert sorted(found) == [
        *((point, name) for point in (1, 2, 3) for name in ("deep/core", "run.log")),
        (4, "deep/core"),  # a link may lead anywhere
    ]
    assert all(found[point, "run.log"].endswith(b" of point %d\n" % point) for point in (1, 2, 3))
    assert found[2, "deep/core"] == b"\xff\x00"
    report = verify(store, "r", engine(tmp_path), reexecution=Reexecution(None))
    assert report.verdict is Verdict.FAILURES
    assert {each.code for each in report.findings} == {"failures.failed"}
    sql = "SELECT status, count(*) FROM kept_files JOIN points USING (point_index) GROUP BY ALL"
    with connect(store, [require_run(store, "r")], sql) as database:
        assert ask(database, sql).fetchall() == [("failure", 7)]


def test_kept_files_count_among_those_of_the_shard(store: Store, tmp_path: Path) -> None:
    program = engine(tmp_path)
    (tmp_path / "run.sh").write_text(SCRIPT.replace("mkdir deep", "head -c 100000 /dev/urandom > run.log; mkdir deep"))
    with pytest.raises(MessageError, match="take more than 200,000 bytes"):
        run_shard(message(), program, store, Conditions(max_scratch_bytes=200_000))


def test_all_points_keep_files_if_the_manifest_says_so(store: Store, tmp_path: Path) -> None:
    outcome = run_shard(message([5, 6]), engine(tmp_path, 'keep_of = "all"'), store).outcome
    assert outcome.status == "success"
    assert [point for point, name in files_of(store, outcome) if name == "run.log"] == [0, 1]
    assert (
        verify(store, "r", engine(tmp_path, 'keep_of = "all"'), reexecution=Reexecution(None)).verdict is Verdict.WHOLE
    )


def test_a_run_without_failures_keeps_nothing(store: Store, tmp_path: Path) -> None:
    outcome = run_shard(message([5, 6]), engine(tmp_path), store).outcome
    assert [each.dataset for each in outcome.artifacts] == ["effective_parameters", "point_outcomes"]


def test_what_was_kept_first_stays(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each attempt has other process ids in its log: no conflict, whether the first had its outcome or not."""
    with monkeypatch.context() as killed:
        killed.setattr(commit, "_commit_outcome", _killed)
        with pytest.raises(KeyboardInterrupt):
            run_shard(message(), engine(tmp_path), store)
    first = (Path(store.url) / next(each.key for each in store.objects("kept_files/"))).read_bytes()
    second = run_shard(message(), engine(tmp_path), store)
    assert second.disposition is Disposition.COMMITTED
    (artifact,) = (each for each in second.outcome.artifacts if each.dataset == KEPT_FILES)
    assert (Path(store.url) / artifact.key).read_bytes() == first
    again = run_shard(message(), engine(tmp_path), store, replace(Conditions(), force=True))
    assert again.disposition is Disposition.KEPT
    assert verify(store, "r", engine(tmp_path)).verdict is Verdict.FAILURES


def _killed(*_: object) -> Outcome:
    raise KeyboardInterrupt


def test_what_another_attempt_kept_beside_an_outcome_does_no_harm(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first attempt was of an engine that kept nothing."""
    with monkeypatch.context() as before:
        before.setattr(attempt, "_kept_files", lambda *_: ())
        first = run_shard(message(), engine(tmp_path), store)
    assert KEPT_FILES not in {each.dataset for each in first.outcome.artifacts}
    again = run_shard(message(), engine(tmp_path), store, replace(Conditions(), force=True))
    assert (again.disposition, again.outcome) == (Disposition.KEPT, first.outcome)
    report = verify(store, "r", engine(tmp_path))
    assert {each.code for each in report.findings} == {"failures.failed", "artifacts.uncommitted"}


def test_an_attempt_that_ends_early_keeps_the_files_of_its_points(store: Store, tmp_path: Path) -> None:
    """Its engine ends after three lines, the last of which is what point 1 kept; the host writes that again."""
    whole, short = engine(tmp_path), tmp_path / "engine"
    short.write_text(f'#!/bin/sh\n[ "$3" = describe ] && exec {ENGINE} "$@"\n{ENGINE} "$@" | head -n 3\n')
    short.chmod(0o755)
    early = run_shard(message(), Engine(short, whole.programs), store, replace(Conditions(), threads=1)).outcome
    assert (early.error_code, early.retryable) == ("engine_incomplete", True)
    assert {point for point, _ in files_of(store, early)} == {1}
    assert {each.code for each in verify(store, "r", whole).findings} == {"outcomes.retryable"}
    done = run_shard(message(), whole, store).outcome
    assert {point for point, _ in files_of(store, done)} == {1, 2, 3, 4}
    assert verify(store, "r", whole).verdict is Verdict.FAILURES


def test_a_known_point_keeps_nothing(tmp_path: Path) -> None:
    known = [{"point_index": 1, "metrics": {"y": 0.5}}]
    request = {
        "protocol": "v1", "model": "logged", "design": {"kind": "grid", "dimensions": {"x": [1, 0]}}, "seed": 1,
        "start_index": 0, "end_index_exclusive": 2, "threads": 1, "keep": True, "known": known,
    }  # fmt: skip
    with engine(tmp_path).start(json.dumps(request).encode() + b"\n", timeout=LIMIT) as run:
        run.begin()
        records = [json.loads(line) for line in b"".join(run.blocks()).splitlines()]
    assert [(each["record"], each["point_index"]) for each in records] == [("kept", 0), ("point", 0), ("point", 1)]


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return engine(tmp_path).model("logged")


def record(point: int, *, name: str = "run.log", text: str = "aGk=") -> bytes:
    files = [{"name": name, "bytes": 2, "base64": text}]
    return json.dumps(
        {"record": "kept", "point_index": point, "replicate": 0, "files": files}, separators=(",", ":")
    ).encode() + b"\n"  # fmt: skip


@pytest.mark.parametrize(
    "lines",
    [
        record(3) + record(3),
        record(3) + record(2),
        record(1),
        record(8),
        record(3, name="other"),
        record(3, text="aGk"),
        b'{"record":"kept"}\n',
    ],
)
def test_an_invalid_record_is_a_fault_of_the_engine(model: Model, lines: bytes) -> None:
    with pytest.raises(EngineFaultError) as caught:
        KeptFiles(model, range(2, 8)).take(lines)
    assert caught.value.error_code == "engine_invalid_output"


def test_what_is_kept_of_a_shard_is_bounded(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    content = base64.b64encode(b"x" * 30).decode()
    monkeypatch.setattr(kept, "MAX_KEPT_BYTES", 100)
    files = KeptFiles(model, range(100))
    assert files.take(b"".join(record(point, text=content) for point in range(50)) + b"other\n") == b"other\n"
    assert [each.point_index for each in files.files] == [0, 1, 2]
    monkeypatch.setattr(kept, "MAX_KEPT_FILES", 2)
    files.go_on(1)
    files.take(record(1) + record(2))
    assert [each.point_index for each in files.files] == [0, 1]
