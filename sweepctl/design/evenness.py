"""Which numbers of samples cut a net of a Sobol sequence in two (docs/designs.md)."""

from collections.abc import Iterator
from typing import NamedTuple

from sweepctl.design.base import Space
from sweepctl.design.designs import Cross
from sweepctl.design.sampled import Saltelli, Sobol


class UnevenSamples(NamedTuple):
    """A number of samples from a Sobol sequence that is no power of two."""

    field: str  # of the design
    samples: int
    nearest: int  # power of two


def uneven_samples(space: Space) -> Iterator[UnevenSamples]:
    """Yield the numbers of a design that are no powers of two, though its sequence would be more even."""
    match space:
        case Cross():
            for place, part in enumerate(space.parts):
                for found in uneven_samples(part):
                    yield found._replace(field=f"parts.{place}.{found.field}")
        case Sobol() if nearest := _other_power(space.samples):
            yield UnevenSamples("samples", space.samples, nearest)
        case Saltelli() if nearest := _other_power(space.base_samples):
            yield UnevenSamples("base_samples", space.base_samples, nearest)


def _other_power(count: int) -> int | None:
    """Return the nearest power of two, the higher one of two; None for one itself."""
    low = 1 << count.bit_length() - 1
    return None if count == low else low if count - low < 2 * low - count else 2 * low
