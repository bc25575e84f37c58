"""Which reader a source has."""

from __future__ import annotations

from collections.abc import Iterator

from pfn_kg.pipeline.catalogue.geonames import read_geonames
from pfn_kg.pipeline.catalogue.rdf import rdf_format, read_rdf
from pfn_kg.pipeline.catalogue.records import Record, open_source
from pfn_kg.pipeline.catalogue.ror import read_ror
from pfn_kg.pipeline.catalogue.wikidata import read_wikidata
from pfn_kg.schemas.catalogue_options import (
    CatalogueFormat,
    CatalogueOptions,
    CatalogueServerOptions,
    is_server,
)
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.sinks.neo4j.connection import Neo4jServer
from pfn_kg.transforms.plumbing.files import reason_of

_BEGIN_BYTES = 1 << 14


def format_of(source: str) -> CatalogueFormat:
    """The format of a source, by its name and, of JSON and text, by how it begins.

    Args:
        source: a file, or the URI of a server.

    Raises:
        ConfigurationError: if there is no such file, or nothing says its format.
    """
    if is_server(source):
        return "neo4j"
    if rdf_format(source) is not None:
        return "rdf"
    try:
        with open_source(source) as file:
            begin = file.read(_BEGIN_BYTES)
    except (OSError, EOFError) as error:
        raise ConfigurationError(f"{source}: {reason_of(error)}", field="source") from None
    if begin.lstrip()[:1] in (b"[", b"{"):
        return "ror" if b"https://ror.org/" in begin else "wikidata"
    if begin.partition(b"\n")[0].count(b"\t") == 18:
        return "geonames"
    raise ConfigurationError(f"{source}: its format is not known; give `format`", field="source")


def read_source(
    options: CatalogueOptions, server: Neo4jServer | None, nodes: CatalogueServerOptions
) -> Iterator[Record]:
    """The records of a source.

    Args:
        options: of the command; they say the format.
        server: to be asked, of a source that is one.
        nodes: which nodes and properties are read there.

    Raises:
        ConfigurationError: if the source can't be read.
    """
    try:
        if options.format == "wikidata":
            yield from read_wikidata(options.source, options.languages)
        elif options.format == "geonames":
            yield from read_geonames(options.source)
        elif options.format == "ror":
            yield from read_ror(options.source, options.languages)
        elif options.format == "rdf":
            yield from read_rdf(options.source, options.languages)
        else:
            assert server is not None  # its URI is the source
            yield from read_neo4j_nodes(server, nodes)
    except (OSError, EOFError) as error:
        # Also of a compressed file that is cut off.
        raise ConfigurationError(f"{options.source}: {reason_of(error)}", field="source") from None


def read_neo4j_nodes(server: Neo4jServer, nodes: CatalogueServerOptions) -> Iterator[Record]:
    """As `pfn_kg.pipeline.catalogue.neo4j.read_neo4j`, whose driver is imported here."""
    from pfn_kg.pipeline.catalogue.neo4j import read_neo4j

    yield from read_neo4j(server, nodes)
