"""Sensitivity: how much each dimension matters for a metric, by what the design allows."""
