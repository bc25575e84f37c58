"""The metadata of a document, and the link in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

#: Fields that lead to the document itself, the better first.
_LINKS = ("url", "link", "uri", "href", "source", "permalink", "web_url", "source_url")


def metadata_of(text: str | None) -> dict[str, Any]:
    """The metadata of a document by field; empty where there are none, or no JSON object."""
    try:
        fields = json.loads(text) if text else {}
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}


def link_of(metadata: Mapping[str, Any]) -> str | None:
    """The link to a document that its metadata give, if it is one of the web.

    Other schemes are never links: `javascript:` in a corpus must run nowhere.

    Example:
        >>> link_of({"URL": "https://example.org/1"}), link_of({"url": "javascript:alert(1)"})
        ('https://example.org/1', None)
    """
    by_name = {name.lower(): value for name, value in metadata.items()}
    return next((v for name in _LINKS if (v := web_link(by_name.get(name)))), None)


def web_link(value: Any) -> str | None:
    """A value that is an address of the web, else None."""
    if not isinstance(value, str):
        return None
    try:
        parts = urlsplit(value)
    except ValueError:
        return None
    return value if parts.scheme in ("http", "https") and parts.hostname else None
