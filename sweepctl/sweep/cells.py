"""The identities of some cells of a design, as the engine has them; nothing is simulated."""

from collections.abc import Iterator
from dataclasses import replace
from threading import Event
from typing import TYPE_CHECKING

from sweepctl.design import Space
from sweepctl.engine.client import HANDSHAKE_SECONDS, Engine, identifying
from sweepctl.engine.identities import read_identities
from sweepctl.protocol import encode_request
from sweepctl.spec import Spec

if TYPE_CHECKING:
    import pyarrow as pa


def identities(
    spec: Spec, space: Space, first: int, end: int, engine: Engine, *, stop: Event | None = None
) -> Iterator["pa.Table"]:
    """Yield the identities of cells `[first, end)`, each once (`engine.identities.identity_schema`).

    Raises:
        EngineFaultError: the engine failed.
        InterruptedRunError: `stop` was set.
    """
    request = encode_request(replace(spec, replications=1), space, first, end, threads=None)
    with (
        identifying(f"cells {first:,} to {end - 1:,}"),
        engine.start(request, command="points", timeout=HANDSHAKE_SECONDS, stop=stop) as run,
    ):
        yield from read_identities(run, engine.model(spec.model), end - first)
