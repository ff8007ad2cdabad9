"""A progress bar, with a line below it for a point that has been running for some time."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.progress import Progress

from sweepctl.view.wording import slow_point

if TYPE_CHECKING:
    from sweepctl.shard.slow_point import SlowPoint


class Bar(Progress):
    """Its columns are given as for `Progress`."""

    slow: "SlowPoint | None" = None

    def get_renderables(self) -> Iterable[RenderableType]:
        """Return the bar, and the line."""
        yield from super().get_renderables()
        if self.slow is not None:
            yield f"  {slow_point(self.slow)}"
