"""A run's report as one HTML page that works offline."""
