"""The report of `sweepctl plan`: the plan of a sweep, some of its points, and its estimated time and cost."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from threading import Event
from typing import Any

from sweepctl import notebook, system
from sweepctl.design import total_points
from sweepctl.engine.client import Engine, identifying
from sweepctl.messages import require_run_id
from sweepctl.protocol import PointIdentity
from sweepctl.spec import Value
from sweepctl.sweep.cost import PRICES_OF, CostEstimate, estimate_cost
from sweepctl.sweep.first_values import first_values
from sweepctl.sweep.pilot import Pilot, measure_shard, run_pilot
from sweepctl.sweep.plan import Draft, Plan
from sweepctl.sweep.precision import round_name
from sweepctl.sweep.repeats import Repeats, find_repeats

SAMPLES = 5


@dataclass(frozen=True, repr=False)
class PlanReport:
    """A plan, sample points, and the estimate if a pilot was run."""

    draft: Draft
    plan: Plan
    model_version: str
    samples: tuple[PointIdentity, ...]  # spread over the run, the first and the last point included
    repeats: Repeats
    first_values: Mapping[str, Sequence[Value]]  # of axes that are formulas, and the last one
    objects: int
    size_pilot: Pilot | None  # if the file leaves the number of points per shard to one
    pilot: Pilot | None
    estimate: CostEstimate | None

    def __repr__(self) -> str:
        """Return the run, its points and its shards."""
        return "<Plan " + ", ".join(f"{name} {notebook.shown(value)}" for name, value in self._facts()) + ">"

    def _repr_html_(self) -> str:
        names = [*self.varied[0]] if self.varied else []
        samples = (
            (point.point_index, point.replicate, *row.values())
            for point, row in zip(self.samples, self.varied, strict=True)
        )
        facts, head = self._facts(), ("point", "replicate", *names)
        return (
            notebook.title(facts[0][1])
            + notebook.facts(facts[1:])
            + notebook.note(f"{len(self.samples)} of its points:")
            + notebook.table(head, samples)
        )

    def _facts(self) -> list[tuple[str, object]]:
        plan = self.plan
        facts: list[tuple[str, object]] = [
            ("run_id", plan.run_id),
            ("model", f"{plan.spec.model} {self.model_version}"),
            ("cells", plan.space.cells),
            ("replications", plan.spec.replications),
            ("points", plan.total_points),
            ("shards", plan.shards),
        ]
        if self.estimate is not None:
            facts.append(("seconds on this machine", self.estimate.wall_seconds.mean))
        return facts

    @property
    def message_bytes(self) -> int:
        """The length of the longest message."""
        return max(len(body) for body in self.plan.bodies({0, self.plan.shards - 1}))

    @property
    def varied(self) -> list[Mapping[str, Any]]:
        """The parameters that the design varies, and those derived, for each sample."""
        names = sorted({*self.plan.space.parameters, *self.plan.spec.derived})
        return [{name: point.parameters[name] for name in names} for point in self.samples]

    @property
    def most_points(self) -> int:
        """The number of points with the most replications that the file allows."""
        return total_points(self.plan.space, self.draft.file.sweep.replications_range[1])

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON."""
        plan, precision = self.plan, self.draft.file.sweep.precision
        return {
            "run_id": plan.run_id,
            "run_date": plan.run_date,
            "model": plan.spec.model,
            "model_version": self.model_version,
            "spec_fingerprint": plan.spec.fingerprint,
            "cells": plan.space.cells,
            **self.repeats.to_json(),
            "replications": plan.spec.replications,
            "derived": dict(plan.spec.derived),
            "constraints": list(plan.spec.constraints),
            "exclusion": self.draft.exclusion and asdict(self.draft.exclusion),
            "precision": precision and {**precision.model_dump(), "most_points": self.most_points},
            "limits": plan.spec.limits.to_json(),
            "total_points": plan.total_points,
            "shards": plan.shards,
            "shard_points": plan.shard_points,
            "message_bytes": self.message_bytes,
            "objects": self.objects,
            "points": [point.model_dump(exclude={"record"}, exclude_unset=True) for point in self.samples],
            "pilot": None if self.pilot is None else asdict(self.pilot),
            "estimate": None if self.estimate is None else asdict(self.estimate) | {"prices_of": PRICES_OF},
        }


def report(
    draft: Draft,
    engine: Engine,
    run_id: str | None,
    today: dt.date,
    pilot_points: int | None,
    *,
    point_seconds: float | None,
    progress: Callable[[int], None],
    stop: Event,
) -> PlanReport:
    """Plan a sweep, identify some of its points, and run a pilot if `pilot_points` is given.

    A point of a pilot that takes longer than `point_seconds` is stepped over.

    Raises:
        UsageError: the run_id is invalid.
        InterruptedRunError: `stop` was set.
        EngineFaultError: the engine broke its protocol, or did not identify a point in time.
    """
    run_date = today.isoformat()
    if run_id is not None and draft.file.sweep.precision is not None:
        run_id = round_name(run_id, draft.spec.replications)
    if run_id is not None:
        require_run_id(run_id)
    measured = None
    if draft.shard_points is None:
        measured = measure_shard(draft, engine, stop, point_seconds=point_seconds)
    size = draft.shard_points if measured is None else measured.points
    plan = draft.plan(run_id or draft.new_run_id(run_date), run_date, size or 1)
    last = plan.total_points - 1
    indices = sorted({last * place // (SAMPLES - 1) for place in range(SAMPLES)})
    model = engine.model(plan.spec.model)
    objects = plan.objects(model)
    pilot = None
    if pilot_points is not None:
        pilot = run_pilot(draft, engine, pilot_points, point_seconds=point_seconds, progress=progress, stop=stop)
    cores = system.usable_cores()
    return PlanReport(
        draft=draft,
        plan=plan,
        model_version=model.version,
        samples=tuple(_identify(plan, engine, index) for index in indices),
        repeats=find_repeats(plan.spec, plan.space, engine, stop),
        first_values=first_values(plan.spec, plan.space, engine, stop),
        objects=objects,
        size_pilot=None if measured is None else measured.pilot,
        pilot=pilot,
        estimate=None
        if pilot is None
        else estimate_cost(pilot.seconds, plan.total_points, plan.shards, objects, cores),
    )


def _identify(plan: Plan, engine: Engine, index: int) -> PointIdentity:
    with identifying(f"point {index}"):
        return engine.identify(plan.spec, plan.space, index)
