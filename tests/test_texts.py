"""What is shown of a text from elsewhere."""

import pytest
from fakes.hostile_texts import ALL
from hypothesis import given
from hypothesis import strategies as st

from sweepctl.texts import counted, did_you_mean, listed, plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain – text, ümläut, 漢字, 🙂", "plain – text, ümläut, 漢字, 🙂"),
        ("no\u00a0break\u3000wide", "no\u00a0break\u3000wide"),
        ("a\tb\nc\r", "a\\tb\\nc\\r"),
        ("\x1b[31m\x85\x9b", "\\x1b[31m\\x85\\x9b"),
        ("\u2028\u202e\ufeff\U000e0041", "\\u2028\\u202e\\ufeff\\U000e0041"),
        ("\ud800\udcff", "\\ud800\\udcff"),
        ("a\\n", "a\\n"),
    ],
    ids=ascii,
)
def test_what_a_terminal_would_obey_is_escaped(text: str, shown: str) -> None:
    assert plain(text) == shown


@given(st.text() | st.text(alphabet=ALL))
def test_a_plain_text_stays(text: str) -> None:
    shown = plain(text)
    assert plain(shown) == shown
    shown.encode()
    assert len(shown.splitlines()) <= 1


def test_a_long_text_is_cut() -> None:
    assert plain("x" * 10, 10) == "x" * 10
    assert plain("x" * 11, 10) == "x" * 9 + "…"


def test_one_is_no_plural() -> None:
    assert [counted("points", count) for count in (0, 1, 2, 1_000)] == [
        "0 points",
        "1 point",
        "2 points",
        "1,000 points",
    ]
    assert counted("attempts recorded beside", 1) == "1 attempt recorded beside"


def test_an_unknown_name_gets_the_nearest_one() -> None:
    assert did_you_mean("mean_wiat", ["max_wait", "mean_wait"], "Metrics") == "Did you mean `mean_wait`?"
    assert did_you_mean("colour", ["max_wait", "mean_wait"], "Metrics") == "Metrics: max_wait, mean_wait."
    assert did_you_mean("colour", [], "Metrics") == "Metrics: none."


def test_of_many_names_ten_are_listed_the_nearest_first() -> None:
    names = [f"parameter_{number}" for number in range(200)]
    assert listed(names[:10]) == ", ".join(names[:10])
    assert listed(names) == f"{', '.join(names[:10])}, … (200 in all)"
    assert listed(names, "x_177").startswith("parameter_177, ")
