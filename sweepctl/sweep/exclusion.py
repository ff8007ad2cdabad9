"""What the rules of a sweep do to its cells: all cells of a small design, some of a large one."""

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
    """What derived parameters and constraints did to the cells that were looked at."""

    cells: int  # of the design
    looked_at: int
    excluded: int  # of these
    failed: int  # of these: derived parameters or constraints have no valid value
    first_failure: str | None  # what is wrong with the first of them

    @property
    def is_exact(self) -> bool:
        """Whether every cell was looked at."""
        return self.looked_at == self.cells

    @property
    def is_total(self) -> bool:
        """Whether no cell that was looked at is left."""
        return self.excluded + self.failed == self.looked_at


def find_excluded(spec: Spec, space: Space, engine: Engine) -> Exclusion | None:
    """Return how many cells are excluded, and fail; None without rules. Nothing is simulated.

    Raises:
        EngineFaultError: the engine failed.
    """
    if not spec.constraints and not spec.derived:
        return None
    cells, size = space.cells, min(space.cells, MOST_CELLS // BLOCKS)
    # From the first cells to the last ones, so that both ends are seen.
    starts = sorted({place * (cells - size) // (BLOCKS - 1) for place in range(BLOCKS)})
    if cells <= MOST_CELLS:
        starts, size = [0], cells
    excluded, failed, first = 0, 0, None
    for start in starts:
        for points in identities(spec, space, start, start + size, engine):
            failures = points.filter(pc.equal(points["status"], "failure"))
            excluded += pc.sum(pc.equal(points["status"], EXCLUDED)).as_py() or 0
            failed += failures.num_rows
            if first is None and failures.num_rows:
                first = failures["error_message"][0].as_py()
    return Exclusion(cells, size * len(starts), excluded, failed, first)
