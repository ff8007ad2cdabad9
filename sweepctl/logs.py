"""Log lines on standard error: one event per line, as text or JSON, for log collectors.

People at a terminal get a progress bar and a rendered result instead.
"""

import json
import logging
import os
import sys
from contextlib import suppress
from typing import Any, Literal

from sweepctl.texts import plain

LogFormat = Literal["auto", "text", "json"]

_log = logging.getLogger("sweepctl")


def configure(log_format: LogFormat) -> Literal["text", "json"]:
    """Send events to standard error; return the format that `auto` resolved to.

    `auto` is text on a terminal and where the variable CI is set, as build services do, and JSON elsewhere. Text on a
    terminal is limited to warnings: the progress bar and the result show the rest.
    """
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    for_people = is_terminal or bool(os.environ.get("CI"))
    used: Literal["text", "json"] = ("text" if for_people else "json") if log_format == "auto" else log_format
    handler = _StandardError()
    handler.setFormatter(_JsonLine() if used == "json" else _TextLine())
    _log.handlers = [handler]
    _log.setLevel(logging.WARNING if used == "text" and is_terminal else logging.INFO)
    return used


def event(name: str, **fields: Any) -> None:  # noqa: ANN401  any JSON value
    """Log an event, with the fields that identify it."""
    _log.info(name, extra={"fields": fields})


def warn(name: str, **fields: Any) -> None:  # noqa: ANN401  any JSON value
    """Log something that a person should look at."""
    _log.warning(name, extra={"fields": fields})


class _StandardError(logging.Handler):
    """Writes to the current `sys.stderr`: a live view replaces it, so that log lines appear above the view."""

    def emit(self, record: logging.LogRecord) -> None:
        # The reader may be gone: a lost log line must not stop a worker.
        with suppress(OSError, ValueError):
            if sys.stderr is not None:
                print(self.format(record), file=sys.stderr, flush=True)  # noqa: T201  this is how lines get out


class _JsonLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        time = self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z")
        fields = getattr(record, "fields", {})
        return json.dumps({"time": time, "level": record.levelname.lower(), "event": record.getMessage(), **fields})


class _TextLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        time = self.formatTime(record, "%H:%M:%S")
        items = getattr(record, "fields", {}).items()
        fields = " ".join(f"{plain(name)}={plain(str(value))}" for name, value in items if value is not None)
        return f"{time} {plain(record.getMessage())} {fields}".rstrip()
