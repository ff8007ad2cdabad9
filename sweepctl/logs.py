"""Log lines on standard error: one event a line, as text or as JSON, for whoever collects them.

People at a terminal get a progress bar and a rendered result instead.
"""

import json
import logging
import sys
from contextlib import suppress
from typing import Any, Literal

LogFormat = Literal["auto", "text", "json"]

_log = logging.getLogger("sweepctl")


def configure(log_format: LogFormat) -> Literal["text", "json"]:
    """Send events to standard error; return the format that `auto` came to.

    `auto` is text on a terminal and JSON elsewhere. On a terminal, text is left out where more is shown than it says.
    """
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    used: Literal["text", "json"] = ("text" if is_terminal else "json") if log_format == "auto" else log_format
    handler = _StandardError()
    handler.setFormatter(_JsonLine() if used == "json" else _TextLine())
    _log.handlers = [handler]
    _log.setLevel(logging.WARNING if used == "text" and is_terminal else logging.INFO)
    return used


def event(name: str, **fields: Any) -> None:  # noqa: ANN401  any JSON value
    """Log that something happened, with what identifies it."""
    _log.info(name, extra={"fields": fields})


def warn(name: str, **fields: Any) -> None:  # noqa: ANN401  any JSON value
    """Log something that a person should look at."""
    _log.warning(name, extra={"fields": fields})


class _StandardError(logging.Handler):
    """Writes to what standard error is at the time: a live view puts itself there, and moves out of a line's way."""

    def emit(self, record: logging.LogRecord) -> None:
        # Whoever read it may have left: a line is not worth a worker.
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
        told = getattr(record, "fields", {}).items()
        fields = " ".join(f"{name}={value}" for name, value in told if value is not None)
        return f"{time} {record.getMessage()} {fields}".rstrip()
