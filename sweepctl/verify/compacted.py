"""Check 7: the compact files are those of their manifest, and have the rows of the files that outcomes name.

Only of a run that has such files. Where a source cannot be read, check 2 says so; the compact files are examined all
the same.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sweepctl.errors import DamagedError
from sweepctl.records import layout
from sweepctl.records.compact import Manifest, Part, find_manifest
from sweepctl.records.compact_source import source_rows
from sweepctl.records.datafile import open_rows, require_damage_of
from sweepctl.records.outcome import Outcome, RunRecord
from sweepctl.records.row_digest import digest_of
from sweepctl.records.rows import tables_of
from sweepctl.records.table import PARQUET_ERRORS
from sweepctl.store.contract import Store
from sweepctl.store.files import store_errors
from sweepctl.texts import counted
from sweepctl.verify.report import Coverage, Finding


def read_manifest(store: Store, record: RunRecord, keys: Sequence[str]) -> tuple[Manifest | None, list[Finding]]:
    """Return the manifest, and findings about it and about compact files that it does not name."""
    try:
        manifest = find_manifest(store, record)
    except DamagedError as error:
        return None, [Finding("compact.manifest", error.message, key=layout.compact_manifest(record.run_id))]
    if manifest is None:
        message = (
            f"{counted('compact files', len(keys))} without a manifest: `sweepctl compact` ended before it, or runs"
        )
        return None, [Finding("compact.unfinished", message, key=keys[0], count=len(keys))] if keys else []
    known = {part.key for part in manifest.parts}
    message = "the manifest does not name it, but readers of all compact files would read it"
    return manifest, [Finding("compact.orphan", message, key=key) for key in keys if key not in known]


@dataclass
class ExaminedPart:
    """The results of examining one compact file."""

    part: Part
    findings: list[Finding] = field(default_factory=list)
    compared: bool = False  # with its source


def examine_part(store: Store, part: Part, outcomes: Sequence[Outcome]) -> ExaminedPart:
    """Examine a compact file; `outcomes` are those of all shards, in order of their points."""
    found = ExaminedPart(part)
    try:
        with store.borrow(part.key) as path:
            found.findings += _of_file(part, path)
    except DamagedError as error:
        found.findings.append(Finding("compact.altered", error.message, key=part.key))
    within = [each for each in outcomes if part.start_index <= each.start_index < part.end_index_exclusive]
    try:
        digest = digest_of(*source_rows(store, part.dataset, within))
    except (DamagedError, ValueError):
        return found  # check 2 names what is missing or damaged, or under a name that is no key
    found.compared = True
    if digest.hexdigest() != part.rows_sha256:
        message = f"its rows are not those of its {counted('shards', len(within))}"
        found.findings.append(Finding("compact.wrong_rows", message, key=part.key))
    return found


def _of_file(part: Part, path: Path | None) -> Iterator[Finding]:
    if path is None:
        yield Finding("compact.missing", "the manifest names it, but it does not exist", key=part.key)
        return
    with store_errors("read", path), path.open("rb") as opened:
        size = opened.seek(0, os.SEEK_END)
        opened.seek(0)
        same = size == part.bytes and hashlib.file_digest(opened, "sha256").hexdigest() == part.sha256
    if not same:
        message = f"its size of {size} bytes, or its SHA-256, is not what the manifest says"
        yield Finding("compact.altered", message, key=part.key)
        return
    try:
        with open_rows(path) as file:
            digest = digest_of(file.schema_arrow.remove_metadata(), tables_of(file))
    except PARQUET_ERRORS as error:
        require_damage_of(path, error)
        yield Finding("compact.altered", f"it cannot be read: {error}", key=part.key)
        return
    if (digest.rows, digest.hexdigest()) != (part.rows, part.rows_sha256):
        yield Finding("compact.wrong_rows", "its rows are not those that the manifest describes", key=part.key)


def coverage(examined: Sequence[ExaminedPart]) -> Coverage:
    """Return what the check covered."""
    left = sum(not each.compared for each in examined)
    why = f"{counted('compact files', left)}, whose source cannot be read" if left else None
    checked = {
        "files": len(examined),
        "bytes": sum(each.part.bytes for each in examined),
        "rows": sum(each.part.rows for each in examined if each.compared),
    }
    return Coverage(checked, why)
