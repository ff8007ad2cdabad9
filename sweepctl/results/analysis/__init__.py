"""What a run's results say, as values: means, sensitivity, extremes, failures. All aggregation is SQL."""
