"""The first sweep of any model: two of its parameters around their defaults."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from sweepctl.protocol import Model, Parameter
from sweepctl.spec import Value
from sweepctl.sweep.starter.write import SWEEP_SCHEMA

DIMENSIONS = 2
_MAX_NAME = 40  # of a sweep

_TEXT = """\
#:schema ./{schema}
# A sweep of `{model}`: which points of it to run. `sweepctl plan sweep.toml` checks it and previews the run,
# `sweepctl run sweep.toml` runs it on this machine, `sweepctl submit sweep.toml --queue-url …` on a queue's workers.

name = "{name}" # run_ids are this name, the date and a fingerprint of the sweep
model = "{model}"
{program}seed = 42 # seed of all random numbers
# replications = 10 # how many times each cell is run, each with different random numbers
{outputs}
# Parameters with one value in the whole sweep; all others have the model's default.
[base]
{base}
# What varies. grid: every combination of values; zip: value i of every parameter; random, latin_hypercube and sobol:
# `samples` draws from distributions; saltelli and morris: draws for sensitivity analysis and screening; table: the rows
# of a file, `file = "points.csv"` or .parquet; cross: every combination of the cells of several designs; and classical
# designs: plackett_burman, fractional_factorial, box_behnken, central_composite, maximin_latin_hypercube.
[design]
kind = "grid"

[design.dimensions]
{dimensions}
# How the points are split into shards, the unit of work of a worker. One of: `points` per shard, the `count` of shards,
# or the `seconds` that a shard should take on one core, measured by a pilot.
[shards]
seconds = 10
"""


def sweep_of(model: Model, program: str | None) -> bytes:
    """Return a sweep file of a model; `program` is the path of its manifest from there."""
    varied = dict(islice(_varied(model), DIMENSIONS))
    fixed = {each.name: each.default for each in model.parameters if each.name not in varied}
    return sweep_text(model.name, varied, fixed, [dataset.name for dataset in model.datasets], program)


def sweep_text(
    model: str,
    varied: Mapping[str, Sequence[Value]],
    fixed: Mapping[str, Value],
    outputs: Sequence[str] = (),
    program: str | None = None,
) -> bytes:
    """Return a sweep file of a model that varies some parameters, and has the others' defaults as comments."""
    wanted = f"# outputs = {json.dumps(outputs)} # extra datasets to keep, in addition to the metrics\n"
    text = _TEXT.format(
        schema=SWEEP_SCHEMA,
        name=model[:_MAX_NAME],
        model=model,
        program=f"program = {_literal(program)} # its manifest, relative to this file\n" if program else "",
        outputs=wanted if outputs else "",
        base="".join(f"# {name} = {_literal(value)}\n" for name, value in fixed.items() if value is not None),
        dimensions="".join(f"{name} = [{', '.join(map(_literal, values))}]\n" for name, values in varied.items()),
    )
    return text.encode()


def _varied(model: Model) -> Iterator[tuple[str, Sequence[Value]]]:
    """Yield parameters with values to try: numbers first."""
    numbers = [each for each in model.parameters if each.type in {"int", "float"}]
    for parameter in (*numbers, *(each for each in model.parameters if each not in numbers)):
        values = _values(parameter)
        if len(values) > 1:
            yield parameter.name, values


def _values(parameter: Parameter) -> Sequence[Value]:
    if parameter.type == "bool":
        return [False, True]
    default = parameter.default
    if not isinstance(default, int | float):
        return parameter.choices or []
    if parameter.type == "int":
        step: int | float = max(1, abs(int(default)) // 2)
        around: Sequence[int | float] = [default - step, default, default + step]
    else:
        step = abs(default) / 2 or 0.5
        around = [float(f"{value:.6g}") for value in (default - step, default, default + step)]
    return [value for value in around if _is_allowed(parameter, value)]


def _is_allowed(parameter: Parameter, value: float) -> bool:
    def bound(given: Value, otherwise: float) -> int | float:
        return given if isinstance(given, int | float) else otherwise

    inf = float("inf")
    return bound(parameter.minimum, -inf) <= value <= bound(parameter.maximum, inf) and bound(
        parameter.exclusive_minimum, -inf
    ) < value < bound(parameter.exclusive_maximum, inf)


def _literal(value: Value) -> str:
    return json.dumps(value, ensure_ascii=False)
