"""Classical designs of experiments, as sweep files have them; they become tables when a sweep is planned.

Messages, stores and engines know their tables alone. docs/designs.md says what each kind is.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import AfterValidator, Field, PlainValidator, Tag, model_validator

from sweepctl.design import LatinHypercube, Table, tag_of_kind
from sweepctl.design.distributions import Between, Distribution
from sweepctl.design.values import RuleError, Strict, one_of, reject
from sweepctl.names import Name
from sweepctl.spec import Value
from sweepctl.strict_json import INT64_MAX
from sweepctl.sweep.classical import coded
from sweepctl.sweep.classical.coded import Fraction
from sweepctl.sweep.classical.levels import Ends, TwoLevels, value_at

MAX_SCREENED = 99  # parameters of a Plackett-Burman design: as many as in the paper
MAX_FACTORS = 50  # of a fraction; one of resolution V has 4,096 cells then
MAX_CELLS = 2_000  # of a maximin Latin hypercube, which compares all distances
MAX_FAR = 100  # parameters of one
MAX_ALPHA = 1_000

Levels: TypeAlias = Mapping[str, Between | Sequence[Value]]

_ROMAN = ("0", "I", "II", "III", "IV", "V", "VI", "VII", "VIII")


def _number_of_parameters(least: int, most: int, otherwise: str) -> AfterValidator:
    def check(dimensions: dict[str, Any]) -> dict[str, Any]:
        if not least <= len(dimensions) <= most:
            reject(f"must have from {least} to {most} parameters, and has {len(dimensions)}: {otherwise}")
        return dimensions

    return AfterValidator(check)


def _counts(least: int, most: int) -> dict[str, Any]:
    return {"minProperties": least, "maxProperties": most}


class Coded(Strict):
    """A design in coded levels, which each parameter turns into values of its own."""

    dimensions: Levels

    @property
    @abstractmethod
    def rows(self) -> Sequence[coded.Row]:
        """The cells, in coded levels; parameters are in byte order of their names."""

    @property
    def notes(self) -> Iterator[str]:
        """What to know when effects are estimated from it."""
        yield from ()

    def values_of(self, name: str) -> Mapping[float, Value]:
        """Return the values of a parameter by its coded levels, the lowest first."""
        place = sorted(self.dimensions).index(name)
        return {level: value_at(self.dimensions[name], level) for level in sorted({row[place] for row in self.rows})}

    def table(self) -> Table:
        """Return it as a table."""
        names = sorted(self.dimensions)
        values = [self.values_of(name) for name in names]
        rows = [[of[level] for of, level in zip(values, row, strict=True)] for row in self.rows]
        return Table.model_construct(kind="table", columns=names, rows=rows)


class PlackettBurman(Coded):
    """Two levels in as few cells as main effects need."""

    kind: Literal["plackett_burman"] = Field(description="Two levels in few cells, for screening.")
    dimensions: Annotated[
        dict[Name, TwoLevels],
        _number_of_parameters(2, MAX_SCREENED, "screen many with kind `morris`, and list the values of one"),
    ] = Field(
        description="Two levels of each parameter: low and high, or a list of two values; from 2 to 99 parameters.",
        json_schema_extra=_counts(2, MAX_SCREENED),
    )

    @cached_property
    def rows(self) -> Sequence[coded.Row]:
        """Plackett and Burman's rows."""
        return coded.plackett_burman(len(self.dimensions))

    @property
    def notes(self) -> Iterator[str]:
        """Its resolution."""
        if len(self.dimensions) > 2:  # noqa: PLR2004  of two it has all combinations
            yield _aliases(3)


class FractionalFactorial(Coded):
    """A fraction of all combinations of two levels."""

    kind: Literal["fractional_factorial"] = Field(description="A fraction of all combinations of two levels.")
    resolution: Literal[3, 4, 5] | None = Field(
        default=None,
        description="The least resolution: 3, 4 or 5; it is the smallest such fraction.",
    )
    generators: Annotated[dict[Name, list[Name]], Field(min_length=1)] | None = Field(
        default=None, description="Parameters that do not vary freely: the level of each is the product of others'."
    )
    dimensions: Annotated[
        dict[Name, TwoLevels], _number_of_parameters(3, MAX_FACTORS, "use kind `grid` for fewer, `morris` for more")
    ] = Field(
        description="Two levels of each parameter: low and high, or a list of two values; from 3 to 50 parameters.",
        json_schema_extra=_counts(3, MAX_FACTORS),
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.resolution is None) == (self.generators is None):
            reject("must have exactly one of resolution, generators")
        if self.resolution is not None and self.resolution > len(self.dimensions):
            rule = f"must be at most the number of parameters, {len(self.dimensions)}: kind `grid` has all combinations"
            raise RuleError(rule, "resolution")
        for name, factors in sorted((self.generators or {}).items()):
            self._check(name, factors)
        if self.generators is not None and len(self.dimensions) - len(self.generators) > coded.MAX_BASE:
            raise RuleError(f"must leave at most {coded.MAX_BASE} parameters without one: 4,096 cells", "generators")
        if (self.fraction.resolution or 0) < 3:  # noqa: PLR2004  III
            raise RuleError("must give each parameter levels of its own: two have the same in all cells", "generators")
        return self

    def _check(self, name: str, factors: Sequence[str]) -> None:
        generators = self.generators or {}
        if name not in self.dimensions:
            raise RuleError("must be one of the dimensions", "generators", name)
        for factor in factors:
            if factor not in self.dimensions or factor in generators:
                rule = f"{factor!r}: must be one of the dimensions that have no generator"
                raise RuleError(rule, "generators", name)
        if len(set(factors)) < max(2, len(factors)):
            raise RuleError("must name two different parameters or more", "generators", name)

    @cached_property
    def fraction(self) -> Fraction:
        """Which fraction it is."""
        if self.resolution is not None:
            return coded.fraction(len(self.dimensions), self.resolution)
        free = [name for name in sorted(self.dimensions) if name not in (self.generators or {})]
        column = {name: 1 << place for place, name in enumerate(free)}
        column |= {name: sum(column[each] for each in factors) for name, factors in (self.generators or {}).items()}
        return Fraction(len(free), tuple(column[name] for name in sorted(self.dimensions)))

    @cached_property
    def rows(self) -> Sequence[coded.Row]:
        """The fraction's rows."""
        return self.fraction.rows()

    @property
    def notes(self) -> Iterator[str]:
        """Its resolution and generators."""
        yield from _of_fraction(self.fraction, sorted(self.dimensions))


class BoxBehnken(Coded):
    """Three levels, never all at their ends at once, for a response surface."""

    kind: Literal["box_behnken"] = Field(description="Three levels without the corners, for a response surface.")
    dimensions: Annotated[
        dict[Name, Ends], _number_of_parameters(3, 7, "use kind `central_composite`, which has no such limits")
    ] = Field(
        description="Low and high of each parameter; the third level is their middle; from 3 to 7 parameters.",
        json_schema_extra=_counts(3, 7),
    )

    @cached_property
    def rows(self) -> Sequence[coded.Row]:
        """Box and Behnken's rows."""
        return coded.box_behnken(len(self.dimensions))


def _alpha(value: object) -> object:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and 1 <= value <= MAX_ALPHA
    if not is_number and value not in ("face", "rotatable"):
        reject(f'must be "face", "rotatable" or a number from 1 to {MAX_ALPHA:,}')
    return value


class CentralComposite(Coded):
    """Factorial points, axial points and a centre, for a response surface."""

    kind: Literal["central_composite"] = Field(
        description="Factorial points, axial points and the centre, for a response surface."
    )
    alpha: Annotated[
        Literal["face", "rotatable"] | float,
        PlainValidator(
            _alpha, json_schema_input_type=Literal["face", "rotatable"] | Annotated[float, Field(ge=1, le=MAX_ALPHA)]
        ),
    ] = Field(
        default="face",
        description='How many times as far from the centre as the factorial points the axial ones are; "face" is 1.',
    )
    ends: Literal["factorial", "axial"] = Field(
        default="factorial", description="Which points are at low and high; with `axial` no point is outside of them."
    )
    dimensions: Annotated[
        dict[Name, Ends], _number_of_parameters(2, MAX_FACTORS, "use a grid for one, and screen more first")
    ] = Field(
        description="Low and high of each parameter; from 2 to 50 parameters.",
        json_schema_extra=_counts(2, MAX_FACTORS),
    )

    @model_validator(mode="after")
    def _are_numbers(self) -> Self:
        """Require the levels outside low and high to be numbers that a table can hold."""
        for name in sorted(self.dimensions):
            try:
                values = list(self.values_of(name).values())
            except OverflowError:
                values = [INT64_MAX + 1]
            if any(isinstance(value, int) and not -INT64_MAX - 1 <= value <= INT64_MAX for value in values):
                rule = "must have axial points that are finite numbers, and integers must fit in signed 64 bits"
                raise RuleError(rule, "dimensions", name)
        return self

    @cached_property
    def fraction(self) -> Fraction:
        """The factorial points: all combinations, or a fraction of resolution V or more."""
        return coded.fraction(len(self.dimensions), coded.NO_ALIAS)

    @cached_property
    def rows(self) -> Sequence[coded.Row]:
        """Box and Wilson's rows."""
        match self.alpha:
            case "face":
                alpha = 1.0
            case "rotatable":
                alpha = coded.rotatable(self.fraction)
            case number:
                alpha = float(number)
        rows = coded.central_composite(self.fraction, alpha)
        return rows if self.ends == "factorial" else [tuple(level / alpha for level in row) for row in rows]

    @property
    def notes(self) -> Iterator[str]:
        """The resolution of its factorial points, if they are a fraction."""
        if self.fraction.resolution is not None:
            yield from (f"factorial points: {note}" for note in _of_fraction(self.fraction, sorted(self.dimensions)))


class MaximinLatinHypercube(Strict):
    """A Latin hypercube whose cells are far from each other."""

    kind: Literal["maximin_latin_hypercube"] = Field(
        description="A Latin hypercube whose cells are far from each other; a search of some seconds."
    )
    samples: int = Field(ge=2, le=MAX_CELLS, description="Number of cells, and of strata in each dimension.")
    dimensions: Annotated[
        dict[Name, Distribution],
        _number_of_parameters(2, MAX_FAR, "use kind `latin_hypercube`, which has no such limits"),
    ] = Field(description="Distribution of each parameter; from 2 to 100.", json_schema_extra=_counts(2, MAX_FAR))

    def plain(self) -> LatinHypercube:
        """Return the Latin hypercube whose values are paired anew."""
        return LatinHypercube(kind="latin_hypercube", samples=self.samples, dimensions=self.dimensions)


def _of_fraction(fraction: Fraction, names: Sequence[str]) -> Iterator[str]:
    """Yield what a fraction cannot tell apart, and its generators."""
    yield _aliases(fraction.resolution or 0)
    free = {column: name for column, name in zip(fraction.columns, names, strict=True) if column.bit_count() == 1}
    factors = {
        name: " x ".join(free[1 << place] for place in range(fraction.base) if column >> place & 1)
        for column, name in zip(fraction.columns, names, strict=True)
        if column not in free
    }
    yield f"generators: {', '.join(f'{name} = {product}' for name, product in factors.items())}"


def _aliases(resolution: int) -> str:
    numeral = _ROMAN[resolution] if resolution < len(_ROMAN) else str(resolution)
    if resolution == 3:  # noqa: PLR2004  III
        return f"resolution {numeral}: main effects are aliased with two-factor interactions"
    if resolution == 4:  # noqa: PLR2004  IV
        return f"resolution {numeral}: two-factor interactions are aliased with each other, but not with main effects"
    return f"resolution {numeral}: neither main effects nor two-factor interactions are aliased with each other"


KINDS = ("plackett_burman", "fractional_factorial", "box_behnken", "central_composite", "maximin_latin_hypercube")

Classical: TypeAlias = Annotated[
    Annotated[PlackettBurman, Tag("[plackett_burman]")]
    | Annotated[FractionalFactorial, Tag("[fractional_factorial]")]
    | Annotated[BoxBehnken, Tag("[box_behnken]")]
    | Annotated[CentralComposite, Tag("[central_composite]")]
    | Annotated[MaximinLatinHypercube, Tag("[maximin_latin_hypercube]")],
    one_of(tag_of_kind, "design", f"kind: must be one of {', '.join(KINDS)}"),
]
