"""Check 0: the run record, the design and the engine pin, and whether they agree with each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Self

import pyarrow as pa
from pydantic import ValidationError

from sweepctl.design import Space, total_points
from sweepctl.errors import DamagedError, MessageError, MissingDesignError
from sweepctl.protocol import Column, Model
from sweepctl.records import layout, table
from sweepctl.records.datafile import open_rows, require_damage_of
from sweepctl.records.design import resolve
from sweepctl.records.outcome import KEPT_FILES, EnginePin, RunRecord
from sweepctl.records.run import find_record
from sweepctl.records.table import EFFECTIVE_PARAMETERS, POINT_OUTCOMES
from sweepctl.spec import Spec
from sweepctl.store.contract import Store
from sweepctl.texts import counted
from sweepctl.verify.report import Finding

_KEPT = table.schema_of(KEPT_FILES, ())


@dataclass(frozen=True)
class ExaminedRun:
    """The run record, design and pin, with which everything else of a run must agree."""

    record: RunRecord
    spec: Spec
    space: Space  # the spec's design
    pin: EnginePin | None

    @property
    def total_points(self) -> int:
        """The number of points of the design, as recorded."""
        return self.record.total_points

    @cached_property
    def declaration(self) -> Model | None:
        """The model as the run's first engine declared it; None if the run does not keep that."""
        text = None if self.pin is None else self.pin.declaration_json
        return None if text is None else Model.model_validate_json(text)

    @property
    def datasets(self) -> tuple[str, ...]:
        """The datasets of which a complete shard has one file each."""
        return (EFFECTIVE_PARAMETERS, POINT_OUTCOMES, *self.spec.outputs)

    def keys(self, shard_id: int) -> layout.ShardKeys:
        """Return the keys where a shard's files belong."""
        return layout.ShardKeys.of(self.record, shard_id)


@dataclass(frozen=True)
class Tables:
    """The schemas that the run's tables must have."""

    schemas: Mapping[str, pa.Schema]
    nullable: frozenset[str]  # metrics that may be null for a successful point
    extra: Mapping[str, Sequence[Column]]  # the declared columns of each extra dataset

    @classmethod
    def declared(cls, model: Model, run: ExaminedRun) -> Self:
        """Return the schemas that the model declares."""
        nullable = frozenset(metric.name for metric in model.metrics if metric.nullable)
        extra = {dataset.name: dataset.columns for dataset in model.datasets}
        return cls({**table.schemas(model, run.spec.outputs), KEPT_FILES: _KEPT}, nullable, extra)

    @classmethod
    def observed(cls, files: Mapping[str, Path]) -> Self | None:
        """Return the schemas of one shard's files, for use without an engine: the model's columns are taken as found.

        None if the columns that all models share are wrong, so that these files cannot serve as the example.
        """
        schemas = {}
        for name, path in files.items():
            common = table.schema_of(name, [])
            try:
                with open_rows(path) as file:
                    found = file.schema_arrow
            except table.PARQUET_ERRORS as error:
                require_damage_of(path, error)
                return None
            if not begins(found, common):
                return None
            schemas[name] = pa.schema(list(found))
        schemas[KEPT_FILES] = _KEPT
        return cls(schemas, frozenset(schemas[POINT_OUTCOMES].names), {})


def begins(columns: pa.Schema, common: pa.Schema) -> bool:
    """Return whether a file's columns begin with those that all models share."""
    return bool(pa.schema(list(columns)[: len(common)]).equals(common))


def read_record(store: Store, run_id: str) -> tuple[RunRecord | None, Spec | None, list[Finding]]:
    """Return the run record, its spec and findings about them; None for what is missing or unreadable.

    `examine_design` checks the spec's design.
    """
    key = layout.run_record(run_id)
    try:
        record = find_record(store, RunRecord, key, exact=True)
    except DamagedError as error:
        return None, None, [Finding("run_record.unreadable", error.message, key=key)]
    if record is None:
        return None, None, [Finding("run_record.missing", "the run has files but no run record", key=key)]
    found = []
    if record.run_id != run_id:
        found.append(Finding("run_record.wrong_run", f"the run record belongs to run {record.run_id}", key=key))
    spec = record.spec
    fingerprint = spec.fingerprint
    if spec.to_json() != record.spec_json:
        found.append(Finding("run_record.wrong_spec", "the spec is not in canonical form", key=key))
    if fingerprint != record.spec_fingerprint:
        message = f"the spec's fingerprint is {fingerprint}, the record says {record.spec_fingerprint}"
        found.append(Finding("run_record.wrong_spec", message, key=key))
    return record, spec, found


def examine_design(store: Store, record: RunRecord, spec: Spec) -> tuple[Space | None, list[Finding]]:
    """Return the run's design, read from the store if it is stored there, and findings about it; None if there is none.

    Its values are not checked here: the engine does that.
    """
    key = layout.run_record(record.run_id)
    stored_key = layout.stored_design(str(spec.design.get("sha256")))
    try:
        space = resolve(store, record)
        total = total_points(space, spec.replications)
    except MissingDesignError as error:
        return None, [Finding("run_record.design_missing", error.message, key=stored_key)]
    except (MessageError, DamagedError) as error:
        if "sha256" in spec.design:
            return None, [Finding("run_record.design_altered", error.message, key=stored_key)]
        return None, [Finding("run_record.wrong_spec", error.message, key=key)]
    if total != record.total_points:
        message = f"the design has {counted('points', total)}, the record says {record.total_points}"
        return space, [Finding("run_record.wrong_total", message, key=key)]
    return space, []


def examine_pin(store: Store, run_id: str, spec: Spec, *, needed: bool) -> tuple[EnginePin | None, list[Finding]]:
    """Return the engine pin and findings about it; `needed` if an engine has run, which sets the pin first."""
    key = layout.engine_pin(run_id)
    try:
        pin = find_record(store, EnginePin, key, exact=True)
    except DamagedError as error:
        return None, [Finding("run_record.pin_unreadable", error.message, key=key)]
    if pin is None:
        missing = Finding("run_record.pin_missing", "shards were run, but no engine is pinned", key=key)
        return None, [missing] if needed else []
    if (pin.run_id, pin.model) != (run_id, spec.model):
        message = f"the engine pin has run {pin.run_id} and model {pin.model}, the run record has model {spec.model}"
        return None, [Finding("run_record.pin_disagrees", message, key=key)]
    wrong = _wrong_declaration(pin)
    return (pin, []) if wrong is None else (replace(pin, declaration_json=None), [replace(wrong, key=key)])


def _wrong_declaration(pin: EnginePin) -> Finding | None:
    if pin.declaration_json is None:
        return None
    try:
        model = Model.model_validate_json(pin.declaration_json)
    except ValidationError as error:
        return Finding(
            "run_record.pin_unreadable", f"its model's declaration cannot be read: {error.errors()[0]['msg']}"
        )
    if (model.name, model.version) == (pin.model, pin.model_version):
        return None
    message = (
        f"the engine pin has version {pin.model_version} of {pin.model}, and declares {model.version} of {model.name}"
    )
    return Finding("run_record.pin_disagrees", message)
