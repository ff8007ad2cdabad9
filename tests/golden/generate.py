"""Writes canonical.json, points.json, philox.json and distributions.json, computed without the engine.

Canonical JSON is the `rfc8785` package's, Philox is written out from the paper, grids are plain nested loops, and
distributions are those of the standard library where it has them. The files change only with docs/protocol.md, the
distributions only with the version of every model. (The files of models pin what they compute; Rust's tests write
them.)

    python tests/golden/generate.py
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterable
from functools import partial
from itertools import product
from pathlib import Path
from statistics import NormalDist
from typing import Any

import rfc8785

FOLDER = Path(__file__).parent
EXACT_INTEGER_MAX = (1 << 53) - 1
VERSION = "1"
SPACING = 2.0**-53

INPUTS = [
    "null",
    "[true,false,1,0]",
    "[5,5.0,5e0,-0.0,0.0,0,-5]",
    "[1e16,1e20,1e21,1e-6,1e-7,5e-324,2.2250738585072014e-308,1.7976931348623157e308]",
    "[0.30000000000000004,0.1,100.0,333333333.33333329,4.5,2e-3,1e30,1e23]",
    "[9007199254740991,9007199254740992,9007199254740993,-9007199254740991,-9007199254740993]",
    "[9223372036854775807,-9223372036854775808]",
    "[9007199254740992.0,9007199254740994.0,-1e16]",
    r'"\u0000\u0001\b\t\n\u000b\f\r\u001f \"\\/\u007f\u0080\u2028\u2029"',
    '"€ é 😀 ß 中"',
    r'{"€":1,"\r":2,"דּ":3,"1":4,"😀":5,"\u0080":6,"ö":7}',
    '{"\U00010000":1,"\ue000":2,"a":3,"A":4,"aa":5,"":6,"_":7,"a_":8,"a1":9}',
    r'{"b":{"d":[],"c":{}},"a":[[[{"z":null,"y":[1.0,{"x":"\"\\"}]}]]]}',
    '{"model":"queue","parameters":{"arrival_rate":0.8,"customers":10000,"servers":1,"service_rate":1.0,"warmup":0}}',
]

TYPES = {
    "flag": "bool",
    "flag_or_null": "bool",
    "int": "int",
    "int_or_null": "int",
    "real": "float",
    "real_or_null": "float",
    "rows": "int",
    "text": "string",
    "text_or_null": "string",
}
PLAIN = {
    "flag": False,
    "flag_or_null": None,
    "int": 0,
    "int_or_null": None,
    "real": 0.5,
    "real_or_null": None,
    "rows": 0,
    "text": "",
    "text_or_null": None,
}
SPANS = {
    "int": list(range(-36, 37)),
    "int_or_null": [None, *range(1, 73)],
    "real": [n / 8 for n in range(73)],
    "real_or_null": [n * 1e15 for n in range(73)],
    "rows": list(range(73)),
}
CASES: list[dict[str, Any]] = [
    {
        "model": "typed",
        "dimensions": {
            "text": ["", 'a"b\\c\n', "é😀", "\u0001"],
            "real": [-0.0, 5, 5.0, 1e21, 1e-7, 5e-324, 0.1 + 0.2],
            "int_or_null": [None, (1 << 53) - 1, (1 << 53) + 1, -(1 << 63), (1 << 63) - 1],
            "flag": [True, False],
        },
        "base": {**PLAIN, "int": 1 << 53, "real_or_null": 1e16, "text_or_null": "1", "flag_or_null": True},
        "replications": 3,
        "seed": 42,
        "indices": range(0, 4 * 7 * 5 * 2 * 3, 13),
    },
    {"model": "typed", "dimensions": {}, "base": PLAIN, "replications": 2, "seed": -1, "indices": [0, 1]},
    {
        "model": "typed",
        "dimensions": SPANS,
        "base": PLAIN,
        "replications": 1 << 32,
        "seed": -(1 << 63),
        "indices": [0, 1, (1 << 32) - 1, 1 << 32, (1 << 53) + 1, (1 << 62) + 12345678901, 73**5 * (1 << 32) - 1],
    },
]

# (counter, key, words) from Random123's known-answer tests.
KNOWN_ANSWERS = [
    ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ),
]
MEANS = [0.0, 0.5, 9.5, 10.0, 250.25, 1e6]
RANGES = [(0, 0), (1, 6), (-5, 5), (-(1 << 63), (1 << 62) - 1), (-(1 << 63), (1 << 63) - 1)]
STREAMS = [(42, 0, 0, 0), (42, 1, 0, 0), (42, 0, 1, 0), (42, 0, 0, 1), (-1, 7, 5, 3), (1 << 40, (1 << 32) - 1, 2, 9)]


def main() -> None:
    """Write the files."""
    write("canonical.json", [canonical_vector(text) for text in INPUTS])
    write("points.json", [points_vector(**case) for case in CASES])
    for counter, key, words in KNOWN_ANSWERS:
        if philox(counter, key) != words:
            raise AssertionError(counter)
    known = [{"counter": counter, "key": key, "words": words} for counter, key, words in KNOWN_ANSWERS]
    write("philox.json", {"known_answers": known, "streams": [stream_vector(*words) for words in STREAMS]})
    write("distributions.json", [distributions_vector(*words) for words in STREAMS])


def write(name: str, content: Any) -> None:  # noqa: ANN401  any JSON value
    """Write one file."""
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    (FOLDER / name).write_text(text, encoding="utf-8")


def canonical(value: Any) -> str:  # noqa: ANN401  any JSON value
    """Return RFC 8785 JSON, with integers beyond +-(2^53 - 1) as strings."""
    return rfc8785.dumps(exact(value)).decode()


def exact(value: Any) -> Any:  # noqa: ANN401  any JSON value
    """Turn the integers that JSON cannot hold exactly into strings."""
    if isinstance(value, dict):
        return {key: exact(item) for key, item in value.items()}
    if isinstance(value, list):
        return [exact(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > EXACT_INTEGER_MAX:
        return str(value)
    return value


def sha256(text: str) -> str:
    """Return the digest of UTF-8 text."""
    return hashlib.sha256(text.encode()).hexdigest()


def canonical_vector(text: str) -> dict[str, str]:
    """Return an input with what it becomes."""
    result = canonical(json.loads(text))
    return {"input": text, "canonical": result, "sha256": sha256(result)}


def points_vector(
    *,
    model: str,
    dimensions: dict[str, list[Any]],
    base: dict[str, Any],
    replications: int,
    seed: int,
    indices: Iterable[int],
) -> dict[str, Any]:
    """Return a spec with some of its points."""
    total = replications
    for options in dimensions.values():
        total *= len(options)
    # Nested loops give the cells of a small design; arithmetic, which they check, those of a large one.
    names = sorted(dimensions)
    cells = list(product(*(dimensions[name] for name in names))) if total < 1 << 20 else None
    fixed = {name: value for name, value in base.items() if name not in dimensions}
    points = []
    for index in indices:
        values = decode(dimensions, index // replications)
        if cells and tuple(values.values()) != cells[index // replications]:
            raise AssertionError(index)
        parameters = {name: typed(TYPES[name], value) for name, value in sorted({**fixed, **values}.items())}
        points.append(point(model, seed, index, index % replications, parameters))
    design = {"kind": "grid", "dimensions": dimensions}
    spec = {"model": model, "model_version": VERSION, "design": design, "base": fixed, "replications": replications}
    return {**spec, "seed": seed, "total_points": total, "parameter_types": TYPES, "points": points}


def decode(dimensions: dict[str, list[Any]], cell: int) -> dict[str, Any]:
    """Return a cell's values by name, names in byte order; the last one varies fastest."""
    values = {}
    for name in sorted(dimensions, reverse=True):
        cell, digit = divmod(cell, len(dimensions[name]))
        values[name] = dimensions[name][digit]
    return dict(sorted(values.items()))


def typed(kind: str, value: Any) -> Any:  # noqa: ANN401  any parameter value
    """Return the value as its parameter holds it."""
    return float(value) + 0.0 if kind == "float" and value is not None else value


def point(model: str, seed: int, index: int, replicate: int, parameters: dict[str, Any]) -> dict[str, Any]:
    """Return what identifies a point."""
    cell = {"model": model, "parameters": parameters}
    whole = {**cell, "model_version": VERSION, "seed": seed, "replicate": replicate}
    return {
        "point_index": index,
        "replicate": replicate,
        "parameters": parameters,
        "effective_parameters_json": canonical(parameters),
        "parameter_fingerprint": sha256(canonical(cell)),
        "point_fingerprint": sha256(canonical(whole)),
    }


def philox(counter: list[int], key: list[int]) -> list[int]:
    """Return Philox4x32-10 of a counter (Salmon et al., SC11)."""
    (a, b, c, d), (k0, k1) = counter, key
    for _ in range(10):
        left, right = a * 0xD2511F53, c * 0xCD9E8D57
        a, b, c, d = (right >> 32) ^ b ^ k0, right & 0xFFFFFFFF, (left >> 32) ^ d ^ k1, left & 0xFFFFFFFF
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return [a, b, c, d]


def stream(seed: int, replicate: int, purpose: int, entity: int) -> Callable[[], int]:
    """Return what draws a stream's numbers, 64 bits each."""
    key = [seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF]

    def numbers() -> Iterable[int]:
        for block in range(1 << 32):
            words = philox([block, entity, purpose, replicate], key)
            yield from (words[0] | words[1] << 32, words[2] | words[3] << 32)

    return iter(numbers()).__next__


def stream_vector(seed: int, replicate: int, purpose: int, entity: int) -> dict[str, Any]:
    """Return the first numbers of a stream: 64 bits each, and as uniforms in [0, 1)."""
    draw = stream(seed, replicate, purpose, entity)
    bits = [draw() for _ in range(6)]
    where = {"seed": seed, "replicate": replicate, "purpose": purpose, "entity": entity}
    return {**where, "bits": bits, "uniforms": [(word >> 11) * SPACING for word in bits]}


def distributions_vector(seed: int, replicate: int, purpose: int, entity: int) -> dict[str, Any]:
    """Return the first values that a stream has of each distribution; each starts with the stream's first number."""
    start = partial(stream, seed, replicate, purpose, entity)
    draw, order = start(), list(range(10))
    for last in range(9, 0, -1):
        other = integer(draw, 0, last)
        order[last], order[other] = order[other], order[last]
    return {
        "seed": seed,
        "replicate": replicate,
        "purpose": purpose,
        "entity": entity,
        "exponentials": values(6, partial(exponential, start())),
        "normals": values(6, partial(normal, start())),
        "poisson": [{"mean": mean, "values": values(20, partial(poisson, start(), mean))} for mean in MEANS],
        "integers": [
            {"low": low, "high": high, "values": values(6, partial(integer, start(), low, high))}
            for low, high in RANGES
        ],
        "shuffle": order,
    }


def values(count: int, value: Callable[[], float]) -> list[float]:
    """Return the next values."""
    return [value() for _ in range(count)]


def exponential(draw: Callable[[], int]) -> float:
    """Return a value with mean 1."""
    return -math.log(((draw() >> 11) + 1) * SPACING)


def normal(draw: Callable[[], int]) -> float:
    """Return a value with mean 0 and standard deviation 1, from the middle of its step and the nearer tail."""
    below = (draw() >> 11) + 0.5
    above = (1 << 53) - below
    nearer = NormalDist().inv_cdf(min(below, above) * SPACING)
    return nearer if below < above else -nearer


def poisson(draw: Callable[[], int], mean: float) -> int:
    """Return a Poisson value: by inversion, or by Hoermann's transformed rejection (PTRS, 1993)."""

    def logarithm(value: float) -> float:
        return value * math.log(mean) - mean - math.lgamma(value + 1)

    if mean < 10:
        uniform, value, cumulative = (draw() >> 11) * SPACING, 0, math.exp(-mean)
        while uniform >= cumulative:
            value += 1
            cumulative += math.exp(logarithm(value))
        return value
    slope = 0.931 + 2.53 * math.sqrt(mean)
    bend = -0.059 + 0.02483 * slope
    while True:
        place, height = (draw() >> 11) * SPACING - 0.5, ((draw() >> 11) + 1) * SPACING
        edge = 0.5 - abs(place)
        value = math.floor((2 * bend / edge + slope) * place + mean + 0.43)
        # The squeezes of the paper decide nothing: they only save the logarithms.
        density = (1.1239 + 1.1328 / (slope - 3.4)) / (bend / edge**2 + slope)
        if value >= 0 and math.log(height * density) <= logarithm(value):
            return value


def integer(draw: Callable[[], int], low: int, high: int) -> int:
    """Return one of the integers from low to high: the high half of a product, drawn again if that is unfair."""
    count = high - low + 1
    while True:
        product = draw() * count
        if product % (1 << 64) >= (1 << 64) % count:
            return low + (product >> 64)


if __name__ == "__main__":
    main()
