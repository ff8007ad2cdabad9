"""Log lines on standard error: one event a line, as text or as JSON, for whoever collects them.

People at a terminal get a progress bar and a rendered result instead.
"""

import json
import logging
import sys
from typing import Any, Literal

LogFormat = Literal["text", "json"]

_log = logging.getLogger("sweepctl")


def configure(log_format: LogFormat) -> None:
    """Send events to standard error in `log_format`; text is left out where a terminal shows more."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLine() if log_format == "json" else _TextLine())
    _log.handlers = [handler]
    _log.setLevel(
        logging.WARNING if log_format == "text" and sys.stderr is not None and sys.stderr.isatty() else logging.INFO
    )


def event(name: str, **fields: Any) -> None:  # noqa: ANN401  any JSON value
    """Log that something happened, with what identifies it."""
    _log.info(name, extra={"fields": fields})


def warn(name: str, **fields: Any) -> None:  # noqa: ANN401  any JSON value
    """Log something that a person should look at."""
    _log.warning(name, extra={"fields": fields})


class _JsonLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        time = self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z")
        fields = getattr(record, "fields", {})
        return json.dumps({"time": time, "level": record.levelname.lower(), "event": record.getMessage(), **fields})


class _TextLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        time = self.formatTime(record, "%H:%M:%S")
        fields = " ".join(f"{name}={value}" for name, value in getattr(record, "fields", {}).items())
        return f"{time} {record.getMessage()} {fields}".rstrip()
