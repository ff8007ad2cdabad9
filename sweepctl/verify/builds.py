"""Builds of an engine, by the digest of its file: results of several are trusted only once they were compared.

A model version promises equal results of all its builds. Where shards of a run come from several, that is proven by
running points of each again with one of them (docs/decisions/0017-proof.md).
"""

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence

from sweepctl.engine.client import Engine
from sweepctl.records.outcome import Outcome
from sweepctl.verify.report import Build

SHOWN = 12  # digits of a digest


def builds_of(outcomes: Sequence[Outcome], compared: Mapping[int, int]) -> list[Build]:
    """Return the builds that computed results of a run; `compared` says how many points of a shard were run again."""
    shards: Counter[str | None] = Counter()
    points: Counter[str | None] = Counter()
    for outcome in outcomes:
        if has_results(outcome):
            shards[outcome.engine_sha256] += 1
            points[outcome.engine_sha256] += compared.get(outcome.shard_id, 0)
    return [Build(each, shards[each], points[each]) for each in sorted(shards, key=str)]


def has_results(outcome: Outcome) -> bool:
    """Return whether points of a shard succeeded; without any, its build has no result to compare."""
    return outcome.complete and outcome.points_succeeded > 0


def build_name(engine_sha256: str | None) -> str:
    """Return a short name of a build."""
    return "unknown" if engine_sha256 is None else engine_sha256[:SHOWN]


def why_unproven(builds: Sequence[Build], engine: Engine | None, run_id: str, store_url: str) -> str | None:
    """Return why several builds are not known to agree, and the command that compares them; None if they are."""
    if len(builds) < 2:  # noqa: PLR2004  two can differ
        return None
    left = [each for each in builds if not each.points_rerun]
    known = [each.engine_sha256 for each in builds if each.engine_sha256 is not None]
    is_one_of_them = engine is not None and engine.sha256 in known
    if is_one_of_them and not left:
        return None
    # Where some were drawn in vain, they were points that may not be run again: see `reexecute`.
    points = "all" if is_one_of_them and len(left) < len(builds) else str(len(builds))
    path = shlex.quote(str(engine.path)) if engine is not None and is_one_of_them else "PATH"
    command = f"sweepctl verify {run_id} --store {shlex.quote(store_url)} --engine {path} --reexecute {points}"
    which = "" if is_one_of_them else f", where PATH is build {' or '.join(map(build_name, known))}"
    return (
        f"its shards come from {len(builds)} builds of one model version "
        f"({', '.join(build_name(each.engine_sha256) for each in builds)}), which are not known to agree: "
        f"`{command}`{which}, runs points of each again"
    )
