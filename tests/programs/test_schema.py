"""The JSON Schema of manifests has the keys that the engine reads, and no others."""

import json
import re
from collections.abc import Iterator
from typing import Any

from paths import ROOT

from sweepctl.sweep.starter.write import PROGRAM_SCHEMA, shipped

READER = ROOT / "rust" / "runtime" / "src" / "program"
# `top.take("doc")`, and `take("key")` where the reader has a function of its own.
TAKEN = re.compile(r'\b(?:take\(|required\(&mut \w+, )"(\w+)"')


def keys_of(schema: Any) -> Iterator[str]:  # noqa: ANN401  any JSON value
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
    for inner in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from keys_of(inner)


def test_the_schema_has_the_keys_that_the_engine_reads() -> None:
    sources = [path.read_text() for path in READER.rglob("*.rs")]
    assert set(keys_of(json.loads(shipped(PROGRAM_SCHEMA)))) == {key for text in sources for key in TAKEN.findall(text)}


def test_the_documentation_has_them_too() -> None:
    page = (ROOT / "docs" / "programs.md").read_text()
    keys = keys_of(json.loads(shipped(PROGRAM_SCHEMA)))
    missing = [key for key in keys if not re.search(rf"`\[?{key}\b", page)]
    assert not missing
