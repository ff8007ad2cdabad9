"""What reaches sweepctl from outside, spoiled, for some seconds; `make fuzz` does it for longer."""

import pytest
from fuzz.run import SUBJECTS, fuzz

SECONDS = {"messages": 5.0}


@pytest.mark.slow
@pytest.mark.parametrize("name", SUBJECTS)
def test_whatever_comes_is_answered(name: str) -> None:
    fuzzer = fuzz(name, SECONDS.get(name, 1.0), seed=0)
    assert fuzzer.accepted > 0
