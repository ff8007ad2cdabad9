"""Check 4: parameters and fingerprints as the engine derives them from the design, against what the rows say.

The engine names the points anew, index by index; nothing is simulated. Its canonical JSON and its typed values come of
one computation, so rows that equal both agree with each other too.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event

import pyarrow as pa

from sweepctl.engine.client import Engine
from sweepctl.engine.reader import identity_schema, parse_records
from sweepctl.protocol import Model
from sweepctl.verify.rows import Differences, Pair, RowBuffer

NAMING_SECONDS = 3600.0  # a million points a second and core is usual
_TEXTS = {
    "effective_parameters_json": "identity.parameters_json",
    "parameter_fingerprint": "identity.parameter_fingerprint",
    "point_fingerprint": "identity.point_fingerprint",
}


@contextmanager
def named_by_engine(engine: Engine, model: Model, request: bytes, *, stop: Event) -> Iterator[RowBuffer]:
    """Lend the identities of the points that `request` asks for, in order; `stop`, once set, ends the work.

    Raises:
        EngineFaultError: the engine failed.
        EngineUnavailableError: it does not start.
        InterruptedRunError: `stop` was set.
        RefusedError: it refuses the spec.
    """
    schema = identity_schema(model)
    with engine.start(request, command="points", timeout=NAMING_SECONDS, stop=stop) as run:
        run.begin()
        yield RowBuffer(parse_records(block, schema) for block in run.blocks())


def examine_identity(pair: Pair, named: pa.Table, differences: Differences) -> None:
    """Compare the rows of a pair with the same points as the engine names them."""
    for name, code in _TEXTS.items():
        differences.equal(code, name, pair.parameters[name], named[name], pair.first)
    parameters = named["parameters"]
    for field, values in zip(parameters.type, parameters.flatten(), strict=True):
        differences.equal("identity.typed_column", field.name, pair.parameters[field.name], values, pair.first)
