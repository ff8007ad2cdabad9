"""Copies the rows of a finished run into few large files, which readers use in place of its shards'."""
