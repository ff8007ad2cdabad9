"""What the source of a Python function says that its signature does not: a first manifest begins with it.

The engine reads signature, annotations and docstring. Here are guesses that a person corrects; nothing is run.
"""

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_EXAMPLES = {"int": "1", "bool": "false", "str": '"text"'}  # of values, by annotation
_CALLS = {"int": "int", "len": "int", "bool": "bool", "str": "string"}
_ROWS = (ast.Dict, ast.List, ast.ListComp, ast.DictComp)


@dataclass(frozen=True)
class Function:
    """What was found; empty if the file cannot be read as Python."""

    defaults: Mapping[str, str] = field(default_factory=dict)  # example values of parameters that have none, as TOML
    metrics: Mapping[str, str] = field(default_factory=dict)  # types of what it returns, guessed
    datasets: Mapping[str, Sequence[str]] = field(default_factory=dict)  # columns of what it returns that may be rows


def read_function(path: Path, name: str) -> Function:
    """Read the function `name` of a file."""
    functions = [node for node in _statements(path) if isinstance(node, ast.FunctionDef) and node.name == name]
    if not functions:
        return Function()
    function, returned = functions[-1], dict[str, ast.expr]()
    for result in _results(function):
        returned |= _members(result)
    metrics = {key: _type(value) for key, value in returned.items() if not isinstance(value, _ROWS)}
    datasets = {key: list(_members(value)) for key, value in returned.items() if key not in metrics}
    return Function(dict(_without_defaults(function)), metrics, datasets)


def function_names(path: Path) -> Sequence[str]:
    """Return the names of the functions at the top of a file; none of one that cannot be read as Python."""
    functions = [node for node in _statements(path) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return list(dict.fromkeys(node.name for node in functions))


def _statements(path: Path) -> Sequence[ast.stmt]:
    try:
        return ast.parse(path.read_bytes()).body
    except (OSError, ValueError, SyntaxError, RecursionError):
        return []  # the engine says what is wrong


def _members(value: ast.expr) -> Mapping[str, ast.expr]:
    """Return the members of a dict whose keys are texts; none of another expression."""
    if not isinstance(value, ast.Dict):
        return {}
    pairs = zip(value.keys, value.values, strict=True)
    return {key.value: each for key, each in pairs if isinstance(key, ast.Constant) and type(key.value) is str}


def _without_defaults(function: ast.FunctionDef) -> Iterator[tuple[str, str]]:
    given = function.args
    required = given.args[: len(given.args) - len(given.defaults)]
    required += [each for each, default in zip(given.kwonlyargs, given.kw_defaults, strict=True) if default is None]
    for argument in required:
        if argument.arg != "random":
            kind = argument.annotation.id if isinstance(argument.annotation, ast.Name) else ""
            yield argument.arg, _EXAMPLES.get(kind, "1.0")


def _results(node: ast.AST) -> Iterator[ast.Dict]:
    """Yield each dict that the function returns as it is written there, not those of functions inside it."""
    for inner in ast.iter_child_nodes(node):
        if isinstance(inner, ast.Return) and isinstance(inner.value, ast.Dict):
            yield inner.value
        elif not isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            yield from _results(inner)


def _type(value: ast.expr) -> str:
    if isinstance(value, ast.Compare):
        return "bool"
    name = value.func.id if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) else ""
    if isinstance(value, ast.Constant):
        name = type(value.value).__name__
    return _CALLS.get(name, "float")
