"""Messages of strangers: some of malice, and those that the fuzzer kept. None ends, slows or fills a worker."""

import json
from collections.abc import Iterator
from contextlib import suppress
from random import Random
from typing import Any

from fuzz.messages import CORPUS, TODAY
from fuzz.mutate import mutate

from sweepctl.errors import MessageError
from sweepctl.messages import decode
from sweepctl.records import layout
from sweepctl.store.contract import Store


def queue_message(**changes: Any) -> bytes:  # noqa: ANN401  any JSON value
    """Return a message of the real model, a whole run of one point."""
    fields = {
        "schema_version": "v2",
        "run_id": "hostile",
        "run_date": TODAY.isoformat(),
        "model": "queue",
        "design": {"kind": "grid", "dimensions": {"servers": [1, 2]}},
        "total_points": 2,
        "shard_id": 0,
        "start_index": 0,
        "end_index_exclusive": 2,
        "seed": 1,
        **changes,
    }
    return json.dumps(fields).encode()


def last_of(points: int, design: dict[str, Any], **changes: Any) -> dict[str, Any]:  # noqa: ANN401  any JSON value
    """Return the fields of a shard of the last point of a run."""
    bounds = {"shard_id": points - 1, "start_index": points - 1, "end_index_exclusive": points}
    return {"design": design, "total_points": points, **bounds, **changes}


def sampled(kind: str, distribution: dict[str, Any], samples: int = 5) -> dict[str, Any]:
    return last_of(samples, {"kind": kind, "samples": samples, "dimensions": {"arrival_rate": distribution}})


def axis(values: object, points: int = 1) -> dict[str, Any]:
    return last_of(points, {"kind": "grid", "dimensions": {"arrival_rate": values}})


def saltelli(base_samples: int) -> dict[str, Any]:
    uniform = {"uniform": {"low": 0.1, "high": 0.9}}
    dimensions = {"arrival_rate": uniform, "service_rate": uniform}
    return {"kind": "saltelli", "base_samples": base_samples, "dimensions": dimensions}


SERVERS = {"kind": "grid", "dimensions": {"servers": [1, 2]}}
MOST = 2**63 - 1
MALICE: dict[str, dict[str, Any]] = {
    "ends-too-near": sampled("random", {"normal": {"mean": 0.5, "std": 1e17, "low": 0.1, "high": 0.9}}),
    "ends-too-far": sampled("random", {"normal": {"mean": 0, "std": 1.9e307, "low": 1.6e308}}),
    "no-such-parameter": {"base": {"no_such": 1}},
    "no-such-model": {"model": "no_such"},
    "no-such-output": {"outputs": ["no_such"]},
    "a-text-for-a-number": {"base": {"customers": "many"}},
    "a-long-text": {"base": {"customers": "9" * 500_000}},
    "many-base-values": {"base": {f"p{number}": number for number in range(20_000)}},
    "a-number-out-of-range": {"base": {"customers": -MOST - 1}},
    "the-last-of-a-random-sample": sampled("random", {"uniform": {"low": 0.1, "high": 0.9}}, MOST),
    "the-last-of-a-latin-hypercube": sampled("latin_hypercube", {"uniform": {"low": 0.1, "high": 0.9}}, 2**52),
    "the-last-of-a-sobol-sample": sampled("sobol", {"uniform": {"low": 0.1, "high": 0.9}}, 2**52),
    "the-last-of-a-saltelli-sample": last_of(2**63 - 4, saltelli(2**61 - 1)),
    "the-last-of-a-cross": last_of(2**62, {"kind": "cross", "parts": [SERVERS, saltelli(2**59)]}),
    "a-cross-of-one-parameter-twice": last_of(4, {"kind": "cross", "parts": [SERVERS, SERVERS]}),
    "the-last-of-an-axis": axis({"linspace": {"start": 0.1, "stop": 0.9, "num": MOST}}, MOST),
    "the-last-replicate": last_of(2**32, {"kind": "grid", "dimensions": {}}, replications=2**32),
    "a-range-of-nothing": sampled("random", {"uniform": {"low": 0.1, "high": 0.1}}),
    "numbers-near-infinity": sampled("random", {"uniform": {"low": -1.7e308, "high": 1.7e308}}),
    "integers-near-the-end": sampled("random", {"integer": {"low": -MOST - 1, "high": MOST}}),
    "mixed-values": axis([0.1, 1, "1", True], 4),
    "many-values": axis([0.5] * 100_000, 100_000),
    "many-dimensions": last_of(1, {"kind": "grid", "dimensions": {f"d{number}": [1] for number in range(20_000)}}),
    "a-table-of-uneven-rows": last_of(2, {"kind": "table", "columns": ["servers"], "rows": [[1], [1, 2]]}),
    "no-such-design": {"design_sha256": "0" * 64},
    "the-last-seed": {"seed": -MOST - 1},
    "an-injected-failure": {"failure_injection_shards": [0]},
}
OF_DAMAGED_RUN = queue_message(run_id="damaged")
HOSTILE = [
    OF_DAMAGED_RUN,
    *(queue_message(**{"run_id": name, **fields}) for name, fields in MALICE.items()),
    b'{"run_id":"\xed\xa0\x80"}',  # half of a character
    b"[" * 100_000,
    b"9" * (1 << 20),
    *(path.read_bytes() for path in sorted(CORPUS.glob("*.json"))),
]
GOOD = [queue_message(run_id=f"good-{number}") for number in range(3)]


def damage(store: Store) -> None:
    """Leave what makes no worker take the store for one that does not answer: then it, and every other, would pause."""
    store.create(layout.run_record("damaged"), b"no Parquet")


def mutated(random: Random) -> Iterator[bytes]:
    """Yield messages that the decoder accepts: what it refuses, the fuzzer tries."""
    sound = [body for body in HOSTILE if len(body) < 1_000]
    while True:
        body = mutate(random.choice(sound), sound, random)
        with suppress(MessageError):
            decode(body, TODAY)
            yield body
