"""What is logged on standard error, and what is noise there."""

from __future__ import annotations

import logging

# Of parts of Beam that are not installed and not used: its Google Cloud parts, and what
# measures the memory of models.
_NOISE = ("apitools not found", "Resource module is not available")


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
    if record.getMessage().startswith(_NOISE):
        return False
    # An error of a worker ends the job, and the command says so in one line.
    return not (record.exc_info and record.name.startswith("apache_beam."))
