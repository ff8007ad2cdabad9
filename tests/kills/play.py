"""Kill real commands at the system calls by which they write, run them once more, and prove that nothing is amiss.

    python tests/kills/play.py FOLDER [--draw N] [--seed S] [--step run/45/after/caller ...] [--jobs N]

A step is the moment before or after one such call of a command, or of what it started. There everything is killed, or
only the process that calls: then all the others must end by themselves. All steps are played; or N that are drawn,
spread over each command; or those that are named. FOLDER, which must not exist, takes the stores.
"""

import argparse
import os
import random
import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from kills.forks import end_with
from kills.player import Rehearsal, play, rehearse
from kills.scenes import SCENES, Place
from kills.tracer import Kill, why_not

NOT_HERE = 77  # the exit code where processes cannot be traced

Steps = list[tuple[Rehearsal, Kill]]


def all_steps(rehearsals: Sequence[Rehearsal]) -> Steps:
    """Return every step of every scene."""
    return [
        (each, Kill(number, is_after, is_everything))
        for each in rehearsals
        for number in range(1, len(each.calls) + 1)
        for is_after in (False, True)
        for is_everything in (True, False)
    ]


def drawn_steps(rehearsals: Sequence[Rehearsal], number: int, seed: int) -> Steps:
    """Return so many steps of all scenes together, each from a stretch of its own of a scene's steps."""
    draw = random.Random(seed)
    steps: Steps = []
    for at, each in enumerate(rehearsals):
        own = all_steps([each])
        stretches = (number + at) // len(rehearsals)
        steps += [own[int((stretch + draw.random()) / stretches * len(own))] for stretch in range(stretches)]
    return steps


def named_step(rehearsals: Sequence[Rehearsal], name: str) -> tuple[Rehearsal, Kill]:
    """Return the step of a name."""
    scene, number, when, what = name.split("/")
    found = next(each for each in rehearsals if each.scene.name == scene)
    return found, Kill(int(number), when == "after", what == "everything")


def played(folder: Path, steps: Steps) -> Iterator[str]:
    """Play steps; yield a line for each."""
    for rehearsal, kill in steps:
        place = Place(folder / rehearsal.scene.name)
        if not place.root.exists():
            place.prepare()
        step = play(rehearsal, place, kill)
        ending = "late" if step.killed_at is None else "FAILED" if step.wrong else "sound"
        wrong = " ".join((step.wrong or "").split())
        yield f"{ending} {rehearsal.scene.name}/{kill} {step.killed_at or ''} {wrong}".rstrip()


def play_in_jobs(folder: Path, steps: Steps, jobs: int) -> list[str]:
    """Play steps in several forks; return all their lines."""

    def work_off(job: int) -> int:
        with (folder / f"job-{job}.log").open("w") as log:
            for line in played(folder / f"job-{job}", steps[job::jobs]):
                log.write(f"{line}\n")
                log.flush()
        return 0

    forks = []
    for job in range(jobs):
        forks.append(os.fork())
        if forks[-1] == 0:
            end_with(partial(work_off, job))
    assert [os.waitpid(fork, 0)[1] for fork in forks] == [0] * jobs
    return [line for job in range(jobs) for line in (folder / f"job-{job}.log").read_text().splitlines()]


def require_tracing() -> None:
    """End this process, with NOT_HERE, where processes cannot be traced."""
    reason = why_not()
    if reason is not None:
        print(reason)
        sys.exit(NOT_HERE)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=lambda name: Path(name).resolve())  # as the kernel names it
    parser.add_argument("--draw", type=int)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--step", action="append")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    require_tracing()
    began_at = time.monotonic()
    rehearsals = [rehearse(scene, given.folder / "rehearsed" / scene.name) for scene in SCENES]
    if given.step:
        steps = [named_step(rehearsals, name) for name in given.step]
    elif given.draw:
        print(f"--draw {given.draw} --seed {given.seed}", flush=True)
        steps = drawn_steps(rehearsals, given.draw, given.seed)
    else:
        steps = all_steps(rehearsals)
    lines = play_in_jobs(given.folder, steps, given.jobs)
    failed = [line for line in lines if line.startswith("FAILED")]
    for line in lines if given.step else failed:
        print(line)
    late = sum(line.startswith("late") for line in lines)
    seconds = time.monotonic() - began_at
    print("calls:", ", ".join(f"{each.scene.name} {len(each.calls)}" for each in rehearsals))
    print(f"{len(lines)} steps, {late} of them after the end, {len(failed)} failed; {seconds:.0f} s")
    return int(bool(failed) or len(lines) != len(steps))


if __name__ == "__main__":
    sys.exit(main())
