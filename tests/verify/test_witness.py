"""Identities are derived by another engine than the one that ran the points, which would repeat its own mistakes."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import liars, toys
from fakes.sweep_files import TEST_ENGINE
from typer.testing import CliRunner
from verify.damage import Damaged
from verify.runs import ENGINE, RUN_DATE, SPEC, codes, make_run, messages

from sweepctl import open_run, protocol
from sweepctl.cli import app
from sweepctl.engine.client import Engine
from sweepctl.protocol import Model
from sweepctl.records import layout, table
from sweepctl.records.outcome import EnginePin
from sweepctl.shard.run import run_shard
from sweepctl.spec import Spec
from sweepctl.store import Store, open_store
from sweepctl.verify import Check, Reexecution, Verdict, verify

# It has none of the models that ENGINE has.
STRANGER = Engine(TEST_ENGINE)
WHOLE = replace(SPEC, design={"kind": "grid", "dimensions": {"servers": [1, 2, 3], "warmup": [0, 1]}}, outputs=())
PIN = layout.engine_pin("r")


def run_all(store: Store, engine: Engine, spec: Spec = WHOLE) -> None:
    for message in messages("r", spec):
        run_shard(message, engine, store)


def edit_pin(store: Store, **changes: object) -> None:
    run = Damaged(Path(store.url))
    run.edit(run.path(PIN), **changes)


LIES = {
    "salted": (liars.salted, {"identity.parameter_fingerprint", "identity.point_fingerprint"}),
    "reversed": (
        liars.reversed_axes,
        {"identity.parameters_json", "identity.parameter_fingerprint", "identity.point_fingerprint",
         "identity.typed_column"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_an_engine_that_lies_about_identities_is_found_out(store: Store, tmp_path: Path, lie: str) -> None:
    liar: Callable[[Path, Engine], Engine]
    liar, found = LIES[lie]
    engine = liar(tmp_path, ENGINE)
    run_all(store, engine)
    # It agrees with itself.
    assert verify(store, "r", engine, Reexecution(None)).verdict is Verdict.WHOLE
    report = verify(store, "r", engine, Reexecution(None), witness=STRANGER)
    assert (report.verdict, codes(report)) == (Verdict.CORRUPT, found)
    assert all(finding.point_index is not None for finding in report.findings)


def test_the_commands_ask_their_own_engine(elsewhere: None, tmp_path: Path) -> None:  # noqa: ARG001  in a folder of its own
    engine = liars.salted(tmp_path, ENGINE)
    run_all(open_store("sweep-results"), engine)
    result = CliRunner().invoke(app, ["verify", "r", "--engine", str(engine.path)])
    assert (result.exit_code, result.stdout.split()[0]) == (1, "CORRUPT")
    assert open_run("r").verify(engine=engine).verdict is Verdict.CORRUPT


def test_no_engine_that_has_the_model_is_needed(store: Store) -> None:
    """Neither for identities, nor for the columns of tables."""
    run_all(store, ENGINE)
    report = verify(store, "r", None, witness=STRANGER)
    assert (report.verdict, report.findings, report.unchecked) == (Verdict.WHOLE, [], {})
    assert report.coverage[Check.IDENTITY].checked == {"points": 12}
    run = Damaged(Path(store.url))
    path = run.path(f"point_outcomes/queue/run_date={RUN_DATE}/run=r/shard-00000000.parquet")
    path.write_bytes(path.with_name("shard-00000001.parquet").read_bytes())
    assert verify(store, "r", None, witness=STRANGER).verdict is Verdict.CORRUPT


def test_other_spellings_of_a_choice_are_part_of_the_declaration(store: Store) -> None:
    spellings = {"matching_algorithm_type": ["hungarian", "COST-BASED"]}
    spec = Spec("ridehail", {"kind": "grid", "dimensions": spellings}, {}, 1, 1, ())
    run_all(store, ENGINE, spec)
    report = verify(store, "r", None, witness=STRANGER)
    assert (report.verdict, report.findings) == (Verdict.WHOLE, [])


def test_a_run_of_an_earlier_release_is_derived_by_its_own_engine_and_says_so(store: Store) -> None:
    run_all(store, ENGINE)
    edit_pin(store, declaration_json=None)
    report = verify(store, "r", ENGINE, witness=STRANGER)
    assert report.verdict is Verdict.WHOLE
    note = report.coverage[Check.IDENTITY].note
    assert note == "derived by the model's own engine alone: the run does not keep its model's declaration"
    assert report.to_json()["checks"][4]["note"] == note
    assert report.unchecked == {}
    report = verify(store, "r", None, witness=STRANGER)
    assert (report.verdict, report.unchecked) == (Verdict.UNPROVEN, {Check.IDENTITY: "no engine"})


def test_without_an_engine_of_its_own_sweepctl_asks_the_given_one_and_says_so(store: Store) -> None:
    run_all(store, ENGINE)
    report = verify(store, "r", ENGINE)
    assert report.verdict is Verdict.WHOLE
    note = report.coverage[Check.IDENTITY].note
    assert note == "derived by the model's own engine alone: sweepctl's own engine is missing"


def test_the_pin_keeps_what_the_engine_declares(store: Store) -> None:
    make_run(store, "r")
    stored = store.read(PIN)
    assert stored is not None
    pin = table.decode(EnginePin, stored.body, "")
    assert pin.declaration_json is not None
    assert Model.model_validate_json(pin.declaration_json) == ENGINE.model("queue")
    assert list(json.loads(pin.declaration_json)) == sorted(json.loads(pin.declaration_json))


def test_a_declaration_that_is_too_long_is_not_kept(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "MAX_DECLARATION_BYTES", 100)
    run_all(store, ENGINE)
    assert "does not keep" in (verify(store, "r", ENGINE, witness=STRANGER).coverage[Check.IDENTITY].note or "")


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        (lambda _: "{", "run_record.pin_unreadable"),
        (lambda text: text.replace('"servers"', '"Servers"'), "run_record.pin_unreadable"),
        (lambda text: text.replace('"name":"queue"', '"name":"epidemic"'), "run_record.pin_disagrees"),
        (lambda text: text.replace('"default":0.8', '"default":0.7'), "identity.parameter_fingerprint"),
    ],
)
def test_a_declaration_that_was_altered_is_damage(store: Store, changed: Callable[[str], str], code: str) -> None:
    spec = replace(WHOLE, base={"customers": 100})
    run_all(store, ENGINE, spec)
    text = ENGINE.model("queue").to_json()
    assert text is not None
    assert changed(text) != text
    edit_pin(store, declaration_json=changed(text))
    report = verify(store, "r", ENGINE, witness=STRANGER)
    assert report.verdict is Verdict.CORRUPT
    assert code in codes(report)


def test_toys_of_tests_tell_the_truth(store: Store, tmp_path: Path) -> None:
    engine = toys.engine(tmp_path)
    for body in toys.messages(2):
        run_shard(toys.decoded(body), engine, store)
    assert verify(store, "r", None, witness=STRANGER).verdict is Verdict.WHOLE
