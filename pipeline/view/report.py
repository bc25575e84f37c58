"""`pfn-kg report`: a graph as one page that needs nothing beside it."""

from __future__ import annotations

import base64
import hashlib
import html
import os
import re
import uuid
from pathlib import Path
from typing import Any

import orjson

from pfn_kg.pipeline.view.data.overview import best_facts, overview, sample_facts
from pfn_kg.pipeline.view.data.store import Store
from pfn_kg.pipeline.view.graphs import ShownGraph
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.view_options import ReportOptions

_STATIC = Path(__file__).parent / "static"


def write_report(options: ReportOptions) -> int:
    """Writes the page; a reader finds the old file or the new one.

    Returns:
        The size of the file in bytes.

    Raises:
        ConfigurationError: if there is no graph, or the file can't be written.
    """
    graph = ShownGraph(options.directory)
    try:
        with graph.store() as store:
            page = report_page(store, options)
    finally:
        graph.close()
    path = Path(options.output)
    new = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        new.write_bytes(page)
        os.replace(new, path)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise ConfigurationError(
            f"{path}: can't be written: {error.strerror}", field="output"
        ) from None
    return len(page)


def report_page(store: Store, options: ReportOptions) -> bytes:
    """The page as HTML: style, script and data are in it, and its policy allows nothing else.

    Args:
        store: the graph.
        options: what the page holds.
    """
    data: dict[str, Any] = {
        "overview": overview(store),
        "best": best_facts(store, limit=options.facts),
        "sample": sample_facts(store, size=options.sample, seed=options.seed),
    }
    # Nothing in the data ends the element that holds it, or opens another one.
    spelt = orjson.dumps(data, default=str).decode().replace("<", "\\u003c")
    script = (_STATIC / "report.js").read_text(encoding="utf-8").strip()
    style = (_STATIC / "app.css").read_text(encoding="utf-8").strip()
    name = Path(store.run.directory).name
    parts = {
        "title": html.escape(f"{name}: a knowledge graph"),
        "style": style,
        "script": script,
        "data": spelt,
        "script_hash": _hash(script),
        "style_hash": _hash(style),
    }
    page = (_STATIC / "report.html").read_text(encoding="utf-8")
    # In one pass: what is put in may hold the name of another part.
    page = re.sub(f"{{({'|'.join(parts)})}}", lambda match: parts[match[1]], page)
    return page.encode()


def _hash(text: str) -> str:
    """The hash of a script or style, as a content security policy names it."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
