"""Logs as JSON, one object a line, with request ids. Prompts and keys are never in them."""

from __future__ import annotations

import json
import logging
import time

_FIELDS = ("request_id", "tenant", "method", "path", "status", "seconds")


class JsonLines(logging.Formatter):
    """Formats a record as an object."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        found = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + "Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        found |= {name: getattr(record, name) for name in _FIELDS if hasattr(record, name)}
        if record.exc_info:
            found["error"] = self.formatException(record.exc_info)
        return json.dumps(found, ensure_ascii=False)


def set_up(level: str = "info") -> None:
    """Sends all logs to standard error in this form."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers, root.level = [handler], getattr(logging, level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = name != "uvicorn.access"
