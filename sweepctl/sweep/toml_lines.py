"""The line of each value in a TOML file, for error messages.

The parser of the standard library returns values, not lines. This finds the line of every key and array element of a
file that has been parsed already; it checks nothing itself.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

TomlPath = tuple[str | int, ...]

_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:\\.|[^"\\])*"|\'[^\']*\''  # strings, which may hold anything
    r"|#[^\n]*"
    r"|[\[\]{}=,\n]"
    r"|[^\[\]{}=,\n#\"']+",
    re.DOTALL,
)


def line_of(lines: Mapping[TomlPath, int], path: Sequence[str | int]) -> int:
    """Return the line of a value, or of the innermost one around it that has a line; 1 for the whole file."""
    parts = tuple(path)
    return next((lines[parts[:end]] for end in range(len(parts), 0, -1) if parts[:end] in lines), 1)


def lines_by_path(text: str) -> dict[TomlPath, int]:
    """Return the line, from 1, on which each value of a valid TOML file begins, by its path.

    A table begins at its header, a key's value at the key.
    """
    return _Scanner(text).lines


class _Scanner:
    """One pass over the tokens of a file."""

    def __init__(self, text: str) -> None:
        self.lines: dict[TomlPath, int] = {}
        self._line = 1
        self._table: TomlPath = ()
        self._last: dict[TomlPath, int] = {}  # the index of the last table in each array of tables
        self._words = ""  # of the key or header being read
        # Around the value being read: the path of each array or inline table, and the next index of an array.
        self._around: list[tuple[TomlPath, int | None]] = []
        self._value: TomlPath | None = None  # the path of the value being read; None before a key
        for token in _TOKEN.findall(text):
            self._take(token)
            self._line += token.count("\n")

    def _take(self, token: str) -> None:
        match token:
            case "\n" if not self._around:
                self._end_of_statement()
            case "=" if self._value is None:
                inner = self._around[-1][0] if self._around else self._table
                self._value = inner + _keys(f"{self._words}=0")
                self._note(self._value)
                self._words = ""
            case "[" | "{" if self._value is not None:
                self._note(self._value)
                self._around.append((self._value, None if token.startswith("{") else 0))
                self._next_member()
            case "]" | "}" if self._around:
                self._value, _ = self._around.pop()
                self._words = ""
            case "," if self._around:
                path, index = self._around[-1]
                self._around[-1] = (path, None if index is None else index + 1)
                self._next_member()
            case _ if token.startswith("#"):
                pass
            case _ if self._value is None:
                self._words += token
            case _ if token.strip():
                self._note(self._value)

    def _next_member(self) -> None:
        path, index = self._around[-1]
        self._value = None if index is None else (*path, index)
        self._words = ""

    def _end_of_statement(self) -> None:
        header = self._words.strip()
        if header.startswith("["):
            self._table = self._indexed(_keys(header.replace("[[", "[").replace("]]", "]")), begins="[[" in header)
            self._note(self._table)
        self._words = ""
        self._value = None

    def _indexed(self, keys: TomlPath, *, begins: bool) -> TomlPath:
        """Return the path of a header's table; if it `begins` one of an array, the next one's."""
        path: TomlPath = ()
        for place, key in enumerate(keys, start=1):
            path = (*path, key)
            if begins and place == len(keys):
                self._last[path] = self._last.get(path, -1) + 1
            if path in self._last:
                path = (*path, self._last[path])
        return path

    def _note(self, path: TomlPath) -> None:
        for end in range(1, len(path) + 1):
            self.lines.setdefault(path[:end], self._line)


def _keys(statement: str) -> TomlPath:
    """Return the keys of a header or of a statement whose value is 0."""
    keys: list[str] = []
    inner: Any = tomllib.loads(statement)
    while isinstance(inner, dict) and inner:
        ((key, inner),) = inner.items()
        keys.append(key)
    return tuple(keys)
