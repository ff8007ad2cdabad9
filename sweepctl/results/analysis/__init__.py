"""Analyses a run's results: means, sensitivity, extremes, failures. All aggregation is SQL."""
