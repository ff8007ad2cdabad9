"""The compact files of a run, and the manifest that makes them count (docs/compact.md). Nothing is written here.

A compact file, a *part*, has the rows of consecutive shards in one dataset, one shard after the other.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

from sweepctl.design.values import Count, Strict, reject
from sweepctl.errors import DamagedError
from sweepctl.messages import Digest, Index
from sweepctl.records import layout
from sweepctl.records.design import rule_of
from sweepctl.records.outcome import RunRecord
from sweepctl.records.table import EFFECTIVE_PARAMETERS, POINT_OUTCOMES, SHARD_OUTCOMES
from sweepctl.store.contract import Store


class Part(Strict):
    """One compact file."""

    dataset: str
    key: str  # relative to the store
    bytes: Count
    rows: Index
    sha256: Digest
    rows_sha256: Digest  # of `records.row_digest`
    start_index: Index  # of the first point whose shard is in it
    end_index_exclusive: Count


class Manifest(Strict):
    """Every compact file of a run; written last, once all of them are there and proved equal to their source."""

    schema_version: Literal["v1"] = "v1"
    run_id: str
    spec_fingerprint: str
    parts: tuple[Part, ...]

    @property
    def datasets(self) -> Sequence[str]:
        """The datasets that are compact."""
        return list(dict.fromkeys(part.dataset for part in self.parts))

    def of(self, dataset: str) -> Sequence[Part]:
        """Return the parts of a dataset, in order of their points."""
        return [part for part in self.parts if part.dataset == dataset]

    def encode(self) -> bytes:
        """Return the file's content."""
        return self.model_dump_json(indent=1).encode() + b"\n"


def datasets_of(run: RunRecord) -> tuple[str, ...]:
    """Return the datasets that are compacted."""
    return (EFFECTIVE_PARAMETERS, POINT_OUTCOMES, *run.spec.outputs, SHARD_OUTCOMES)


def part_key(run: RunRecord, dataset: str, number: int) -> str:
    """Return the key of a dataset's part, numbered from 0."""
    return f"{layout.compact_folder(dataset, run.spec.model, run.run_id, run.run_date)}part-{number:05d}.parquet"


def find_manifest(store: Store, run: RunRecord) -> Manifest | None:
    """Return the manifest of a run's compact files; None if there is none.

    Raises:
        DamagedError: it is not valid, or its parts are not all of this run.
        StoreError: the store does not answer.
    """
    key = layout.compact_manifest(run.run_id)
    stored = store.read(key)
    if stored is None:
        return None
    try:
        manifest = Manifest.model_validate_json(stored.body)
        _require_whole(manifest, run)
    except ValueError as error:
        msg = f"{store.locate(key)} is not a manifest of run {run.run_id}: {rule_of(error)}"
        raise DamagedError(msg, remedy=remedy_of(store, run.run_id)) from error
    return manifest


def remedy_of(store: Store, run_id: str) -> str:
    """Return what helps where compact files are damaged."""
    return f"Move {store.locate(layout.compact_manifest(run_id))} away: the shards' own files are read then."


def _require_whole(manifest: Manifest, run: RunRecord) -> None:
    """Raise ValueError unless the parts of each dataset cover the run, under the keys that they must have."""
    if (manifest.run_id, manifest.spec_fingerprint) != (run.run_id, run.spec_fingerprint):
        reject("it is of another run or spec")
    if {part.dataset for part in manifest.parts} != {*datasets_of(run)}:
        reject("its datasets are not the run's")
    numbers: dict[str, int] = defaultdict(int)
    ends: dict[str, int] = defaultdict(int)
    for part in manifest.parts:
        if part.key != part_key(run, part.dataset, numbers[part.dataset]):
            reject(f"part {numbers[part.dataset]} of {part.dataset} is under another key")
        if part.start_index != ends[part.dataset] or part.end_index_exclusive <= part.start_index:
            reject(f"the parts of {part.dataset} do not follow each other at point {ends[part.dataset]}")
        numbers[part.dataset] += 1
        ends[part.dataset] = part.end_index_exclusive
    if set(ends.values()) != {run.total_points}:
        reject("its parts do not cover the run")
