"""sweepctl: bounded shards of large simulation sweeps, with results that can be trusted and queried."""

__version__ = "0.1.0"
