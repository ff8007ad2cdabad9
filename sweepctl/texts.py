"""Text to show: from elsewhere (an engine, a store, a message, a file name), made safe; and numbers of things."""

import unicodedata


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


def _shown(character: str) -> str:
    if character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    return character.encode("unicode_escape").decode()
