"""Text to show: from elsewhere (an engine, a store, a message, a file name), made safe; numbers; and known names."""

import unicodedata
from collections.abc import Collection, Iterable
from difflib import SequenceMatcher, get_close_matches

MOST_NAMES = 10  # that a list shows


def plain(text: str, most: int | None = None) -> str:
    r"""Return a text on one line that can control no terminal, in at most `most` characters.

    Control and format characters, line and paragraph separators, and what is no character at all are escaped as in a
    Python literal (`\x1b`, `\u202e`): a reader sees that they are there. Spaces and printable characters stay.
    """
    if not text.isprintable():
        text = "".join(map(_shown, text))
    return text if most is None or len(text) <= most else f"{text[: most - 1]}…"


def counted(kind: str, count: int) -> str:
    """Return how many there are of `kind`, a plural: `1 point`, `2 points`."""
    first, space, rest = kind.partition(" ")
    return f"{count:,} {first.removesuffix('s') if count == 1 else first}{space}{rest}"


def extra_remedy(extra: str, package: str) -> str:
    """Return what to do where a package is not installed that an extra brings."""
    return f"Install {package}, which the extra `{extra}` brings (docs/installing.md#extras)."


def nearest(name: str, known: Collection[str]) -> str | None:
    """Return the known name that `name` was probably meant to be; None if none is near."""
    return next(iter(get_close_matches(name, known, n=1)), None)


def did_you_mean(name: str, known: Collection[str], kind: str) -> str:
    """Return what to say of a name that is not known: the one that was probably meant, or what there is of `kind`."""
    near = nearest(name, known)
    return f"Did you mean `{near}`?" if near is not None else f"{kind}: {listed(known, name)}."


def listed(known: Iterable[str], near: str | None = None) -> str:
    """Return known names as a list; of many the first, or those most like `near`, and how many there are."""
    names = list(known)
    if len(names) > MOST_NAMES and near is not None:
        names.sort(key=lambda each: -SequenceMatcher(None, near, each).ratio())
    more = f", … ({len(names):,} in all)" if len(names) > MOST_NAMES else ""
    return (", ".join(names[:MOST_NAMES]) or "none") + more


def _shown(character: str) -> str:
    if character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    return character.encode("unicode_escape").decode()
