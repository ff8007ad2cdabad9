"""Whether a record's file is as it was written. It has no digest, but says most of its values twice.

Its columns have statistics, so that a byte that was changed contradicts another; and the same values are always written
with the same bytes, as long as the same version of Arrow writes them.
"""

import datetime as dt

import pyarrow as pa
import pyarrow.parquet as pq

from sweepctl.errors import DamagedError
from sweepctl.records import table
from sweepctl.records.outcome import EnginePin, Outcome, RunRecord

_COMPARED = (int, float, str, dt.datetime)


def require_as_written(record: Outcome | RunRecord | EnginePin, body: bytes, where: str) -> None:
    """Raise DamagedError unless the file from which a record was decoded can be as it was written.

    Of what another version of Arrow wrote, or an earlier release with fewer columns, only the statistics are compared.
    """
    own = table.encode(record)
    if body != own and not _is_of_another_writer(record, body, own):
        raise DamagedError(f"{where} has other bytes than its values are written with", remedy=table.FOREIGN)


def _is_of_another_writer(record: Outcome | RunRecord | EnginePin, body: bytes, own: bytes) -> bool:
    found, expected = (pq.read_metadata(pa.BufferReader(each)) for each in (body, own))
    try:
        writers = [(each.created_by, each.schema.to_arrow_schema().names) for each in (found, expected)]
        return writers[0] != writers[1] and _statistics_hold(record, found)
    except UnicodeDecodeError:
        return False


def _statistics_hold(record: Outcome | RunRecord | EnginePin, metadata: pq.FileMetaData) -> bool:
    """Return whether each column's value is within its statistics; those of lists are not compared."""
    group = metadata.row_group(0)
    columns = [group.column(place) for place in range(group.num_columns)]
    return all(
        _holds(each.statistics, getattr(record, each.path_in_schema, None))
        for each in columns
        if each.statistics is not None and "." not in each.path_in_schema
    )


def _holds(statistics: pq.Statistics, value: object) -> bool:
    if value is None:
        return not statistics.has_null_count or bool(statistics.null_count == 1)
    if isinstance(value, _COMPARED) and statistics.has_min_max:
        return bool(statistics.min <= value <= statistics.max)
    return True
