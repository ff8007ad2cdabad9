"""Valid names of models, parameters, metrics and datasets, which become columns and folders; and names in SQL."""

from typing import Annotated

from pydantic import AfterValidator, Field

IDENTITY_COLUMNS = frozenset(
    {
        *("run_id", "shard_id", "point_index", "replicate", "seed", "model", "model_version"),
        *("parameter_fingerprint", "point_fingerprint", "effective_parameters_json"),
        *("status", "error_code", "error_message"),
        *("run", "run_date"),  # partitions
    },
)
# Folders at the top of a store.
RESERVED_DATASETS = frozenset(
    {
        *("runs", "shard_outcomes", "shard_attempts", "shard_claims", "effective_parameters", "point_outcomes"),
        "kept_files",
        *("partial", "rejected", "specs"),
    },
)


def _not_an_identity_column(name: str) -> str:
    if name in IDENTITY_COLUMNS:
        msg = f"{name!r} is the name of an identity column"
        raise ValueError(msg)
    return name


def _not_reserved(name: str) -> str:
    if name in RESERVED_DATASETS:
        msg = f"{name!r} is a reserved folder of the store"
        raise ValueError(msg)
    return name


# `\Z` is not in pydantic's regex dialect; its `$` matches only at the end of the text.
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$"), AfterValidator(_not_an_identity_column)]
DatasetName = Annotated[Name, AfterValidator(_not_reserved)]


def quoted(name: str) -> str:
    """Return a name quoted for SQL: it may be a reserved word, or contain any character."""
    return '"' + name.replace('"', '""') + '"'
