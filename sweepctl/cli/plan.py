"""The command that previews a sweep."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sweepctl.cli.app import app
from sweepctl.cli.options import (
    EngineOption,
    JsonOption,
    ProgramOption,
    RunIdOption,
    SweepFileArgument,
)
from sweepctl.cli.terminal import calling, error_exit, on_signals, open_console, print_json
from sweepctl.shard.conditions import DEFAULT_TIMEOUT

if TYPE_CHECKING:
    from sweepctl.sweep.plan import Plan


@app.command(
    "plan",
    epilog="Examples:\n\n  sweepctl plan examples/ridehail-surge/sweep.toml\n\n"
    "  sweepctl plan examples/ridehail-surge/sweep.toml --pilot 200\n\n"
    "  sweepctl plan examples/ridehail-surge/sweep.toml --out messages",
)
def plan_command(
    context: typer.Context,
    file: SweepFileArgument,
    pilot: Annotated[
        int | None,
        typer.Option(min=4, max=1_000_000, help="Run this many points to estimate time and cost."),
    ] = None,
    point_seconds: Annotated[
        float | None,
        typer.Option(min=0.001, max=1e9, help="Seconds that a point may take here; default: the sweep's limit, or 60."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write the messages to a new folder, for `sweepctl send` or `run-shard`."),
    ] = None,
    run_id: RunIdOption = None,
    engine: EngineOption = None,
    program: ProgramOption = None,
    json_output: JsonOption = False,
) -> None:
    """Validate a sweep file and preview its points and shards, and with --pilot its time and cost.

    Nothing is sent, and no store is used. All errors in the file are reported at once, with their lines. Without
    `shards` in the file, or with `shards.seconds`, a pilot determines the number of points per shard. Points of a pilot
    that crash or take longer than --point-seconds are stepped over and counted.
    """
    with error_exit(json_output=json_output) as console:
        from threading import Event

        from sweepctl.engine.client import Engine, find_engine
        from sweepctl.sweep.file import read

        path, sweep = find_engine(engine), read(file)
        worker = Engine(path, [*(program or ()), *sweep.programs])
        # These import pyarrow: only after the arguments are checked, so that their errors are printed at once.
        from sweepctl.shard.run import utc_now
        from sweepctl.sweep.plan import draft
        from sweepctl.sweep.preview import report
        from sweepctl.view.limits import show_short_time
        from sweepctl.view.plan import piloting, show_plan, show_start, show_written

        drafted = draft(sweep, worker)
        stop = Event()
        with piloting(open_console(stderr=True), pilot) as progress, on_signals(stop.set):
            preview = report(
                drafted,
                worker,
                run_id,
                utc_now().date(),
                pilot,
                point_seconds=point_seconds,
                progress=progress,
                stop=stop,
            )
        payload = preview.to_json()
        if out is not None:
            payload["written"] = _write(out, preview.plan)
        if json_output:
            print_json(payload)
        else:
            show_plan(console, preview)
            show_short_time(console, preview.plan.spec.limits, DEFAULT_TIMEOUT, is_default=True)
            caller = calling(context, file)
            named = "" if run_id is None else f" --run-id {run_id}"
            show_start(console, f"sweepctl run {caller.file}{named}{caller.options}")
            if out is not None:
                show_written(console, preview.plan, out, is_named=run_id is not None)


def _write(folder: Path, plan: "Plan") -> dict[str, Any]:
    """Write the messages, one per line, and their stored design; the new folder appears complete or not at all."""
    import shutil
    import tempfile

    from sweepctl.errors import UsageError
    from sweepctl.records.layout import stored_design

    if folder.exists():
        raise UsageError(f"{folder} already exists", remedy="Choose a folder that does not exist yet.")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            if plan.stored is not None:
                design = part / stored_design(plan.spec.design["sha256"])
                design.parent.mkdir()
                design.write_bytes(plan.stored)
            with (part / "messages.jsonl").open("wb") as file:
                file.writelines(body + b"\n" for body in plan.bodies(range(plan.shards)))
            part.chmod(0o755)  # mkdtemp makes it private
            part.rename(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        raise UsageError(f"{folder}: {error.strerror}", remedy="Choose a folder that can be written.") from error
    return {"messages": plan.shards, "path": str(folder / "messages.jsonl")}
