"""A whole shard on S3, moto and a real server, while the connection fails at any request of it."""

import datetime as dt
import hashlib
import itertools
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from fakes import toys
from fakes.engines import scripted
from fakes.fault_proxy import Fault, FaultProxy, Rule
from fakes.servers import BUCKET, Server

from sweepctl.engine.client import Engine
from sweepctl.errors import StoreError
from sweepctl.records import layout, table
from sweepctl.records.outcome import Outcome
from sweepctl.shard.run import Disposition, run_shard
from sweepctl.store import Store, open_store

pytestmark = pytest.mark.usefixtures("no_backoff")

POINTS = 4
PREFIXES = (f"shards-{number}" for number in itertools.count())
MESSAGE = toys.one_shard(POINTS)
SHARD = layout.ShardKeys("r", "2026-02-14", 0)
WHOLE = {
    layout.run_record("r"),
    layout.engine_pin("r"),
    "shard_claims/run=r/every-4-from-0/shard-00000000-0-4.json",
    SHARD.dataset("effective_parameters", "toy"),
    SHARD.dataset("point_outcomes", "toy"),
    SHARD.outcome,
}
REQUESTS = [
    ("GET", "run.parquet"),
    ("PUT", "run.parquet"),
    ("GET", "shard_outcomes"),
    ("GET", "engine.parquet"),
    ("PUT", "engine.parquet"),
    ("GET", "shard_claims"),
    ("PUT", "shard_claims"),
    ("PUT", "effective_parameters"),
    ("PUT", "point_outcomes"),
    ("PUT", "shard_outcomes"),
]
# A stall ends with botocore's read time-out, a minute: the store's own tests have it, with a shorter one.
FAULTS = [Fault.DROP_BEFORE, Fault.DROP_AFTER, Fault.ERROR_AFTER, Fault.UNAVAILABLE, Fault.CONFLICT, Fault.TRUNCATE]


@pytest.fixture(params=["moto_server", pytest.param("weed_server", marks=pytest.mark.servers)])
def server(request: pytest.FixtureRequest) -> Server:
    found: Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def proxy(server: Server) -> Iterator[FaultProxy]:
    with FaultProxy(server.endpoint_url) as proxy:
        yield proxy


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine(scripted(tmp_path, "for p in points: say(p)", POINTS))


def require_whole(server: Server, prefix: str, store: Store) -> Outcome:
    """Assert that the shard's objects are all there, are what the outcome says, and are the only ones."""
    keys = {key.removeprefix(f"{prefix}/") for key in server.keys(f"{prefix}/")}
    assert keys == WHOLE
    stored = store.read(SHARD.outcome)
    assert stored is not None
    outcome = table.decode(Outcome, stored.body, SHARD.outcome)
    assert outcome.status == "success"
    for artifact in outcome.artifacts:
        data = store.read(artifact.key)
        assert data is not None
        assert (artifact.bytes, artifact.sha256) == (len(data.body), hashlib.sha256(data.body).hexdigest())
    return outcome


def test_a_shard_and_its_repetition(server: Server, engine: Engine) -> None:
    prefix = next(PREFIXES)
    store = open_store(f"s3://{BUCKET}/{prefix}", endpoint_url=server.endpoint_url)
    store.probe()
    first = run_shard(MESSAGE, engine, store)
    assert first.disposition is Disposition.COMMITTED
    assert run_shard(MESSAGE, engine, store).disposition is Disposition.SKIPPED
    assert {f"{prefix}/{key}" for key in WHOLE} <= set(server.keys(f"{prefix}/"))


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.lower())
def test_a_fault_at_any_request_is_healed_here_or_by_a_retry(
    server: Server,
    proxy: FaultProxy,
    engine: Engine,
    fault: Fault,
) -> None:
    for method, path in REQUESTS:
        prefix = next(PREFIXES)
        url = f"s3://{BUCKET}/{prefix}"
        before = len(proxy.log)
        proxy.schedule([Rule(fault, method, path)])
        done = None
        with suppress(StoreError):
            done = run_shard(MESSAGE, engine, open_store(url, endpoint_url=proxy.url))
        assert any(seen.fault is fault for seen in proxy.log[before:]), "the fault happened"
        proxy.schedule([])
        direct = open_store(url, endpoint_url=server.endpoint_url)
        retry = run_shard(MESSAGE, engine, direct, now=lambda: dt.datetime(2026, 2, 20, tzinfo=dt.UTC))
        outcome = require_whole(server, prefix, direct)
        assert retry.outcome == outcome
        if done is not None:
            assert done.outcome == outcome
