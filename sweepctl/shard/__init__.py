"""Runs one shard and commits its results; nothing else writes results."""
