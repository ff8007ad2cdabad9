"""Reads statements as Athena does, as far as sqlglot knows: strictly, where sqlglot itself is lax."""

import re

import sqlglot
from sqlglot import exp

# The names that Athena reserves in queries, from its guide's "Escape reserved keywords in queries".
RESERVED = frozenset(
    """
    ALTER AND AS BETWEEN BY CASE CAST CONSTRAINT CREATE CROSS CUBE CURRENT_CATALOG CURRENT_DATE CURRENT_PATH
    CURRENT_SCHEMA CURRENT_TIME CURRENT_TIMESTAMP CURRENT_USER DEALLOCATE DELETE DESCRIBE DISTINCT DROP ELSE END ESCAPE
    EXCEPT EXECUTE EXISTS EXTRACT FALSE FIRST FOR FROM FULL GROUP GROUPING HAVING IN INNER INSERT INTERSECT INTO IS JOIN
    JSON_ARRAY JSON_EXISTS JSON_OBJECT JSON_QUERY JSON_TABLE JSON_VALUE LAST LEFT LIKE LISTAGG LOCALTIME LOCALTIMESTAMP
    NATURAL NORMALIZE NOT NULL OF ON OR ORDER OUTER PREPARE RECURSIVE RIGHT ROLLUP SELECT SKIP TABLE THEN TRIM TRUE
    UESCAPE UNION UNNEST USING VALUES WHEN WHERE WITH
    """.split()  # noqa: SIM905  read as the guide prints it
)
PROPERTIES = {
    r"classification": r"parquet",
    r"projection\.enabled": r"true",
    r"projection\.run_date\.type": r"date",
    r"projection\.run_date\.format": r"yyyy-MM-dd",
    r"projection\.run_date\.range": r"\d{4}-\d\d-\d\d,NOW\+1DAY",
    r"projection\.run_date\.interval": r"1",
    r"projection\.run_date\.interval\.unit": r"DAYS",
    r"projection\.run\.type": r"injected",
    r"storage\.location\.template": r"s3://bucket/sweeps/[a-z0-9_/]+(/run_date=\$\{run_date\})?(/run=\$\{run\})?/",
}
TABLE_PARTS = {
    exp.ExternalProperty,
    exp.FileFormatProperty,
    exp.LocationProperty,
    exp.PartitionedByProperty,
    exp.Property,
}


class NotAthenasError(Exception):
    """A statement that Athena would not take, or not as it is meant."""


def parsed(sql: str) -> exp.Expr:
    """Return the statement; whatever sqlglot passes over without understanding it is an error."""
    try:
        (statement,) = sqlglot.parse(sql, dialect="athena")
    except sqlglot.ParseError as error:
        raise NotAthenasError(str(error)) from error
    if statement is None or statement.find(exp.Command):
        raise NotAthenasError(f"not understood: {sql}")
    for function in statement.find_all(exp.Anonymous):
        _require(ok=False, why=f"no function {function.name}")
    if isinstance(statement, exp.Create) and statement.kind == "TABLE":
        _require_table(statement)
    # What was dropped on the way would be missing in what comes out.
    _require(_words(statement.sql(dialect="athena")) == _words(sql), f"read as {statement.sql(dialect='athena')}")
    return statement


def _require_table(statement: exp.Create) -> None:
    parts = statement.args["properties"].expressions
    _require({type(part) for part in parts} | {exp.PartitionedByProperty} == TABLE_PARTS, f"parts: {parts}")
    (form,) = (part.this for part in parts if isinstance(part, exp.FileFormatProperty))
    _require(form.name == "PARQUET", f"files: {form}")
    for part in parts:
        if type(part) is exp.Property:
            key, value = part.name, part.args["value"].name
            fits = [each for name, each in PROPERTIES.items() if re.fullmatch(name, key)]
            _require(bool(fits) and re.fullmatch(fits[0], value) is not None, f"property {key} = {value}")


def _words(sql: str) -> list[str]:
    """Return what a statement is made of, but for spaces, comments, and words that may be left out."""
    bare = re.sub(r"--.*|/\*.*?\*/", "", sql)
    words = re.findall(r"\w+|[^\w\s]", bare.upper())
    return sorted(word for word in words if word not in {"AS", "INNER", "ASC"})


def _require(ok: bool, why: str) -> None:  # noqa: FBT001  as assert
    if not ok:
        raise NotAthenasError(why)
