"""The decoder of messages against spoiled ones, for a few seconds; `make fuzz` does it for longer."""

import pytest
from fuzz.messages import Fuzzer

SECONDS = 5.0


@pytest.mark.slow
def test_the_decoder_answers_whatever_comes() -> None:
    fuzzer = Fuzzer()
    assert fuzzer.corpus
    fuzzer.run(SECONDS)
    assert fuzzer.inputs > 100
    assert fuzzer.accepted > 10
