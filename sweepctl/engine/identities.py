"""Reads what `sweep-engine points` writes: the identities of points, which are not run."""

from collections.abc import Iterator

import pyarrow as pa

from sweepctl.engine.checks import parse_records
from sweepctl.engine.reader import RESULT
from sweepctl.engine.run import EngineRun
from sweepctl.errors import EngineFaultError
from sweepctl.protocol import Model
from sweepctl.records.table import INT, TEXT, columns_of


def read_identities(run: EngineRun, model: Model, points: int) -> Iterator[pa.Table]:
    """Yield the records of `sweep-engine points`, as many as were requested: `points`.

    Raises:
        EngineFaultError: the engine failed, or wrote something else.
        RefusedError: it refused the request.
    """
    run.begin()
    schema, left = identity_schema(model), points
    for block in run.blocks():
        table = parse_records(block, schema)
        left -= table.num_rows
        if left < 0:
            break
        yield table
    if left:
        msg = f"the engine wrote {'more' if left < 0 else 'fewer'} than the {points} points that were requested"
        raise EngineFaultError("engine_wrong_count", msg)


def identity_schema(model: Model) -> pa.Schema:
    """Return the schema of the records that `sweep-engine points` writes."""
    return pa.schema(
        [
            ("record", TEXT),
            ("point_index", INT),
            ("replicate", INT),
            ("parameters", pa.struct(columns_of(model.parameters))),
            ("effective_parameters_json", TEXT),
            ("parameter_fingerprint", TEXT),
            ("point_fingerprint", TEXT),
            *((name, TEXT) for name in RESULT),
        ]
    )
