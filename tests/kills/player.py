"""Plays one step: a command that is killed, the same command once more, and what is there then."""

import os
import shutil
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kills.commands import command, learn
from kills.forks import in_fork
from kills.played import Ending, left_behind, unreadable
from kills.scenes import Place, Scene
from kills.tracer import Kill, trace

from sweepctl.store.local import LocalStore

# Of a command that is killed, or whose engine is.
_ENDINGS = {-signal.SIGKILL, 0, 1, 4}


@dataclass(frozen=True)
class Rehearsal:
    """A scene as it goes undisturbed."""

    scene: Scene
    template: Path  # what is written before
    calls: Sequence[str]
    ending: Ending


@dataclass(frozen=True)
class Step:
    """What came of a kill."""

    killed_at: str | None  # None: the command had fewer calls
    wrong: str | None


def rehearse(scene: Scene, folder: Path) -> Rehearsal:
    """Run a scene's command undisturbed, at first to import here all that it needs, and once to count its calls."""
    place = Place(folder)
    place.prepare()
    if scene.first:
        assert learn(place, scene.first) == 0, place.said.read_text()
    template = folder / "template"
    shutil.copytree(place.written, template)
    for words in (scene.command, _proof(scene)):
        assert learn(place, words) == 0, place.said.read_text()
    place.begin_from(template)
    traced = trace(partial(command, place, scene.command), [place.written])
    assert traced.status == 0, place.said.read_text()
    return Rehearsal(scene, template, traced.calls, _ending(place, scene))


def play(rehearsal: Rehearsal, place: Place, kill: Kill) -> Step:
    """Kill the command of a scene at one of its calls, and run it once more."""
    place.begin_from(rehearsal.template)
    traced = trace(partial(command, place, rehearsal.scene.command), [place.written], kill)
    if traced.killed_at is None:
        return Step(None, None)
    code = os.waitstatus_to_exitcode(traced.status)
    if code not in _ENDINGS:
        return Step(traced.killed_at, f"it ended with {code}: {place.said.read_text()}")
    return Step(traced.killed_at, _wrong(rehearsal, place))


def _wrong(rehearsal: Rehearsal, place: Place) -> str | None:
    halves = place.root / "halves"
    code = in_fork(lambda: _write(halves, str(unreadable(place.store))))
    if code != 0 or halves.read_text() != "[]":
        return f"half-written, with a name: {halves.read_text()}"
    code = in_fork(partial(command, place, rehearsal.scene.command))
    said = place.said.read_text()
    if code != 0:
        return f"once more, the command ended with {code}: {said}"
    ending = _ending(place, rehearsal.scene)
    if ending != rehearsal.ending:
        return f"once more, it made {ending}, undisturbed {rehearsal.ending}: {said}{place.said.read_text()}"
    left = left_behind(place)
    return f"left behind: {left}" if left else None


def _ending(place: Place, scene: Scene) -> Ending:
    kept = place.root / "ending"

    def work() -> int:
        command(place, _proof(scene))
        # A command that finds all done has no work folder, and so removes none.
        with LocalStore(place.store).scratch():
            return _write(kept, Ending.of(place).encode())

    assert in_fork(work) == 0, place.said.read_text()
    return Ending.decode(kept.read_text())


def _proof(scene: Scene) -> tuple[str, ...]:
    return ("verify", "r", "--json", *(("--program", scene.program) if scene.program else ()))


def _write(file: Path, text: str) -> int:
    file.write_text(text)
    return 0
