"""Lines of a TOML file's values."""

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweepctl.sweep.toml_lines import line_of, lines_by_path

TEXT = '''\
# [no] = table
name = "a = [ b" # x = 1
"quoted.key" = 'c:\\'
[base]
a.b = [1,
  2, # c = 3
  [3, 4],
]
text = """
x = 1
"""
after = 5
[ design . "dimensions" ]
c = { linspace = { start = 0.0, num = 5 } }
d = [
  { k = 1 },
  "]",
]
[[parts]]
e = 1
[[parts]]
[parts.in."side"]
f = 2
[[parts.more]]
[[parts.more]]
g = 3
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("name",), 2),
        (("quoted.key",), 3),
        (("base",), 4),
        (("base", "a", "b", 0), 5),
        (("base", "a", "b", 1), 6),
        (("base", "a", "b", 2, 1), 7),
        (("base", "text"), 9),
        (("base", "after"), 12),
        (("design", "dimensions"), 13),
        (("design", "dimensions", "c", "linspace", "num"), 14),
        (("design", "dimensions", "d", 0, "k"), 16),
        (("design", "dimensions", "d", 1), 17),
        (("parts",), 19),
        (("parts", 0), 19),
        (("parts", 0, "e"), 20),
        (("parts", 1), 21),
        (("parts", 1, "in"), 22),
        (("parts", 1, "in", "side", "f"), 23),
        (("parts", 1, "more", 1, "g"), 26),
    ],
)
def test_every_value_is_found(path: tuple[str | int, ...], line: int) -> None:
    assert lines_by_path(TEXT)[path] == line


def test_what_is_not_there_is_where_it_is_missing() -> None:
    lines = lines_by_path(TEXT)
    assert line_of(lines, ("base", "missing", 3)) == 4
    assert line_of(lines, ("missing",)) == 1


def paths(
    value: Any,  # noqa: ANN401  any TOML value
    path: tuple[str | int, ...] = (),
) -> Iterator[tuple[str | int, ...]]:
    yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from paths(inner, (*path, key))


KEYS = st.sampled_from(["a", "b", '"c d"', "'e.f'", '"#"', "g-1"])
LEAVES = st.sampled_from(["1", "2.5", '"]"', "'}'", '"""\n=\n"""', "'''\n[x]\n'''", "true", '"\\""', '"#"'])


def inline(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    arrays = st.lists(inner, max_size=3).map(lambda items: "[" + "".join(f"\n {item}, # ]\n" for item in items) + "]")
    tables = st.dictionaries(KEYS, inner.filter(lambda text: "\n" not in text), max_size=3)
    return arrays | tables.map(lambda items: "{" + ", ".join(f"{key} = {item}" for key, item in items.items()) + "}")


@pytest.mark.slow
@given(st.dictionaries(KEYS, st.recursive(LEAVES, inline, max_leaves=8), max_size=4))
def test_no_file_has_values_without_a_line(values: dict[str, str]) -> None:
    text = "".join(f"{key} = {value}\n" for key, value in values.items())
    found = tomllib.loads(text)
    lines = lines_by_path(text)
    assert set(lines) == set(paths(found)) - {()}
    starts = [text[: text.index(f"{key} = {value}\n")].count("\n") + 1 for key, value in values.items()]
    assert [lines[(key,)] for key in found] == starts
