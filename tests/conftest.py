"""Fixtures for every test; the servers are in servers.py, the function's package is in aws_runtime.py."""

pytest_plugins = ["servers", "aws_runtime"]
