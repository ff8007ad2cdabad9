"""Writes the Glue tables into examples/deploy/template.yaml, from what the engine describes: `make tables`.

Columns and types are those that workers write (`sweepctl.table`). Partition projection finds every file, so that
nothing crawls and nobody repairs partitions. Over the same files stand two tables: one across runs, by `run_date`, and
one `…_of_run`, whose `run` has to be given as a literal and which lists that run's objects alone.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from sweepctl import table
from sweepctl.engine import Engine, find_engine
from sweepctl.protocol import Description

TEMPLATE = Path(__file__).parents[1] / "examples" / "deploy" / "template.yaml"
BEGIN = "  # Tables: written by `make tables`; a test compares.\n"
END = "  # End of tables.\n"
TYPES: Mapping[pa.DataType, str] = {
    table.INT: "bigint",
    table.FLOAT: "double",
    table.BOOL: "boolean",
    table.TEXT: "string",
    table.TIME: "timestamp",
}
# `date` counts from the first run_date that a message may have, to tomorrow, which it may have, too.
BY_DATE = {
    "projection.enabled": "true",
    "projection.run_date.type": "date",
    "projection.run_date.format": "yyyy-MM-dd",
    "projection.run_date.range": "2000-01-01,NOW+1DAY",
    "projection.run_date.interval": "1",
    "projection.run_date.interval.unit": "DAYS",
}
OF_RUN = {"projection.run.type": "injected"}


@dataclass(frozen=True)
class GlueTable:
    """A table over the files below one folder of the store."""

    name: str
    folder: str
    columns: Sequence[tuple[str, str]]
    is_of_run: bool

    @property
    def partitions(self) -> tuple[str, ...]:
        """The names of its partition columns, all of them texts."""
        return ("run_date", "run") if self.is_of_run else ("run_date",)

    @property
    def parameters(self) -> Mapping[str, str]:
        """What Athena needs to find the files."""
        path = "".join(f"/{name}=${{{name}}}" for name in self.partitions)
        projection = BY_DATE | (OF_RUN if self.is_of_run else {})
        return {"classification": "parquet", **projection, "storage.location.template": f"{self.folder}{path}/"}


def tables(description: Description) -> Iterator[GlueTable]:
    """Yield every table of a store whose workers have this engine."""
    folders = {"shard_outcomes": table.OUTCOME, "shard_attempts": table.OUTCOME}
    for model in description.models:
        every = table.schemas(model, [dataset.name for dataset in model.datasets])
        folders |= {f"{dataset}/{model.name}": schema for dataset, schema in every.items()}
    for folder, schema in folders.items():
        columns = [(field.name, type_of(field.type)) for field in schema]
        name = folder.replace("/", "_")
        yield GlueTable(name, folder, columns, is_of_run=False)
        yield GlueTable(f"{name}_of_run", folder, columns, is_of_run=True)


def type_of(kind: pa.DataType) -> str:
    """Return what Athena calls a type of Arrow's."""
    if pa.types.is_list(kind):
        return f"array<{type_of(kind.value_type)}>"
    if pa.types.is_struct(kind):
        return f"struct<{','.join(f'{field.name}:{type_of(field.type)}' for field in kind)}>"
    return TYPES[kind]


def resource(each: GlueTable) -> Iterator[str]:
    """Yield the lines of a table's resource in the template."""
    identifier = "".join(part.capitalize() for part in each.name.split("_")) + "Table"
    yield f"  {identifier}:"
    yield "    Type: AWS::Glue::Table"
    yield "    Properties:"
    yield '      CatalogId: !Ref "AWS::AccountId"'
    yield "      DatabaseName: !Ref Database"
    yield "      TableInput:"
    yield f"        Name: {each.name}"
    yield "        TableType: EXTERNAL_TABLE"
    yield "        PartitionKeys:"
    yield from (f"          - {{Name: {name}, Type: string}}" for name in each.partitions)
    yield "        Parameters:"
    for name, value in each.parameters.items():
        if name == "storage.location.template":
            # `!` keeps CloudFormation from putting in what Athena is to put in.
            escaped = value.replace("${", "${!")
            yield f'          {name}: !Sub "s3://${{Bucket}}/${{Prefix}}/{escaped}"'
        else:
            yield f'          {name}: "{value}"'
    yield "        StorageDescriptor:"
    yield f'          Location: !Sub "s3://${{Bucket}}/${{Prefix}}/{each.folder}/"'
    yield "          InputFormat: org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"
    yield "          OutputFormat: org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat"
    yield "          SerdeInfo:"
    yield "            SerializationLibrary: org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
    yield "          Columns:"
    yield from (f'            - {{Name: "{name}", Type: "{kind}"}}' for name, kind in each.columns)
    yield ""


def written(template: str, description: Description) -> str:
    """Return the template with its tables written anew."""
    before, _, rest = template.partition(BEGIN)
    _, _, after = rest.partition(END)
    lines = [line for each in tables(description) for line in resource(each)]
    return "".join((before, BEGIN, *(f"{line}\n" for line in lines), END, after))


if __name__ == "__main__":
    engine = Engine(find_engine(os.environ.get("SWEEPCTL_ENGINE")))
    TEMPLATE.write_text(written(TEMPLATE.read_text(), engine.description))
