"""The decoder of shard messages, to be fuzzed.

`decode` returns a message or raises MessageError in one line. What it returns, it reads back from its own writing.
Inputs that it answers in a new way are kept in messages/.
"""

import datetime as dt
import hashlib
from pathlib import Path

from fuzz.fuzzer import ACCEPTED, Fuzzer, refusal

from sweepctl.errors import MessageError
from sweepctl.messages import decode

CORPUS = Path(__file__).parent / "messages"
TODAY = dt.date(2026, 3, 1)


def fuzzer(seed: int, _: Path) -> Fuzzer:
    return Fuzzer(answer, [path.read_bytes() for path in sorted(CORPUS.glob("*.json"))], seed)


def answer(text: bytes) -> str:
    """Decode; return the kind of answer."""
    try:
        message = decode(text, TODAY)
    except MessageError as error:
        return refusal(error)
    assert decode(message.to_json(), TODAY) == message
    assert decode(message.to_json(), TODAY).spec.fingerprint == message.spec.fingerprint
    return f"{ACCEPTED} {message.spec.design.get('kind')} {sorted(message.model_fields_set)}"


def keep(found: list[bytes]) -> None:
    """Add inputs to the corpus."""
    for text in found:
        (CORPUS / f"{hashlib.sha256(text).hexdigest()[:16]}.json").write_bytes(text)
