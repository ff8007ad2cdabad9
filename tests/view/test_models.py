"""A model's parameters on terminals of any width."""

import io

from fakes.toy_model import DESCRIPTION
from rich.console import Console

from sweepctl.protocol import Description
from sweepctl.view.models import show_model

(TOY,) = Description.model_validate(DESCRIPTION).models


def shown(width: int) -> str:
    output = io.StringIO()
    show_model(Console(file=output, width=width), TOY)
    return output.getvalue()


def test_a_wide_terminal_has_a_line_for_each_parameter_and_a_narrow_one_a_block() -> None:
    assert "parameter " in shown(200)
    narrow = shown(40)
    assert "parameter " not in narrow
    for parameter in TOY.parameters:
        assert f"  {parameter.name}  {parameter.type}" in narrow
