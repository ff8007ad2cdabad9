"""The list of models, and the parameters, metrics and datasets of one model."""

from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding

from sweepctl.protocol import Column, Description, Metric, Model, Parameter, Program
from sweepctl.view.console import fits, foreign, new_table, show_narrowed, show_table

_LABELS = {"unit": "in ", "default": "default "}


def show_models(console: Console, description: Description) -> None:
    """Print one row per model."""
    rows = [
        (
            model.name,
            foreign(model.version),
            _origin(model),
            foreign(model.doc),
            ", ".join(parameter.name for parameter in model.parameters),
        )
        for model in description.models
    ]
    show_narrowed(console, ("model", "version", "from", "description", "parameters"), rows, ("parameters",))
    console.print(
        f"engine {foreign(description.engine_version)} for {foreign(description.target)}", style="dim", highlight=False
    )


def show_model(console: Console, model: Model) -> None:
    """Print a model's parameters, metrics and datasets."""
    console.print(f"[bold]{model.name}[/] version {foreign(model.version)}: {foreign(model.doc)}", highlight=False)
    headers = ("parameter", "type", "unit", "default", "range", "description")
    _show_rows(console, "parameters", headers, list(map(_parameter_row, model.parameters)))
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
    show_table(console, table)
    if program.environment:
        console.print(f"environment: {foreign(', '.join(program.environment))}", highlight=False)


def _show_columns(console: Console, title: str, kind: str, columns: Sequence[Column]) -> None:
    rows = [(column.name, _type(column), foreign(column.unit), foreign(column.doc)) for column in columns]
    _show_rows(console, foreign(title), (kind, "type", "unit", "description"), rows)


def _parameter_row(parameter: Parameter) -> Sequence[str]:
    default = "null" if parameter.default is None else str(parameter.default)
    values = (parameter.unit, default, parameter.range, parameter.doc)
    return (parameter.name, _type(parameter), *map(foreign, values))


def _show_rows(console: Console, title: str, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; on a terminal too narrow for it, a block for each row: its name, its facts, its description."""
    table = new_table(*headers, title=title)
    for row in rows:
        table.add_row(*row)
    if fits(console, table):
        show_table(console, table)
        return
    console.print(f"\n[bold]{title}[/]", highlight=False)
    for name, *facts, doc in rows:
        labelled = (f"{_LABELS.get(each, '')}{fact}" for each, fact in zip(headers[1:-1], facts, strict=True) if fact)
        console.print(Padding(f"[bold]{name}[/]  {', '.join(labelled)}", (0, 0, 0, 2)), highlight=False)
        console.print(Padding(doc, (0, 0, 0, 6)), highlight=False)


def _type(column: Column) -> str:
    kind = f"{column.type} or null" if column.nullable else column.type
    return f"{kind}, headline" if isinstance(column, Metric) and column.headline else kind
