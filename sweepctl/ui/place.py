"""What `sweepctl ui` was told: the store to look at, and what a report of it needs."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """A store, and the engine that verifies its runs."""

    store: str
    endpoint_url: str | None = None
    region: str | None = None
    engine: str | None = None
    programs: tuple[str, ...] = ()
    metrics: int = 1  # that a report shows
    options: str = ""  # of a command that looks at the same store, as a shell reads them
