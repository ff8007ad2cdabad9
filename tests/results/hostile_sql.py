"""Statements that try to write, or to read what is not a run's: every kind that DuckDB has, in many wrappings.

`{target}` is a path and `{folder}` the folder of a run's metrics, both as they stand inside an SQL literal.
"""

from collections.abc import Iterator
from itertools import cycle

# Each kind of statement; where one can name a file, it names `{target}`.
KINDS = (
    "COPY (SELECT 1 AS x) TO '{target}'",
    "COPY (SELECT 1 AS x) TO '{target}' (FORMAT parquet, OVERWRITE_OR_IGNORE)",
    "COPY (SELECT 1 AS x, 2 AS y) TO '{target}' (FORMAT parquet, PARTITION_BY (x), OVERWRITE)",
    "COPY (SELECT 1 AS x) TO '{target}' (FORMAT csv, PER_THREAD_OUTPUT)",
    "COPY (SELECT 1 AS x) TO '{target}' (FORMAT json, APPEND)",
    "COPY (SELECT 'x'::BLOB AS x) TO '{target}' (FORMAT blob)",
    "COPY points TO '{target}' (FORMAT parquet)",
    "COPY (SELECT 1 AS x) TO ('{target}' || getvariable('none'))",
    "COPY (SELECT 1 AS x) TO (current_setting('temp_directory') || '/x')",
    "COPY (SELECT 1 AS x) TO '/dev/stdout'",
    "COPY runs FROM '{target}'",
    "COPY FROM DATABASE memory TO temp",
    "EXPORT DATABASE '{target}'",
    "IMPORT DATABASE '{target}'",
    "ATTACH '{target}' AS other",
    "ATTACH IF NOT EXISTS '{target}' AS other (TYPE duckdb)",
    "ATTACH '{target}' AS other (TYPE sqlite)",
    "DETACH memory",
    "USE temp",
    "CREATE TABLE t AS SELECT 1 AS x",
    "CREATE TEMP TABLE t AS FROM range(100000)",
    "CREATE VIEW v AS FROM read_parquet('{target}')",
    "CREATE OR REPLACE VIEW points AS SELECT 1 AS x",
    "CREATE SCHEMA s",
    "CREATE SEQUENCE s",
    "CREATE TYPE t AS ENUM ('x')",
    "CREATE MACRO m(x) AS (SELECT count(*) FROM read_text('{target}'))",
    "CREATE MACRO query(x) AS TABLE FROM read_text('{target}')",
    "CREATE PERSISTENT SECRET s IN local_file (TYPE http, BEARER_TOKEN 'x')",
    "CREATE SECRET s (TYPE http, BEARER_TOKEN 'x')",
    "DROP SECRET IF EXISTS s",
    "DROP VIEW points",
    "ALTER VIEW points RENAME TO p",
    "INSERT INTO runs SELECT * FROM runs",
    "INSERT INTO '{target}' SELECT 1",
    "UPDATE runs SET run_id = 'x'",
    "DELETE FROM runs",
    "TRUNCATE runs",
    "MERGE INTO runs USING (SELECT 'a' AS run_id) AS n USING (run_id) WHEN MATCHED THEN DELETE",
    "ANALYZE",
    "VACUUM",
    "CHECKPOINT",
    "FORCE CHECKPOINT",
    "BEGIN TRANSACTION",
    "EXPLAIN ANALYZE COPY (SELECT 1 AS x) TO '{target}'",
    "PREPARE p AS COPY (SELECT 1 AS x) TO '{target}'",
    "EXECUTE p",
    "DEALLOCATE p",
    "CALL enable_logging(storage = 'file', storage_path = '{target}')",
    "CALL enable_profiling(save_location = '{target}')",
    "PRAGMA enable_profiling = 'json'",
    "PRAGMA profiling_output = '{target}'",
    "PRAGMA import_database('{target}')",
    "PRAGMA copy_database('memory', 'temp')",
    "PRAGMA enable_verification",
    "SET enable_external_access = true",
    "SET allowed_directories = ['{target}']",
    "SET allowed_paths = ['{target}']",
    "SET disabled_filesystems = ''",
    "SET temp_directory = '{target}'",
    "SET extension_directory = '{target}'",
    "SET home_directory = '{target}'",
    "SET secret_directory = '{target}'",
    "SET log_query_path = '{target}'",
    "SET profile_output = '{target}'",
    "SET custom_extension_repository = '{target}'",
    "SET lock_configuration = false",
    "RESET enable_external_access",
    "SET VARIABLE none = '/x'",
    "INSTALL httpfs",
    "FORCE INSTALL httpfs FROM '{target}'",
    "LOAD '{target}'",
    "UPDATE EXTENSIONS",
    "SELECT 1",
)
# Reads that have no business with a file, each as a SELECT by itself.
READS = (
    "FROM read_text('{target}')",
    "FROM read_blob('{target}')",
    "FROM read_csv('{target}', rejects_table = 'r', store_rejects = true)",
    "FROM read_json('{target}')",
    "FROM read_ndjson_objects('{target}')",
    "FROM read_parquet('{target}')",
    "FROM read_duckdb('{target}')",
    "FROM parquet_metadata('{target}')",
    "FROM parquet_schema('{target}')",
    "FROM parquet_kv_metadata('{target}')",
    "FROM sniff_csv('{target}')",
    "FROM glob('{target}*')",
    "FROM '{target}'",
    "FROM query_table('{target}')",
    "FROM query_table(['{target}', 'points'])",
    "SELECT getenv('HOME')",
    "FROM duckdb_secrets()",
    "FROM which_secret('s3://bucket/x', 's3')",
    "FROM enable_logging(storage = 'file', storage_path = '{target}')",
    "FROM enable_profiling(save_location = '{target}')",
    "FROM create_external_resource('{target}')",
    "FROM checkpoint()",
    "FROM force_checkpoint()",
    "FROM truncate_duckdb_logs()",
    "FROM duckdb_temporary_files()",
    "FROM read_text('https://example.invalid/x')",
    "FROM read_parquet('s3://bucket/x.parquet')",
)
# The one way out of `FROM query('…')`: what is serialised runs as a statement at the top level.
SERIALISED = "FROM json_execute_serialized_sql(json_serialize_sql('WITH x AS ({text}) SELECT 1'))"
# `{sql}` is the statement, `{text}` the same as it stands inside an SQL literal, `{deep}` inside a literal of that.
FORMS = (
    "{sql}",
    "/* SELECT */ {sql} -- SELECT",
    "SELECT 1; {sql}",
    "{sql}; SELECT 1",
    "WITH x AS ({sql}) SELECT * FROM x",
    "WITH x AS MATERIALIZED ({sql}) SELECT 1",
    "SELECT * FROM ({sql})",
    "SELECT ({sql})",
    "EXPLAIN ANALYZE {sql}",
    "PREPARE p AS {sql}; EXECUTE p",
    "CREATE MACRO m() AS TABLE {sql}; FROM m()",
    "FROM query('{text}')",
    "FROM query('WITH x AS ({text}) SELECT 1')",
    "FROM system.main.\"query\"('WITH x AS ({text}) SELECT 1')",
    "FROM json_execute_serialized_sql(json_serialize_sql('{text}'))",
    SERIALISED,
    "FROM system.main.json_execute_serialized_sql(json_serialize_sql('WITH x AS MATERIALIZED ({text}) SELECT 1'))",
    "WITH y AS (FROM json_execute_serialized_sql(json_serialize_sql('WITH x AS ({text}) SELECT 1'))) FROM y",
    "FROM query('FROM json_execute_serialized_sql(json_serialize_sql(''WITH x AS ({deep}) SELECT 1''))')",
    "PRAGMA json_execute_serialized_sql(json_serialize_sql('WITH x AS ({text}) SELECT 1'))",
)
# `{base}` holds the store, and next to it the folders in which the statements run.
TARGETS = (
    "{folder}/shard-00000000.parquet",
    "{folder}/new.parquet",
    "{folder}",
    "{base}/store/runs/run=a/run.parquet",
    "{base}/store/new/folder",
    "{folder}/../../../../new",
    "file://{base}/store/new",
    "new",
    "{base}/cwd/secret.txt",
    "{base}/tmp/new",
    "{base}/home/.duckdbrc",
    "/proc/self/cwd/new",
)


def statements() -> Iterator[list[str]]:
    """Yield what becomes of each statement: a kind in every form, at targets in turn; and at every target."""
    for sql in KINDS:
        targets = cycle(TARGETS)
        forms = [wrapped(sql, form).replace("{target}", next(targets)) for form in FORMS]
        yield forms + at_every_target(wrapped(sql, SERIALISED))
    for sql in READS:
        yield at_every_target(sql)


def at_every_target(sql: str) -> list[str]:
    """Return a statement at each of `TARGETS`; as it is where it names none."""
    return sorted({sql.replace("{target}", target) for target in TARGETS})


def wrapped(sql: str, form: str) -> str:
    """Return a statement in one of `FORMS`."""
    text = sql.replace("'", "''")
    return form.replace("{sql}", sql).replace("{text}", text).replace("{deep}", text.replace("'", "''"))
