"""What the values of a record can be: a store may hold files that another program wrote, or that are damaged.

As strict as messages are, so that readers can rely on every value; whether records agree with each other is for
`verify` to say.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from sweepctl.design.values import Count, Integer, Scalar, Strict, reject
from sweepctl.messages import Digest, Index, RunDate, RunId
from sweepctl.names import DatasetName, Name
from sweepctl.protocol import MAX_DECLARATION_BYTES
from sweepctl.records.outcome import MAX_ERROR_MESSAGE, EnginePin, Outcome, RunRecord, Status
from sweepctl.spec import NO_LIMITS, Constraints, Expression, Limits
from sweepctl.store.contract import is_key
from sweepctl.strict_json import parse

MAX_TEXT = 1_000  # characters of a version, key or code


class _StoredDesign(Strict):
    sha256: Digest


def _design(design: dict[str, Any]) -> dict[str, Any]:
    if "sha256" in design:
        _StoredDesign.model_validate(design)
    return design


class _Spec(Strict):
    model: Name
    # Its values are checked where the design is read: the engine decides about many of them.
    design: Annotated[dict[str, Any], AfterValidator(_design)]
    base: dict[Name, Scalar]
    replications: Annotated[int, Field(ge=1, le=1 << 32)]
    seed: Integer
    outputs: list[DatasetName]
    limits: Limits = NO_LIMITS
    derived: dict[Name, Expression] = Field(default={})
    constraints: Constraints = Field(default=[])


def _spec(text: str) -> str:
    _Spec.model_validate(parse(text.encode()))
    return text


Text = Annotated[str, Field(max_length=MAX_TEXT)]


class _Rules(BaseModel):
    # Fields of other types, such as times, are as their columns are.
    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class _RunRecord(_Rules):
    run_id: RunId
    run_date: RunDate
    spec_json: Annotated[str, AfterValidator(_spec)]
    spec_fingerprint: Text
    total_points: Count
    shard_points: Count | None


class _EnginePin(_Rules):
    run_id: RunId
    model: Name
    model_version: Text
    engine_version: Text
    engine_sha256: Digest | None
    declaration_json: Annotated[str, Field(max_length=MAX_DECLARATION_BYTES)] | None


def _key(text: str) -> str:
    if not is_key(text):
        reject("must be a key of the store")
    return text


class _Artifact(_Rules):
    dataset: Text
    key: Annotated[Text, AfterValidator(_key)]
    bytes: Index
    rows: Index
    sha256: Text


class _Outcome(_Rules):
    run_id: RunId
    shard_id: Index
    start_index: Index
    end_index_exclusive: Index
    total_points: Count
    status: Status
    attempt_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9]{0,64}$")]
    points_succeeded: Index
    points_failed: Index
    error_code: Text | None
    error_message: Annotated[str, Field(max_length=MAX_ERROR_MESSAGE)] | None
    cpu_seconds: Annotated[float, Field(ge=0)]
    engine_version: Text
    model: Name
    model_version: Text
    spec_fingerprint: Text
    content_sha256: Text | None
    artifacts: list[_Artifact]
    engine_sha256: Digest | None
    points_machine_dependent: Index | None
    points_excluded: Index | None


_RULES: Mapping[type, type[BaseModel]] = {RunRecord: _RunRecord, EnginePin: _EnginePin, Outcome: _Outcome}


def require_valid(kind: type, fields: Mapping[str, Any]) -> None:
    """Raise ValueError unless the fields are those of such a record."""
    _RULES[kind].model_validate(fields)
