"""Runs an author's Python function as a model, in an interpreter of the author's choice.

The engine contains this file as text and starts it with `python -X utf8 -c TEXT`. It needs Python 3.9 or later, and
nothing installed. Standard input is one line of JSON that names the function and its declaration, then requests as in
docs/model-protocol.md; each is answered on standard output. What it declares is read by python_declare.py before.
"""

from __future__ import annotations

import sys

if "" in sys.path:
    sys.path.remove("")  # the current folder: an author's signal.py is not the library's

import json
import math
import os
import random as python_random  # even if the file does not import it: the function may, and it is seeded
import re
import signal
import types

# Not `typing`, `inspect` and `dataclasses`: they would be a third of the time from the start to the first point.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, BinaryIO, NoReturn

MESSAGE_CHARACTERS = 2000
THIS_FILE = "<string>"  # as Python calls it in tracebacks
SCALARS = frozenset({float, int, bool, str, type(None)})


class Random:
    """The random numbers of one point: what a function gets that has a parameter `random`.

    They all follow from 128 bits that depend on the run's seed and the replicate alone. So a point has the same
    numbers wherever and whenever it runs, and the points of a run share theirs: their differences have little noise.

    Attributes:
        seed: The 128 bits as an integer, for any other generator.
    """

    def __init__(self, words: list[int]) -> None:
        """Take four words of 32 bits, the lowest first."""
        self.words = words
        self.seed = words[0] | words[1] << 32 | words[2] << 64 | words[3] << 96
        self._numpy: Any = None
        self._python: python_random.Random | None = None

    def numpy(self) -> Any:
        """Return the point's `numpy.random.Generator`, the same object at each call.

        It is named PCG64, whose bits never change. `default_rng` may be another generator in another NumPy. Even so,
        a new NumPy may turn the same bits into other normal or exponential numbers (NEP 19).
        """
        if self._numpy is None:
            from numpy.random import PCG64, Generator  # noqa: PLC0415  only for who has it

            self._numpy = Generator(PCG64(self.seed))
        return self._numpy

    def python(self) -> python_random.Random:
        """Return the point's `random.Random`, the same object at each call."""
        if self._python is None:
            self._python = python_random.Random(self.seed)  # noqa: S311  no secret
        return self._python

    def seed_all(self) -> None:
        """Seed the global generators of `random`, and of NumPy and PyTorch if they are imported."""
        python_random.seed(self.seed)
        if numpy := sys.modules.get("numpy"):
            numpy.random.seed(self.words)
        if torch := sys.modules.get("torch"):
            torch.manual_seed(self.seed & 0xFFFF_FFFF_FFFF_FFFF)


class BadResultError(Exception):
    """What the function returned is not a result; the message says what is."""

    error_code = "bad_result"


class Model:
    """The author's function, called as its declaration says."""

    def __init__(self, function: Callable[..., Any], task: dict[str, Any]) -> None:
        """Take the function and the line that names it."""
        self.function = function
        self.name = task["function"]
        self.file = task["file"]
        self.floats = [name for name, kind in task["parameters"].items() if kind == "float"]
        self.metrics = list(task["metrics"])
        self.datasets = task["datasets"]
        self.takes_random = task["takes_random"]

    def reply(self, request: dict[str, Any]) -> bytes:
        """Run a point; whatever it raises is its own failure, except a lack of memory.

        Raises:
            MemoryError: It says something about the machine, so the point must not be recorded with it.
        """
        try:
            return encoded({"id": request["id"], **self.point(request)})
        except MemoryError:
            raise
        except BaseException as error:  # noqa: BLE001  SystemExit is a point's failure, too
            failure = {"error_code": code_of(error), "error_message": message_of(error, self.file)}
            return encoded({"id": request["id"], **failure})

    def point(self, request: dict[str, Any]) -> dict[str, Any]:
        """Call the function, and sort what it returns into metrics and rows."""
        parameters = request["parameters"]
        for name in self.floats:
            if parameters[name].__class__ is int:  # 5.0 is written `5`
                parameters[name] = float(parameters[name])
        chance = Random(request["random"])
        if self.takes_random:
            parameters["random"] = chance
        else:
            chance.seed_all()  # some 4 us, and 7 more with NumPy: a careless function is deterministic as well
        metrics, rows = {}, {}
        for name, value in self.members(self.function(**parameters)).items():
            if name not in self.datasets:
                metrics[name] = scalar(name, value)
            elif name in request["outputs"] and (table := columns(name, value)):
                rows[name] = table
        return {"metrics": metrics, "rows": rows} if rows else {"metrics": metrics}

    def members(self, result: Any) -> dict[str, Any]:
        """Return what the function returned, by name."""
        given = members(result)
        if given is not None:
            return given
        if len(self.metrics) == 1 and not self.datasets and result is not None:
            return {self.metrics[0]: result}
        names = ", ".join([*self.metrics, *self.datasets])
        kind = type(result).__name__
        returned = "None" if result is None else f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
        raise BadResultError(f"{self.name} returned {returned}: return a dict or a dataclass with {names}")


def members(value: Any) -> dict[str, Any] | None:
    """Return the members of a dict, a named tuple, a dataclass or a DataFrame, and None for anything else."""
    if isinstance(value, dict):
        return value
    if hasattr(value, "_asdict"):
        return dict(value._asdict())
    if hasattr(value, "__dataclass_fields__"):
        import dataclasses  # noqa: PLC0415  its author has imported it

        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if hasattr(value, "keys"):
        return {str(name): value[name] for name in value.keys()}  # noqa: SIM118  iterating over a Series gives values
    return None


def scalar(name: str, value: Any) -> Any:
    """Return a number, bool, text or None as Python's own; NumPy's have `item`."""
    if value.__class__ in SCALARS:
        return value
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        value = value.item()
    if not isinstance(value, (float, int, str)):
        raise BadResultError(f"{name} is {kind_of(value)}: it must be a number, a bool or a text")
    return value


def columns(dataset: str, table: Any) -> dict[str, Any]:
    """Return rows as lists, by column. They are a dict of columns, a list of dicts, a DataFrame or an Arrow table."""
    if hasattr(table, "to_pydict"):
        return dict(table.to_pydict())
    given = members(table)
    if given is not None:
        return {name: listed(f"{dataset}.{name}", column) for name, column in given.items()}
    rows = [members(row) or {} for row in table] if isinstance(table, (list, tuple)) else [{}]
    names = rows[0].keys() if rows else {}
    if rows and not names:
        remedy = "give a dict of columns, a list of dicts, a DataFrame or an Arrow table"
        raise BadResultError(f"{dataset} is {kind_of(table)}: {remedy}")
    for number, row in enumerate(rows):
        if row.keys() != names:
            raise BadResultError(f"{dataset}: row {number} has other columns than row 0")
    return {name: [row[name] for row in rows] for name in names}


def listed(name: str, column: Any) -> list[Any]:
    """Return a column as a list."""
    if hasattr(column, "tolist"):
        return list(column.tolist())
    if isinstance(column, (list, tuple, range)):
        return list(column)
    raise BadResultError(f"{name} is {kind_of(column)}: a column is a list or an array")


def kind_of(value: Any) -> str:
    """Return what a value is, for a message."""
    return "None" if value is None else f"of type {type(value).__name__}"


to_json = json.JSONEncoder(
    allow_nan=False, ensure_ascii=False, separators=(",", ":"), default=lambda value: scalar("a cell", value)
).encode


def encoded(reply: dict[str, Any]) -> bytes:
    """Return a reply as a line of JSON."""
    try:
        try:
            text = to_json(reply)
        except ValueError:  # seldom: a number is not finite
            text = to_json(spelled(reply))
        return f"{text}\n".encode()
    except (TypeError, ValueError) as error:
        raise BadResultError(f"the result cannot be written as JSON: {error}") from error


def spelled(value: Any) -> Any:
    """Return a value with texts in place of the numbers that JSON does not have."""
    if isinstance(value, dict):
        return {name: spelled(member) for name, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [spelled(member) for member in value]
    value = scalar("a cell", value)
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def code_of(error: BaseException) -> str:
    """Return the class's own `error_code`, or its name: `value_error`."""
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", type(error).__name__).lower()
    code = str(getattr(type(error), "error_code", name))
    return code if re.fullmatch("[a-z][a-z0-9_]{0,62}", code) else "exception"


def message_of(error: BaseException, file: str) -> str:
    """Return `ValueError: text (lv.py:17, in simulate)`. A long text is cut, its place is kept."""
    kind = type(error).__name__
    try:
        text = str(error)
    except Exception:  # noqa: BLE001  what cannot be shown is an exception all the same
        text = ""
    if isinstance(error, BadResultError):
        place = ""
    else:
        place = place_of(error, file)
        text = f"{kind}: {text}" if text else kind
    return f"{text[: MESSAGE_CHARACTERS - len(place)]}{place}".encode(errors="backslashreplace").decode()


def place_of(error: BaseException, file: str) -> str:
    """Return the last line of the author's file that the error went through; without one, that of any file."""
    trace, passed = error.__traceback__, []
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_filename != THIS_FILE:
            passed.append((code.co_filename, trace.tb_lineno, code.co_name))
        trace = trace.tb_next
    for path, line, name in [place for place in passed if place[0] == file][-1:] or passed[-1:]:
        return f" ({os.path.basename(path)}:{line}, in {name})"
    return ""


def load(file: str, name: str) -> Callable[..., Any]:
    """Import the author's file, and return its function.

    Byte code is not used: it is matched to its file by second and size, which an edit may leave as they are.
    """
    sys.path.insert(0, os.path.dirname(file))
    stem = os.path.splitext(os.path.basename(file))[0]
    module = sys.modules[stem] = types.ModuleType(stem)
    module.__file__ = file
    with open(file, "rb") as source:
        code = compile(source.read(), file, "exec", dont_inherit=True)
    exec(code, vars(module))  # noqa: S102  the author's program is what this is for
    function: Callable[..., Any] = getattr(module, name)
    return function


def streams() -> tuple[BinaryIO, BinaryIO]:
    """Keep the streams of the protocol to ourselves.

    What the function, a library or a program that it starts prints goes to standard error. What they read is empty.
    """
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    sys.stdout = sys.stderr  # each line at once
    return requests, replies


def end(error: BaseException) -> NoReturn:
    """End this process with a traceback of the author's files, and end the threads that they have started."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == THIS_FILE:
        trace = trace.tb_next
    sys.excepthook(type(error), error.with_traceback(trace), trace)
    sys.stderr.flush()
    os._exit(1)


def end_with_parent() -> None:
    """Have the system end this process with the engine: a point that never ends would not see that its input has."""
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415  takes a millisecond or two

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG of <sys/prctl.h>


def main() -> None:
    """Answer requests until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the engine decides when to stop
    end_with_parent()
    requests, replies = streams()
    task = json.loads(requests.readline())
    try:
        model = Model(load(task["file"], task["function"]), task)
    except BaseException as error:  # noqa: BLE001  a file that ends the interpreter cannot be used either
        end(error)
    replies.write(f"{task['hello']}\n".encode())
    replies.flush()
    for line in requests:
        try:
            reply = model.reply(json.loads(line))
        except MemoryError as error:
            end(error)
        replies.write(reply)
        replies.flush()


main()
