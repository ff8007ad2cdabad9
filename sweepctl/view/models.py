"""The list of models, and the parameters, metrics and datasets of one model."""

from collections.abc import Sequence

from rich.console import Console

from sweepctl.protocol import Column, Description, Metric, Model, Program
from sweepctl.view.console import foreign, new_table


def show_models(console: Console, description: Description) -> None:
    """Print one row per model."""
    table = new_table("model", "version", "from", "description", "parameters")
    for model in description.models:
        names = ", ".join(parameter.name for parameter in model.parameters)
        table.add_row(model.name, foreign(model.version), _origin(model), foreign(model.doc), names)
    console.print(table, highlight=False)
    console.print(
        f"engine {foreign(description.engine_version)} for {foreign(description.target)}", style="dim", highlight=False
    )


def show_model(console: Console, model: Model) -> None:
    """Print a model's parameters, metrics and datasets."""
    console.print(f"[bold]{model.name}[/] version {foreign(model.version)}: {foreign(model.doc)}", highlight=False)
    table = new_table("parameter", "type", "unit", "default", "range", "description", title="parameters")
    for parameter in model.parameters:
        default = "null" if parameter.default is None else str(parameter.default)
        allowed = foreign(parameter.range)
        table.add_row(
            parameter.name, _type(parameter), foreign(parameter.unit), foreign(default), allowed, foreign(parameter.doc)
        )
    console.print(table, highlight=False)
    _show_columns(console, "metrics", "metric", model.metrics)
    if model.program is not None:
        _show_program(console, model.program)
    for dataset in model.datasets:
        _show_columns(console, f"optional dataset {dataset.name}: {dataset.doc}", "column", dataset.columns)


def _origin(model: Model) -> str:
    """Return where a model comes from: a program is known by its files, the manifest by its path alone."""
    if model.program is None:
        return "engine"
    first, *others = sorted(model.program.files) or ["program"]
    return foreign(first) + (f" and {len(others)} more" if others else "")


def _show_program(console: Console, program: Program) -> None:
    table = new_table("file", "SHA-256", title="program")
    for name, digest in sorted(program.files.items()):
        table.add_row(foreign(name), digest)
    console.print(table, highlight=False)
    if program.environment:
        console.print(f"environment: {foreign(', '.join(program.environment))}", highlight=False)


def _show_columns(console: Console, title: str, kind: str, columns: Sequence[Column]) -> None:
    table = new_table(kind, "type", "unit", "description", title=foreign(title))
    for column in columns:
        table.add_row(column.name, _type(column), foreign(column.unit), foreign(column.doc))
    console.print(table, highlight=False)


def _type(column: Column) -> str:
    kind = f"{column.type} or null" if column.nullable else column.type
    return f"{kind}, headline" if isinstance(column, Metric) and column.headline else kind
