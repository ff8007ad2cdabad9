"""The tables that Athena sees over a store, as values: from what the engine describes and what workers write.

Columns and types are those of `sweepctl.table`, so that they never drift. Partition projection finds every file, so
that nothing crawls and nobody repairs partitions. Over the same files stand two tables: one across runs, by `run_date`,
and one `…_of_run`, whose `run` has to be given as a literal (Athena's `injected`) and which lists that run's objects
alone.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa

from sweepctl import table
from sweepctl.protocol import Description

_TYPES: Mapping[pa.DataType, str] = {
    table.INT: "bigint",
    table.FLOAT: "double",
    table.BOOL: "boolean",
    table.TEXT: "string",
    table.TIME: "timestamp",
}
# `date` counts from the first run_date that a message may have, to tomorrow, which it may have, too.
_BY_DATE = {
    "projection.enabled": "true",
    "projection.run_date.type": "date",
    "projection.run_date.format": "yyyy-MM-dd",
    "projection.run_date.range": "2000-01-01,NOW+1DAY",
    "projection.run_date.interval": "1",
    "projection.run_date.interval.unit": "DAYS",
}
_OF_RUN = {"projection.run.type": "injected"}


@dataclass(frozen=True)
class GlueTable:
    """A table over the files below one folder of the store."""

    name: str
    folder: str
    columns: pa.Schema
    is_of_run: bool

    @property
    def partitions(self) -> tuple[str, ...]:
        """The names of its partition columns, all of them texts."""
        return ("run_date", "run") if self.is_of_run else ("run_date",)

    def properties(self, location: str) -> dict[str, str]:
        """Return what Athena needs to find the files of the store at `location`, an `s3://` address."""
        path = "".join(f"/{name}=${{{name}}}" for name in self.partitions)
        return {
            "classification": "parquet",
            **_BY_DATE,
            **(_OF_RUN if self.is_of_run else {}),
            "storage.location.template": f"{location}/{self.folder}{path}/",
        }


def tables(description: Description) -> Iterator[GlueTable]:
    """Yield every table of a store whose workers have this engine."""
    folders = {"shard_outcomes": table.OUTCOME, "shard_attempts": table.OUTCOME}
    for model in description.models:
        every = table.schemas(model, [dataset.name for dataset in model.datasets])
        folders |= {f"{dataset}/{model.name}": schema for dataset, schema in every.items()}
    for folder, schema in folders.items():
        name = folder.replace("/", "_")
        yield GlueTable(name, folder, schema, is_of_run=False)
        yield GlueTable(f"{name}_of_run", folder, schema, is_of_run=True)


def type_of(kind: pa.DataType, quote: str = "") -> str:
    """Return what Athena calls a type of Arrow's, with `quote` around the names of fields."""
    if pa.types.is_list(kind):
        return f"array<{type_of(kind.value_type, quote)}>"
    if pa.types.is_struct(kind):
        fields = (f"{quote}{field.name}{quote}:{type_of(field.type, quote)}" for field in kind)
        return f"struct<{','.join(fields)}>"
    return _TYPES[kind]
