"""Fixtures for every test; the servers are in servers.py."""

pytest_plugins = ["servers"]
