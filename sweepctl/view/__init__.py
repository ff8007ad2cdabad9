"""Finished values for a terminal or a page. Computes nothing."""
