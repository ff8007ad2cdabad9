"""Sweep files: what they may say, and that all that is wrong is told at once, with its line."""

import json
import math
import tomllib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fakes.sweep_files import TEST_ENGINE
from sweep.files import CROSS, draft, errors, require_errors

from sweepctl.engine.client import Engine, find_engine
from sweepctl.errors import SweepFileError, UsageError, WrongEngineError
from sweepctl.records import design as stored_design
from sweepctl.spec import Limits
from sweepctl.sweep import file as sweep_file
from sweepctl.sweep import plan
from sweepctl.sweep.starter.write import write_starter
from sweepctl.sweep.table_file import encode_file

GOOD = """\
name = "s"
model = "queue"
seed = 42
replications = 3
[base]
customers = 50
[design]
kind = "grid"
[design.dimensions]
arrival_rate = [0.5, 0.8]
servers = [1, 2]
[shards]
points = 5
"""
TABLE = GOOD.partition("kind")[0] + 'kind = "table"\nfile = "points.csv"\n'
RATES = "arrival_rate = { uniform = { low = 0.1, high = 0.9 } }\nservice_rate = { uniform = { low = 1, high = 2 } }\n"
SALTELLI = GOOD.partition("kind")[0] + f'kind = "saltelli"\nbase_samples = 4\n[design.dimensions]\n{RATES}'
MORRIS = SALTELLI.replace("saltelli", "morris").replace("base_samples = 4", "trajectories = 4\nlevels = 6")


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(find_engine())


def test_a_good_file_is_a_spec(tmp_path: Path, engine: Engine) -> None:
    drafted = draft(tmp_path, GOOD, engine)
    assert drafted.spec.design == {
        "kind": "grid",
        "dimensions": {"arrival_rate": [0.5, 0.8], "servers": [1, 2]},
    }
    assert (drafted.total_points, drafted.shard_points, drafted.stored) == (12, 5, None)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("seed = 42", "seeed = 42", ["s.toml:1: seed: is required", "s.toml:3: seeed: unknown field; did"]),
        ("seed = 42", "seed = 9223372036854775808", ["s.toml:3: seed: must be less than or equal to"]),
        ("seed = 42", "seed = 42.0", ["s.toml:3: seed: must be a valid integer"]),
        ('name = "s"', 'name = "a b"', ['s.toml:1: name: "a b" must match pattern']),
        ('"queue"', '"queu"', ["s.toml:2: model: model 'queu' is not in this engine"]),
        ("= 3", "= 0", ["s.toml:4: replications: must be greater than or equal to 1"]),
        ("customers = 50", "customers = 0", ["s.toml:6: base.customers: customers = 0: must be >= 1"]),
        ("customers = 50", "servers = 5", ["s.toml:6: base.servers: is also varied by the design"]),
        ("customers = 50", "customers = 2026-01-01", ["s.toml:6: base.customers: must be a number, a string, true"]),
        ("customers = 50", "customers = nan", ["s.toml:6: base.customers: must be a finite number"]),
        ("kind", "kin", ["s.toml:7: design: kind: must be one of grid, zip"]),
        ('"grid"', '"gird"', ['s.toml:7: design: kind: there is no "gird"; did you mean `grid`?']),
        ('"grid"', '"halton"', ["s.toml:7: design: kind: must be one of grid, zip"]),
        ("[1, 2]", "[1, 2.5]", ["s.toml:11: design.dimensions.servers: servers = 2.5: must be an integer"]),
        ("[1, 2]", "[]", ["s.toml:11: design.dimensions.servers: must have at least one value"]),
        ("servers = [1", "server = [1", ['s.toml:11: design.dimensions.server: unknown parameter "server"; did']),
        ("[1, 2]", "{ linspac = 1 }", ["s.toml:11: design.dimensions.servers: must be a list of values"]),
        ("points = 5", "points = 5\ncount = 2", ["s.toml:12: shards: must have exactly one of points, count, seconds"]),
        ("points = 5", "seconds = 0", ["s.toml:13: shards.seconds: must be greater than 0"]),
        ("points = 5", f"seconds = 1{'0' * 400}", ["s.toml:13: shards.seconds: must be "]),
        ("seed = 42", 'seed = 42\noutputs = ["customer"]', ["s.toml:4: outputs.customer: outputs: unknown dataset"]),
        ("seed = 42", "seed = ", ["s.toml: must be valid TOML: Invalid value (at line 3, column 8)"]),
        ("= 3", "= 4294967296", ["must be at most"]),
        ("[base]", "[limits]\npoint_seconds = 0\n[base]", ["s.toml:6: limits.point_seconds: must be greater than 0"]),
        ("[base]", "[limits]\nfailed_points = 1.5\n[base]", ["s.toml:6: limits.failed_points: must be a number of"]),
        ("[base]", "[limits]\npoint_memory = '1 GO'\n[base]", ["s.toml:6: limits.point_memory: must be a number of"]),
        ("[base]", "[limits]\npoint_memory = '9999999999 GB'\n[base]", ["s.toml:6: limits.point_memory: must be less"]),
        ("[base]", "[limits]\npoint_second = 1\n[base]", ["s.toml:6: limits.point_second: unknown field; did"]),
    ],
)  # fmt: skip
def test_an_error_names_line_key_and_rule(
    tmp_path: Path, engine: Engine, old: str, new: str, expected: list[str]
) -> None:
    text = GOOD.replace(old, new, 1)
    if "at most" in expected[0]:
        # 2 x 2^33 cells are fine, times 2^32 replications they are too many.
        text = text.replace("[1, 2]", "{ range = { start = 1, stop = 8589934593, step = 1 } }")
        assert expected[0] in errors(tmp_path, text, engine)[0]
        return
    found = errors(tmp_path, text, engine)
    assert len(found) == len(expected)
    for line, start in zip(found, expected, strict=True):
        assert line.startswith(start)


def test_a_model_that_is_not_there_is_one_of_these(tmp_path: Path, engine: Engine) -> None:
    (near,) = errors(tmp_path, GOOD.replace('"queue"', '"quue"'), engine)
    assert near.endswith("; did you mean `queue`?")
    assert "it has" not in near
    (far,) = errors(tmp_path, GOOD.replace('"queue"', '"zzz"'), engine)
    assert far.endswith("""; it has: epidemic, queue, ridehail; that of a program needs `program = "FILE"`""")


@pytest.mark.parametrize(
    ("text", "old", "new", "expected"),
    [
        (SALTELLI, RATES[55:], "", ["s.toml:10: design.dimensions: must have two parameters or more: one alone"]),
        (SALTELLI, "samples = 4", "samples = 0", ["s.toml:9: design.base_samples: must be greater than or equal to 1"]),
        (SALTELLI, "[design.d", "second_orders = true\n[design.d", ["s.toml:10: design.second_orders: unknown fi"]),
        (SALTELLI, "high = 0.9", "high = -1", ["s.toml:11: design.dimensions.arrival_rate.uniform: low 0.1, high -1"]),
        (SALTELLI, "low = 0.1", "low = -1", ["s.toml:11: design.dimensions.arrival_rate: arrival_rate = -1"]),
        (MORRIS, "= 6", "= 5", ["s.toml:10: design.levels: must be even, and is 5: a step is half of the levels; use"]),
        (MORRIS, "= 6", "= 0", ["s.toml:10: design.levels: must be greater than or equal to 2"]),
        (
            MORRIS,
            "{ uniform = { low = 0.1, high = 0.9 } }",
            "{ normal = { mean = 1, std = 1, low = 0 } }",
            ["s.toml:12: design.dimensions.arrival_rate.normal: must have low and high: the outer levels"],
        ),
        (
            CROSS,
            "customers",
            "servers",
            ["s.toml:14: design.parts.1.dimensions.servers: is varied by parts.0, too: each parameter must be in one"],
        ),
        (
            CROSS.replace("1, 2", "0"),
            "high = 0.9",
            "high = 0",
            [
                "s.toml:8: design.parts.0.dimensions.servers: servers = 0: must be >= 1",
                "s.toml:13: design.parts.1.dimensions.arrival_rate.uniform: low 0.1, high 0: must satisfy",
            ],
        ),
        (
            CROSS.replace("customers", "customer"),
            "low = 0.1",
            "low = -1",
            [
                "s.toml:13: design.parts.1.dimensions.arrival_rate: arrival_rate = -1",
                's.toml:14: design.parts.1.dimensions.customer: unknown parameter "customer"; did you mean',
            ],
        ),
        (CROSS, "samples", "sample", ["s.toml:9: design.parts.1.samples: is required", "s.toml:11: design.parts.1.sa"]),
        (CROSS, "latin_hypercube", "latin", ["s.toml:9: design.parts.1: kind: must be one of grid, zip"]),
        (CROSS, "latin_hypercube", "sobl", ['s.toml:9: design.parts.1: kind: there is no "sobl"; did']),
        (CROSS, "latin_hypercube", "cros", ["s.toml:9: design.parts.1: kind: must be one of grid, zip"]),
        (CROSS, "latin_hypercube", "cross", ["s.toml:9: design.parts.1: kind: must be one of grid, zip"]),
        (
            CROSS.replace('"grid"', '"gird"'),
            "low = 0.1",
            "lo = 0.1",
            [
                's.toml:6: design.parts.0: kind: there is no "gird"; did',
                "s.toml:13: design.parts.1.dimensions.arrival_rate.uniform.lo: unknown field",
                "s.toml:13: design.parts.1.dimensions.arrival_rate.uniform.low: is required",
            ],
        ),
        (CROSS, CROSS.partition("2]\n")[2], "", ["s.toml:6: design.parts: must have at least 2 item(s)"]),
        (
            CROSS.replace("latin_hypercube", "random"),
            "= 9\n",
            "= 9223372036854775807\n",
            ["s.toml:4: design: over 9223372036854775807 cells times 1 replications: must be at most"],
        ),
    ],
)  # fmt: skip
def test_an_error_in_a_structured_design_names_line_key_and_rule(  # noqa: PLR0917  a table's columns
    tmp_path: Path, engine: Engine, text: str, old: str, new: str, expected: list[str]
) -> None:
    require_errors(tmp_path, text.replace(old, new, 1), engine, expected)


def test_a_field_of_another_kind_is_not_what_was_meant(tmp_path: Path, engine: Engine) -> None:
    text = (
        GOOD.replace("[base]", "points = 3\n[base]").replace("[design]", "[design]\nsamples = 1\nseed = 2")
        + "dimensions = 1\nsecond = 5\n"
    )
    owners = "latin_hypercube, maximin_latin_hypercube, random, sobol"
    assert errors(tmp_path, text.replace("points = 5\n", ""), engine) == [
        "s.toml:5: points: unknown field; it belongs to [shards]",
        f"s.toml:9: design.samples: unknown field; it belongs to {owners}",
        "s.toml:10: design.seed: unknown field; it belongs to the top of the file",
        "s.toml:16: shards.dimensions: unknown field; it belongs to [design]",
        "s.toml:17: shards.second: unknown field; did you mean `seconds`?",
    ]
    (error,) = errors(tmp_path, SALTELLI.replace("base_samples", "samples = 4\nbase_samples"), engine)
    assert error.endswith(f"unknown field; did you mean `base_samples`? `samples` belongs to {owners}")


ROUNDS = '[replications]\nmin = 10\nmax = 100\nmetric = "mean_wait"\nhalf_width = "5 %"\n'
BY_PRECISION = GOOD.replace("replications = 3\n", "") + ROUNDS


def test_replications_by_precision_are_a_spec_of_the_first_round(tmp_path: Path, engine: Engine) -> None:
    drafted = draft(tmp_path, BY_PRECISION, engine)
    assert drafted.spec == draft(tmp_path, GOOD.replace("= 3", "= 10"), engine).spec
    precision = drafted.file.sweep.precision
    assert precision is not None
    assert (precision.size, precision.is_relative, precision.of) == (0.05, True, "cells")
    absolute = draft(tmp_path, BY_PRECISION.replace('"5 %"', "2") + 'of = "mean"\n', engine).file.sweep.precision
    assert absolute is not None
    assert (absolute.size, absolute.is_relative, absolute.of) == (2, False, "mean")
    assert draft(tmp_path, GOOD, engine).file.sweep.precision is None


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("max = 100", "max = 9", ["s.toml:15: replications.max: must be >= min, 10"]),
        ("max = 100\n", "", ["s.toml:13: replications.max: is required"]),
        ("min = 10", "min = 1", ["s.toml:14: replications.min: must be greater than or equal to 2"]),
        ("max = 100", "max = 4294967297", ["s.toml:15: replications.max: must be less than or equal to"]),
        ("max", "maxi", ["s.toml:13: replications.max: is required", "s.toml:15: replications.maxi: unknown field; d"]),
        ("mean_wait", "mean_wiat", ['replications.metric: unknown metric "mean_wiat"; did you mean "mean_wait"?']),
        ("mean_wait", "x", ['s.toml:16: replications.metric: unknown metric "x"; metrics: mean_wait']),
        ('"5 %"', "0", ["s.toml:17: replications.half_width: must be a number above 0, in the metric's unit, or a"]),
        ('"5 %"', "true", ["s.toml:17: replications.half_width: must be a number above 0"]),
        ('"5 %"', f"1{'0' * 400}", ["s.toml:17: replications.half_width: must be a number above 0"]),
        ('"5 %"', "inf", ["s.toml:17: replications.half_width: must be a number above 0"]),
        ('"5 %"', '"0.0 %"', ["s.toml:17: replications.half_width: must be a number above 0"]),
        ('"5 %"', '"5"', ["s.toml:17: replications.half_width: must be a number above 0"]),
        ('"5 %"', '"5 %"\nof = "all"', ["s.toml:18: replications.of: must be 'cells' or 'mean'"]),
        ("[base]", 'outputs = ["customers"]\n[base]', ["s.toml:4: outputs: must be absent: a round takes over the"]),
        (
            'servers = [1, 2]\n[shards]\npoints = 5\n[replications]\nmin = 10\nmax = 100\nmetric = "mean_wait"',
            'servers = [0]\n[shards]\npoints = 5\n[replications]\nmin = 10\nmax = 100\nmetric = "wait"',
            ["s.toml:10: design.dimensions.servers: ", "s.toml:16: replications.metric: unknown metric"],
        ),
    ],
)  # fmt: skip
def test_an_error_in_replications_by_precision_names_line_key_and_rule(
    tmp_path: Path, engine: Engine, old: str, new: str, expected: list[str]
) -> None:
    found = errors(tmp_path, BY_PRECISION.replace(old, new), engine)
    assert len(found) == len(expected)
    assert all(rule in error for rule, error in zip(expected, found, strict=True)), found


def test_a_metric_that_is_text_has_no_precision(tmp_path: Path) -> None:
    text = BY_PRECISION.partition("[base]")[0].replace("queue", "typed") + '[design]\nkind = "grid"\ndimensions = {}\n'
    (error,) = errors(tmp_path, text + ROUNDS.replace("mean_wait", "text"), Engine(TEST_ENGINE))
    assert error == 's.toml:10: replications.metric: metric "text" is text, which has no mean'


def of_file(text: str) -> str:
    return text.replace('"grid"\ndimensions.servers = [1, 2]', '"table"\nfile = "points.csv"')


def test_a_part_of_a_cross_may_be_a_table_in_a_file(tmp_path: Path, engine: Engine) -> None:
    (tmp_path / "points.csv").write_text("servers,service_rate\n1,1.5\n3,2\n")
    drafted = draft(tmp_path, of_file(CROSS), engine)
    assert drafted.total_points == 18
    assert drafted.stored is not None
    parts = stored_design.decode(drafted.stored).part(0, 1)["parts"]
    assert parts[0] == {"kind": "table", "columns": ["servers", "service_rate"], "rows": [[1, 1.5], [3, 2]]}
    points = [engine.identify(drafted.spec, drafted.file.space, index).parameters for index in (8, 9)]
    assert [(point["servers"], point["service_rate"]) for point in points] == [(1, 1.5), (3, 2)]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "s.toml:8: design.parts.0.file: "),
        ("servers\n", "s.toml:8: design.parts.0.file: "),
        ("servers\n1\n0\n", "s.toml:8: design.parts.0.file.servers: row 2: servers = 0: must be >= 1"),
        ("customers\n1\n", "s.toml:14: design.parts.1.dimensions.customers: is varied by parts.0, too"),
    ],
)
def test_what_is_wrong_with_a_table_in_a_cross_is_told(
    tmp_path: Path, engine: Engine, content: str | None, expected: str
) -> None:
    if content is not None:
        (tmp_path / "points.csv").write_text(content)
    (error,) = errors(tmp_path, of_file(CROSS), engine)
    assert error.startswith(expected)


@pytest.mark.parametrize(
    ("memory", "size"),
    [
        ("4096", 4096),
        ('"4096 B"', 4096),
        ('"3kB"', 3_000),
        ('"512 MiB"', 512 << 20),
        ('"2 GB"', 2 * 10**9),
        ('"1 TiB"', 1 << 40),
    ],
)
def test_limits_are_part_of_the_spec(tmp_path: Path, engine: Engine, memory: str, size: int) -> None:
    text = f"{GOOD}[limits]\npoint_seconds = 5\npoint_memory = {memory}\nfailed_points = 0.5\n"
    spec = draft(tmp_path, text, engine).spec
    assert spec.limits == Limits(point_seconds=5.0, point_memory=size, failed_points=0.5)
    assert spec.fingerprint != draft(tmp_path, GOOD, engine).spec.fingerprint
    assert draft(tmp_path, f"{GOOD}[limits]\n", engine).spec == draft(tmp_path, GOOD, engine).spec


@pytest.mark.parametrize(("host", "target"), [(False, "x86_64-unknown-linux-gnu"), (True, "aarch64-apple-darwin")])
def test_an_engine_that_cannot_keep_the_limits_is_refused(tmp_path: Path, *, host: bool, target: str) -> None:
    engine = Engine(find_engine())
    engine.description = engine.description.model_copy(update={"host": host, "target": target})
    with pytest.raises(WrongEngineError, match="cannot keep") as caught:
        draft(tmp_path, f"{GOOD}[limits]\npoint_memory = 1\n", engine)
    assert caught.value.remedy is not None
    draft(tmp_path, f"{GOOD}[limits]\nfailed_points = 1\n", engine)


def test_all_errors_are_told_at_once(tmp_path: Path, engine: Engine) -> None:
    text = GOOD.replace("replications = 3", 'replicatons = 3\noutputs = ["nope"]').replace(
        "customers = 50", "custom = 5"
    )
    text = text.replace("[0.5, 0.8]", "{ linspace = { start = -1, stop = 1, num = 1 } }").replace("servers", "server")
    places = [error.split(": ")[0:2] for error in errors(tmp_path, text.replace("points = 5", "point = 5"), engine)]
    assert places == [
        ["s.toml:4", "replicatons"],
        ["s.toml:5", "outputs.nope"],
        ["s.toml:7", "base.custom"],
        ["s.toml:11", "design.dimensions.arrival_rate.linspace.num"],
        ["s.toml:12", "design.dimensions.server"],
        ["s.toml:14", "shards.point"],
    ]


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, engine: Engine) -> None:
    with pytest.raises(UsageError, match="No such file"):
        sweep_file.read(tmp_path / "none.toml")
    (tmp_path / "s.toml").write_bytes(b"\xff")
    with pytest.raises(SweepFileError, match="byte 0: must be UTF-8"):
        sweep_file.read(tmp_path / "s.toml")
    with (tmp_path / "s.toml").open("wb") as file:
        file.truncate(sweep_file.MAX_BYTES + 1)
    with pytest.raises(SweepFileError, match="at most 64 MiB"):
        sweep_file.read(tmp_path / "s.toml")
    (error,) = errors(tmp_path, TABLE, engine)
    assert error == f"s.toml:9: design.file: {tmp_path}/points.csv: No such file or directory"


@pytest.mark.parametrize("value", ["9" * 5_000, "[" * 900 + "]" * 900, "[" * 20 + "]" * 20])
def test_values_that_no_parser_likes_are_told(tmp_path: Path, engine: Engine, value: str) -> None:
    (error,) = errors(tmp_path, GOOD.replace("customers = 50", f"customers = {value}"), engine)
    assert error.startswith("s.toml: must be valid TOML: ")


def test_a_byte_order_mark_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text("\ufeff" + GOOD)
    assert sweep_file.read(tmp_path / "s.toml").sweep.name == "s"


def test_a_table_may_stand_in_the_file(tmp_path: Path, engine: Engine) -> None:
    text = TABLE.replace('file = "points.csv"', 'columns = ["servers"]\nrows = [[1], [2]]')
    drafted = draft(tmp_path, text, engine)
    assert (drafted.total_points, drafted.stored) == (6, None)
    assert drafted.spec.design == {"kind": "table", "columns": ["servers"], "rows": [[1], [2]]}


def test_shards_are_not_without_number(tmp_path: Path, engine: Engine) -> None:
    text = GOOD.replace("[0.5, 0.8]", "{ linspace = { start = 0.1, stop = 0.9, num = 10000001 } }")
    drafted = draft(tmp_path, text, engine)
    with pytest.raises(SweepFileError, match=r"s.toml:12: shards: .* shards of 1 point: must be at most 10,000,000"):
        drafted.plan("r", "2026-01-01", 1)


def test_a_table_keeps_integers_and_digits(tmp_path: Path, engine: Engine) -> None:
    (tmp_path / "points.csv").write_text("arrival_rate,servers\n0.1,1\n0.30000000000000004,2\n")
    drafted = draft(tmp_path, TABLE, engine)
    assert drafted.total_points == 6
    assert drafted.stored is not None
    assert drafted.stored.decode().splitlines()[1:] == ["[0.1,1]", "[0.30000000000000004,2]"]
    assert drafted.spec.design == {"sha256": stored_design.digest(drafted.stored)}
    made_of = pa.table({"arrival_rate": [0.1, 0.30000000000000004], "servers": pa.array([1, 2], pa.int16())})
    pq.write_table(made_of, tmp_path / "points.parquet")
    assert encode_file(tmp_path / "points.parquet", {}) == drafted.stored


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("servers\n", "points.csv: must have at least one row"),
        ("servers,servers\n1,2\n", "points.csv: must name each column once"),
        ("servers\n1\n2,3\n", "points.csv: must be CSV"),
        ("servers\n2026-01-01\n", 's.toml:9: design.file.servers: row 1: servers = "2026-01-01": must be an integer'),
        ("arrival_rate\n1\nnan\n", 's.toml:9: design.file.arrival_rate: row 2: arrival_rate = "nan": must be a number'),
        ("Servers\n1\n", """points.csv: column "Servers" must match pattern '^[a-z]"""),
        ("arrival_rate, servers\n1,1\n", """points.csv: column " servers" must match pattern '^[a-z]"""),
        ("seed\n1\n", "points.csv: column 'seed' is the name of an identity column"),
        ("servers\n1\n2\nx\n", 's.toml:9: design.file.servers: row 3: servers = "x": must be an integer'),
        ("servers\n1\n2.0\n3\n", 's.toml:9: design.file.servers: row 2: servers = "2.0": must be an integer'),
        ("servers\n1\n\n3\n", "points.csv: row 2 is an empty line: remove it, or write"),
        ("server\n1\n", 's.toml:9: design.file.server: unknown parameter "server"; did you mean "servers"?'),
        ("servers\n1\n0\n", "s.toml:9: design.file.servers: row 2: servers = 0: must be >= 1"),
        ("customers\n1\n", "s.toml:6: base.customers: is also varied by the design"),
    ],
)
def test_what_is_wrong_with_a_table_is_told(tmp_path: Path, engine: Engine, content: str, expected: str) -> None:
    (tmp_path / "points.csv").write_text(content)
    (error,) = errors(tmp_path, TABLE, engine)
    assert expected in error


def test_every_error_of_a_table_is_told(tmp_path: Path, engine: Engine) -> None:
    (tmp_path / "points.csv").write_text("arrival_rate,servers\n-1,1\n0.5,0\n")
    assert [error.split(": ")[1] for error in errors(tmp_path, TABLE, engine)] == [
        "design.file.arrival_rate",
        "design.file.servers",
    ]


def test_the_shipped_schema_is_that_of_the_code() -> None:
    shipped = Path(sweep_file.__file__).parent / "starter" / "sweep.schema.json"
    assert json.loads(shipped.read_text()) == sweep_file.json_schema(), "make schema writes it anew"


def test_what_init_writes_runs_and_agrees_with_its_schema(tmp_path: Path, engine: Engine) -> None:
    write_starter(tmp_path / "new")
    drafted = plan.draft(sweep_file.read(tmp_path / "new/sweep.toml"), engine)
    assert drafted.total_points == 180
    named: Any = tomllib.loads((tmp_path / "new/sweep.toml").read_text())
    assert named.keys() <= json.loads((tmp_path / "new/sweep.schema.json").read_text())["properties"].keys()
    with pytest.raises(UsageError, match="already exists"):
        write_starter(tmp_path / "new")


def test_shards_are_cut_as_the_file_says(tmp_path: Path, engine: Engine) -> None:
    for shards, expected in [("points = 100", 12), ("count = 5", 3), ("count = 99", 1), ("seconds = 5", None)]:
        assert draft(tmp_path, GOOD.replace("points = 5", shards), engine).shard_points == expected
    assert math.isclose(sweep_file.Shards(seconds=5).seconds or 0, 5)
