"""Footers that fit the form of a safe one: what is said of them is what `require_safe` says."""

import io
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sweepctl.records import footer, footer_forms
from sweepctl.records.footer import footer_of, footer_start
from sweepctl.records.footer_forms import FooterForms
from sweepctl.records.table import PARQUET_ERRORS

CHANGES = 2_000


def body_with(number: int, text: str, digest: str) -> bytes:
    rows = pa.table({"number": [number, 7], "text": [text, "x"], "list": [[{"key": 1, "name": text}], []]})
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, rows.schema, compression="zstd") as writer:
        writer.write_table(rows)
        writer.add_key_value_metadata({"content_sha256": digest})
    return sink.getvalue()


def footer_with(number: int, text: str, digest: str) -> bytes:
    return footer_of(body_with(number, text, digest))


@pytest.fixture
def examined(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The footers that are examined one by one."""
    seen: list[bytes] = []
    examine = footer.require_safe

    def require_safe(found: bytes) -> None:
        seen.append(found)
        examine(found)

    monkeypatch.setattr(footer, "require_safe", require_safe)
    return seen


def test_footers_that_differ_in_values_and_sizes_alone_are_examined_once(examined: list[bytes]) -> None:
    forms = FooterForms()
    made = [footer_with(1 << number, "y" * (1 + 40 * number), f"{number:0{number + 1}}") for number in range(9)]
    assert len({len(each) for each in made}) == len(made)
    for each in made:
        forms.require_safe(each)
    assert examined == made[:1]


def test_no_footer_is_called_safe_that_is_not(examined: list[bytes]) -> None:
    forms, body, random = FooterForms(), body_with(1, "yy", "0"), Random(1)
    forms.require_safe(footer_of(body))
    fits = 0
    for _ in range(CHANGES):
        changed = bytearray(body)
        changed[random.randrange(footer_start(body), len(body) - 8)] = random.randrange(256)
        found = footer_of(bytes(changed))
        examined.clear()
        try:
            pq.read_metadata(pa.BufferReader(changed))
            forms.require_safe(found)
        except PARQUET_ERRORS:
            continue
        fits += not examined
        footer.require_safe(found)
        del forms._forms[1:]
    assert fits > CHANGES / 10


def test_a_footer_that_ends_early_fits_no_form(examined: list[bytes]) -> None:
    forms, whole = FooterForms(), footer_with(1, "yy", "0")
    forms.require_safe(whole)
    for end in range(len(whole)):
        examined.clear()
        with pytest.raises(PARQUET_ERRORS):
            forms.require_safe(whole[:end])
        assert examined


def test_a_bounded_number_of_forms_is_kept(monkeypatch: pytest.MonkeyPatch, examined: list[bytes]) -> None:
    monkeypatch.setattr(footer_forms, "MAX_FORMS", 2)
    forms = FooterForms()
    for columns in range(1, 5):
        sink = io.BytesIO()
        pq.write_table(pa.table({f"c{number}": [1] for number in range(columns)}), sink)
        forms.require_safe(footer_of(sink.getvalue()))
        forms.require_safe(footer_of(sink.getvalue()))
    assert len(examined) == 1 + 1 + 2 + 2
