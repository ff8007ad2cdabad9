"""Runs as command lines name them: found in the store, and completed by a shell."""

from typing import TYPE_CHECKING

import typer

from sweepctl.cli.terminal import open_console

if TYPE_CHECKING:
    from sweepctl.store.contract import Store

COMPLETION_SECONDS = 2.0  # that a shell waits for the names of runs


def named_run(results: "Store", name: str) -> str:
    """Return the run_id that `name` means (`records.named`), and say on standard error which it is if it is another.

    Raises:
        UnknownRunError: the ids of several runs begin with `name`.
        StoreError: the store does not answer.
    """
    from sweepctl.records.named import find_run_id

    run_id = find_run_id(results, name)
    if run_id != name:
        note = f"{name} is run {run_id}"
        open_console(stderr=True).print(note, style="dim", highlight=False, markup=False, soft_wrap=True)
    return run_id


def complete_run(context: typer.Context, incomplete: str) -> list[str]:
    """Return the ids of the runs that begin with what was typed; none if the store does not answer in time."""
    from threading import Thread

    found: list[str] = []

    def look() -> None:
        from contextlib import suppress

        from sweepctl.records.named import LATEST, list_run_ids
        from sweepctl.store import open_store

        options = context.params
        with suppress(Exception):  # a shell shows what is printed here amid the line that is being typed
            results = open_store(
                options["store"], endpoint_url=options.get("endpoint_url"), region=options.get("region")
            )
            found.extend(each for each in (*list_run_ids(results), LATEST) if each.startswith(incomplete))

    # A bucket may have many runs, or be out of reach.
    looking = Thread(target=look, daemon=True)
    looking.start()
    looking.join(COMPLETION_SECONDS)
    return found.copy()


def complete_question(context: typer.Context, incomplete: str) -> list[str]:
    """Return the ids of runs for the first word of a query; the next one is SQL."""
    return [] if context.params.get("question") or context.params.get("all_runs") else complete_run(context, incomplete)
