"""What is logged on standard error, and what is noise there."""

from __future__ import annotations

import logging


def configure_logging(debug: bool = False) -> None:
    """Shows warnings on standard error, each as one line.

    Args:
        debug: whether to show all that Beam says of an error, and tracebacks.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    if not debug:
        handler.addFilter(_is_news)
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


def _is_news(record: logging.LogRecord) -> bool:
    """Leaves out what is no one's concern, and what the command says itself."""
    # Of Beam's Google Cloud parts, where they are not installed.
    if record.getMessage().startswith("apitools not found"):
        return False
    # An error of a worker ends the job, and the command says so in one line.
    return not (record.exc_info and record.name.startswith("apache_beam."))
