"""The command that compacts a run, and what others say of a run that is compact."""

from threading import Event
from typing import TYPE_CHECKING

from sweepctl.cli.app import app
from sweepctl.cli.named import named_run
from sweepctl.cli.options import EndpointOption, JsonOption, RegionOption, RunArgument, StoreOption
from sweepctl.cli.terminal import error_exit, on_signals, open_console, print_json
from sweepctl.store.open import DEFAULT_STORE
from sweepctl.texts import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sweepctl.records.outcome import RunRecord
    from sweepctl.store.contract import Store


@app.command(
    "compact",
    epilog="Examples:\n\n  sweepctl compact ridehail-surge\n\n"
    "  sweepctl compact ridehail-surge --store s3://bucket/sweeps --json",
)
def compact_command(
    run_id: RunArgument,
    store: StoreOption = DEFAULT_STORE,
    json_output: JsonOption = False,
    endpoint_url: EndpointOption = None,
    region: RegionOption = None,
) -> None:
    """Copy a finished run's rows into few large files, which query, summary, report and open_run then read instead.

    For runs of thousands of shards. Every point must have its record; verify's checks 0 to 3 are made first. Nothing
    is deleted or changed: the new files are proved equal to the shards' own, and `sweepctl verify` proves it again.
    Interrupted, it goes on where it was when it is started again.
    """
    with error_exit(json_output=json_output) as console:
        from sweepctl.messages import require_run_id
        from sweepctl.store import open_store

        require_run_id(run_id)
        # These import pyarrow: only after the arguments are checked, so that their errors are printed at once.
        from sweepctl.compact.run import compact
        from sweepctl.view.console import foreign
        from sweepctl.view.verify import examining

        results, stop = open_store(store, endpoint_url=endpoint_url, region=region), Event()
        run_id = named_run(results, run_id)
        with examining(open_console(stderr=True), run_id) as observe, on_signals(stop.set):
            done = compact(results, run_id, observe=observe, stop=stop)
        parts = done.manifest.parts
        payload = {
            "run_id": run_id,
            "already_compact": done.already,
            "files": len(parts),
            "bytes": sum(part.bytes for part in parts),
            "rows": {name: sum(part.rows for part in done.manifest.of(name)) for name in done.manifest.datasets},
        }
        if json_output:
            print_json(payload)
            return
        state = "was compact already" if done.already else "is compact"
        console.print(
            f"run [bold]{foreign(run_id)}[/] {state}: {counted('files', len(parts))} of "
            f"{counted('datasets', len(done.manifest.datasets))}, {payload['bytes']:,} bytes",
            highlight=False,
            soft_wrap=True,
        )


def note_compact(results: "Store", runs: "Sequence[RunRecord]") -> bool:
    """Say on standard error which of some runs are read from their compact files, and which should be.

    Returns:
        Whether any is.
    """
    from sweepctl.records.compact import find_manifest
    from sweepctl.results.recorded import many_shards

    found = [find_manifest(results, run) is not None for run in runs]
    for run, is_compact in zip(runs, found, strict=True):
        note = f"run {run.run_id} is read from its compact files" if is_compact else many_shards(run)
        if note is not None:
            open_console(stderr=True).print(note, style="dim", highlight=False, markup=False, soft_wrap=True)
    return any(found)
