"""Whether the program of a run is the same here: its version, and which files make another one."""

from dataclasses import dataclass

from sweepctl.engine.client import Engine
from sweepctl.records import layout
from sweepctl.records.outcome import EnginePin, RunRecord
from sweepctl.records.run import find_record
from sweepctl.shard.commit import changed_files
from sweepctl.store.contract import Store


@dataclass(frozen=True)
class ProgramHere:
    """A run's program as the run began with it, and as it is on this machine."""

    run_version: str
    version: str
    changes: tuple[str, ...]  # `lv.py changed`; empty if nothing changed, or nothing is known of the run's files


def program_here(store: Store, run: RunRecord, engine: Engine) -> ProgramHere | None:
    """Compare the run's program with the engine's; None if no worker has begun the run, or it is no program here.

    Raises:
        EngineUnavailableError: the engine does not describe itself.
        ProgramError: a manifest is wrong.
        StoreError: the store does not answer, or its record of the run's engine cannot be read.
    """
    own = next((each for each in engine.description.models if each.name == run.spec.model and each.program), None)
    pin = None if own is None else find_record(store, EnginePin, layout.engine_pin(run.run_id))
    if own is None or pin is None:
        return None
    return ProgramHere(pin.model_version, own.version, tuple(changed_files(pin.declaration_json, own.to_json())))
