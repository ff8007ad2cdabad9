"""What every design has: cells, parameters, and the JSON that an engine gets."""

from abc import abstractmethod
from collections.abc import Collection, Mapping
from typing import Any, Protocol

from sweepctl.design.values import Strict


class Space(Protocol):
    """The cells of a design, wherever its values are stored."""

    @property
    def cells(self) -> int:
        """The number of cells."""

    @property
    def parameters(self) -> Collection[str]:
        """The names of the parameters that it varies."""

    def part(self, first_cell: int, end_cell: int) -> Mapping[str, Any]:
        """The design as sent to an engine (docs/protocol.md): at least what cells `[first_cell, end_cell)` need."""


class BaseDesign(Strict):
    """What all kinds of design have in common."""

    @property
    @abstractmethod
    def cells(self) -> int:
        """The number of cells."""

    @property
    @abstractmethod
    def parameters(self) -> Collection[str]:
        """The names of the parameters that it varies."""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON that it was made from: absent fields stay absent."""
        return self.model_dump(exclude_unset=True)

    def part(self, first_cell: int, end_cell: int) -> Mapping[str, Any]:  # noqa: ARG002  a formula has no parts
        """Return the design as sent to an engine."""
        return self.to_json()
