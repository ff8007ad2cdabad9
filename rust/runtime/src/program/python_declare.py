"""Reads from the source of an author's function what it says of itself: parameters, metrics, documentation.

The engine contains this file as text and starts it with `python -I -S -X utf8 -c TEXT`, in the interpreter that will
run the function. It needs Python 3.9 or later, and nothing installed. The author's file is parsed and not run, so this
takes some milliseconds. Standard input is one line of JSON, `{"file":…,"function":…}`; standard output is one, too: the
declaration, or `{"problem":…}`.
"""

from __future__ import annotations

import ast
import contextlib
import json
import math
import operator
import os
import re
import sys
import textwrap
from typing import NamedTuple, Union

Value = Union[bool, int, float, str, None]
Function = Union[ast.FunctionDef, ast.AsyncFunctionDef]

TYPES = {"int": "int", "float": "float", "bool": "bool", "str": "string"}
LARGEST_POWER = 1024
ARITHMETIC = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}


class ProblemError(Exception):
    """Why the function cannot be a model, and what to do."""

    def __init__(self, message: str, line: int | None = None) -> None:
        """Take the message, and the line of the file that it is about."""
        super().__init__(message)
        self.line = line


class NotLiteralError(Exception):
    """An expression has no value before the file is run."""


class Kind(NamedTuple):
    """What an annotation says."""

    type: str | None = None
    nullable: bool = False
    choices: list[str] | None = None


def kind_of(annotation: ast.expr | None) -> Kind:
    """Return the type of an annotation; none, if it says nothing that a sweep knows."""
    try:
        return kind_inside(annotation)
    except RecursionError:
        return Kind()


def kind_inside(annotation: ast.expr | None) -> Kind:
    """Return the type of an annotation that is not nested too deeply."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return kind_of(parsed(annotation.value))
    if isinstance(annotation, (ast.Name, ast.Attribute)):
        return Kind(TYPES.get(name_of(annotation)))
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        return united([annotation.left, annotation.right])
    if isinstance(annotation, ast.Subscript):
        inner = annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]
        outer = name_of(annotation.value)
        if not inner:  # Optional[()]
            return Kind()
        if outer == "Literal":
            return one_of(inner)
        if outer == "Union":
            return united(inner)
        if outer in {"Annotated", "Required", "Final"}:
            return kind_of(inner[0])
        if outer in {"Optional", "NotRequired"}:
            return kind_of(inner[0])._replace(nullable=True)
    return Kind()


def parsed(text: str) -> ast.expr | None:
    """Return an annotation that was written as text, which may be any."""
    try:
        return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def name_of(node: ast.expr) -> str:
    """Return `Optional` of `Optional` and of `typing.Optional`."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def united(members: list[ast.expr]) -> Kind:
    """Return the type of `X | None`; a union of two types has none."""
    given = [member for member in members if not (isinstance(member, ast.Constant) and member.value is None)]
    kind = kind_of(given[0]) if len(given) == 1 else Kind()
    return kind if len(given) == len(members) else kind._replace(nullable=True)


def one_of(members: list[ast.expr]) -> Kind:
    """Return the type of `Literal["a", "b"]`, and its choices if they are texts."""
    try:
        values = [value_of(member, {}) for member in members]
    except NotLiteralError:
        return Kind()
    given = [value for value in values if value is not None]
    types = {TYPES.get(type(value).__name__) for value in given}
    texts = [value for value in given if isinstance(value, str)]
    kind = types.pop() if len(types) == 1 else None
    return Kind(kind, len(given) < len(values), texts if kind == "string" else None)


def value_of(node: ast.expr, constants: dict[str, Value]) -> Value:
    """Return the value of a literal, of arithmetic with literals, or of a constant of the file.

    Raises:
        NotLiteralError: It is something else, or no number of 64 bits.
    """
    value: object
    if isinstance(node, ast.Constant):
        value = node.value
    elif isinstance(node, ast.Name) and node.id in constants:
        value = constants[node.id]
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        operand = number_of(node.operand, constants)
        value = -operand if isinstance(node.op, ast.USub) else operand
    elif isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
        left, right = number_of(node.left, constants), number_of(node.right, constants)
        if isinstance(node.op, ast.Pow) and abs(right) > LARGEST_POWER:
            raise NotLiteralError
        try:
            value = ARITHMETIC[type(node.op)](left, right)
        except ArithmeticError as error:
            raise NotLiteralError from error
    else:
        raise NotLiteralError
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return value
    raise NotLiteralError


def number_of(node: ast.expr, constants: dict[str, Value]) -> int | float:
    """Return the value of an operand."""
    value = value_of(node, constants)
    if isinstance(value, (int, float)):
        return value
    raise NotLiteralError


def constants_before(function: Function, module: ast.Module) -> dict[str, Value]:
    """Return the file's constants as they are where the function is defined."""
    constants: dict[str, Value] = {}
    for statement in module.body[: module.body.index(function)]:
        stored = [n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
        value = statement.value if isinstance(statement, (ast.Assign, ast.AnnAssign)) else None
        before = dict(constants)
        for name in stored:
            constants.pop(name, None)
        if value is not None and len(stored) == 1:
            with contextlib.suppress(NotLiteralError, RecursionError):
                constants[stored[0]] = value_of(value, before)
    return constants


def docs_of(docstring: str | None) -> dict[str, str]:
    """Return what a docstring says of each name, in the style of Google, NumPy or Sphinx."""
    first, _, rest = (docstring or "").expandtabs().partition("\n")
    text = f"{first.strip()}\n{textwrap.dedent(rest)}\n"
    more = r"(?:\n[ ]+.*)*"
    found = re.findall(rf"^:param (?:[^:\n]* )?(\w+):(.*{more})", text, re.MULTILINE)
    for section in re.findall(r"^(?:Args|Arguments|Parameters|Attributes):[ ]*\n((?:[ ]+.*\n)*)", text, re.MULTILINE):
        found += re.findall(rf"^(\w+)[ ]*(?:\(.*?\))?:(.*{more})", textwrap.dedent(section), re.MULTILINE)
    for section in re.findall(r"^(?:Parameters|Attributes)\n-{3,}\n((?:.+\n)*)", text, re.MULTILINE):
        found += re.findall(rf"^(\w+)(?:[ ]*:.*)?({more})", section, re.MULTILINE)
    return {name: " ".join(doc.split()) for name, doc in found}


def comment_after(node: ast.AST, lines: list[bytes]) -> str:
    """Return the comment that ends the line of a node, if there is nothing between but a comma."""
    rest = lines[node.end_lineno - 1][node.end_col_offset :].decode(errors="replace")  # type: ignore[attr-defined]
    comment = re.match(r"[ \t]*,?[ \t]*#+[ \t]*(.*?)[ \t]*$", rest)
    return comment[1] if comment else ""


def found_function(name: str, module: ast.Module) -> Function:
    """Return the definition of the function, the last one of this name."""
    functions = {node.name: node for node in module.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}
    if name in functions:
        return functions[name]
    from difflib import get_close_matches  # noqa: PLC0415  seldom used

    nearest = get_close_matches(name, functions, n=1, cutoff=0.0)
    remedy = f"did you mean {nearest[0]}?" if nearest else "define it with `def`, not indented"
    raise ProblemError(f"there is no function {name} at the top of the file; {remedy}")


def check(function: Function) -> None:
    """Refuse what cannot be called with one argument for each parameter, and give one result."""
    arguments, name = function.args, function.name
    if isinstance(function, ast.AsyncFunctionDef):
        raise ProblemError(f"{name} is async: define it with `def`, and await inside of `asyncio.run`", function.lineno)
    if any(isinstance(node, (ast.Yield, ast.YieldFrom)) for node in own_nodes(function)):
        raise ProblemError(f"{name} is a generator (it has `yield`): return the results at the end", function.lineno)
    for several, stars in ((arguments.vararg, "*"), (arguments.kwarg, "**")):
        if several:
            raise ProblemError(f"{name} takes {stars}{several.arg}: name each parameter instead", several.lineno)
    for positional in arguments.posonlyargs:
        message = f"{name} takes {positional.arg} by position only: remove the `/` after it"
        raise ProblemError(message, positional.lineno)


def own_nodes(function: ast.AST) -> list[ast.AST]:
    """Return what a function consists of, without the functions inside it."""
    nodes = [function]
    for node in nodes:  # it grows: a formula may be nested more deeply than calls may be
        nodes += [
            child
            for child in ast.iter_child_nodes(node)
            if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef))
        ]
    return nodes


def parameter_of(argument: ast.arg, default: ast.expr | None, constants: dict[str, Value]) -> dict[str, object]:
    """Return what the signature says of a parameter."""
    kind = kind_of(argument.annotation)
    value, has_default = None, False
    if default is not None:
        with contextlib.suppress(NotLiteralError, RecursionError):
            value, has_default = value_of(default, constants), True
    type_ = kind.type or (TYPES.get(type(value).__name__) if argument.annotation is None else None)
    if type_ == "float" and type(value) is int:
        value = float(value)  # JSON tells 5.0 from 5
    nullable = kind.nullable or (has_default and value is None)
    return {
        "name": argument.arg,
        "type": type_,
        "nullable": nullable,
        "default": value,
        "has_default": has_default,
        "choices": kind.choices,
    }


def parameters_of(function: Function, module: ast.Module, lines: list[bytes]) -> list[dict[str, object]]:
    """Return the parameters in the order of the signature, without `random`."""
    arguments, constants, docs = function.args, constants_before(function, module), docs_of(docstring_of(function))
    without = [None] * (len(arguments.args) - len(arguments.defaults))
    pairs = [*zip(arguments.args, [*without, *arguments.defaults]), *zip(arguments.kwonlyargs, arguments.kw_defaults)]
    return [
        {
            **parameter_of(argument, default, constants),
            "doc": docs.get(argument.arg) or comment_after(default or argument, lines),
        }
        for argument, default in pairs
        if argument.arg != "random"
    ]


def docstring_of(node: Function | ast.ClassDef) -> str | None:
    """Return a docstring as it is written; to clean it, `ast` would import a lot."""
    return ast.get_docstring(node, clean=False)


def metrics_of(function: Function, module: ast.Module, lines: list[bytes]) -> list[dict[str, object]] | None:
    """Return the members of the class that the function says it returns, if the file has that class."""
    returns = function.returns
    if isinstance(returns, ast.Constant) and isinstance(returns.value, str):
        returns = parsed(returns.value)
    classes = {node.name: node for node in module.body if isinstance(node, ast.ClassDef)}
    result = classes.get(returns.id) if isinstance(returns, ast.Name) else None
    decorators = [node.func if isinstance(node, ast.Call) else node for node in result.decorator_list] if result else []
    bases = {name_of(node) for node in [*decorators, *(result.bases if result else [])]}
    if result is None or not bases or not bases <= {"dataclass", "TypedDict", "NamedTuple"}:
        return None  # members that are inherited may be in another file
    docs = docs_of(docstring_of(result))
    metrics: list[dict[str, object]] = []
    for node, after in zip(result.body, [*result.body[1:], None]):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and not is_class_variable(node):
            name, kind = node.target.id, kind_of(node.annotation)
            doc = text_of(after) or comment_after(node, lines) or docs.get(name, "")
            metrics.append({"name": name, "type": kind.type, "nullable": kind.nullable, "doc": doc})
    return metrics


def is_class_variable(node: ast.AnnAssign) -> bool:
    """Return whether a member belongs to the class, not to a result."""
    annotation = node.annotation.value if isinstance(node.annotation, ast.Subscript) else node.annotation
    return name_of(annotation) == "ClassVar"


def text_of(node: ast.stmt | None) -> str:
    """Return the docstring of the member before it, if it is one."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return " ".join(node.value.value.split())
    return ""


def declaration(file: str, name: str) -> dict[str, object]:
    """Return what the function declares.

    Raises:
        ProblemError: It cannot be a model.
    """
    stem = os.path.splitext(os.path.basename(file))[0]
    if stem in getattr(sys, "stdlib_module_names", ()):  # from Python 3.10 on
        raise ProblemError(f"Python has a module {stem}, and libraries would import this one: rename the file")
    try:
        with open(file, "rb") as opened:
            source = opened.read()
        module = ast.parse(source)
    except OSError as error:
        raise ProblemError(f"it cannot be read ({error.strerror}): correct the path") from error
    except SyntaxError as error:
        version = ".".join(map(str, sys.version_info[:2]))
        raise ProblemError(f"Python {version} cannot read this: {error.msg}", error.lineno) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise ProblemError(f"Python cannot read this file: {error}") from error
    function, lines = found_function(name, module), source.splitlines()
    check(function)
    arguments = [*function.args.args, *function.args.kwonlyargs]
    return {
        "doc": (docstring_of(function) or "").strip().partition("\n")[0].strip(),
        "parameters": parameters_of(function, module, lines),
        "metrics": metrics_of(function, module, lines),
        "takes_random": any(argument.arg == "random" for argument in arguments),
    }


def require_unicode(answer: dict[str, object]) -> None:
    """Refuse texts that JSON cannot carry.

    Raises:
        ProblemError: There is one.
    """
    try:
        json.dumps(answer, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        text = ascii(error.object[error.start : error.end])
        raise ProblemError(f"a text of the function has {text}, which is no character: remove it") from error


def main() -> None:
    """Answer the one request."""
    task = json.loads(sys.stdin.readline())
    answer: dict[str, object]
    try:
        answer = declaration(task["file"], task["function"])
        require_unicode(answer)
    except ProblemError as problem:
        place = os.path.basename(task["file"]) + (f":{problem.line}" if problem.line else "")
        answer = {"problem": f"{place}: {problem}"}
    sys.stdout.write(f"{json.dumps(answer)}\n")


main()
