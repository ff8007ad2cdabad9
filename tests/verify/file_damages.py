"""Damages to whole files of a full run (`full`): each kind of file in each way, and the code that names it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from verify.damage import RUN_ID, Damaged

Damage = Callable[[Damaged], object]
Change = Callable[[Damaged, Path], object]
Cases = Mapping[str, tuple[str, Damage]]


def write(path: Path, body: bytes) -> None:
    """Write a file anew: it may be read-only."""
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)


def find(run: Damaged, pattern: str) -> list[Path]:
    return sorted(run.root.glob(pattern.replace("RUN", RUN_ID)))


def _bit(_: Damaged, path: Path) -> None:
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    write(path, bytes(body))


def _of_another_kind(run: Damaged, path: Path) -> None:
    record, pin = (run.path(f"runs/run={RUN_ID}/{name}.parquet") for name in ("run", "engine"))
    write(path, (pin if path == record else record).read_bytes())


def _of_another_run(run: Damaged, path: Path) -> None:
    write(path, run.path(str(path.relative_to(run.root)).replace(f"run={RUN_ID}", "run=other")).read_bytes())


def _of_a_sibling(run: Damaged, path: Path) -> None:
    """The next file of the same folder."""
    siblings = sorted(run.path(str(path.parent)).iterdir())
    write(path, siblings[siblings.index(path) - 1].read_bytes())


WAYS: Mapping[str, Change] = {
    "gone": lambda _, path: path.unlink(),
    "empty": lambda _, path: write(path, b""),
    "cut": lambda _, path: write(path, path.read_bytes()[:-9]),
    "cut in half": lambda _, path: write(path, path.read_bytes()[: path.stat().st_size // 2]),
    "longer": lambda _, path: write(path, path.read_bytes() + b"x"),
    "a bit": _bit,
    "junk": lambda _, path: write(path, b"junk" * 99),
    "of another kind": _of_another_kind,
    "of another run": _of_another_run,
    "of a sibling": _of_a_sibling,
    "twice": lambda _, path: write(path.with_name("x.parquet"), path.read_bytes()),
    "renamed": lambda _, path: path.rename(path.with_name("x.parquet")),
    "under another date": lambda run, path: write(
        run.path(str(path.relative_to(run.root)).replace("run_date=2026-02-14", "run_date=2026-02-15")),
        path.read_bytes(),
    ),
    "under another model": lambda run, path: write(
        run.path(str(path.relative_to(run.root)).replace("/walk/", "/queue/")), path.read_bytes()
    ),
    "of a shard that is not": lambda run, path: write(
        run.path(str(path.relative_to(run.root)).replace("shard-00000000", "shard-00000009")), path.read_bytes()
    ),
}


@dataclass(frozen=True)
class Place:
    """A kind of file, and the codes of what may happen to one; `otherwise` is that of all ways but those."""

    pattern: str
    otherwise: str
    codes: Mapping[str, str] = field(default_factory=dict)
    spared: tuple[str, ...] = ()  # what cannot happen here, or is no damage


ORPHAN = {"twice": "artifacts.orphan", "renamed": "artifacts.orphan"}
ELSEWHERE = ("under another date", "under another model", "of a shard that is not")
_DATA = {
    **ORPHAN, **dict.fromkeys(ELSEWHERE, "artifacts.orphan"), "gone": "artifacts.missing",
    "cut": "artifacts.wrong_size", "cut in half": "artifacts.unreadable", "longer": "artifacts.wrong_size",
    "empty": "artifacts.unreadable", "junk": "artifacts.unreadable", "of another kind": "artifacts.wrong_schema",
}  # fmt: skip
_PART = {**dict.fromkeys(("twice", "under another date", "under another model"), "compact.orphan"),
         "gone": "compact.missing", "renamed": "compact.missing"}  # fmt: skip
_NOT_OF_A_PART = ("of a sibling", "of a shard that is not")

PLACES: Mapping[str, Place] = {
    "run record": Place("runs/run=RUN/run.parquet", "run_record.unreadable", {
        "gone": "run_record.missing", "renamed": "run_record.missing", "of another run": "run_record.wrong_run",
        "twice": "artifacts.orphan",
    }, ELSEWHERE),
    "engine pin": Place("runs/run=RUN/engine.parquet", "run_record.pin_unreadable", {
        "gone": "run_record.pin_missing", "renamed": "run_record.pin_missing", "twice": "artifacts.orphan",
        "of another run": "run_record.pin_disagrees",
    }, ELSEWHERE),
    "stored design": Place("specs/*", "run_record.design_altered", {
        "gone": "run_record.design_missing", "renamed": "run_record.design_missing",
    }, (*ELSEWHERE, "twice", "of another run", "of a sibling")),
    "outcome": Place("shard_outcomes/*/run=RUN/shard-00000000.parquet", "outcomes.unreadable", {
        **ORPHAN, "gone": "outcomes.gap", "of another run": "outcomes.misplaced", "of a sibling": "outcomes.misplaced",
        "of a shard that is not": "outcomes.misplaced", "under another date": "outcomes.twice",
    }, ("under another model",)),
    "attempt": Place("shard_attempts/*/run=RUN/shard-00000001-*", "failures.attempt_unreadable", {
        **ORPHAN, "of a sibling": "failures.attempt_misplaced", "under another date": "failures.attempt_misplaced",
    }, ("gone", "of another run", "of a shard that is not", "under another model")),
    "parameters": Place("effective_parameters/walk/*/run=RUN/shard-00000000.parquet", "artifacts.wrong_sha256", _DATA),
    "points": Place("point_outcomes/walk/*/run=RUN/shard-00000000.parquet", "artifacts.wrong_sha256", _DATA),
    "output": Place("steps/walk/*/run=RUN/shard-00000000.parquet", "artifacts.wrong_sha256", _DATA),
    "kept files": Place("kept_files/walk/*/run=RUN/shard-00000000.parquet", "artifacts.wrong_sha256", _DATA),
    "partial points": Place("partial/point_outcomes/walk/*/run=RUN/*", "artifacts.wrong_sha256", _DATA,
                            (*ELSEWHERE, "of another run", "of a sibling")),
    "partial kept files": Place("partial/kept_files/walk/*/run=RUN/*", "artifacts.wrong_sha256", _DATA,
                                (*ELSEWHERE, "of another run", "of a sibling")),
    "compact parameters": Place("compact-v1/effective_parameters/walk/*/run=RUN/*", "compact.altered", _PART,
                                ("of another run", *_NOT_OF_A_PART)),
    "compact points": Place("compact-v1/point_outcomes/walk/*/run=RUN/*", "compact.altered", _PART,
                            ("of another run", *_NOT_OF_A_PART)),
    "compact output": Place("compact-v1/steps/walk/*/run=RUN/*", "compact.altered", _PART,
                            ("of another run", *_NOT_OF_A_PART)),
    "compact outcomes": Place("compact-v1/shard_outcomes/walk/*/run=RUN/*", "compact.altered", _PART,
                              ("of another run", *_NOT_OF_A_PART)),
    "manifest": Place("compact-v1/runs/run=RUN/manifest.json", "compact.manifest", {},
                      (*ELSEWHERE, "gone", "renamed", "twice", "of another run", "of a sibling")),
}  # fmt: skip


def _cases() -> Iterator[tuple[str, tuple[str, Damage]]]:
    for place, kind in PLACES.items():
        for way, change in WAYS.items():
            if way not in kind.spared:
                yield f"{place}: {way}", (kind.codes.get(way, kind.otherwise), _at(kind.pattern, change))


def _at(pattern: str, change: Change) -> Damage:
    return lambda run: change(run, find(run, pattern)[0])


FILE_DAMAGES: Cases = dict(_cases())
