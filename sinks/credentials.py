"""Secrets by reference: a reference says where a secret is and never contains it."""

from __future__ import annotations

import logging
import os
import re
import stat
from functools import cache
from pathlib import Path

from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.installation import how_to_install

_logger = logging.getLogger(__name__)

# A secret of a project, or of one of its regions, with its version.
_SECRET = re.compile(
    r"projects/[^/\s]+(/locations/(?P<location>[^/\s]+))?/secrets/[^/\s]+/versions/[^/\s]+"
)
# Seconds until a server that does not answer is given up.
_PATIENCE = 30.0


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
        reference: `env:NAME`, a variable of the environment; `file:PATH`, whose content it is,
            without the line break at its end; or `secret:projects/P/secrets/S/versions/V`, in
            Google's Secret Manager, which the machine's own credentials must be allowed to read.

    Raises:
        ConfigurationError: if there is nothing; names the reference.
    """
    kind, _, place = reference.partition(":")
    if kind == "env":
        secret = os.environ.get(place)
        if not secret:
            raise ConfigurationError(f"{reference}: this variable is not set here")
        return secret
    if kind == "secret":
        return _of_secret_manager(reference, place)
    _warn_if_others_read(place)
    try:
        secret = Path(place).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise ConfigurationError(f"{reference}: {reason}") from None
    if not secret:
        raise ConfigurationError(f"{reference}: this file is empty")
    return secret


def _of_secret_manager(reference: str, name: str) -> str:
    matched = _SECRET.fullmatch(name)
    if matched is None:
        raise ConfigurationError(
            f"{reference}: is not like secret:projects/P/secrets/S/versions/V "
            "(latest is a version too)"
        )
    try:
        from google.api_core.exceptions import GoogleAPIError
        from google.auth.exceptions import GoogleAuthError
        from google.cloud import secretmanager
    except ImportError:
        reason = how_to_install("google-cloud-secret-manager", "gcp")
        raise ConfigurationError(f"{reference}: {reason}") from None
    location = matched["location"]
    endpoint = f"secretmanager.{location}.rep.googleapis.com" if location else None
    try:
        client = secretmanager.SecretManagerServiceClient(
            client_options={"api_endpoint": endpoint} if endpoint else None
        )
        answer = client.access_secret_version(name=name, timeout=_PATIENCE)
        secret: str = answer.payload.data.decode().rstrip("\r\n")
    except (GoogleAPIError, GoogleAuthError) as error:
        raise ConfigurationError(f"{reference}: {' '.join(str(error).split())}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{reference}: not UTF-8") from None
    if not secret:
        raise ConfigurationError(f"{reference}: this version is empty")
    return secret
