"""Derived parameters and constraints in sweep files: what the plan says of them, and what it refuses."""

from pathlib import Path

import pytest

from sweepctl.design import DESIGN
from sweepctl.engine.client import Engine, find_engine
from sweepctl.errors import SweepFileError
from sweepctl.messages import decode
from sweepctl.shard.run import utc_now
from sweepctl.spec import Spec
from sweepctl.sweep import file as sweep_file
from sweepctl.sweep import plan
from sweepctl.sweep.exclusion import BLOCKS, MOST_CELLS, Exclusion, find_excluded
from sweepctl.sweep.plan import Draft

ENGINE = Engine(find_engine())
SWEEP = """\
name = "s"
model = "queue"
seed = 1
constraints = ["arrival_rate < servers * service_rate", "customers > warmup"]
[base]
customers = 100
[derived]
warmup = "customers // 10 * servers"
[design]
kind = "grid"
[design.dimensions]
arrival_rate = [0.5, 1.5, 2.5]
servers = [1, 2, 3]
[shards]
points = 4
"""


def draft(folder: Path, text: str) -> Draft:
    path = folder / "s.toml"
    path.write_text(text)
    return plan.draft(sweep_file.read(path), ENGINE)


def test_the_rules_are_in_every_message_and_in_the_fingerprint(tmp_path: Path) -> None:
    drafted = draft(tmp_path, SWEEP)
    assert drafted.exclusion == Exclusion(9, 9, 3, 0, None)
    for shard in (0, 2):
        body = drafted.plan("r", "2026-03-01", 4).message(shard).to_json()
        assert decode(body, utc_now().date()).spec == drafted.spec
    assert Spec.from_json(drafted.spec.to_json()) == drafted.spec
    other = draft(tmp_path, SWEEP.replace('"customers > warmup"', '"customers > warmup + 1"'))
    bare = draft(tmp_path, SWEEP.replace("constraints =", "# constraints ="))
    assert len({each.spec.fingerprint for each in (drafted, other, bare)}) == 3
    assert "constraints" not in bare.spec.to_json()


def test_all_mistakes_are_told_with_their_lines(tmp_path: Path) -> None:
    wrong = (
        SWEEP.replace("servers * service_rate", "server * service_rate")
        .replace("customers > warmup", "customers + warmup")
        .replace("customers // 10 * servers", "customers / 10")
        .replace("customers = 100", "customers = -1")
    )
    with pytest.raises(SweepFileError) as told:
        draft(tmp_path, wrong)
    file = tmp_path / "s.toml"
    server = 'unknown parameter "server"; did you mean "servers"?'
    warmup = "must be a whole number, and is a number; ceil, floor or round makes one"
    assert list(told.value.errors) == [
        f'{file}:4: constraints.0: constraint = "arrival_rate < server * service_rate", character 16: {server}',
        f'{file}:4: constraints.1: constraint = "customers + warmup": must be true or false, and is a whole number',
        f"{file}:6: base.customers: customers = -1: must be >= 1, <= 1000000000",
        f'{file}:8: derived.warmup: warmup = "customers / 10": {warmup}',
    ]


@pytest.mark.parametrize(
    ("line", "wrong", "problem"),
    [
        ("[derived]", '[derived]\nservers = "2"', "derived.servers: is also set by the design or [base]"),
        ("[derived]", '[derived]\nwarm = "2"', 'did you mean "warmup"?'),
        ("[derived]", "[derived]\nseed = '2'", "seed"),
        ("[derived]", '[derived]\nservice_rate = "warmup / 9"\nmax_queue = "warmup"', "unknown parameter"),
        ('warmup = "customers // 10 * servers"', 'warmup = "warmup + 1"', "warmup needs itself: warmup -> warmup"),
        ("kind =", "constraints = []\nkind =", "unknown field"),
        ('"customers > warmup"', '""', "constraints.1: must have at least 1 character(s)"),
        ('"customers > warmup"', "1", "valid string"),
    ],
)
def test_a_mistake_says_what_to_do(tmp_path: Path, line: str, wrong: str, problem: str) -> None:
    assert line in SWEEP
    with pytest.raises(SweepFileError) as told:
        draft(tmp_path, SWEEP.replace(line, wrong, 1))
    assert problem in str(told.value)


def test_derived_parameters_in_a_circle_are_named_together(tmp_path: Path) -> None:
    circle = SWEEP.replace("customers // 10 * servers", "floor(service_rate)").replace(
        "[derived]", '[derived]\nservice_rate = "warmup + 1.5"'
    )
    with pytest.raises(SweepFileError, match=r"derived: service_rate needs itself: service_rate -> warmup"):
        draft(tmp_path, circle)


def test_constraints_that_leave_no_cell_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SweepFileError, match=r"constraints: exclude all 9 cells: no point is left to run"):
        draft(tmp_path, SWEEP.replace("customers > warmup", "customers < warmup"))


def test_of_a_large_design_some_cells_are_looked_at_everywhere() -> None:
    axis = {"linspace": {"start": 0.001, "stop": 1.0, "num": 1 << 40}}
    design = {"kind": "grid", "dimensions": {"arrival_rate": axis}}
    space = DESIGN.validate_python(design)
    for constraint, excluded in {"arrival_rate < 2": 0, "arrival_rate >= 2": MOST_CELLS}.items():
        found = find_excluded(Spec("queue", design, {}, 3, 1, (), constraints=(constraint,)), space, ENGINE)
        assert found == Exclusion(1 << 40, MOST_CELLS, excluded, 0, None)
    found = find_excluded(Spec("queue", design, {}, 3, 1, (), constraints=("arrival_rate < 0.5",)), space, ENGINE)
    assert found is not None
    assert not found.is_exact
    assert abs(found.excluded / found.looked_at - 0.5) < 1 / BLOCKS


def test_a_plan_tells_derived_values_that_are_not_allowed(tmp_path: Path) -> None:
    found = draft(tmp_path, SWEEP.replace("customers // 10 * servers", "100 - 60 * (servers - 1)")).exclusion
    first = "warmup = -20: must be >= 0, <= 1000000000; it is 100 - 60 * (servers - 1)"
    # Four of nine are excluded: by their rates, or at one server, where warmup is all customers. Three servers fail.
    assert found == Exclusion(9, 9, 4, 3, first)
    with pytest.raises(SweepFileError, match=r"derived: no point of 9 cells is left to run: warmup = -1: must be"):
        draft(tmp_path, SWEEP.replace("customers // 10 * servers", "0 - 1"))


def test_an_error_in_one_constraint_does_not_hide_others(tmp_path: Path) -> None:
    many = ", ".join(f'"x{place} > 1"' for place in range(11))
    with pytest.raises(SweepFileError) as told:
        draft(tmp_path, SWEEP.replace('"customers > warmup"', many))
    assert [each.split(": ")[1] for each in told.value.errors] == [f"constraints.{place}" for place in range(1, 12)]
    with pytest.raises(SweepFileError) as told:
        draft(tmp_path, SWEEP.replace('"customers > warmup"', '""').replace("customers = 100", "customers = -1"))
    assert [each.split(": ")[1] for each in told.value.errors] == ["constraints.1", "base.customers"]
