"""Compares a database of Glue with the engine, as `sweepctl athena apply` would change it. Nothing is changed.

Workers do not need the tables, so every difference is a warning.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sweepctl.athena.apply import Existing, differences, existing_in, require_ours, table_input, view_differences
from sweepctl.athena.catalog import Catalog, catalog
from sweepctl.athena.check import first_runs
from sweepctl.athena.tables import DAYS
from sweepctl.doctor.preflight import Diagnosis
from sweepctl.engine.client import Engine
from sweepctl.errors import SweepctlError
from sweepctl.protocol import Description
from sweepctl.records.table import POINT_OUTCOMES
from sweepctl.store.contract import Store

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient

CATALOG = "catalog"


def check_catalog(engine: Engine, store: Store, glue: "GlueClient", database: str) -> Sequence[Diagnosis]:
    """Compare the tables and views over `store` with what the engine describes."""
    remedy = f"`sweepctl athena apply --store {store.url} --database {database}` with this engine (docs/analytics.md)."
    try:
        existing = existing_in(glue, database)
        if existing is None:
            return [Diagnosis(CATALOG, f"Glue has no database {database}", remedy)]
        made = _of_the_models_there(engine.description, existing, database, store.url)
        require_ours(made, existing)
        changes = _changes(made, existing, first_runs(store).since)
    except SweepctlError as error:
        return [Diagnosis(CATALOG, error.message, error.remedy or remedy)]
    if not changes:
        count = len(made.tables) + len(made.views)
        return [Diagnosis(CATALOG, f"the {count} tables and views in database {database} are those of the engine")]
    found = "; ".join(f"{', '.join(names)}: {' and '.join(lines)}" for lines, names in changes.items())
    return [Diagnosis(CATALOG, f"database {database} differs from the engine; apply would change {found}", remedy)]


def _of_the_models_there(description: Description, existing: Existing, database: str, store: str) -> Catalog:
    """Return the wanted catalog, of the models that have a table: others may have been left out on purpose."""
    names = [model.name for model in description.models if f"{POINT_OUTCOMES}_{model.name}" in existing]
    return catalog(description, names, database=database, store=store)


def _changes(made: Catalog, existing: Existing, since: str) -> Mapping[tuple[str, ...], list[str]]:
    """Return the objects that are missing or differ, by what differs: tables come in pairs, with the same columns."""
    changes: dict[tuple[str, ...], list[str]] = {}
    for table in made.tables:
        lines = _of_table(existing.get(table.name), table_input(table, made.root, since))
        changes.setdefault(tuple(lines), []).append(table.name)
    for view in made.views:
        there = existing.get(view.name)
        lines = iter(["missing"]) if there is None else view_differences(there, view)
        changes.setdefault(tuple(lines), []).append(view.name)
    changes.pop((), None)
    return changes


def _of_table(there: Mapping[str, Any] | None, wanted: Any) -> Iterator[str]:  # noqa: ANN401  boto3's
    if there is None:
        yield "missing"
        return
    # A range that begins earlier costs requests, but no run.
    days = there.get("Parameters", {}).get(DAYS)
    if days is not None and days < wanted["Parameters"].get(DAYS, ""):
        wanted["Parameters"][DAYS] = days
    yield from differences(there, wanted)
