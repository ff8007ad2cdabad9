"""The progress bar of all commands: how much is done of how much, about how long the rest takes, and lines below."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from sweepctl.view.wording import duration, slow_point

if TYPE_CHECKING:
    from sweepctl.shard.slow_point import SlowPoint

LEFT = "left"  # the task's field with the seconds left, where the caller knows better than its pace does
TEXTS = 60  # columns for everything but the bar
WIDEST = 40


class Bar(Progress):
    """A bar that is removed at its end, and shown on a terminal only."""

    slow: "SlowPoint | None" = None  # a point that has been running for some time
    below: str = ""

    def __init__(self, console: Console, kind: str, *, disabled: bool = False) -> None:
        """Count `kind`, a plural."""
        # At 80 columns everything is seen. The usual colour is that of errors.
        width = max(10, min(WIDEST, console.width - TEXTS))
        super().__init__(
            TextColumn("{task.description}"),
            BarColumn(width, complete_style="cyan", finished_style="green", pulse_style="cyan"),
            _Count(kind),
            _Left(),
            console=console,
            transient=True,
            disable=disabled or not console.is_terminal,
        )

    def get_renderables(self) -> Iterable[RenderableType]:
        """Return the bar, and the lines."""
        yield from super().get_renderables()
        if self.below:
            yield Text(f"  {self.below}", no_wrap=True, overflow="ellipsis")
        if self.slow is not None:
            yield f"  {slow_point(self.slow)}"


class _Count(ProgressColumn):
    """How many of how many are done."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self._kind = kind

    def render(self, task: Task) -> Text:
        of = "" if task.total is None else f"/{int(task.total):,}"
        return Text(f"{int(task.completed):,}{of} {self._kind}")


class _Left(ProgressColumn):
    """About how long the rest takes; nothing while that is not known."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        seconds = task.fields.get(LEFT, task.time_remaining)
        return Text("" if seconds is None or task.finished else f"about {duration(seconds)} left")
