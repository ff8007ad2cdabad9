"""The command that tries a model before it is swept."""

from threading import Event
from typing import TYPE_CHECKING, Annotated

import typer

from sweepctl.cli.app import app
from sweepctl.cli.options import EngineOption, JsonOption, PointSecondsOption, ProgramOption
from sweepctl.cli.terminal import error_exit, on_signals, open_console, print_json
from sweepctl.errors import UsageError
from sweepctl.texts import listed

if TYPE_CHECKING:
    from sweepctl.protocol import Description


@app.command(
    "check-model",
    epilog="Examples:\n\n  sweepctl check-model --program examples/lotka-volterra/lv.toml\n\n"
    "  sweepctl check-model queue\n\n"
    "  sweepctl check-model my_model --engine target/release/my-engine --json",
)
def check_model_command(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Model to try.", show_default="that of the program")
    ] = None,
    engine: EngineOption = None,
    program: ProgramOption = None,
    timeout: Annotated[float, typer.Option(min=0.001, help="Seconds that all checks may take.")] = 300.0,
    point_seconds: PointSecondsOption = 10.0,
    json_output: JsonOption = False,
) -> None:
    """Try a model before it is swept, and say what is wrong and how to mend it.

    Runs the point of all defaults, both ends of each range and each choice; again, in other order, several at a time,
    in fresh processes, and with another seed; compares what comes with what is declared, and takes time and memory.
    Nothing is written. Exits with 1 if something is wrong.
    """
    with error_exit(json_output=json_output) as console:
        from sweepctl.engine.client import Engine, find_engine
        from sweepctl.trial.checks import try_model
        from sweepctl.view.trial import show_trial, trying

        worker, stop = Engine(find_engine(engine), program), Event()
        chosen = name or _only(worker.description)
        with trying(open_console(stderr=True)) as observe, on_signals(stop.set):
            trial = try_model(worker, chosen, seconds=timeout, point_seconds=point_seconds, observe=observe, stop=stop)
        exit_code = 0 if trial.is_sound else 1
        if json_output:
            print_json({**trial.to_json(), "exit_code": exit_code})
        else:
            show_trial(console, trial)
        raise typer.Exit(exit_code)


def _only(description: "Description") -> str:
    """Return the name of the only program, or else of the only model."""
    models = [model for model in description.models if model.program] or description.models
    if len(models) != 1:
        names = listed([model.name for model in models])
        raise UsageError(f"there are {len(models)} models: {names}", remedy="Name one of these.")
    return models[0].name
