"""Fuzzes the decoder of shard messages.

    python tests/fuzz/messages.py SECONDS [SEED]

Whatever the bytes are, `decode` returns a message or raises MessageError in one line, soon and in little memory. What
it returns, it reads back from its own writing. Inputs that it answers in a new way are kept in messages/.
"""

import datetime as dt
import hashlib
import re
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import process_memory
from fuzz.mutate import mutate

from sweepctl.errors import MessageError
from sweepctl.messages import ShardMessage, decode

CORPUS = Path(__file__).parent / "messages"
TODAY = dt.date(2026, 3, 1)
SECONDS_AN_INPUT = 2.0  # of 64 KiB; usual are some ten microseconds
MEMORY_BYTES = 256 << 20  # that it may all take, beside what the interpreter has
LONGEST_KEPT = 2_000
MOST_KEPT = 50


@dataclass
class Fuzzer:
    """Mutates what it has, and keeps what is answered in a new way."""

    seed: int = 0
    inputs: int = 0
    accepted: int = 0
    corpus: list[bytes] = field(default_factory=lambda: [path.read_bytes() for path in sorted(CORPUS.glob("*.json"))])
    found: list[bytes] = field(default_factory=list)
    slowest: float = 0.0

    def __post_init__(self) -> None:
        self._random = Random(self.seed)
        kinds = [(text, self.answer(text)) for text in self.corpus]
        self._answers = {kind for _, kind in kinds}
        self._sound = [text for text, kind in kinds if kind.startswith("ShardMessage")]
        self._memory = process_memory.begin()

    def run(self, seconds: float) -> None:
        random, until = self._random, time.monotonic() + seconds
        while time.monotonic() < until:
            # Half of the time a sound one: what is refused stays refused, mostly.
            whence = random.choice([self._sound, self.corpus])
            text = mutate(random.choice(whence), self.corpus, random)
            answer = self.answer(text)
            if answer not in self._answers:
                self._answers.add(answer)
                if len(text) <= LONGEST_KEPT and len(self.found) < MOST_KEPT:
                    self.corpus.append(text)
                    self.found.append(text)
        assert process_memory.peak() - self._memory < MEMORY_BYTES

    def answer(self, text: bytes) -> str:
        """Decode; return the kind of answer, without what of it is the input's own."""
        self.inputs += 1
        began_at = time.process_time()
        try:
            message: ShardMessage | None = decode(text, TODAY)
        except MessageError as error:
            message, refusal = None, error
        except BaseException as error:
            error.add_note(f"the input: {text!r}")
            raise
        if message is None:
            assert "\n" not in refusal.message, text
            assert refusal.remedy, text
            answer = re.sub(r"[0-9]+|'[^']*'|\"[^\"]*\"|[^ -~]", "", refusal.message)[-40:]
        else:
            self.accepted += 1
            assert decode(message.to_json(), TODAY) == message, text
            assert decode(message.to_json(), TODAY).spec.fingerprint == message.spec.fingerprint, text
            answer = type(message).__name__
        took = time.process_time() - began_at
        self.slowest = max(self.slowest, took)
        assert took < SECONDS_AN_INPUT, text
        return answer

    def __str__(self) -> str:
        return (
            f"{self.inputs:,} inputs, {self.accepted:,} of them messages, {len(self._answers)} kinds of answer, "
            f"{len(self.found)} new ones, the slowest {1000 * self.slowest:.1f} ms"
        )


def keep(found: list[bytes]) -> None:
    """Add inputs to the corpus."""
    for text in found:
        (CORPUS / f"{hashlib.sha256(text).hexdigest()[:16]}.json").write_bytes(text)


def main(seconds: float, seed: int) -> None:
    sys.stdout.write(f"seed {seed}\n")
    fuzzer = Fuzzer(seed)
    fuzzer.run(seconds)
    keep(fuzzer.found)
    sys.stdout.write(f"{fuzzer}\n")


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else time.time_ns())
