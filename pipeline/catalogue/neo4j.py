"""Nodes of a Neo4j database of people's own, as entries of a catalogue."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import LiteralString, cast
from urllib.parse import quote

from neo4j.exceptions import DriverError, Neo4jError

from pfn_kg.pipeline.catalogue.records import Record, SourceEntry, Unreadable
from pfn_kg.schemas.catalogue_options import CatalogueServerOptions
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.sinks.neo4j.connection import Neo4jServer, Neo4jUnavailableError
from pfn_kg.transforms.linking.catalogue_file import MOST_NEIGHBOURS

_FETCH = 5_000
_IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|^`\\]+")

_STATEMENT = """
MATCH (n:{label})
RETURN n.{iri} AS iri, n.{name} AS name, n.{aliases} AS aliases, labels(n) AS labels,
       COUNT {{ (n)--() }} AS degree, [(n)--(m:{label}) | m.{iri}][..{most}] AS neighbours
"""


def read_neo4j(server: Neo4jServer, options: CatalogueServerOptions) -> Iterator[Record]:
    """The nodes of a label. How many relationships a node has is its popularity.

    Args:
        server: that is asked.
        options: label and properties.

    Raises:
        ConfigurationError: if the server does not answer; names it.
    """
    statement = _STATEMENT.format(
        label=_quoted(options.label),
        iri=_quoted(options.iri_property),
        name=_quoted(options.name_property),
        aliases=_quoted(options.aliases_property),
        most=MOST_NEIGHBOURS,
    )
    try:
        with (
            server.connect() as driver,
            driver.session(database=server.database, fetch_size=_FETCH) as session,
        ):
            server.verify(driver)
            # Labels and properties can't be parameters; they are quoted.
            for number, row in enumerate(session.run(cast(LiteralString, statement)), start=1):
                values = row.data()
                iri = _iri(values["iri"], options.iri_prefix)
                if iri is None or not _is_name(values["name"]):
                    yield Unreadable(
                        f"node {number}",
                        f"{options.iri_property} or {options.name_property} is missing or no text",
                    )
                    continue
                aliases = values["aliases"] or []
                aliases = [aliases] if isinstance(aliases, str) else aliases
                related = [_iri(value, options.iri_prefix) for value in values["neighbours"]]
                yield SourceEntry(
                    iri,
                    values["name"],
                    tuple(name for name in aliases if _is_name(name)),
                    tuple(sorted(values["labels"])),
                    values["degree"],
                    tuple(sorted({one for one in related if one is not None and one != iri})),
                )
    except Neo4jUnavailableError as error:
        raise ConfigurationError(str(error), field="source") from None
    except (DriverError, Neo4jError) as error:
        raise ConfigurationError(server.explain(error), field="source") from None


def _quoted(name: str) -> str:
    return f"`{name.replace('`', '``')}`"


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _iri(value: object, prefix: str) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        return None
    text = str(value)
    return text if _IRI.fullmatch(text) else prefix + quote(text, safe="")
