"""The package of the function under AWS's own runtime client: what is in it, what it does, and what breaks it."""

import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import lambda_package
import pytest
from fakes import toys
from fakes.aws_runtime import Function, Sandbox, build, can_seal, clean_environment, event, find_wheel
from fakes.servers import BUCKET, SECRET_KEY, Server
from waiting import LIMIT
from worker import whole

from sweepctl.store import open_store
from sweepctl.worker.batch import COMMIT_SECONDS, LEAST_SECONDS

pytestmark = pytest.mark.servers

TOO_LITTLE_DISK = "3m"
# What only queries and extras of sweepctl take, and the function has not.
EXTRAS = {"duckdb", "SALib", "numpy", "scipy", "polars", "pandas", "pyarrow.dataset", "starlette", "uvicorn"}
IMPORT_ALL = f"""
import importlib, pkgutil, sys
import pyarrow, sweepctl
for package in (pyarrow, sweepctl):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as missing:
            assert missing.name in {EXTRAS!r}, (module.name, missing)
outside = {{name for name, module in sys.modules.items() if "site-packages" in (getattr(module, "__file__", "") or "")}}
assert not outside, outside
"""
# Ends the function's process once, when all data is in the store and the outcome is not.
KILL = """
import os, signal
from sweepctl.shard import commit
commit._commit_outcome = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
"""
WATCH = """
import json
def can_write(path):
    try:
        open(path, "w").close()
    except OSError:
        return False
    return True
written = [can_write(path) for path in ({task!r} + "/mark", "/var/tmp/mark", {folder!r} + "/mark")]
with open({folder!r} + "/seen", "w") as file:
    json.dump({{"environment": dict(os.environ), "written": written}}, file)
"""


def settings(folder: Path, behaviour: str = "") -> dict[str, str]:
    """Name a store in `folder`, and an engine of toys that runs there."""
    return {"SWEEPCTL_STORE": str(folder / "store"), "SWEEPCTL_ENGINE": str(toys.engine_path(folder, behaviour))}


@pytest.fixture
def sandbox(function: Function, tmp_path: Path) -> Iterator[Sandbox]:
    with Sandbox(function, settings(tmp_path)) as running:
        yield running


def test_all_that_is_left_imports_in_a_clean_process(function: Function, capsys: pytest.CaptureFixture[str]) -> None:
    environment = {**clean_environment(), "PYTHONPATH": str(function.task), "SWEEPCTL_STORE": "s3://bucket/prefix"}
    environment["AWS_REGION"] = "eu-central-1"
    command = (function.python, "-P", "-s", "-c", IMPORT_ALL)
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    megabytes = sum(path.stat().st_size for path in lambda_package.files(function.task)) / 1e6
    with capsys.disabled():
        print(f"\n  the function's package: {megabytes:.0f} MB of 250, unzipped")  # noqa: T201  it is to be seen
    assert megabytes <= 200, "Lambda's limit is 250 MB, and there is to be room"


def test_nothing_that_no_shard_needs_is_left(function: Function) -> None:
    names = {path.relative_to(function.task).as_posix() for path in lambda_package.files(function.task)}
    suffixes = {Path(name).suffix for name in names if name.startswith("pyarrow/")}
    assert not suffixes & {".pyx", ".pxd", ".pxi", ".h", ".cmake"}
    assert not [name for name in names if "_flight" in name or "gandiva" in name or "pyarrow/tests" in name]
    assert {name.split("/")[2] for name in names if name.startswith("botocore/data/") and name.count("/") > 2} == {
        "s3", "sqs", "sts",
    }  # fmt: skip
    assert [name for name in names if name.startswith("bin/")] == ["bin/sweep-engine"]


def test_the_same_inputs_give_the_same_package(package: Path, tmp_path: Path) -> None:
    wheel = find_wheel()
    assert wheel is not None
    assert build(wheel, tmp_path).read_bytes() == package.read_bytes()


def test_the_engine_starts_on_amazon_linux_2023(function: Function) -> None:
    lambda_package.require_glibc(function.task / lambda_package.ENGINE)


def test_an_engine_of_a_newer_libc_is_refused_with_a_remedy(tmp_path: Path) -> None:
    program = tmp_path / "sweep-engine"
    program.write_bytes(b"\x7fELF\0GLIBC_2.17\0GLIBC_2.38\0GLIBC_2.4\0")
    with pytest.raises(SystemExit, match=r"needs glibc 2\.38, but Amazon Linux 2023 has 2\.34(.|\n)*cargo zigbuild"):
        lambda_package.require_glibc(program)


def test_an_engine_that_is_named_takes_the_wheels_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def install(tree: Path, *_: object) -> None:
        (tree / "bin").mkdir(exist_ok=True)
        (tree / lambda_package.ENGINE).write_bytes(b"the wheel's\0GLIBC_2.38\0")

    monkeypatch.setattr(lambda_package, "install", install)
    engine = tmp_path / "engine"
    engine.write_bytes(b"of an older system\0GLIBC_2.30\0")
    lambda_package.build(tmp_path / "x.whl", tmp_path / "package.zip", sys.executable, engine)
    with zipfile.ZipFile(tmp_path / "package.zip") as package:
        assert package.read(lambda_package.ENGINE) == engine.read_bytes()


def queue_shard(shard: int = 0, points: int = 1, run_id: str = toys.RUN_ID) -> bytes:
    """Return one of two shards of a model that the package's own engine has."""
    run = {"run_id": run_id, "model": "queue", "dimensions": {}, "base": {"customers": 1}, "seed": 1}
    bounds = {"shard_id": shard, "start_index": shard * points, "end_index_exclusive": (shard + 1) * points}
    return json.dumps({**run, **bounds, "replications": 2 * points, "total_points": 2 * points}).encode()


def test_shards_run_with_the_engine_of_the_package_and_are_told_and_measured(
    function: Function, tmp_path: Path
) -> None:
    with Sandbox(function, {"SWEEPCTL_STORE": str(tmp_path)}) as sandbox:
        first = sandbox.invoke(event([queue_shard(0), b"poison", queue_shard(1), queue_shard(0)], receives=2))
        again = sandbox.invoke(event([queue_shard(0)]))
        assert (first.failed, again.failed) == (["m1"], [])
        lines = sandbox.lines()
        assert [line["ending"] for line in lines] == ["succeeded", "rejected", "succeeded", "skipped", "skipped"]
        assert [line["function_request_id"] for line in lines] == [*["request-1"] * 4, "request-2"]
        assert [line["receive_count"] for line in lines] == [*[2] * 4, 1]
        assert (lines[0]["run_id"], lines[0]["shard_id"], lines[1]["error_code"]) == (toys.RUN_ID, 0, "bad_message")
        assert lines[1]["remedy"]
        measured, _ = sandbox.metrics()
        assert {name: measured[name] for name in ("Points", "Shards", "Failures", "Duplicates", "HandedBack")} == {
            "Points": [2], "Shards": [2], "Failures": [0], "Duplicates": [1], "HandedBack": [1],
        }  # fmt: skip
        assert [len(measured[f"{name}Seconds"]) for name in ("Run", "Encode", "Commit")] == [2, 2, 2]
        assert measured["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "sweepctl"
    outcomes = whole.outcomes(whole.objects(open_store(str(tmp_path))))
    assert {shard: outcome.attempt_number for shard, outcome in outcomes.items()} == {0: 2, 1: 2}


def test_a_bucket_is_the_store(function: Function, moto_server: Server) -> None:
    environment = {"SWEEPCTL_STORE": f"s3://{BUCKET}/function", "AWS_ENDPOINT_URL_S3": moto_server.endpoint_url}
    with Sandbox(function, environment) as sandbox:
        assert sandbox.invoke(event([queue_shard(0), queue_shard(1)])).failed == []
    found = [key for key in moto_server.keys("function/") if "/shard_outcomes/" in key]
    assert len(found) == 2


def test_the_engine_sees_no_credentials_and_a_disk_that_is_read_only_but_for_tmp(
    function: Function, tmp_path: Path
) -> None:
    watch = WATCH.format(folder=str(tmp_path), task=str(function.task))
    with Sandbox(function, settings(tmp_path, watch)) as sandbox:
        assert sandbox.invoke(event(toys.messages(1))).failed == []
    seen = json.loads((tmp_path / "seen").read_text())
    assert not [name for name in seen["environment"] if name.startswith(("AWS", "SWEEPCTL"))]
    assert SECRET_KEY not in str(seen["environment"])
    if can_seal():
        assert seen["written"] == [False, False, True]


SLACK = 5.0  # seconds from the invocation to the engine, on a machine however slow


def test_an_engine_at_the_invocations_deadline_hands_its_shard_back(function: Function, tmp_path: Path) -> None:
    behaviour = "if not os.path.exists(told('quick')): start(); point(begin); wait_for('the end of the test')"
    bodies = toys.messages(1)
    with Sandbox(function, settings(tmp_path, behaviour)) as sandbox:
        reply = sandbox.invoke(event(bodies), seconds=COMMIT_SECONDS + LEAST_SECONDS + SLACK)
        assert reply.failed == ["m0"]
        (line,) = sandbox.lines()
        assert (line["ending"], line["error_code"]) == ("retry", "engine_timeout")
        assert "smaller shards" in line["remedy"]
        given = re.search(r"([\d.]+) s$", line["error"])
        assert given is not None
        assert float(given[1]) <= LEAST_SECONDS + SLACK, "there is time left to commit"
        (tmp_path / "quick").touch()
        assert sandbox.invoke(event(bodies, receives=2)).failed == []
    whole.require_verified(open_store(str(tmp_path / "store")), toys.RUN_ID)


def test_without_time_a_message_goes_back_untouched(sandbox: Sandbox, tmp_path: Path) -> None:
    assert sandbox.invoke(event(toys.messages(2)), seconds=COMMIT_SECONDS).failed == ["m0", "m1"]
    assert [(line["ending"], line["error_code"]) for line in sandbox.lines()] == [("unused", "out_of_time")] * 2
    assert whole.objects(open_store(str(tmp_path / "store"))) == {}


def test_a_function_that_dies_between_data_and_outcome_leaves_what_the_next_takes_up(
    function: Function, tmp_path: Path
) -> None:
    (tmp_path / "patch").mkdir()
    (tmp_path / "patch" / "sitecustomize.py").write_text(KILL)
    bodies = toys.messages(2)
    store = open_store(str(tmp_path / "store"))
    path = {"PYTHONPATH": f"{tmp_path}/patch:{function.task}:{function.runtime}"}
    with Sandbox(function, settings(tmp_path) | path) as sandbox:
        sandbox.send(event(bodies))
        assert sandbox.process.wait(LIMIT) == -9
    found = whole.objects(store)
    assert [key.split("/")[0] for key in found if key.startswith(("point_outcomes", "shard_outcomes"))] == [
        "point_outcomes"
    ]
    with Sandbox(function, settings(tmp_path)) as sandbox:
        assert sandbox.invoke(event(bodies, receives=2)).failed == []
    whole.require_whole(whole.objects(store), bodies)
    whole.require_verified(store, toys.RUN_ID)


def test_a_disk_that_is_too_small_is_told_and_the_message_comes_again(function: Function, moto_server: Server) -> None:
    if not can_seal():
        pytest.skip("no disk of its own for a process: `unshare -rm` is not allowed here")
    environment = {"SWEEPCTL_STORE": f"s3://{BUCKET}/full", "AWS_ENDPOINT_URL_S3": moto_server.endpoint_url}
    with Sandbox(function, environment, TOO_LITTLE_DISK) as sandbox:
        large, small = queue_shard(points=20_000, run_id="large"), queue_shard(run_id="small")
        assert sandbox.invoke(event([large, small])).failed == ["m0"]
        full, _ = sandbox.lines()
        assert (full["ending"], full["error_code"]) == ("retry", "scratch")
        assert "its share of this worker's free space" in full["error"]
        assert "smaller shards" in full["remedy"]
    assert not [key for key in moto_server.keys("full/") if "outcomes" in key and "run=large" in key]


def test_a_shard_beyond_the_functions_limits_is_rejected(function: Function, tmp_path: Path) -> None:
    limits = {"SWEEPCTL_MAX_POINTS": "19", "SWEEPCTL_MAX_SCRATCH_BYTES": "50000"}
    with Sandbox(function, {"SWEEPCTL_STORE": str(tmp_path), **limits}) as sandbox:
        assert sandbox.invoke(event([queue_shard(points=20, run_id="large"), queue_shard()])).failed == ["m0"]
        rejected, done = sandbox.lines()
        assert (rejected["ending"], done["ending"]) == ("rejected", "succeeded")
        assert rejected["error"] == "a shard of 20 points: this worker runs at most 19"


def test_a_store_that_is_down_hands_everything_back(function: Function, tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file where a directory is needed")
    with Sandbox(function, settings(tmp_path, "tell('ran')")) as sandbox:
        for _ in range(2):
            assert sandbox.invoke(event(toys.messages(2))).failed == ["m0", "m1"]
        assert {(line["ending"], line["error_code"]) for line in sandbox.lines()} == {("unused", "store")}
    assert not (tmp_path / "ran").exists()


def test_another_event_fails_its_invocation_alone(sandbox: Sandbox) -> None:
    reply = sandbox.invoke({"key1": "value1"})
    assert reply.path.endswith("/error")
    assert (reply.body["errorType"], reply.body["errorMessage"][:16]) == ("EventError", "not an SQS event")
    assert sandbox.invoke(event(toys.messages(1))).failed == []


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({}, "SWEEPCTL_STORE is not set"),
        ({"SWEEPCTL_STORE": "ftp://elsewhere"}, "not a store: 'ftp://elsewhere'"),
        ({"SWEEPCTL_STORE": "s3://bucket", "SWEEPCTL_ENGINE": "/bin/false"}, "does not describe itself"),
        ({"SWEEPCTL_STORE": "s3://bucket", "SWEEPCTL_MAX_POINTS": "many"}, "SWEEPCTL_MAX_POINTS is 'many'"),
        ({"SWEEPCTL_STORE": "s3://bucket", "SWEEPCTL_MAX_SCRATCH_BYTES": "0"}, "must be a number above 0"),
    ],
    ids=["no store", "a store that is none", "an engine that is none", "a limit that is none", "a limit of 0"],
)
def test_a_function_that_cannot_work_does_not_start(function: Function, environment: dict[str, str], says: str) -> None:
    with Sandbox(function, environment) as sandbox:
        assert says in sandbox.init_error()["errorMessage"]
