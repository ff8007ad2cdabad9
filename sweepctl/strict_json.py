"""JSON from outside, parsed strictly: what the standard library would tolerate is refused, with the rule it breaks.

Raises one-line ValueErrors; callers turn them into errors with a remedy.
"""

import json
import math
from typing import Any, NoReturn

MAX_DEPTH = 16
INT64_MAX = (1 << 63) - 1


def parse(text: bytes) -> Any:  # noqa: ANN401  any JSON value
    """Return the value in `text`: unique keys, finite numbers, 64-bit integers, bounded depth, valid Unicode.

    Raises:
        ValueError: the first broken rule, in one line.
    """
    try:
        value = json.loads(
            text.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_refuse_constant,
            parse_int=_integer,
            parse_float=_float,
        )
    except UnicodeDecodeError as error:
        _refuse(f"byte {error.start}: must be UTF-8")
    except json.JSONDecodeError as error:
        _refuse(f"line {error.lineno}, column {error.colno}: must be valid JSON: {error.msg}")
    except RecursionError:
        _refuse(f"must nest at most {MAX_DEPTH} levels deep")
    require_bounded(value)
    return value


def short(text: str) -> str:
    """Quote text from outside so that it stays on one line of bounded length."""
    limit = 80
    shown = text if len(text) <= limit else text[:limit] + "…"
    return shown if shown.isascii() and shown.isprintable() else ascii(shown)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                _refuse(f"{short(key)}: must appear once")
            seen.add(key)
    return fields


def _refuse_constant(name: str) -> NoReturn:
    _refuse(f"{name}: numbers must be finite")


def _integer(digits: str) -> int:
    # The length first: int() takes quadratic time, and refuses thousands of digits with an error of its own.
    if len(digits) > len(str(-INT64_MAX)) or not -INT64_MAX - 1 <= int(digits) <= INT64_MAX:
        _refuse(f"{short(digits)}: integers must fit in signed 64 bits")
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        _refuse(f"{short(digits)}: numbers must be finite")
    return value


def require_bounded(root: Any) -> None:  # noqa: ANN401  any JSON value
    """Check depth and text of every value, without recursion.

    Raises:
        ValueError: the broken rule.
    """
    level: list[Any] = [root]
    for _ in range(MAX_DEPTH):
        inner: list[Any] = []
        for value in level:
            match value:
                case dict():
                    inner.extend(value)
                    inner.extend(value.values())
                case list():
                    inner.extend(value)
                case str() if not _is_text(value):
                    _refuse(f"{short(value)}: text must not contain an unpaired surrogate")
        level = inner
        if not level:
            return
    _refuse(f"must nest at most {MAX_DEPTH} levels deep")


def _is_text(value: str) -> bool:
    return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)


def _refuse(rule: str) -> NoReturn:
    raise ValueError(rule)
