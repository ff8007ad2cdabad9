"""A run as a person names it: by its run_id, by the beginning of one, or as `latest`."""

from sweepctl.errors import DamagedError, UnknownRunError
from sweepctl.records import layout
from sweepctl.records.outcome import RunRecord
from sweepctl.store.contract import Store, exists, is_key
from sweepctl.texts import counted, listed, nearest

LATEST = "latest"
_REMEDY = "`sweepctl runs` (`list_runs` in Python) lists the runs of a store: check run_id and store."


def find_run_id(store: Store, name: str) -> str:
    """Return the run_id that `name` means: itself if there is such a run, which costs no listing.

    Else the newest run for `latest`, or the only run whose id begins with `name`. Where there is none, `name` as it is:
    whoever reads that run raises the error.

    Raises:
        UnknownRunError: the ids of several runs begin with `name`.
        StoreError: the store does not answer.
    """
    if exists(store, layout.run_record(name)):
        return name
    run_ids = list_run_ids(store)
    if name in run_ids:
        return name  # a run without its record
    if name == LATEST and (newest := _newest(store, run_ids)) is not None:
        return newest
    found = [each for each in run_ids if each.startswith(name)]
    if len(found) > 1:
        msg = f"{name!r} is the beginning of {counted('runs', len(found))} of the store {store.url}"
        raise UnknownRunError(msg, remedy=f"Name one of them: {listed(found)}.")
    return found[0] if found else name


def list_run_ids(store: Store) -> list[str]:
    """Return the ids of a store's runs, sorted; whether they have records is not looked at.

    Raises:
        StoreError: the store does not answer.
    """
    folders = (each for each in store.folders("runs/") if each.startswith(layout.RUN_PARTITION) and is_key(each))
    return [each.removeprefix(layout.RUN_PARTITION) for each in folders]


def unknown_run(store: Store, run_id: str) -> UnknownRunError:
    """Return the error for a run that a store does not have; it names the nearest.

    Raises:
        StoreError: the store does not answer.
    """
    near = nearest(run_id, list_run_ids(store))
    hint = "" if near is None else f"Did you mean `{near}`? "
    return UnknownRunError(f"the store {store.url} has no run {run_id!r}", remedy=hint + _REMEDY)


def _newest(store: Store, run_ids: list[str]) -> str | None:
    """Return the id of the run that was created last; runs whose records cannot be read are left out."""
    from sweepctl.records import table  # noqa: PLC0415  imports pyarrow, which a completion does not wait for

    keys = [layout.run_record(each) for each in run_ids]
    records = []
    for key, body in zip(keys, store.bodies(keys), strict=True):
        if isinstance(body, bytes):
            try:
                records.append(table.decode(RunRecord, body, store.locate(key)))
            except DamagedError:
                continue
    return max(records, key=lambda each: (each.created_at, each.run_id)).run_id if records else None
