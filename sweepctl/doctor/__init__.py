"""Checks of this machine, its store and its queue; every problem has a remedy."""
