"""What a run's results say, as values; `summary` has all of it for one run."""
