"""Classical designs in sweep files: they become tables, and all that is wrong with them is told at once."""

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from sweep.files import CROSS, draft, errors, require_errors

from sweepctl.design import Cross, Table
from sweepctl.engine.client import Engine, find_engine
from sweepctl.records import design as stored_design
from sweepctl.sweep import pairing
from sweepctl.sweep.classical import Coded
from sweepctl.sweep.plan import Draft

HEAD = 'name = "s"\nmodel = "queue"\nseed = 42\n[design]\n'
RANGES = """\
arrival_rate = { low = 0.5, high = 0.8 }
customers = { low = 10, high = 18 }
servers = { low = 6, high = 8 }
service_rate = { low = 1, high = 1.5 }
"""
DIMENSIONS = f"[design.dimensions]\n{RANGES}"
FRACTION = f'{HEAD}kind = "fractional_factorial"\nresolution = 4\n{DIMENSIONS}'
GENERATORS = FRACTION.replace("resolution = 4", 'generators = { servers = ["arrival_rate", "customers"] }')
SCREENING = f'{HEAD}kind = "plackett_burman"\n{DIMENSIONS}'
BOX = f'{HEAD}kind = "box_behnken"\n{DIMENSIONS}'
COMPOSITE = f'{HEAD}kind = "central_composite"\n{DIMENSIONS}'
MAXIMIN = f"""{HEAD}kind = "maximin_latin_hypercube"
samples = 30
[design.dimensions]
arrival_rate = {{ log_uniform = {{ low = 0.1, high = 0.9 }} }}
customers = {{ integer = {{ low = 10, high = 12 }} }}
servers = {{ choice = [3, 1] }}
service_rate = {{ normal = {{ mean = 2, std = 0.1 }} }}
"""


def with_alpha(alpha: str) -> str:
    return COMPOSITE.replace("[design.d", f"alpha = {alpha}\n[design.d")


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(find_engine())


def table_of(drafted: Draft) -> Table:
    assert isinstance(drafted.file.space, Table)
    return drafted.file.space


def column(table: Table, name: str) -> list[Any]:
    return [row[table.columns.index(name)] for row in table.rows]


@pytest.mark.parametrize(
    ("text", "cells", "levels"),
    [
        (SCREENING, 8, {"servers": [6, 8], "service_rate": [1, 1.5]}),
        (FRACTION, 8, {"customers": [10, 18]}),
        (GENERATORS, 8, {"arrival_rate": [0.5, 0.8]}),
        (BOX, 25, {"customers": [10, 14, 18], "service_rate": [1, 1.25, 1.5], "arrival_rate": [0.5, 0.65, 0.8]}),
        (COMPOSITE, 25, {"servers": [6, 7, 8]}),
        (with_alpha('"face"'), 25, {"servers": [6, 7, 8]}),
        (with_alpha('"rotatable"'), 25, {"servers": [5, 6, 7, 8, 9]}),
        (with_alpha("3"), 25, {"servers": [4, 6, 7, 8, 10], "arrival_rate": [0.2, 0.5, 0.65, 0.8, 1.1]}),
    ],
)  # fmt: skip
def test_a_classical_design_is_a_table_in_its_message(
    tmp_path: Path, engine: Engine, text: str, cells: int, levels: Mapping[str, Sequence[float]]
) -> None:
    drafted = draft(tmp_path, text, engine)
    table = table_of(drafted)
    assert (table.kind, drafted.total_points, drafted.stored) == ("table", cells, None)
    assert table.columns == ["arrival_rate", "customers", "servers", "service_rate"]
    assert drafted.spec.design == {"kind": "table", "columns": table.columns, "rows": table.rows}
    assert {name: sorted(set(column(table, name))) for name in levels} == levels
    assert len(set(map(tuple, table.rows))) == cells


def values_of(drafted: Draft, engine: Engine) -> list[Mapping[str, Any]]:
    cells = range(drafted.file.space.cells)
    return [engine.identify(drafted.spec, drafted.file.space, cell).parameters for cell in cells]


def test_generators_are_products_of_the_others_levels(tmp_path: Path, engine: Engine) -> None:
    table = table_of(draft(tmp_path, GENERATORS, engine))
    for rate, customers, servers in zip(
        *(column(table, name) for name in ("arrival_rate", "customers", "servers")), strict=True
    ):
        assert (servers == 8) == ((rate == 0.8) == (customers == 18))


def test_the_order_of_dimensions_makes_no_difference(tmp_path: Path, engine: Engine) -> None:
    turned = FRACTION.replace(RANGES, "".join(reversed(RANGES.splitlines(keepends=True))))
    assert draft(tmp_path, turned, engine).spec == draft(tmp_path, FRACTION, engine).spec


def test_two_levels_may_be_any_values(tmp_path: Path, engine: Engine) -> None:
    text = FRACTION.replace('"queue"', '"ridehail"').replace("resolution = 4", "resolution = 3")
    ranges = 'choice_model = ["logit", "threshold"]\nsurge_enabled = [true, false]\nnum_drivers = [50, 20]\n'
    table = table_of(draft(tmp_path, text.replace(RANGES, ranges), engine))
    assert table.columns == ["choice_model", "num_drivers", "surge_enabled"]
    assert table.rows[0] == ["logit", 50, False]  # the third is the product of the lows of two


def test_a_long_design_is_stored(tmp_path: Path, engine: Engine) -> None:
    text = SCREENING.replace('"queue"', '"ridehail"').replace(RANGES, "")
    model = engine.model("ridehail")
    names = [each.name for each in model.parameters if each.type == "float"][:3]
    text += "".join(f"{name} = {{ low = 0.1000000000000001, high = 0.2000000000000001 }}\n" for name in names)
    drafted = draft(tmp_path, text.replace("plackett_burman", "central_composite"), engine)
    assert drafted.stored is None
    drafted = draft(tmp_path, MAXIMIN.replace("= 30", "= 60"), engine)
    assert drafted.stored is not None
    assert drafted.spec.design == {"sha256": stored_design.digest(drafted.stored)}
    assert stored_design.decode(drafted.stored).cells == 60


def test_an_inscribed_design_stays_within_low_and_high(tmp_path: Path, engine: Engine) -> None:
    text = with_alpha('2\nends = "axial"').replace("low = 6, high = 8", "low = 4, high = 8")
    table = table_of(draft(tmp_path, text, engine))
    assert sorted(set(column(table, "servers"))) == [4, 5, 6, 7, 8]
    assert sorted(set(column(table, "service_rate"))) == [1, 1.125, 1.25, 1.375, 1.5]


@pytest.mark.slow
def test_a_maximin_design_pairs_a_latin_hypercube_anew(tmp_path: Path, engine: Engine) -> None:
    drafted = draft(tmp_path, MAXIMIN, engine)
    table = table_of(drafted)
    plain = values_of(draft(tmp_path, MAXIMIN.replace("maximin_", ""), engine), engine)
    for name in table.columns:
        assert sorted(column(table, name)) == sorted(cell[name] for cell in plain)
    assert {type(value) for value in column(table, "servers")} == {int}
    assert {tuple(row) for row in table.rows} != {tuple(cell[name] for name in table.columns) for cell in plain}
    assert draft(tmp_path, MAXIMIN, engine).spec == drafted.spec
    assert draft(tmp_path, MAXIMIN.replace("42", "43"), engine).spec.design != drafted.spec.design


@pytest.mark.slow
def test_a_maximin_design_is_farther_apart(tmp_path: Path, engine: Engine) -> None:
    ranges = "".join(f"{name} = {{ uniform = {{ low = 0, high = 1 }} }}\n" for name in ("commission_rate", "base_fare"))
    text = MAXIMIN.replace('"queue"', '"ridehail"').partition("arrival")[0] + ranges

    def closest(cells: Sequence[Mapping[str, Any]]) -> float:
        pairs = combinations([(cell["commission_rate"], cell["base_fare"]) for cell in cells], 2)
        return min(math.dist(*pair) for pair in pairs)

    far, plain = (draft(tmp_path, each, engine) for each in (text, text.replace("maximin_", "")))
    assert closest(values_of(far, engine)) > 3 * closest(values_of(plain, engine))


def test_rules_are_of_the_table(tmp_path: Path, engine: Engine) -> None:
    text = MAXIMIN.replace("[design]", 'constraints = ["customers < 12"]\n[design]').replace("= 30", "= 9")
    drafted = draft(tmp_path, text, engine)
    customers = column(table_of(drafted), "customers")
    assert sorted(customers) == [10] * 3 + [11] * 3 + [12] * 3
    assert drafted.exclusion is not None
    assert (drafted.exclusion.cells, drafted.exclusion.excluded) == (9, 3)


def test_parts_of_a_cross_may_be_classical(tmp_path: Path, engine: Engine) -> None:
    of_two = 'kind = "plackett_burman"\ndimensions.servers = [1, 2]\ndimensions.service_rate = { low = 1, high = 2 }'
    text = CROSS.replace('kind = "grid"\ndimensions.servers = [1, 2]', of_two)
    drafted = draft(tmp_path, text, engine)
    assert isinstance(drafted.file.space, Cross)
    assert [part.kind for part in drafted.file.space.parts] == ["table", "latin_hypercube"]
    assert (drafted.total_points, drafted.stored) == (4 * 9, None)
    drafted = draft(tmp_path, text.replace("latin_hypercube", "maximin_latin_hypercube"), engine)
    assert isinstance(drafted.file.space, Cross)
    first, second = drafted.file.space.parts
    assert isinstance(first, Table)
    assert isinstance(second, Table)
    assert (first.cells, second.cells, second.columns) == (4, 9, ["arrival_rate", "customers"])


KINDS = "grid, zip, random, latin_hypercube, sobol, saltelli, morris, table, plackett_burman, fractional_factorial"
ONE = "servers = { low = 6, high = 8 }\n"


@pytest.mark.parametrize(
    ("text", "old", "new", "expected"),
    [
        (FRACTION, "kind", "kin", [f"s.toml:4: design: kind: must be one of {KINDS}"]),
        (SCREENING, RANGES, ONE, ["s.toml:6: design.dimensions: must have from 2 to 99 parameters, and has 1: screen"]),
        (BOX, RANGES, ONE, ["s.toml:6: design.dimensions: must have from 3 to 7 parameters, and has 1: use kind"]),
        (COMPOSITE, RANGES, ONE, ["s.toml:6: design.dimensions: must have from 2 to 50 parameters, and has 1: use"]),
        (
            MAXIMIN,
            MAXIMIN.partition("[design.dimensions]\n")[2],
            "servers = { choice = [1] }",
            ["s.toml:7: design.dimensions: must have from 2 to"],
        ),
        (MAXIMIN, "= 30", "= 2001", ["s.toml:6: design.samples: must be less than or equal to 2000"]),
        (MAXIMIN, "= 30", "= 1", ["s.toml:6: design.samples: must be greater than or equal to 2"]),
        (
            MAXIMIN,
            "high = 0.9",
            "high = -1",
            ["s.toml:8: design.dimensions.arrival_rate.log_uniform: low 0.1, high -1"],
        ),
        (
            MAXIMIN.replace("[3, 1]", "[0]"),
            "high = 12",
            "high = 1.5",
            [
                "s.toml:9: design.dimensions.customers.integer.high: must be a valid int",
                "s.toml:10: design.dimensions.servers: servers = 0: must be >= 1",
            ],
        ),
        (
            SCREENING.replace("{ low = 6, high = 8 }", "[1, 2, 3]"),
            "low = 0.5",
            "low = 0.9",
            [
                "s.toml:7: design.dimensions.arrival_rate: low 0.9, high 0.8: must satisfy low < high",
                "s.toml:9: design.dimensions.servers: must have exactly two different values, and has 3",
            ],
        ),
        (
            SCREENING,
            "{ low = 6, high = 8 }",
            "[1, 1]",
            ["s.toml:9: design.dimensions.servers: must have exactly two different values"],
        ),
        (
            SCREENING,
            "{ low = 6, high = 8 }",
            "2",
            ["s.toml:9: design.dimensions.servers: must be { low = A, high = B }, or a list of"],
        ),
        (
            BOX,
            "{ low = 6, high = 8 }",
            "[1, 3]",
            ["s.toml:9: design.dimensions.servers: must be { low = A, high = B }: two"],
        ),
        (
            BOX,
            "low = 6, high = 8",
            'low = "a", high = 8',
            ["s.toml:9: design.dimensions.servers.low: must be a finite number"],
        ),
        (
            BOX,
            "low = 6, high = 8",
            "low = 6, hihg = 8",
            [
                "s.toml:9: design.dimensions.servers.high: is required",
                "s.toml:9: design.dimensions.servers.hihg: unknown",
            ],
        ),
        (
            BOX.replace("server", "serve"),
            "low = 6, high = 8",
            "low = 6, high = 9",
            ['s.toml:9: design.dimensions.serves: unknown parameter "serves"; did you mean "servers"?'],
        ),
        (
            BOX.replace("low = 0.5", "low = -1"),
            "high = 8 }",
            "high = 9 }",
            [
                "s.toml:7: design.dimensions.arrival_rate: row 1: arrival_rate = -1: must be > 0",
                "s.toml:9: design.dimensions.servers: row 1: servers = 7.5: must be an integer",
            ],
        ),
        (with_alpha("0.5"), "", "", ['s.toml:6: design.alpha: must be "face", "rotatable" or a number']),
        (with_alpha("true"), "", "", ['s.toml:6: design.alpha: must be "face", "rotatable" or a number']),
        (with_alpha("[]"), "", "", ['s.toml:6: design.alpha: must be "face", "rotatable" or a number']),
        (COMPOSITE, "[design.d", 'ends = "in"\n[design.d', ["s.toml:6: design.ends: must be 'factorial' or 'axial'"]),
        (
            with_alpha("3"),
            "low = 0.5, high = 0.8",
            "low = 0, high = 1.7e308",
            ["s.toml:8: design.dimensions.arrival_rate: must have axial points that are finite"],
        ),
        (
            with_alpha("3"),
            "low = 10, high = 18",
            f"low = 0, high = {2**62}",
            ["s.toml:9: design.dimensions.customers: must have axial points that are finite"],
        ),
        (FRACTION, "= 4\n", "= 6\n", ["s.toml:6: design.resolution: must be 3, 4 or 5"]),
        (FRACTION, "= 4\n", "= 5\n", ["s.toml:6: design.resolution: must be at most the number of parameters, 4"]),
        (FRACTION, "resolution = 4\n", "", ["s.toml:4: design: must have exactly one of resolution, generators"]),
        (
            GENERATORS,
            "[design.d",
            "resolution = 3\n[design.d",
            ["s.toml:4: design: must have exactly one of resolution, gen"],
        ),
        (GENERATORS, "{ servers", "{ server", ["s.toml:6: design.generators.server: must be one of the dimensions"]),
        (
            GENERATORS,
            '"customers"]',
            '"customer"]',
            ["s.toml:6: design.generators.servers: 'customer': must be one of the dim"],
        ),
        (
            GENERATORS,
            '"customers"]',
            '"servers"]',
            ["s.toml:6: design.generators.servers: 'servers': must be one of the dim"],
        ),
        (
            GENERATORS,
            ', "customers"]',
            "]",
            ["s.toml:6: design.generators.servers: must name two different parameters"],
        ),
        (
            GENERATORS,
            ', "customers"]',
            ', "arrival_rate"]',
            ["s.toml:6: design.generators.servers: must name two different"],
        ),
        (
            GENERATORS,
            '"customers"] }',
            '"customers"], service_rate = ["customers", "arrival_rate"] }',
            ["s.toml:6: design.generators: must give each parameter levels of its own"],
        ),
        (GENERATORS, '{ servers = ["arrival_rate", "customers"] }', "{}", ["s.toml:6: design.generators: "]),
        (CROSS, "latin_hypercube", "latin", [f"s.toml:9: design.parts.1: kind: must be one of {KINDS}"]),
        (
            CROSS,
            'kind = "latin_hypercube"\nsamples = 9',
            'kind = "box_behnken"',
            [
                "s.toml:12: design.parts.1.dimensions.arrival_rate: must be { low = A, high = B }: two",
                "s.toml:13: design.parts.1.dimensions.customers: must be { low",
            ],
        ),
    ],
)
def test_an_error_in_a_classical_design_names_line_key_and_rule(  # noqa: PLR0917  a table's columns
    tmp_path: Path, engine: Engine, text: str, old: str, new: str, expected: list[str]
) -> None:
    require_errors(tmp_path, text.replace(old, new, 1), engine, expected)


def test_levels_that_a_model_refuses_are_all_named(tmp_path: Path, engine: Engine) -> None:
    (error,) = errors(tmp_path, BOX.replace("high = 8 }", "high = 9 }"), engine)
    assert error.endswith("; its levels are 6, 7.5, 9: change low and high so that the model accepts them all")
    for text in (SCREENING.replace("{ low = 6, high = 8 }", "[6, 7.5]"), BOX.replace("servers", "serves")):
        (error,) = errors(tmp_path, text, engine)
        assert "its levels" not in error


def notes_of(folder: Path, text: str, engine: Engine) -> list[str]:
    design = draft(folder, text, engine).file.sweep.design
    assert isinstance(design, Coded)
    return list(design.notes)


def test_what_a_design_cannot_tell_apart_is_known(tmp_path: Path, engine: Engine) -> None:
    (note,) = notes_of(tmp_path, SCREENING, engine)
    assert note == "resolution III: main effects are aliased with two-factor interactions"
    assert notes_of(tmp_path, FRACTION, engine) == [
        "resolution IV: two-factor interactions are aliased with each other, but not with main effects",
        "generators: service_rate = arrival_rate x customers x servers",
    ]
    assert notes_of(tmp_path, BOX, engine) == notes_of(tmp_path, COMPOSITE, engine) == []
    five = COMPOSITE.replace('"queue"', '"ridehail"').replace(RANGES, "")
    names = tuple(each.name for each in engine.model("ridehail").parameters if each.type in {"int", "float"})[:5]
    five += "".join(f"{name} = {{ low = 2, high = 4 }}\n" for name in names)
    first, second = notes_of(tmp_path, five, engine)
    assert first.startswith("factorial points: resolution V: neither")
    *free, generated = sorted(names)
    assert second == f"factorial points: generators: {generated} = {' x '.join(free)}"


def test_values_that_may_be_null_have_ranks() -> None:
    assert pairing._ranked([2, None, 1, None]) == ([None, None, 1, 2], [3, 0, 2, 1])


def test_more_parameters_than_a_fraction_can_have_are_an_error(tmp_path: Path, engine: Engine) -> None:
    many = "".join(f"p{number} = [0, 1]\n" for number in range(51))
    (error,) = errors(tmp_path, FRACTION.replace(RANGES, many), engine)
    assert error.startswith("s.toml:7: design.dimensions: must have from 3 to 50 parameters, and has 51: ")
    many = many.partition("p15")[0]
    text = FRACTION.replace(RANGES, many).replace("resolution = 4", 'generators = { p0 = ["p1", "p2"] }')
    (error,) = errors(tmp_path, text, engine)
    assert error == "s.toml:6: design.generators: must leave at most 12 parameters without one: 4,096 cells"
