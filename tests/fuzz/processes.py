"""What engines are given, and the model protocol in both directions, to be fuzzed through an engine's own process.

An answer is one of the exit statuses that are documented, and no panic, within some seconds and in bounded memory.
"""

import json
import resource
import subprocess
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fakes.sweep_files import ENGINE, TEST_ENGINE
from fuzz.fuzzer import ACCEPTED, Fuzzer, kind_of
from fuzz.mutate import TOKENS

from sweepctl.engine.run import BAD_PROGRAM
from sweepctl.protocol import Description

SECONDS = 20.0
ADDRESSES = 4 << 30  # of which most are stacks of threads, and never used
REQUEST: Mapping[str, Any] = {
    "protocol": "v1", "model": "queue", "design": {"kind": "grid", "dimensions": {"servers": [1, 2, 3]}}, "base": {},
    "replications": 1, "seed": 1, "outputs": [], "start_index": 0, "end_index_exclusive": 3, "threads": 1,
}  # fmt: skip
Subject = Callable[[bytes], str]


@dataclass(frozen=True)
class BoundedCommand:
    """A command that reads its input from a file: an engine's, unless told otherwise."""

    folder: Path
    arguments: Sequence[str]
    statuses: Collection[int]
    path: Path = ENGINE

    def ask(self, given: bytes) -> tuple[int, list[bytes], str]:
        """Return the exit status, the lines of output, and the last one of what it says to people."""
        line = self.folder / "request"
        line.write_bytes(given)
        with line.open("rb") as stdin:
            done = subprocess.run(
                [self.path, *self.arguments],
                stdin=stdin,
                capture_output=True,
                timeout=SECONDS,
                check=False,
                preexec_fn=_bound_memory,
            )
        told = done.stderr.decode(errors="replace").strip()
        assert done.returncode in self.statuses, (done.returncode, told)
        assert "panicked" not in told, told
        return done.returncode, done.stdout.splitlines(), told.splitlines()[-1] if told else ""


def _bound_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))


EXPRESSIONS = (
    b"customers // 10", b"warmup < customers", b"arrival_rate < servers * service_rate", b"ceil(7 * servers / 100)",
    b"if(servers > 1, min(1, 2, 3), -2 ** 2)", b"not (servers == 1 or servers >= 3) and true", b"sqrt(abs(servers))",
    b"1 < servers <= 3", b"log10(exp(1e-3)) % 3", b"servers % -2", b"'a' != \"b\"", b"customers == null", b"round(2.5)",
)  # fmt: skip
WORDS = (
    b"(", b")", b",", b" + ", b" - ", b" * ", b" / ", b" // ", b" % ", b" ** ", b" < ", b" == ", b" != ", b" and ",
    b" or ", b" not ", b"true", b"null", b"servers", b"customers", b"arrival_rate", b"if(", b"min(", b"exp(", b"log(",
    b"9223372036854775807", b"9223372036854775808", b"1e308", b"5e-324", b"0", b"0.0", b"(" * 70, b"-" * 70,
    b"not " * 70, b"2 ** " * 70, b"'", b'"', b"1 + " * 200, b"\xc3\xa4", b"1.", b".5", b"1e", b"warmup", b"sqrt(",
)  # fmt: skip


def expressions(seed: int, folder: Path) -> Fuzzer:
    """An expression derives a parameter of three points, or constrains them."""
    engine = BoundedCommand(folder, ["points"], {0})

    def answer(text: bytes) -> str:
        expression, kinds = text.decode(errors="replace"), []
        for rules in ({"derived": {"warmup": expression}}, {"constraints": [expression]}):
            _, output, _ = engine.ask(json.dumps({**REQUEST, **rules}).encode() + b"\n")
            *points, last = (json.loads(each) for each in output)
            refusal = last.get("message", "")
            assert (last["record"] == "refused") == bool(refusal) == (len(points) != 1 + REQUEST["end_index_exclusive"])
            kinds.append(kind_of(refusal) or ACCEPTED + " ".join(str(each.get("error_code")) for each in points[1:]))
        return " ".join(sorted(kinds, key=lambda kind: not kind.startswith(ACCEPTED)))

    return Fuzzer(answer, list(EXPRESSIONS), seed, WORDS)


PROGRAMS = (
    b"""name = "sum"\nversion = "2"\nserve = ["sh", "child.sh"]\nfiles = ["data/*.csv"]\n[parameters]\ncount = 3
rate = { type = "float", default = 1, range = "> 0, <= 10", unit = "1/s", doc = "how fast" }
mode = { default = "a", choices = ["a", "b"] }\n[parameters.limit]\ntype = "int"\nnullable = true\nrange = [-5, 5]
[metrics]\ntotal = "float"\nnote = { type = "string", nullable = true, headline = true }\n[datasets.rows]\ndoc = "all"
columns = { at = "float" }\n""",
    b"""name = "cannon"\nversion = "1"\ncommand = ["./child.sh", "-a=${angle:.3f}", "{out}", "{dir}/x", "${random}"]
keep = ["run.log"]\nkeep_of = "all"\n[inputs]\n"shot.in" = "shot.in"\n[variables]\nA = "${speed:08d}"\n[parameters]
speed = 10\nangle = 0.5\n[metrics]\nrange = "float"\nsteps = { type = "int", pattern = 'steps: (\\d+)' }
height = { type = "float", file = "path.csv", column = "height", row = -1 }\nwait = { type = "float", key = "a.b" }
[datasets.path]\nfile = "path.csv"\ncolumns = { time = "float", height = "float" }\n""",
    b"""name = "f"\nversion = "1"\npython = "f.py:simulate"\nenvironment = ["HOME"]\n[parameters]
x = { range = [0, 2], unit = "1/time" }\n[metrics]\ny = { type = "bool", doc = "one of the two" }\n""",
)
FUNCTION = 'def simulate(x: float = 1.0, n: int = 3, *, mode: str = "a") -> dict:\n    return {"y": True}\n'


def manifests(seed: int, folder: Path) -> Fuzzer:
    """What the engine declares of a manifest that it takes, sweepctl takes."""
    (folder / "data").mkdir()
    for name, text in {"child.sh": "exit 1", "f.py": FUNCTION, "shot.in": "${speed}", "data/a.csv": "1"}.items():
        (folder / name).write_text(text)
    (folder / "child.sh").chmod(0o755)
    engine = BoundedCommand(folder, ["--program", str(folder / "m.toml"), "describe"], {0, BAD_PROGRAM})

    def answer(text: bytes) -> str:
        (folder / "m.toml").write_bytes(text)
        status, output, told = engine.ask(b"")
        assert bool(told) == (status == BAD_PROGRAM)
        if told:
            return kind_of(told)
        return f"{ACCEPTED} {len(Description.model_validate_json(output[0]).models)}"

    words = [*TOKENS, b"${x}", b"${angle:s}", b"[metrics]\n", b"[parameters]\n", b" = ", b"\n", b"nan", b"inf", b"../"]
    return Fuzzer(answer, list(PROGRAMS), seed, words)


CHILD = """\
#!/bin/sh
[ "$(wc -l < said)" -ge 1 ] || { cat said; exit; }
head -n 1 said
read request
id=${request#*:}
tail -n +2 said | sed "s/ID/${id%%,*}/"
"""
SAID = (
    b'{"protocol":"v1"}\n{"id":ID,"metrics":{"total":1.5},"rows":{"rows":{"at":[0.5,1]}}}\n',
    b'{"protocol":"v1"}\n{"id":ID,"metrics":{"total":"NaN","note":"x"}}\n',
    b'{"protocol":"v1"}\n{"id":ID,"error_code":"no_coin","error_message":"bias = 2: must be at most 1"}\n',
    b"""{"protocol":"v1","model":{"name":"sum","version":"2","doc":"","parameters":[{"name":"count","type":"int"}],\
"metrics":[{"name":"total","type":"float","doc":"","nullable":false}],"datasets":[]}}
{"id":ID,"metrics":{"total":"Infinity","note":null},"rows":{"rows":{"at":[]}}}\n""",
)


def replies(seed: int, folder: Path) -> Fuzzer:
    """A program's hello and its reply: each point has its record, or the host ends as it says."""
    (folder / "child.sh").write_text(CHILD)
    (folder / "data").mkdir()
    (folder / "data/a.csv").touch()
    (folder / "sum.toml").write_bytes(PROGRAMS[0])
    design = {"kind": "grid", "dimensions": {"count": [3]}}
    request = {**REQUEST, "model": "sum", "design": design, "end_index_exclusive": 1, "outputs": ["rows"]}
    engine = BoundedCommand(folder, ["--program", str(folder / "sum.toml"), "host"], {0, BAD_PROGRAM})

    def answer(text: bytes) -> str:
        (folder / "said").write_bytes(text)
        status, output, told = engine.ask(json.dumps(request).encode() + b"\n")
        if status == BAD_PROGRAM:
            assert told
            return kind_of(told)
        found = [json.loads(each) for each in output]
        (point,) = (each for each in found if each["record"] == "point")
        assert found[-1]["record"] == "finished"
        accepted = "" if point.get("error_code") == "point_crashed" else ACCEPTED
        return f"{accepted} {point.get('error_code')} {kind_of(point.get('error_message', ''))} {len(found)}"

    return Fuzzer(answer, list(SAID), seed, [*TOKENS, b'"id":ID,', b"\n", b'"NaN"', b'"Infinity"', b'"rows":{},'])


def requests(seed: int, folder: Path) -> Fuzzer:
    """What the host asks of a child: each request has its reply, up to one that is none, with which the child ends."""
    engine = BoundedCommand(folder, ["serve", "typed"], {0, 1}, TEST_ENGINE)
    parameters = {
        "flag": True, "flag_or_null": None, "int": -5, "int_or_null": None, "real": 0.5, "real_or_null": None,
        "rows": 2, "text": "ä", "text_or_null": None,
    }  # fmt: skip
    request = {"id": 7, "parameters": parameters, "seed": 42, "replicate": 0, "random": [1, 2, 3, 4], "outputs": []}
    one = json.dumps(request, separators=(",", ":")).encode() + b"\n"

    def answer(text: bytes) -> str:
        status, output, told = engine.ask(text)
        for reply in output[1:]:
            assert {"metrics", "error_code"} & json.loads(reply).keys()
        assert bool(told) == bool(status)
        return f"{ACCEPTED} {len(output)}" if not status and len(output) > 1 else kind_of(told)

    several = one + one.replace(b'"outputs":[]', b'"outputs":["echoes"]')
    return Fuzzer(answer, [one, several], seed, [*TOKENS, b"\n", b'"outputs":["echoes"]'])
