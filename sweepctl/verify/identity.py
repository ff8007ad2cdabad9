"""Check 4: the parameters and fingerprints of points, derived by the engine from the design, against the rows.

The engine derives them by point index; nothing is simulated. Its canonical JSON and its typed values come from one
computation, so rows that equal both also agree with each other.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event

import pyarrow as pa

from sweepctl.engine.client import Engine
from sweepctl.engine.reader import read_identities
from sweepctl.protocol import Model
from sweepctl.records.rows import RowBuffer
from sweepctl.verify.rows import Differences, Pair

IDENTITY_SECONDS = 3600.0  # a million points per second and core is usual
_TEXTS = {
    "effective_parameters_json": "identity.parameters_json",
    "parameter_fingerprint": "identity.parameter_fingerprint",
    "point_fingerprint": "identity.point_fingerprint",
}


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
    parameters = identities["parameters"]
    for field, values in zip(parameters.type, parameters.flatten(), strict=True):
        differences.equal("identity.typed_column", field.name, pair.parameters[field.name], values, pair.first)
