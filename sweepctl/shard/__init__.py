"""One shard: the heart of sweepctl, and the only writer of results."""
