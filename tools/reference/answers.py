"""The page of what commands print with `--json`: the fields of real answers to a few calls of each command.

A field's type is what all answers have in common. Keys that are names (of parameters, metrics, error codes) are shown
as one, `NAME`.
"""

import json
import logging
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import boto3
from moto.server import ThreadedMotoServer
from reference.markdown import code, table
from typer.testing import CliRunner

from sweepctl.cli import app

EXAMPLES = Path(__file__).parents[2] / "examples"
BUCKET, REGION = "sweeps", "us-east-1"
AWS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_DEFAULT_REGION": REGION}
ERROR = "An error"
# Objects whose keys are names.
NAMED = {
    *("parameters", "metrics", "checked", "repeated_values", "derived", "spellings", "files"),
    *("point_failures", "failures", "attempts", "rows", "rows[]"),
}

SWEEP = """
model = "queue"
name = "waits"
seed = 1
replications = 2
constraints = ["arrival_rate < 0.95"]

[base]
customers = 500

[design]
kind = "grid"

[design.dimensions]
arrival_rate = [0.5, 0.9, 0.95]
servers = [1, 2]

[shards]
points = 4
"""
PRECISE = SWEEP.replace(
    "replications = 2", "replications = { min = 2, max = 4, metric = 'mean_wait', half_width = 100.0 }"
)
FAILING = SWEEP.replace("customers = 500", "customers = 500\nwarmup = 500")
LIMITED = f"{FAILING}\n[limits]\nfailed_points = 0\n"
UNDEFINED = SWEEP.replace("arrival_rate < 0.95", "1 / (servers - 1) > 0")
RESEEDED = SWEEP.replace("seed = 1", "seed = 2")
SAMPLED = (
    RESEEDED.replace('"grid"', '"random"\nsamples = 120').partition("arrival_rate = [")[0]
    + """
arrival_rate = { uniform = { low = 0.1, high = 0.9 } }
service_rate = { uniform = { low = 1.0, high = 2.0 } }
"""
)
FILES = {
    "sweep": SWEEP,
    "precise": PRECISE,
    "failing": FAILING,
    "limited": LIMITED,
    "undefined": UNDEFINED,
    "reseeded": RESEEDED,
    "sampled": SAMPLED,
    "wrong": "model = 1",
}

# What each command is called with, in this order; {queue} is a queue's URL, and {s3} a store in S3.
CALLS = (
    ("init", "init my-sweep"),
    ("models", "models"),
    ("models", "models --program {examples}/lotka-volterra/lv.toml"),
    ("models NAME", "models queue"),
    ("models NAME", "models lotka_volterra --program {examples}/lotka-volterra/lv.toml"),
    ("check-model", "check-model epidemic --point-seconds 1"),
    ("plan", "plan sweep.toml --pilot 4"),
    ("plan", "plan precise.toml"),
    ("plan", "plan failing.toml --pilot 4 --out messages"),
    ("plan", "plan undefined.toml"),
    ("run", "run sweep.toml --run-id first"),
    ("run", "run sweep.toml --run-id second --reuse first"),
    ("run", "run precise.toml --run-id precise"),
    ("run", "run failing.toml --run-id failing"),
    ("run", "run limited.toml --run-id limited"),
    ("run", "run reseeded.toml --run-id reseeded"),
    ("run", "run sampled.toml --run-id sampled --reuse first"),
    ("run", "run sweep.toml --run-id late --timeout 0.001"),
    ("retry", "retry late"),
    ("retry", "retry failing"),
    ("retry", "retry first"),
    ("run-shard", "run-shard {examples}/queue/shard-0.json"),
    ("run-shard", "run-shard {examples}/queue/shard-0.json --force"),
    ("run-shard", "run-shard {examples}/queue/shard-0.json --store late --timeout 0.001"),
    ("run-shard", "run-shard failing.json"),
    ("point", "point failing.json 0"),
    ("point", "point {examples}/queue/shard-0.json 7"),
    ("status", "status first"),
    ("status", "status failing"),
    ("status", "status limited"),
    ("runs", "runs"),
    ("ui", "ui"),
    ("verify", "verify first --reexecute 2"),
    ("verify", "verify failing"),
    ("verify", "verify queue-demo"),
    ("run-shard of several messages", "run-shard {examples}/queue/shard-1.json {examples}/queue/shard-2.json"),
    ("run-shard of several messages", "run-shard failing.json messages/messages.jsonl"),
    ("verify", "verify queue-demo"),
    ("summary", "summary first --where mean_wait>1"),
    ("summary", "summary first"),
    ("summary", "summary failing"),
    ("summary", "summary sampled"),
    ("report", "report first --out first.html"),
    ("compare", "compare first second"),
    ("compare", "compare first reseeded"),
    ("compact", "compact first"),
    ("query", "query first 'SELECT servers, mean_wait FROM points'"),
    ("query --out", "query first 'SELECT servers FROM points' --out waits.csv"),
    ("doctor", "doctor"),
    ("doctor", "doctor --engine none"),
    ("submit", "submit sweep.toml --run-id sent --store {s3} --queue-url {queue}"),
    ("send", "send {examples}/queue/shard-0.json --queue-url {queue}"),
    ("status", "status sent --store {s3} --queue-url {queue}"),
    ("drain", "drain --store {s3} --queue-url {queue} --max-shards 1"),
    ("drain --check", "drain --check --store {s3} --queue-url {queue}"),
    ("athena ddl", "athena ddl --store {s3} --model queue"),
    ("athena apply", "athena apply --store s3://sweeps/tables --model queue --output s3://sweeps/answers/"),
    ("run", "run sweep.toml --run-id stored --store {s3}"),
    ("compact", "compact stored --store {s3}"),
    ("athena iceberg", "athena iceberg stored --store {s3}"),
    (ERROR, "plan missing.toml"),
    (ERROR, "run wrong.toml"),
)


def page() -> str:
    """Return the tables of every command's answer."""
    answers: dict[str, list[Any]] = {}
    with _elsewhere() as names:
        for title, call in CALLS:
            answers.setdefault(title, []).append(_answer(call.format_map(names), fails=title == ERROR))
    return "\n\n".join(f"## {title}\n\n{_fields(every)}" for title, every in answers.items())


@contextmanager
def _elsewhere() -> Iterator[Mapping[str, str]]:
    """Go to an empty folder, next to AWS's stand-in on this machine; yield what calls name."""
    before = Path.cwd()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # not each request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    at_once = mock.patch("uvicorn.Server.run", lambda _, sockets: sockets[0].close())  # `ui` ends
    environment = {**AWS, "AWS_ENDPOINT_URL": url, "SWEEPCTL_ENDPOINT_URL": url}
    try:
        with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, environment), at_once:
            os.chdir(folder)
            boto3.client("s3").create_bucket(Bucket=BUCKET)
            queue = boto3.client("sqs").create_queue(QueueName="shards")["QueueUrl"]
            for name, text in FILES.items():
                Path(f"{name}.toml").write_text(text)
            shard = (EXAMPLES / "queue" / "shard-0.json").read_text().replace("queue-demo", "failing-demo")
            Path("failing.json").write_text(shard.replace('"warmup": 2000', '"warmup": 20000'))
            yield {"examples": str(EXAMPLES), "s3": f"s3://{BUCKET}/demo", "queue": queue}
    finally:
        os.chdir(before)
        server.stop()


def _answer(call: str, *, fails: bool) -> Any:  # noqa: ANN401  JSON
    done = CliRunner().invoke(app, f"{call} --json")
    try:
        answer = json.loads(done.stdout)
    except json.JSONDecodeError as error:
        raise SystemExit(f"sweepctl {call}: {done.output}\n{done.exception!r}") from error
    if fails != (answer.keys() == {"error", "exit_code"}):
        raise SystemExit(f"sweepctl {call}: {answer}")
    return answer


def _fields(answers: list[Any]) -> str:
    found: dict[str, list[str]] = {}
    for answer in answers:
        for path, kind in _walk(answer, ""):
            found.setdefault(path, []).append(kind)
    order = {path: place for place, path in enumerate(found)}
    paths = sorted(found, key=lambda path: [order[each] for each in _prefixes(path)])
    return table(["field", "type"], [(code(path), " or ".join(_kinds(found[path]))) for path in paths])


def _prefixes(path: str) -> list[str]:
    """Return the fields that a field is within, and itself, so that those of an object follow it."""
    parts = path.split(".")
    return [".".join(parts[:end]).removesuffix("[]") for end in range(1, len(parts))] + [path]


def _kinds(kinds: list[str]) -> list[str]:
    """Return each kind once, null last; what says less than another of them is left out."""
    less = {"integer": "number", "list": "list of"}
    distinct = {
        kind for kind in kinds if not any(each.startswith(less.get(kind, "-")) and each != kind for each in kinds)
    }
    return sorted(distinct, key=lambda kind: (kind == "null", kind))


def _walk(value: Any, path: str) -> Iterator[tuple[str, str]]:  # noqa: ANN401  JSON
    if path:
        yield path, _kind(value)
    if isinstance(value, dict):
        is_named = path.rpartition(".")[2] in NAMED or path.endswith("program.files")
        for key, each in value.items():
            yield from _walk(each, ".".join(filter(None, [path, "NAME" if is_named else key])))
    if isinstance(value, list):
        for each in value:
            if isinstance(each, dict | list):
                yield from (found for found in _walk(each, f"{path}[]") if found[0] != f"{path}[]")


def _kind(value: Any) -> str:  # noqa: ANN401  JSON
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "text"
        case list():
            inner = {_kind(each) for each in value}
            return f"list of {inner.pop()}" if len(inner) == 1 else "list"
        case _:
            return "object"
