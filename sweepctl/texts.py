"""Text from elsewhere, made safe to show: of an engine, a store, a message, a file name."""

import unicodedata


def plain(text: str, most: int | None = None) -> str:
    r"""Return a text on one line that can control no terminal, in at most `most` characters.

    Control and format characters, line and paragraph separators, and what is no character at all are escaped as in a
    Python literal (`\x1b`, `\u202e`): a reader sees that they are there. Spaces and printable characters stay.
    """
    if not text.isprintable():
        text = "".join(map(_shown, text))
    return text if most is None or len(text) <= most else f"{text[: most - 1]}…"


def _shown(character: str) -> str:
    if character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    return character.encode("unicode_escape").decode()
