"""What is said on standard error, as text or as JSON, and what is noise there."""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any, Literal, TextIO, TypeAlias

LogFormat: TypeAlias = Literal["text", "json"]

# Of parts of Beam that are not installed and not used: its Google Cloud parts, and what
# measures the memory of models.
_NOISE = ("apitools not found", "Resource module is not available")
# Where some package of Google is installed, but not what gs:// needs. Whoever names gs:// is told.
_NO_STORAGE = re.compile(r"Failed to import GCSFileSystem.*cannot import name 'storage'", re.DOTALL)

# That of the command that runs in this process.
_format: LogFormat = "text"


def configure_logging(debug: bool = False, log_format: LogFormat = "text") -> None:
    """Shows warnings on standard error, each as one line.

    Args:
        debug: whether to show all that Beam says of an error, and tracebacks.
        log_format: of all lines on standard error: text for people, or one JSON object a line.
    """
    global _format
    _format = log_format
    handler = logging.StreamHandler()
    is_json = log_format == "json"
    handler.setFormatter(
        _JsonFormatter() if is_json else logging.Formatter("%(levelname)s: %(message)s")
    )
    if not debug:
        handler.addFilter(_is_news)
    # Beam may have a handler of its own already, whose lines are no JSON.
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=is_json)


def tell(text: str, *, level: str = "INFO", stream: TextIO | None = None, **fields: Any) -> None:
    """Says a line that belongs to no logger on standard error.

    Args:
        text: the line.
        level: as of logging, for JSON.
        stream: another place than standard error.
        fields: what the line says, for programs; in JSON alone.
    """
    print(as_line(text, level=level, **fields), file=stream or sys.stderr, flush=True)


def as_line(text: str, *, level: str, **fields: Any) -> str:
    """A text as a line of standard error: as it is, or as a JSON object.

    Args:
        text: the line.
        level: as of logging.
        fields: as in `tell`.
    """
    if _format == "text":
        return text
    return _object(datetime.now(UTC), level, "pfn_kg", text.removeprefix("pfn-kg: "), fields)


class _JsonFormatter(logging.Formatter):
    """One JSON object a record."""

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created, UTC)
        fields = {"exception": self.formatException(record.exc_info)} if record.exc_info else {}
        return _object(when, record.levelname, record.name, record.getMessage(), fields)


def _object(when: datetime, level: str, logger: str, message: str, fields: dict[str, Any]) -> str:
    said = {
        "time": when.isoformat(timespec="milliseconds"),
        "level": level,
        "logger": logger,
        "message": message,
    }
    return json.dumps(said | fields, ensure_ascii=False, default=str)


def _is_news(record: logging.LogRecord) -> bool:
    """Leaves out what is no one's concern, and what the command says itself."""
    message = record.getMessage()
    if message.startswith(_NOISE) or _NO_STORAGE.match(message):
        return False
    # An error of a worker ends the job, and the command says so in one line.
    return not (record.exc_info and record.name.startswith("apache_beam."))
