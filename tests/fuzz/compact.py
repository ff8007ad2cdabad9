"""Manifests of compact files, to be fuzzed: one that is accepted names the parts that its run can have."""

import datetime as dt
import json
from pathlib import Path
from typing import cast

from fuzz.fuzzer import ACCEPTED, Fuzzer, refusal
from verify.runs import RUN_DATE, SPEC, total

from sweepctl.errors import DamagedError
from sweepctl.records.compact import Manifest, Part, datasets_of, find_manifest, part_key
from sweepctl.records.outcome import RunRecord
from sweepctl.store.contract import Store, Stored

CREATED_AT = dt.datetime(2026, 2, 14, tzinfo=dt.UTC)
RUN = RunRecord("r", RUN_DATE, SPEC.to_json(), SPEC.fingerprint, total(SPEC), None, CREATED_AT)
HALF = total(SPEC) // 2


class _OneFile:
    """As much of a store as reads one file."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def read(self, _: str) -> Stored:
        return Stored(self._body, "")

    def locate(self, key: str) -> str:
        return key


def manifests(seed: int, _: Path) -> Fuzzer:
    parts = [
        Part(
            dataset=name,
            key=part_key(RUN, name, number),
            bytes=9,
            rows=HALF,
            sha256="0" * 64,
            rows_sha256="1" * 64,
            start_index=HALF * number,
            end_index_exclusive=HALF * (number + 1),
        )
        for name in datasets_of(RUN)
        for number in range(2)
    ]
    manifest = Manifest(run_id="r", spec_fingerprint=RUN.spec_fingerprint, parts=tuple(parts))
    texts = [manifest.encode(), json.dumps(json.loads(manifest.encode()), separators=(",", ":")).encode(), b"{}"]
    return Fuzzer(_answer, texts, seed)


def _answer(text: bytes) -> str:
    try:
        manifest = find_manifest(cast("Store", _OneFile(text)), RUN)
    except DamagedError as error:
        return refusal(error)
    assert manifest is not None
    for name in datasets_of(RUN):
        keys = [each.key for each in manifest.of(name)]
        assert keys == [part_key(RUN, name, number) for number in range(len(keys))]
    return f"{ACCEPTED} {len(manifest.parts)} {manifest.datasets}"
