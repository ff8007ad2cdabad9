"""Spoils texts: at the bytes, at the tokens, and by joining two. Drawn from a seed."""

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


def mutate(text: bytes, corpus: Sequence[bytes], random: Random, tokens: Sequence[bytes] = TOKENS) -> bytes:
    """Return `text` with a few things wrong, or right; `tokens` are what is put into it."""
    for _ in range(random.choice([1, 1, 1, 2, 5])):
        text = random.choice(_WAYS)(text, corpus, random, tokens)[:MAX_BYTES]
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


_WAYS = (_flip, _cut, _repeat, _insert, _exchange, _exchange, _exchange, _join)
