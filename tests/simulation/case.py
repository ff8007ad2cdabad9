"""What a history is about: how many workers, which messages, what the model does. Drawn from a seed."""

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import Any, Literal

from fakes import toys
from fakes.simulated_engine import Behaviour
from simulation import memory

from sweepctl.design import DESIGN
from sweepctl.messages import ShardMessage
from sweepctl.records import design as stored_design
from sweepctl.records.outcome import RunRecord
from sweepctl.shard.run import Conditions

EPOCH = dt.datetime(2026, 2, 14, 18, tzinfo=dt.UTC)  # of virtual time; +-12 hours stay within what a run_date may be
LEASE, TIMEOUT = 60, 250.0
GRACES = [30.0, 3.0]  # seconds; a poll outlasts the second
FIRST_DELAY = 5  # seconds, before a failed message is delivered again; the least that there is
FOCUSES = ("", "", "", "shard_outcomes", "shard_outcomes", "shard_attempts", "point_", "delete", "extend")


LOCAL_FOCUSES = (
    "",
    "rename",
    "rename",
    "sync point_outcomes",
    "sync shard_outcomes",
    "sync shard_outcomes",
    "sync runs",
    "link",
)
OPERATED_FOCUSES = ("", "", "link compact", "sync shard_outcomes", "sync shard_outcomes")
# Of one history in eight. Whether it is this one hangs together with no other draw: the others are as they always were.
DISKS: tuple[Literal["", "scratch", "local"], ...] = ("", "", "", "scratch", "local", "", "", "")


@dataclass(frozen=True)
class Case:
    """One run and its messages."""

    bodies: tuple[bytes, ...]  # of the run, duplicates included
    strangers: tuple[bytes, ...]  # of another spec or sharding under the same run_id, or no messages at all
    rivals: tuple[bytes, ...]  # of an unplanned run: other shards over the same points; whoever comes first is right
    planned: RunRecord | None
    stored: bytes | None  # the run's design, where messages name a stored one
    behaviour: Behaviour
    other_version: bool  # one worker's engine is of another model version
    injected: frozenset[int]
    lies: bool
    density: float
    focus: str
    workers: int
    concurrency: int
    max_receive_count: int
    grace: float
    operators: int  # who compact the run, and send failed shards again, while the workers are at it
    usurpers: tuple[bytes, ...]  # of another spec under the run_id, which nobody planned: who comes first is right
    lost_design: Literal["", "missing", "altered"]  # what became of the stored design, until it is restored
    disk: Literal[
        "", "scratch", "local"
    ]  # whether temporary files find no space now and then; or a LocalStore is on it
    failed_before: bool  # each shard has an outcome to be replaced, of an attempt whose engine failed
    forces: bool  # some workers run shards again that are complete, and compare

    def conditions(self, *, force: bool) -> Conditions:
        return Conditions(timeout=TIMEOUT, allow_failure_injection=True, force=force)

    @property
    def shards(self) -> dict[int, ShardMessage]:
        """The run's messages by shard."""
        return {message.shard_id: message for message in map(decoded, self.bodies) if message is not None}


def decoded(body: bytes) -> ShardMessage | None:
    """Return what a body means; None for one that means nothing."""
    try:
        return memory.decode_message(body, EPOCH.date())
    except Exception:  # noqa: BLE001  whatever is wrong with it
        return None


def draw(seed: int) -> Case:
    """Draw a case; the seed is all that it depends on."""
    random = Random(f"case {seed}")
    shards, size = random.choice([1, 2, 2, 3]), random.choice([1, 1, 2, 3])
    points = shards * size
    engines, people = Random(f"engines {seed}"), Random(f"people {seed}")
    operators = people.choice([1, 1, 2]) if _chance(people, 0.1) else 0
    disk = Random(f"disk {seed}").choice(DISKS)
    stored = _stored(points) if _chance(Random(f"design {seed}"), 0.15) else None
    planned = _chance(random, 0.4)
    injected = frozenset({random.randrange(shards)} if _chance(random, 0.08) else ())
    message = partial(_message, shards, size, injected, stored, is_dated=_chance(random, 0.8))
    hosting = _hosting(Random(f"host {seed}"), points)
    # An engine without a host is the wrong one for a run with limits.
    message = partial(message, limits=_limits(Random(f"limits {seed}")) if hosting else {})
    has_outputs = _chance(people, 0.4 if hosting else 0.05)
    if has_outputs:
        message = partial(message, outputs=["parts"])
    bodies = [message(shard) for shard in range(shards)]
    if _chance(random, 0.4):
        bodies.append(random.choice(bodies))
    strangers = _strangers(random, message, size, points) if planned else []
    if _chance(random, 0.06):
        strangers.append(b'{"run_id": "r"}')
    rivals = [] if planned else _rivals(Random(f"rivals {seed}"), message, shards, points)
    case = Case(
        bodies=tuple(bodies),
        strangers=tuple(strangers),
        rivals=tuple(rivals),
        planned=_planned(bodies[0], size) if planned else None,
        stored=stored,
        behaviour=Behaviour(
            failing=frozenset({random.randrange(points)} if _chance(random, 0.2) else ()),
            poison=frozenset({random.randrange(points)} if _chance(random, 0.1) else ()),
            **hosting,
            columns=engines.choice([0, 0, 1, 2]),
            again=_chance(engines, 0.6),
            replaced=_chance(engines, 0.2),
            refuses=_chance(random, 0.03),
        ),
        other_version=_chance(random, 0.04),
        injected=injected,
        lies=_chance(random, 0.1),
        density=random.choice([0.01, 0.03, 0.06, 0.1, 0.15]),
        focus=random.choice(FOCUSES)
        or ("" if stored is None else "specs/")
        or ("compact" if operators else "put parts/" if has_outputs else ""),
        workers=random.choice([1, 2, 2, 3]),
        concurrency=random.choice([1, 2]),
        max_receive_count=random.choice([3, 4, 6]),
        grace=people.choice(GRACES),
        operators=operators,
        disk=disk,
        failed_before=False,
        forces=_chance(people, 0.1),
        usurpers=_usurpers(people, message, shards) if not planned and not rivals else (),
        lost_design=people.choice(["", "", "missing", "altered"]) if stored else "",
    )
    return _on_disk(case, seed) if disk == "local" else case


def _on_disk(case: Case, seed: int) -> Case:
    """Return a case of a LocalStore: more workers meet at a shard, and trouble gathers where only a disk has any."""
    random = Random(f"local {seed}")
    # The number is one with which the kept histories of local stores have no operators, as when they were kept.
    people = Random(f"operators on a disk 69 {seed}")
    focus = random.choice(LOCAL_FOCUSES)
    if focus == "rename" and not case.behaviour.hosts and case.stored is None:
        case = replace(case, failed_before=True)
    if _chance(random, 0.5):
        case = replace(case, bodies=case.bodies * 2, workers=3)
    if _chance(people, 0.15):
        return replace(case, focus=people.choice(OPERATED_FOCUSES), operators=people.choice([1, 2]))
    return replace(case, focus=focus, operators=0)


def _hosting(random: Random, points: int) -> dict[str, Any]:
    if not _chance(random, 0.4):
        return {}
    fragile = frozenset({random.randrange(points)} if _chance(random, 0.6) else ())
    ending = random.choice(["crash", "hang", "memory", "any"])
    return {"hosts": True, "fragile": fragile, "ending": ending, "is_once": _chance(random, 0.3)}


def _limits(random: Random) -> dict[str, Any]:
    """Return what a run allows its points; nothing in most runs."""
    if not _chance(random, 0.3):
        return {}
    return random.choice(
        [{"point_seconds": 60.0}, {"point_memory": 1 << 30}, {"point_seconds": 9.0, "failed_points": 1}]
    )


def _chance(random: Random, share: float) -> bool:
    return random.random() < share


def _message(
    shards: int,
    size: int,
    injected: frozenset[int],
    stored: bytes | None,
    shard: int,
    *,
    is_dated: bool,
    limits: dict[str, Any],
    **changes: object,
) -> bytes:
    fields = {
        **json.loads(toys.message(shard, shards)),
        "dimensions": {"x": list(range(shards * size))},
        "total_points": shards * size,
        "failure_injection_shards": sorted(injected),
        "start_index": shard * size,
        "end_index_exclusive": (shard + 1) * size,
    }
    if stored is not None:
        del fields["dimensions"]
        fields |= {"schema_version": "v2", "design_sha256": stored_design.digest(stored)}
    if limits:
        fields["schema_version"] = "v2"
        if "dimensions" in fields:
            fields["design"] = {"kind": "grid", "dimensions": fields.pop("dimensions")}
        fields["limits"] = limits
    if not is_dated:
        del fields["run_date"]
    return json.dumps({**fields, **changes}).encode()


def _stored(points: int) -> bytes:
    return stored_design.encode(DESIGN.validate_python({"kind": "grid", "dimensions": {"x": list(range(points))}}))


def _strangers(random: Random, message: Callable[..., bytes], size: int, points: int) -> list[bytes]:
    found: list[bytes] = []
    if random.random() < 0.2 and size > 1:
        found.append(message(0, end_index_exclusive=size - 1))
    if random.random() < 0.15:
        found.append(message(0, seed=2))
    if random.random() < 0.1 and points > 1:
        found.append(message(0, run_date="2026-02-13"))
    return found


def _rivals(random: Random, message: Callable[..., bytes], shards: int, points: int) -> list[bytes]:
    if not _chance(random, 0.3):
        return []
    found = []
    for number in range(random.choice([1, 1, 2])):
        start, end = sorted(random.sample(range(points + 1), 2))
        # Now and then it has the number of one of the run's own shards.
        shard_id = random.choice([shards + number, shards + number, random.randrange(shards)])
        found.append(message(0, shard_id=shard_id, start_index=start, end_index_exclusive=end))
    return found


def _usurpers(random: Random, message: Callable[..., bytes], shards: int) -> tuple[bytes, ...]:
    return tuple(message(shard, seed=2) for shard in range(shards)) if _chance(random, 0.15) else ()


def _planned(body: bytes, size: int) -> RunRecord:
    message = decoded(body)
    assert message is not None
    spec = message.spec
    return RunRecord(
        run_id=message.run_id,
        run_date=message.run_date or EPOCH.date().isoformat(),
        spec_json=spec.to_json(),
        spec_fingerprint=spec.fingerprint,
        total_points=message.total_points,
        shard_points=size,
        created_at=EPOCH,
    )
