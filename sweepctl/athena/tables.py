"""Athena's tables over a store, from the engine's description; neither SQL nor AWS calls.

Columns are those that workers write (`records.table`). Partition projection finds every file, so there is no crawler
and no partition repair. The same files have two tables, because Athena requires a literal for a partition that it
cannot enumerate: one across runs, by `run_date`, which finds the folders of runs below; and one `…_of_run`, which needs
the `run` and lists only that run's objects.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from sweepctl.messages import FIRST_RUN_DATE
from sweepctl.protocol import Model
from sweepctl.records import table

RUN_DATE, RUN = "run_date", "run"
OF_RUN = "_of_run"
RUN_FILES = "run_files"
FIRST_DAY = str(FIRST_RUN_DATE)

_TYPES: Mapping[pa.DataType, str] = {
    table.INT: "bigint",
    table.FLOAT: "double",
    table.BOOL: "boolean",
    table.TEXT: "string",
    table.TIME: "timestamp",  # without a zone, in UTC like the files
}
DAYS = f"projection.{RUN_DATE}.range"
_PROJECTIONS: Mapping[str, Mapping[str, str]] = {
    RUN_DATE: {
        "type": "date",
        "format": "yyyy-MM-dd",
        "range": "{since},NOW+1DAY",  # a message may have tomorrow's date
        "interval": "1",
        "interval.unit": "DAYS",
    },
    RUN: {"type": "injected"},
}


@dataclass(frozen=True)
class GlueTable:
    """A table over the files below one folder of the store. Its partitions are strings, not columns of files."""

    name: str
    folder: str
    schema: pa.Schema
    partitions: tuple[str, ...]

    def location(self, root: str) -> str:
        """Return the location of its files; `root` is the store's URL."""
        return f"{root}/{self.folder}/"

    def parameters(self, root: str, since: str) -> Mapping[str, str]:
        """Return the table properties that Athena needs to find the files of runs, none of which is before `since`."""
        classification = {"classification": "parquet"}
        if not self.partitions:
            return classification
        projections = {
            f"projection.{name}.{key}": value.format(since=since)
            for name in self.partitions
            for key, value in _PROJECTIONS[name].items()
        }
        path = "".join(f"{name}=${{{name}}}/" for name in self.partitions)
        template = {"storage.location.template": self.location(root) + path}
        return classification | {"projection.enabled": "true"} | projections | template


def tables(models: Sequence[Model]) -> Iterator[GlueTable]:
    """Yield every table of a store whose workers run these models."""
    yield GlueTable(RUN_FILES, "runs", table.RECORD_OR_PIN, ())
    yield GlueTable(RUN_FILES + OF_RUN, "runs", table.RECORD_OR_PIN, (RUN,))
    folders = {table.SHARD_OUTCOMES: table.OUTCOME, table.SHARD_ATTEMPTS: table.OUTCOME}
    for model in models:
        every = table.schemas(model, [dataset.name for dataset in model.datasets])
        folders |= {f"{dataset}/{model.name}": schema for dataset, schema in every.items()}
    for folder, schema in folders.items():
        name = folder.replace("/", "_")
        yield GlueTable(name, folder, schema, (RUN_DATE,))
        yield GlueTable(name + OF_RUN, folder, schema, (RUN_DATE, RUN))


def type_of(kind: pa.DataType, quote: Callable[[str], str] = str) -> str:
    """Return Athena's name of an Arrow type; `quote` is applied to the names of a struct's fields."""
    if pa.types.is_list(kind):
        return f"array<{type_of(kind.value_type, quote)}>"
    if pa.types.is_struct(kind):
        return f"struct<{','.join(f'{quote(field.name)}:{type_of(field.type, quote)}' for field in kind)}>"
    return _TYPES[kind]
