"""Where the project lies, so that a test can move without counting its parents."""

from pathlib import Path

TESTS = Path(__file__).parent
ROOT = TESTS.parent
