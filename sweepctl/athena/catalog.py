"""The tables and views of an Athena database over one store; their names are checked together."""

import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from sweepctl.athena.tables import FIRST_DAY, GlueTable, tables
from sweepctl.athena.views import View, views
from sweepctl.errors import UsageError
from sweepctl.protocol import Description
from sweepctl.store import place_in_s3
from sweepctl.texts import did_you_mean

# Names that both Glue and Athena accept when quoted, as they always are here: CloudFormation's have dashes.
_DATABASE = re.compile(r"[a-z0-9_-]{1,255}")
_UNFIT = frozenset("'*")  # in a location: a quote would end the string in a statement, * is a wildcard


@dataclass(frozen=True)
class Catalog:
    """A database over the store at `root`."""

    database: str
    root: str
    tables: tuple[GlueTable, ...]
    views: tuple[View, ...]
    since: str = FIRST_DAY  # no run is older: the days that Athena lists begin here


def catalog(description: Description, names: Collection[str], *, database: str, store: str) -> Catalog:
    """Return the catalog of `database` over `store`, for the models in `names`, or for all models of the engine.

    Raises:
        UsageError: the engine lacks a model, the store is not in S3, or a name is not valid in Athena.
    """
    require_database(database)
    known = [each.name for each in description.models]
    for name in names:
        if name not in known:
            raise UsageError(f"the engine has no model {name!r}", remedy=did_you_mean(name, known, "Models"))
    models = [each for each in description.models if each.name in names or not names]
    found = Catalog(database, root_in_s3(store), tuple(tables(models)), tuple(views(models, database)))
    _require_distinct([*(table.name for table in found.tables), *(view.name for view in found.views)])
    return found


def require_database(name: str) -> None:
    """Raise UsageError unless Athena takes such a name of a database."""
    if not _DATABASE.fullmatch(name):
        raise UsageError(
            f"not an Athena database name: {name!r}; use at most 255 of a-z, 0-9, _ and -",
            remedy=f"Give --database {re.sub('[^a-z0-9_-]', '_', name.lower())[:255] or 'sweeps'}.",
        )


def root_in_s3(store: str) -> str:
    """Return a store's URL as Athena takes it, or raise UsageError."""
    place = place_in_s3(store)
    if place is None:
        raise UsageError(
            f"the store {store!r} is a directory: Athena reads only S3",
            remedy="Give --store s3://bucket/prefix; `sweepctl query` reads directories too.",
        )
    bucket, prefix = place
    if _UNFIT & set(prefix):
        raise UsageError(f"{store!r}: Athena allows neither ' nor * in a location", remedy="Use another prefix.")
    return f"s3://{bucket}/{prefix}".rstrip("/")


def _require_distinct(names: list[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UsageError(
            f"two tables or views would have the name {twice[0]}: names combine dataset and model",
            remedy="Use a separate database for each of these models: --model with --database.",
        )
