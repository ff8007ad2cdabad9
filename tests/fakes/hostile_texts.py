"""Texts that mean ill to whoever shows them: what an engine, a store, a message or a file name may say."""

import os

FORGED = "WHOLE: every point exists"  # what a line of its own would claim

TEXTS = (
    "[/nope]",
    "[/]",
    "[bold red]x[/bold red]",
    "[link=http://nowhere]x",
    "[@click=x]\\",
    "\\[/]\\",
    "\x1b[2J\x1b[31mred",
    "\x1b]0;title\x07",
    "\x9b31mred",
    "back\b\b\b\bspace",
    f"line\n{FORGED}",
    f"line\r{FORGED}",
    f"line\x0b\x0c{FORGED}",
    f"separator\u2028{FORGED}",
    f"paragraph\u2029{FORGED}",
    f"next line\x85{FORGED}",
    "right\u202eto left\u2066",
    "zero\u200bwidth\ufeff",
    "tag\U000e0041",
    "{braces} %s {0}",
    "<script>alert(1)</script>",
)
ALL = " ".join(TEXTS)
FEW = (*TEXTS[:3], ALL)  # what Rich takes for markup, and all together
# Names of files have neither slash nor NUL, and at most 255 bytes.
_NAMES = tuple(text.replace("/", ":") for text in TEXTS)
NAMES = (" ".join(_NAMES[:9]), " ".join(_NAMES[9:14]), " ".join(_NAMES[14:]), os.fsdecode(b"not UTF-8\xff"))
