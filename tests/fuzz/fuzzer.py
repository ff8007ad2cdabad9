"""A fuzzer: it spoils inputs, has them answered, and spoils those further that are answered in a new way.

Whatever the bytes are, each is answered soon and in little memory: what an answer may be, its subject says. A subject
is a function from bytes to the kind of answer; its own assertions, and whatever it raises, are findings.
"""

import re
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from random import Random

import process_memory
from fuzz.mutate import TOKENS, mutate

from sweepctl.errors import SweepctlError

ACCEPTED = "accepted"  # begins the answer to what is sound
SECONDS_AN_INPUT = 2.0  # of computing, for 64 KiB; usual are from some ten microseconds to some ten milliseconds
MEMORY_BYTES = 256 << 20  # that all may take, beside what the interpreter has
LEAST = 60  # inputs, whatever a machine takes for them: of so many each subject accepts some
LONGEST_KEPT = 2_000
MOST_KEPT = 50


def kind_of(message: str) -> str:
    """Return an error's message without what of it is the input's own."""
    return re.sub(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|`[^`]*`|/\S+|[0-9]+|[^ -~]", "", message)[-40:]


def refusal(error: SweepctlError) -> str:
    """Return the kind of an error, which has a remedy, and one line or those of a sweep file's errors."""
    assert error.remedy
    assert error.has_lines or "\n" not in error.message
    return kind_of(error.message)


@dataclass
class Fuzzer:
    """Mutates what it has, and keeps what is answered in a new way."""

    subject: Callable[[bytes], str]
    corpus: list[bytes]
    seed: int = 0
    tokens: Sequence[bytes] = TOKENS
    spoil: Callable[[bytes, Sequence[bytes], Random, Sequence[bytes]], bytes] = mutate
    longest: float = SECONDS_AN_INPUT
    ends: ExitStack = field(default_factory=ExitStack)  # of what the subject needs as long as it is asked
    inputs: int = 0
    accepted: int = 0
    found: list[bytes] = field(default_factory=list)
    slowest: float = 0.0

    def __post_init__(self) -> None:
        """Have the corpus answered, which does not count."""
        self._random = Random(self.seed)
        kinds = [(text, self.answer(text)) for text in self.corpus]
        self._answers = {kind for _, kind in kinds}
        self._sound = [text for text, kind in kinds if kind.startswith(ACCEPTED)]
        assert self._sound
        self.inputs = self.accepted = 0
        self._memory = process_memory.begin()

    def run(self, seconds: float) -> None:
        """Fuzz for so long, and some inputs at least."""
        random, until, least = self._random, time.monotonic() + seconds, self.inputs + LEAST
        while time.monotonic() < until or self.inputs < least:
            # Mostly a sound one: what is refused stays refused.
            whence = random.choice([self._sound, self._sound, self.corpus])
            text = self.spoil(random.choice(whence), self.corpus, random, self.tokens)
            answer = self.answer(text)
            if answer not in self._answers:
                self._answers.add(answer)
                if len(text) <= LONGEST_KEPT and len(self.found) < MOST_KEPT:
                    self.corpus.append(text)
                    self.found.append(text)
                    if answer.startswith(ACCEPTED):
                        self._sound.append(text)
        assert process_memory.peak() - self._memory < MEMORY_BYTES, self.seed

    def answer(self, text: bytes) -> str:
        """Return the subject's kind of answer."""
        self.inputs += 1
        began_at = time.process_time()
        try:
            answer = self.subject(text)
            took = time.process_time() - began_at
            assert took < self.longest
        except BaseException as error:
            error.add_note(f"seed {self.seed}, the input: {text!r}")
            raise
        self.accepted += answer.startswith(ACCEPTED)
        self.slowest = max(self.slowest, took)
        return answer

    def __str__(self) -> str:
        """Return what it did."""
        return (
            f"{self.inputs:,} inputs, {self.accepted:,} of them accepted, {len(self._answers)} kinds of answer, "
            f"{len(self.found)} new ones, the slowest {1000 * self.slowest:.1f} ms"
        )
