"""Secrets by reference: a reference says where a secret is and never contains it."""

from __future__ import annotations

import logging
import os
import stat
from functools import cache
from pathlib import Path

from pfn_kg.schemas.errors import ConfigurationError

_logger = logging.getLogger(__name__)


@cache
def _warn_if_others_read(path: str) -> None:
    """Says once that a file of secrets is open to all users of this machine."""
    try:
        mode = Path(path).stat().st_mode
    except OSError:
        return  # whoever reads it says why it can't be
    if mode & stat.S_IROTH:
        _logger.warning(
            "all users of this machine may read the password in %s; chmod o-r %s", path, path
        )


def resolve(reference: str) -> str:
    """The secret that a reference leads to, on the machine that asks.

    Args:
        reference: `env:NAME`, a variable of the environment, or `file:PATH`, whose
            content it is, without the line break at its end.

    Raises:
        ConfigurationError: if there is nothing; names the reference.
    """
    kind, _, place = reference.partition(":")
    if kind == "env":
        secret = os.environ.get(place)
        if not secret:
            raise ConfigurationError(f"{reference}: this variable is not set here")
        return secret
    _warn_if_others_read(place)
    try:
        secret = Path(place).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise ConfigurationError(f"{reference}: {reason}") from None
    if not secret:
        raise ConfigurationError(f"{reference}: this file is empty")
    return secret
