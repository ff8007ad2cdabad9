"""Writes the Glue tables into examples/deploy/template.yaml, from what the engine describes: `make tables`."""

import os
from collections.abc import Iterator
from pathlib import Path

from sweepctl.athena.tables import GlueTable, tables, type_of
from sweepctl.engine import Engine, find_engine
from sweepctl.protocol import Description

TEMPLATE = Path(__file__).parents[1] / "examples" / "deploy" / "template.yaml"
BEGIN = "  # Tables: written by `make tables`; a test compares.\n"
END = "  # End of tables.\n"
STORE = "s3://${Bucket}/${Prefix}"  # as the template says it


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
    for name, value in each.properties(STORE).items():
        if name == "storage.location.template":
            # `!` keeps CloudFormation from putting in what Athena is to put in.
            escaped = value.removeprefix(STORE).replace("${", "${!")
            yield f'          {name}: !Sub "{STORE}{escaped}"'
        else:
            yield f'          {name}: "{value}"'
    yield "        StorageDescriptor:"
    yield f'          Location: !Sub "{STORE}/{each.folder}/"'
    yield "          InputFormat: org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"
    yield "          OutputFormat: org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat"
    yield "          SerdeInfo:"
    yield "            SerializationLibrary: org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
    yield "          Columns:"
    yield from (f'            - {{Name: "{field.name}", Type: "{type_of(field.type)}"}}' for field in each.columns)
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
