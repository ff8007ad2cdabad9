"""Check 4: the parameters and fingerprints of points, derived by the engine from the design, against the rows.

The engine derives them by point index; nothing is simulated. Its canonical JSON and its typed values come from one
computation, so rows that equal both also agree with each other.

Which engine: sweepctl's own, from the model's declaration that the run keeps. The engine that ran the points would
repeat its own mistakes (docs/decisions/0017-proof.md).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event

import pyarrow as pa
import pyarrow.compute as pc

from sweepctl.engine.client import Engine
from sweepctl.engine.identities import read_identities
from sweepctl.engine.reader import RESULT
from sweepctl.protocol import Model
from sweepctl.records.outcome import EXCLUDED
from sweepctl.records.rows import RowBuffer
from sweepctl.verify.rows import Differences, Pair

IDENTITY_SECONDS = 3600.0  # a million points per second and core is usual
_TEXTS = {
    "effective_parameters_json": "identity.parameters_json",
    "parameter_fingerprint": "identity.parameter_fingerprint",
    "point_fingerprint": "identity.point_fingerprint",
}


@dataclass(frozen=True)
class Deriver:
    """An engine that derives the identities of a run's points."""

    engine: Engine
    model: Model
    is_witness: bool  # it derives them from the declaration that the run keeps, and need not have the model


def choose_deriver(
    witness: Engine | None, declaration: Model | None, engine: Engine | None, model: Model | None
) -> tuple[Deriver | None, str | None]:
    """Return who derives identities, None if nobody can, and what limits the worth of that.

    `witness` derives them from a `declaration`; `engine` has the `model` itself.
    """
    if witness is not None and declaration is not None:
        return Deriver(witness, declaration, is_witness=True), None
    if engine is None or model is None:
        return None, None
    why = "the run does not keep its model's declaration" if declaration is None else "sweepctl's own engine is missing"
    return Deriver(engine, model, is_witness=False), f"derived by the model's own engine alone: {why}"


@contextmanager
def engine_identities(engine: Engine, model: Model, request: bytes, points: int, *, stop: Event) -> Iterator[RowBuffer]:
    """Provide the identities of the `points` points in `request`, in order; setting `stop` ends the work.

    Raises:
        EngineFaultError: the engine failed.
        EngineUnavailableError: it does not start.
        InterruptedRunError: `stop` was set.
        RefusedError: it refuses the spec.
    """
    with engine.start(request, command="points", timeout=IDENTITY_SECONDS, stop=stop) as run:
        yield RowBuffer(read_identities(run, model, points))


def examine_identity(pair: Pair, identities: pa.Table, differences: Differences) -> None:
    """Compare the rows of a pair with the identities that the engine derived for the same points."""
    for name, code in _TEXTS.items():
        differences.equal(code, name, pair.parameters[name], identities[name], pair.first)
    _examine_rules(pair, identities, differences)
    parameters = identities["parameters"]
    for field, values in zip(parameters.type, parameters.flatten(), strict=True):
        differences.equal("identity.typed_column", field.name, pair.parameters[field.name], values, pair.first)


def _examine_rules(pair: Pair, identities: pa.Table, differences: Differences) -> None:
    """Compare what the run's rules decide: points that they leave out have their result already, and no other has."""
    ruled = identities["status"].is_valid()
    for name in RESULT:
        found = pair.outcomes[name]
        wanted = pc.if_else(ruled, identities[name], found)
        differences.equal("identity.rule", name, found, wanted, pair.first)
    excluded = pc.fill_null(pc.equal(pair.outcomes["status"], EXCLUDED), fill_value=False)
    allowed = pc.or_(pc.invert(excluded), ruled)
    differences.holds(
        "identity.rule", "a point is excluded, but meets every constraint", allowed, identities["point_index"]
    )
