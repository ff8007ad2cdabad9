"""Designs whose values are drawn from distributions, with the run's seed."""

from collections.abc import Collection
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from sweepctl.design.base import BaseDesign
from sweepctl.design.distributions import Distribution, NormalDistribution
from sweepctl.design.values import Count, RuleError, reject
from sweepctl.names import Name

MAX_STRATA = 1 << 52  # of a Latin hypercube: with more, binary64 numbers in [0, 1) cannot separate neighbours
MAX_SOBOL_DIMENSIONS = 256


class Sampled(BaseDesign):
    """Values from distributions, drawn with the run's seed."""

    dimensions: dict[Name, Distribution] = Field(min_length=1, description="Distribution of each parameter.")

    @property
    def parameters(self) -> Collection[str]:
        """The names of the dimensions."""
        return self.dimensions.keys()


class DrawPerCell(Sampled):
    """One draw of all distributions in each cell."""

    samples: Count = Field(description="Number of cells.")

    @property
    def cells(self) -> int:
        """The number of samples."""
        return self.samples


class Random(DrawPerCell):
    """Independent draws."""

    kind: Literal["random"] = Field(description="Independent draws.")


class LatinHypercube(DrawPerCell):
    """A sample with one draw in each of `samples` equally likely strata of every dimension."""

    kind: Literal["latin_hypercube"] = Field(description="One draw in each of `samples` equally likely strata.")
    samples: int = Field(ge=1, le=MAX_STRATA, description="Number of cells, and of strata in each dimension.")


def _in_sobol_sequence(dimensions: dict[str, Distribution]) -> dict[str, Distribution]:
    if len(dimensions) > MAX_SOBOL_DIMENSIONS:
        reject(
            f"must have at most {MAX_SOBOL_DIMENSIONS} parameters, and has {len(dimensions)}: a Latin hypercube has no "
            "such limit"
        )
    return dimensions


class Sobol(DrawPerCell):
    """A Sobol sequence: draws that fill the space evenly; use a power of two of samples."""

    kind: Literal["sobol"] = Field(description="A Sobol sequence, which fills the space evenly.")
    scramble: bool = Field(default=True, description="Whether to scramble the sequence with the run's seed.")
    dimensions: Annotated[dict[Name, Distribution], AfterValidator(_in_sobol_sequence)] = Field(
        min_length=1,
        description="Distribution of each parameter; at most 256.",
        json_schema_extra={"maxProperties": MAX_SOBOL_DIMENSIONS},
    )


def _two_dimensions(dimensions: dict[str, Distribution]) -> dict[str, Distribution]:
    if len(dimensions) == 1:
        reject("must have two parameters or more: one alone explains all of the variance; use another kind for it")
    if len(dimensions) > MAX_SOBOL_DIMENSIONS // 2:
        reject(
            f"must have at most {MAX_SOBOL_DIMENSIONS // 2} parameters, and has {len(dimensions)}: the Sobol sequence "
            f"has {MAX_SOBOL_DIMENSIONS} dimensions, two for each; screen them with kind `morris` first"
        )
    return dimensions


class Saltelli(Sampled):
    """Saltelli's sample: for each base sample a block of cells, for first-order and total Sobol indices."""

    kind: Literal["saltelli"] = Field(description="Blocks of cells that share columns, for Sobol indices.")
    base_samples: Count = Field(description="Number of blocks; take a power of two.")
    second_order: bool = Field(
        default=False, description="Whether for second-order indices, too: 2k + 2 cells a block, not k + 2."
    )
    dimensions: Annotated[dict[Name, Distribution], AfterValidator(_two_dimensions)] = Field(
        min_length=1,
        description="Distribution of each parameter; from 2 to 128.",
        json_schema_extra={"minProperties": 2, "maxProperties": MAX_SOBOL_DIMENSIONS // 2},
    )

    @property
    def cells(self) -> int:
        """The number of base samples times the length of a block."""
        swaps = len(self.dimensions) * (2 if self.second_order else 1)
        return self.base_samples * (swaps + 2)


def _even(levels: int) -> int:
    if levels % 2:
        reject(f"must be even, and is {levels}: a step is half of the levels; use {levels - 1} or {levels + 1}")
    return levels


class Morris(Sampled):
    """Morris's trajectories: one parameter after the other takes a step, in random order, for screening."""

    kind: Literal["morris"] = Field(description="Trajectories of single steps, for screening.")
    trajectories: Count = Field(description="Number of trajectories, each of one cell more than parameters.")
    levels: Annotated[int, AfterValidator(_even)] = Field(
        default=4,
        ge=2,
        le=MAX_STRATA,
        description="Number of places of each parameter, both ends included; even.",
        json_schema_extra={"multipleOf": 2},
    )

    @model_validator(mode="after")
    def _has_ends(self) -> Self:
        for name, given in sorted(self.dimensions.items()):
            if isinstance(given, NormalDistribution) and not given.normal.is_bounded:
                rule = "must have low and high: the outer levels of a morris design are a distribution's ends"
                raise RuleError(rule, "dimensions", name, "normal")
        return self

    @property
    def cells(self) -> int:
        """The number of trajectories times the length of each."""
        return self.trajectories * (len(self.dimensions) + 1)
