"""Spoils texts: half of them at the bytes and by joining two, the others so that most stay well-formed. From a seed."""

import re
from collections.abc import Sequence
from random import Random

MAX_BYTES = 1 << 16
TOKENS = (
    b"null", b"true", b"NaN", b"-Infinity", b"1e999", b"-0", b"-0.0", b"1e-400", b"9223372036854775807",
    b"9223372036854775808", b"-9223372036854775809", b"18446744073709551616", b"0.1", b"01", b'""', b'"\\ud800"',
    b'"\\u0000"', b'"\xff"', b"{}", b"[]", b"[" * 200, b'{"a":' * 200, b",", b":", b"\xed\xa0\x80", b"1" * 400,
    b'"seed":1,', b'"kind":"sobol",', b'"kind":"grid"', b'"design_sha256":"' + b"0" * 64 + b'",', b"\xef\xbb\xbf",
)  # fmt: skip
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*|true|false|null|[\[\]{},:]')
# Of the same kind are what may stand in each other's places: texts, numbers, and words.
_KINDS = (rb'"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'', rb"-?[0-9][0-9.eE+-]*", rb"[A-Za-z_][A-Za-z_0-9]*")
_ALIKE = re.compile(b"|".join(b"(%b)" % each for each in _KINDS))
# What may be left out or moved: lines, and members of JSON.
_ITEMS = (re.compile(rb"[^\n]+\n"), re.compile(rb'"[^"]*":(?:"[^"]*"|[^][{},"]+|[\[{][^][{}]*[]}]),'))


def mutate(text: bytes, corpus: Sequence[bytes], random: Random, tokens: Sequence[bytes] = TOKENS) -> bytes:
    """Return `text` with a few things wrong, or right; `tokens` are what is put into it."""
    ways = random.choice([_ROUGH, _GENTLE])
    for _ in range(random.choice([1, 1, 1, 2, 5])):
        text = random.choice(ways)(text, corpus, random, tokens)[:MAX_BYTES]
    return text


def _flip(text: bytes, _: Sequence[bytes], random: Random, __: Sequence[bytes]) -> bytes:
    if not text:
        return b"{"
    at = random.randrange(len(text))
    return text[:at] + bytes([text[at] ^ (1 << random.randrange(8))]) + text[at + 1 :]


def _cut(text: bytes, _: Sequence[bytes], random: Random, __: Sequence[bytes]) -> bytes:
    start = random.randrange(len(text) + 1)
    return text[:start] + text[start + random.choice([1, 2, 8, 64]) :]


def _repeat(text: bytes, _: Sequence[bytes], random: Random, __: Sequence[bytes]) -> bytes:
    start = random.randrange(len(text) + 1)
    return text[:start] + text[start : start + random.choice([1, 8, 64])] * random.choice([1, 2, 50]) + text[start:]


def _insert(text: bytes, _: Sequence[bytes], random: Random, tokens: Sequence[bytes]) -> bytes:
    at = random.randrange(len(text) + 1)
    return text[:at] + random.choice(tokens) + text[at:]


def _exchange(text: bytes, corpus: Sequence[bytes], random: Random, tokens: Sequence[bytes]) -> bytes:
    """Put a token of somewhere else into a token's place."""
    mine = list(_TOKEN.finditer(text))
    others: list[bytes] = _TOKEN.findall(random.choice(corpus)) or [b"null"]
    if not mine:
        return random.choice(corpus)
    place = random.choice(mine)
    new = random.choice([random.choice(tokens), random.choice(others)])
    return text[: place.start()] + new + text[place.end() :]


def _join(text: bytes, corpus: Sequence[bytes], random: Random, _: Sequence[bytes]) -> bytes:
    other = random.choice(corpus)
    return text[: random.randrange(len(text) + 1)] + other[random.randrange(len(other) + 1) :]


def _put_alike(text: bytes, corpus: Sequence[bytes], random: Random, tokens: Sequence[bytes]) -> bytes:
    """Put a text in a text's place, a number in a number's, a word in a word's."""
    mine = list(_ALIKE.finditer(text))
    if not mine:
        return text
    place = random.choice(mine)
    found = _ALIKE.finditer(random.choice([text, random.choice(corpus)]))
    others = [each[0] for each in found if each.lastindex == place.lastindex]
    given = [each for each in tokens if (match := _ALIKE.fullmatch(each)) and match.lastindex == place.lastindex]
    new = random.choice(random.choice([each for each in (given, others) if each] or [[place[0]]]))
    return text[: place.start()] + new + text[place.end() :]


def _put_item(text: bytes, corpus: Sequence[bytes], random: Random, _: Sequence[bytes]) -> bytes:
    """Leave an item out, or put another before it or in its place."""
    items = random.choice(_ITEMS)
    mine, others = list(items.finditer(text)), items.findall(random.choice([text, random.choice(corpus)]))
    if not mine:
        return text
    place: re.Match[bytes] = random.choice(mine)
    new: bytes = random.choice([b"", random.choice([b"", *others])])
    return text[: place.start()] + new + text[random.choice([place.start(), place.end()]) :]


_ROUGH = (_flip, _cut, _repeat, _insert, _exchange, _exchange, _exchange, _join)
_GENTLE = (_put_alike, _put_alike, _put_item)
