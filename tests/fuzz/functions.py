"""Python functions as models, to be fuzzed: their source as it is read, and the requests that the adapter answers."""

import json
import sys
from pathlib import Path

from fuzz.fuzzer import ACCEPTED, Fuzzer, kind_of
from fuzz.mutate import TOKENS
from fuzz.processes import BoundedCommand
from programs.functions import RANDOM, SERVE

from sweepctl.engine.run import BAD_PROGRAM
from sweepctl.protocol import Description

MANIFEST = 'name = "f"\nversion = "1"\npython = "f.py:simulate"\n'
SOURCES = (
    b'''"""A file."""\nfrom dataclasses import dataclass\nfrom typing import Annotated, Literal, Optional
RATE = 2 * 3 ** 2
@dataclass\nclass Result:\n    """What comes out.\n\n    Attributes:\n        total: All.\n    """\n    total: float
    note: Optional[str] = None  # a comment\n    count: int = 0\n    """How many."""\n
def simulate(rate: float = RATE, n: int | None = None, *, mode: Literal["a", "b"] = "a", on: bool = True) -> Result:
    """Simulate.\n\n    Args:\n        rate: How fast.\n        n (int): How many.\n    """\n    return Result(rate)
''',
    b'''from typing import NamedTuple, TypedDict\nLIMIT: int = -5\nclass Result(TypedDict):\n    y: "float | None"
def simulate(x: "Annotated[float, 1]" = 1e3, limit=LIMIT, text="a", *, random) -> "Result":
    """One.\n\n    Parameters\n    ----------\n    x : float\n        How far.\n    """\n    return {"y": x}
''',
    b'''class Result(NamedTuple):\n    a: int  # one\n    b: str\ndef other(x=1): pass
def simulate(\n    x=1,  # the first\n    y=2.5, #: the second\n) -> Result:
    """:param int x: it\n    :param y: that"""
    return Result(x, "b")\n''',
)
PYTHON = (
    b"Optional[", b"Literal[", b"Annotated[", b"Union[", b"Final[", b"]", b"[()]", b"[]", b"(", b")", b" | ", b"None",
    b"'x'", b"'\\x00'", b"'\\ud800'", b"'''", b'"""', b"1e999", b"10 ** 1024", b"2 ** -1", b"(-8) ** 0.5", b"1j", b"0x",
    b"b''", b"f'{x}'", b"...", b"-" * 300, b"(" * 150, b"[" * 300, b"Optional[" * 300, b"1+" * 3_000, b"lambda: 0",
    b"yield", b"async ", b"await ", b"def simulate():\n    pass\n", b"*args, ", b"**kw", b"/, ", b"= 1", b": int",
    b"\n", b"    ", b"\t", b"\x0c", b"\\\n", b"# coding: latin-1\n", b"# coding: nope\n", b"\xef\xbb\xbf", b"\xff",
    b"\xc3\xa4", b"\x00", b"random", b"class Result: pass\n", b"@dataclass\n", b"global x\n", b"x: ClassVar[int] = 1\n",
    b"\r", b"x" * 300, b"1 << 80",
)  # fmt: skip


def sources(seed: int, folder: Path) -> Fuzzer:
    """A source declares a model that sweepctl takes, or is refused by the one who reads it."""
    (folder / "f.toml").write_text(MANIFEST)
    engine = BoundedCommand(folder, ["--program", str(folder / "f.toml"), "describe"], {0, BAD_PROGRAM})

    def answer(text: bytes) -> str:
        (folder / "f.py").write_bytes(text)
        status, output, told = engine.ask(b"")
        assert bool(told) == (status == BAD_PROGRAM)
        if told:
            assert "python3 " not in told, told  # which read the source, and said what is wrong
            return kind_of(told)
        (model,) = (each for each in Description.model_validate_json(output[0]).models if each.name == "f")
        return f"{ACCEPTED} {[each.type for each in model.parameters]} {[each.type for each in model.metrics]}"

    return Fuzzer(answer, list(SOURCES), seed, PYTHON)


FUNCTION = """\
def simulate(x, n, mode, limit):
    if mode == "raise":
        raise ValueError(limit)
    return {"y": {"none": None, "list": [x], "n": n}.get(mode, x), "rows": {"at": [x, n]} if n > 2 else []}
"""


def requests(seed: int, folder: Path) -> Fuzzer:
    """What the host asks of a function's process: each request has its reply, up to one that is none, which ends it."""
    (folder / "f.py").write_text(FUNCTION)
    task = {
        "file": str(folder / "f.py"), "function": "simulate", "takes_random": False, "hello": '{"protocol":"v1"}',
        "parameters": {"x": "float", "n": "int", "mode": "string", "limit": "int"}, "metrics": {"y": "float"},
        "datasets": {"rows": {"at": "float"}},
    }  # fmt: skip
    process = BoundedCommand(folder, ["-X", "utf8", "-c", SERVE], {0, 1}, Path(sys.executable))

    def answer(text: bytes) -> str:
        status, output, told = process.ask(json.dumps(task).encode() + b"\n" + text)
        replies = [json.loads(each) for each in output[1:]]
        assert len(replies) <= len(text.splitlines())
        kinds = {"metrics" if "metrics" in each else kind_of(each["error_message"]) for each in replies}
        assert bool(told) == bool(status)
        return f"{ACCEPTED} {sorted(kinds)}" if not status and replies else kind_of(told)

    parameters = {"x": 5, "n": 3, "mode": "n", "limit": None}
    request = {"id": 7, "parameters": parameters, "seed": 42, "replicate": 0, "random": RANDOM, "outputs": ["rows"]}
    one = json.dumps(request, separators=(",", ":")).encode() + b"\n"
    others = (one.replace(b'"n",', b'"%b",' % mode) for mode in (b"raise", b"none", b"list", b""))
    tokens = [*TOKENS, b"\n", b'"outputs":["rows"]', b'"raise"', b'"list"', b'"none"', b"[4294967296,-1,0.5,null]"]
    return Fuzzer(answer, [one, one * 2, *others], seed, tokens)
