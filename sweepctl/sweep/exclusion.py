"""How many cells of a sweep its constraints exclude: all cells of a small design, some of a large one."""

from dataclasses import dataclass

import pyarrow.compute as pc

from sweepctl.design import Space
from sweepctl.engine.client import Engine
from sweepctl.records.outcome import EXCLUDED
from sweepctl.spec import Spec
from sweepctl.sweep.cells import identities

MOST_CELLS = 1 << 14  # that are looked at
BLOCKS = 16  # of consecutive cells, spread evenly over a larger design


@dataclass(frozen=True)
class Exclusion:
    """What the constraints did to the cells that were looked at."""

    cells: int  # of the design
    looked_at: int
    excluded: int  # of these

    @property
    def is_exact(self) -> bool:
        """Whether every cell was looked at."""
        return self.looked_at == self.cells

    @property
    def is_total(self) -> bool:
        """Whether no cell that was looked at is left."""
        return self.excluded == self.looked_at


def find_excluded(spec: Spec, space: Space, engine: Engine) -> Exclusion | None:
    """Return how many cells the constraints exclude; None without constraints. Nothing is simulated.

    Raises:
        EngineFaultError: the engine failed.
    """
    if not spec.constraints:
        return None
    cells, size = space.cells, min(space.cells, MOST_CELLS // BLOCKS)
    # From the first cells to the last ones, so that both ends are seen.
    starts = {place * (cells - size) // (BLOCKS - 1) for place in range(BLOCKS)}
    if cells <= MOST_CELLS:
        starts, size = {0}, cells
    excluded = sum(
        pc.sum(pc.equal(points["status"], EXCLUDED)).as_py() or 0
        for start in starts
        for points in identities(spec, space, start, start + size, engine)
    )
    return Exclusion(cells, size * len(starts), excluded)
