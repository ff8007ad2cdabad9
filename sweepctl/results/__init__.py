"""Reads the results of runs: tables, queries and their analysis."""
