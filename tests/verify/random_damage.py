"""Damages drawn from a seed: a bit, an end, a name, or two files of a store, anywhere in it."""

from pathlib import Path
from random import Random


def damage_one(root: Path, random: Random) -> str:
    """Damage something in a store; return what."""
    return random.choice([_flip, _flip, _flip, _cut, _rename, _swap])(root, random)


def _files(root: Path) -> list[Path]:
    found = (path for path in root.rglob("*") if path.is_file())
    return sorted(path for path in found if ".sweepctl" not in path.parts and path.stat().st_size)


def _write(path: Path, body: bytes) -> None:
    path.unlink()  # it may be read-only, and a link to another's
    path.write_bytes(body)


def _flip(root: Path, random: Random) -> str:
    path = random.choice(_files(root))
    body = bytearray(path.read_bytes())
    at, bit = random.randrange(len(body)), random.randrange(8)
    body[at] ^= 1 << bit
    _write(path, bytes(body))
    return f"bit {bit} of byte {at} of {path.relative_to(root)} is flipped"


def _cut(root: Path, random: Random) -> str:
    path = random.choice(_files(root))
    body = path.read_bytes()
    left = random.choice([0, len(body) - 1, random.randrange(len(body))])
    _write(path, body[:left])
    return f"{path.relative_to(root)} is cut to {left} bytes"


def _rename(root: Path, random: Random) -> str:
    """Give a file a name that it might have elsewhere: of another shard, run, date or dataset, or of nobody."""
    path, other = random.choice(_files(root)), random.choice(_files(root))
    target = random.choice([other, path.with_name(other.name), other.with_name(path.name), path.with_name("x.parquet")])
    path.rename(target)
    return f"{path.relative_to(root)} becomes {target.relative_to(root)}"


def _swap(root: Path, random: Random) -> str:
    one, other = random.sample(_files(root), 2)
    bodies = one.read_bytes(), other.read_bytes()
    _write(one, bodies[1])
    _write(other, bodies[0])
    return f"{one.relative_to(root)} and {other.relative_to(root)} are swapped"
