"""The process's own log: to stderr, one line a record, text or JSON, and never a secret."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TextIO

_CHATTY = (
    "httpx",
    "httpcore",
    "slack_bolt",
    "slack_sdk",
    "discord",
    "telegram",
)
_NEVER_BELOW = {
    # Of a log in a watched folder, each line would be told of in a line.
    "watchfiles": logging.WARNING,
    # It speaks of functions and instances; a job's failure is told by adapters/schedule.
    "apscheduler": logging.CRITICAL,
    # It tells of its own objects what storage tells in words.
    "psycopg": logging.ERROR,
}


def setup_logging(style: str, level: str, clean: Callable[[str], str]) -> None:
    """Send every log record to stderr, in place of what an earlier call set up.

    Args:
        style: `text` or `json`.
        level: a name that `logging` knows.
        clean: takes the secrets out of a line, tracebacks included.
    """
    handler = _Stderr()
    handler.setFormatter(_JsonLine(clean) if style == "json" else _TextLine(clean))
    root = logging.getLogger()
    for old in [h for h in root.handlers if isinstance(h, _Stderr)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    # Libraries log every request at INFO, with addresses nobody asked for.
    quiet = logging.NOTSET if level == "DEBUG" else logging.WARNING
    for name in _CHATTY:
        logging.getLogger(name).setLevel(quiet)
    for name, least in _NEVER_BELOW.items():
        logging.getLogger(name).setLevel(least)


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes to whatever sys.stderr is now: the console puts itself there to keep its prompt."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr


class _Line(logging.Formatter):
    def __init__(self, clean: Callable[[str], str]) -> None:
        super().__init__()
        self._clean = clean

    def _trace(self, record: logging.LogRecord) -> str:
        parts = []
        if record.exc_info:
            parts.append(self.formatException(record.exc_info))
        if record.stack_info:
            parts.append(self.formatStack(record.stack_info))
        return "\n".join(parts)

    def _at(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC)
        return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _TextLine(_Line):
    """`2026-11-23T13:02:00.000Z INFO changeover: words`, breaks shown as ` | `."""

    def format(self, record: logging.LogRecord) -> str:
        words = record.getMessage()
        if trace := self._trace(record):
            words = f"{words}\n{trace}"
        one_line = " | ".join(part.rstrip() for part in self._clean(words).splitlines())
        shown = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in one_line)
        return f"{self._at(record)} {record.levelname} {record.name}: {shown}"


class _JsonLine(_Line):
    """One JSON object a record: at, level, logger, message, and the traceback if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        document = {
            "at": self._at(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self._clean(record.getMessage()),
        }
        if trace := self._trace(record):
            document["trace"] = self._clean(trace)
        return json.dumps(document)
