"""Secrets by reference: a reference says where a secret is and never contains it."""

from __future__ import annotations

import os
from pathlib import Path

from pfn_kg.schemas.errors import ConfigurationError


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
    try:
        secret = Path(place).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise ConfigurationError(f"{reference}: {reason}") from None
    if not secret:
        raise ConfigurationError(f"{reference}: this file is empty")
    return secret
