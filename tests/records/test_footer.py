"""Footers with a byte changed: whatever Arrow makes of them, it does not end the process."""

import io
import subprocess
import sys
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sweepctl.records.footer import footer_of, require_safe
from sweepctl.records.table import PARQUET_ERRORS

ROWS = pa.table({"text": ["x"], "number": [1], "list": [[{"key": 1, "name": "z"}]]})
CHANGES = 5_000
LOOK = """
import sys
import pyarrow as pa, pyarrow.parquet as pq
for body in sys.stdin.buffer.read().split(b"PAR1")[1::2]:
    try:
        pq.ParquetFile(pa.BufferReader(b"PAR1" + body + b"PAR1")).metadata.row_group(0).to_dict()
    except Exception:
        pass
"""


def whole() -> bytes:
    sink = io.BytesIO()
    pq.write_table(ROWS, sink, compression="NONE")
    return sink.getvalue()


def test_a_footer_as_it_is_written_is_safe() -> None:
    require_safe(footer_of(whole()))


def test_no_change_of_a_byte_that_is_called_safe_ends_the_process() -> None:
    body, random = whole(), Random(1)
    safe = []
    for _ in range(CHANGES):
        changed = bytearray(body)
        changed[random.randrange(len(body) - 8 - len(footer_of(body)), len(body) - 8)] = random.randrange(256)
        try:
            pq.read_metadata(pa.BufferReader(changed))
            require_safe(footer_of(bytes(changed)))
        except PARQUET_ERRORS:
            continue
        safe.append(bytes(changed))
    assert len(safe) > CHANGES / 10
    looked = subprocess.run([sys.executable, "-c", LOOK], input=b"".join(safe), capture_output=True, check=False)
    assert looked.returncode == 0, looked.stderr[-500:]


@pytest.mark.parametrize(("old", "new"), [(0x25, 0x24), (0x25, 0x23)])
def test_a_column_whose_repetition_arrow_would_not_read_is_refused(old: int, new: int) -> None:
    body = bytearray(whole())
    at = body.index(bytes([old]), len(body) - 8 - len(footer_of(bytes(body))))
    body[at] = new
    with pytest.raises(pa.ArrowInvalid):
        require_safe(footer_of(bytes(body)))
