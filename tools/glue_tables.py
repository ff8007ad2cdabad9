"""Writes the Glue tables into examples/deploy/template.yaml, from what the engine describes: `make tables`.

They are those of `sweepctl athena` (`sweepctl.athena.tables`), for the stack's bucket.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from sweepctl.athena.apply import table_input
from sweepctl.athena.tables import GlueTable, tables
from sweepctl.engine.client import Engine, find_engine
from sweepctl.protocol import Description

TEMPLATE = Path(__file__).parents[1] / "examples" / "deploy" / "template.yaml"
BEGIN = "  # Tables: written by `make tables`; a test compares.\n"
END = "  # End of tables.\n"
ROOT = "s3://${Bucket}/${Prefix}"


def resource(each: GlueTable) -> Iterator[str]:
    """Yield the lines of a table's resource in the template."""
    wanted = table_input(each, ROOT)
    files = wanted["StorageDescriptor"]
    identifier = "".join(part.capitalize() for part in each.name.split("_")) + "Table"
    yield f"  {identifier}:"
    yield "    Type: AWS::Glue::Table"
    yield "    Properties:"
    yield '      CatalogId: !Ref "AWS::AccountId"'
    yield "      DatabaseName: !Ref Database"
    yield "      TableInput:"
    yield f"        Name: {each.name}"
    yield f"        TableType: {wanted['TableType']}"
    yield f"        PartitionKeys:{'' if each.partitions else ' []'}"
    yield from (f"          - {{Name: {name}, Type: string}}" for name in each.partitions)
    yield "        Parameters:"
    for name, value in wanted["Parameters"].items():
        if name == "storage.location.template":
            yield f'          {name}: !Sub "{_escaped(value, each)}"'
        else:
            yield f'          {name}: "{value}"'
    yield "        StorageDescriptor:"
    yield f'          Location: !Sub "{files["Location"]}"'
    yield f"          InputFormat: {files['InputFormat']}"
    yield f"          OutputFormat: {files['OutputFormat']}"
    yield "          SerdeInfo:"
    yield f"            SerializationLibrary: {files['SerdeInfo']['SerializationLibrary']}"
    yield "          Columns:"
    yield from (f'            - {{Name: "{column["Name"]}", Type: "{column["Type"]}"}}' for column in files["Columns"])
    yield ""


def _escaped(template: str, table: GlueTable) -> str:
    """Escape the variables that Athena substitutes, so that CloudFormation does not."""
    for name in table.partitions:
        template = template.replace(f"${{{name}}}", f"${{!{name}}}")
    return template


def written(template: str, description: Description) -> str:
    """Return the template with its tables regenerated."""
    before, _, rest = template.partition(BEGIN)
    _, _, after = rest.partition(END)
    lines = [line for each in tables(description.models) for line in resource(each)]
    return "".join((before, BEGIN, *(f"{line}\n" for line in lines), END, after))


if __name__ == "__main__":
    engine = Engine(find_engine(os.environ.get("SWEEPCTL_ENGINE")))
    TEMPLATE.write_text(written(TEMPLATE.read_text(), engine.description))
