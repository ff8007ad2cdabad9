"""What a function's source says of it, without running it."""

from pathlib import Path
from typing import Any

import pytest
from programs.functions import declared, interpreters

TYPED = '''
raise SystemExit("this file is never run")
import typing
from typing import Annotated, Literal, Optional, Union

DAY = 24 * 60
YEAR = 365 * DAY
MANY = 1
if DAY:
    MANY = 2

def simulate(
    a: float = 5,  # births per head
    b: "int" = -3, c: bool = True,
    d: str = "x",
    e: Optional[float] = None, f: int | None = 2, g: typing.Optional["str"] = None, h: Union[None, float] = 1,
    i: Literal["a", "b"] = "a", j: typing.Literal[1, 2] = 1, k: Annotated[float, "m"] = 2 ** 0.5,
    l: float = None,
    *,
    m=1e-3, n=YEAR, o=True, p="t", q=None,
    r=MANY, s=len("x"), t=2 ** 63, u=1e400, v=10 ** 10 ** 10, w: float = LATER, x: list = 5, y: int | float = 1,
    z,
    random,
):
    """First line.

    Second.
    """

LATER = 2.0
'''


def parameter(kind: str | None, default: Any = ..., **more: Any) -> dict[str, Any]:  # noqa: ANN401
    has_default = default is not ...
    value = {"default": default if has_default else None, "has_default": has_default}
    return {"type": kind, "nullable": False, **value, "choices": None, "doc": "", **more}


EXPECTED = {
    "a": parameter("float", 5.0, doc="births per head"),
    "b": parameter("int", -3),
    "c": parameter("bool", default=True),
    "d": parameter("string", "x"),
    "e": parameter("float", None, nullable=True),
    "f": parameter("int", 2, nullable=True),
    "g": parameter("string", None, nullable=True),
    "h": parameter("float", 1.0, nullable=True),
    "i": parameter("string", "a", choices=["a", "b"]),
    "j": parameter("int", 1),
    "k": parameter("float", 2**0.5),
    "l": parameter("float", None, nullable=True),
    "m": parameter("float", 1e-3),
    "n": parameter("int", 365 * 24 * 60),
    "o": parameter("bool", default=True),
    "p": parameter("string", "t"),
    "q": parameter(None, None, nullable=True),
    **dict.fromkeys("rstuv", parameter(None)),
    "w": parameter("float"),
    "x": parameter(None, 5),
    "y": parameter(None, 1),
    "z": parameter(None),
}


@pytest.mark.parametrize("interpreter", interpreters())
def test_types_and_defaults_are_read_by_every_python(tmp_path: Path, interpreter: str) -> None:
    file = tmp_path / "lv.py"
    file.write_text(TYPED)
    answer = declared(file, interpreter=interpreter)
    found = {given.pop("name"): given for given in answer.pop("parameters")}
    assert found == EXPECTED
    assert list(found) == list(EXPECTED)
    assert [type(value["default"]) for value in found.values()] == [type(v["default"]) for v in EXPECTED.values()]
    assert answer == {"doc": "First line.", "metrics": None, "takes_random": True}


GOOGLE = """
    Args:
        a: first
            line
        b (float, optional): second: with a colon

    Returns:
        c: none
"""
NUMPY = """
    Parameters
    ----------
    a : float
        first
        line
    b
        second: with a colon

    Returns
    -------
    c : float
        none
"""
SPHINX = """
    :param a: first
        line
    :param float b: second: with a colon
    :returns: none
"""


@pytest.mark.parametrize("style", [GOOGLE, NUMPY, SPHINX])
def test_docs_come_from_the_docstring(tmp_path: Path, style: str) -> None:
    file = tmp_path / "lv.py"
    file.write_text(f'@cached\ndef simulate(a=1, b=2, c=3):\n    """Do it.\n{style}    """\n')
    answer = declared(file)
    assert [given["doc"] for given in answer["parameters"]] == ["first line", "second: with a colon", ""]
    assert answer["doc"] == "Do it."
    assert answer["takes_random"] is False


@pytest.mark.parametrize(
    ("head", "returns"),
    [
        ("@dataclass\nclass Out:", "Out"),
        ("@dataclasses.dataclass(frozen=True)\nclass Out:", "'Out'"),
        ("class Out(typing.NamedTuple):", "Out"),
        ("class Out(TypedDict, total=False):", "Out"),
    ],
)
def test_metrics_come_from_the_class_of_the_result(tmp_path: Path, head: str, returns: str) -> None:
    file = tmp_path / "lv.py"
    file.write_text(
        f'{head}\n    """Results.\n\n    Attributes:\n        d: from the class\n    """\n'
        "    limit: ClassVar[int] = 3\n"
        "    a: float  # prey – at the end\n"
        "    b: int | None\n"
        '    """How many."""\n'
        "    c: NotRequired[str] = 'ä'  # text\n"
        "    d: np.ndarray\n"
        "    def total(self): return 5\n"
        f"def simulate() -> {returns}: return 5\n"
    )
    assert declared(file)["metrics"] == [
        {"name": "a", "type": "float", "nullable": False, "doc": "prey – at the end"},
        {"name": "b", "type": "int", "nullable": True, "doc": "How many."},
        {"name": "c", "type": "string", "nullable": True, "doc": "text"},
        {"name": "d", "type": None, "nullable": False, "doc": "from the class"},
    ]


@pytest.mark.parametrize(
    "source",
    [
        "def simulate() -> float: pass",
        "def simulate() -> Elsewhere: pass",
        "class Out(Base):\n  a: int\ndef simulate() -> Out: pass",
        "@dataclass\nclass Out(Base):\n  a: int\ndef simulate() -> Out: pass",
    ],
)
def test_other_results_say_nothing_of_metrics(tmp_path: Path, source: str) -> None:
    file = tmp_path / "lv.py"
    file.write_text(source)
    assert declared(file)["metrics"] is None


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("x = 5\ndef simulate(:\n", "lv.py:2: Python 3."),
        ("x = '\0'", "cannot read this"),
        (
            "def simulatte(): pass\ndef other(): pass",
            "there is no function simulate at the top of the file; did you mean simulatte?",
        ),
        (
            "if True:\n def simulate(): pass",
            "there is no function simulate at the top of the file; define it with `def`, not indented",
        ),
        ("\ndef simulate(*values): pass", "lv.py:2: simulate takes *values: name each parameter instead"),
        ("def simulate(x,\n **more): pass", "lv.py:2: simulate takes **more: name each parameter instead"),
        ("def simulate(x, /): pass", "lv.py:1: simulate takes x by position only: remove the `/` after it"),
        ("async def simulate(): pass", "lv.py:1: simulate is async: define it with `def`"),
        ("def simulate():\n  for x in []: yield x", "lv.py:1: simulate is a generator (it has `yield`): return"),
        ("def simulate(x='\\ud800'): pass", "lv.py: a text of the function has '\\ud800', which is no character"),
    ],
)
def test_what_cannot_be_a_model_says_what_to_do(tmp_path: Path, source: str, problem: str) -> None:
    file = tmp_path / "lv.py"
    file.write_text(source)
    assert problem in declared(file)["problem"]


def test_a_generator_inside_is_the_functions_own_affair(tmp_path: Path) -> None:
    file = tmp_path / "lv.py"
    file.write_text("def simulate():\n  def inner():\n    yield 5\n  return sum(inner())\n")
    assert "problem" not in declared(file)


@pytest.mark.parametrize("interpreter", interpreters())
@pytest.mark.parametrize(
    "annotation", ["Optional[()]", "'\\0'", "'\\ud800'", f"'{'-' * 9999}1'", f"int{'|None' * 700}"]
)
def test_an_annotation_that_no_sweep_knows_says_nothing(tmp_path: Path, annotation: str, interpreter: str) -> None:
    file = tmp_path / "lv.py"
    file.write_text(f"def simulate(x: {annotation} = 5): pass\n")
    (parameter,) = declared(file, interpreter=interpreter)["parameters"]
    assert (parameter["type"], parameter["default"]) == (None, 5)


def test_a_long_formula_is_read(tmp_path: Path) -> None:
    file = tmp_path / "lv.py"
    terms = "+1" * 1500
    file.write_text(f"A = 0{terms}\ndef simulate(x=A, y=0{terms}):\n  return x{terms}\n")
    assert [given["name"] for given in declared(file)["parameters"]] == ["x", "y"]


def test_a_file_that_is_missing_or_hides_a_library_is_named(tmp_path: Path) -> None:
    missing = declared(tmp_path / "lv.py")["problem"]
    assert missing == "lv.py: it cannot be read (No such file or directory): correct the path"
    hiding = declared(tmp_path / "queue.py")["problem"]
    assert hiding == "queue.py: Python has a module queue, and libraries would import this one: rename the file"
