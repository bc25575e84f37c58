"""Vectors of sentences in Neo4j, and the index that finds the nearest ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from hashlib import blake2b

import numpy as np
from neo4j import Session

from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.sinks.neo4j.connection import Neo4jServer

#: Finds sentences by vectors: `db.index.vector.queryNodes`.
VECTOR_INDEX = "pfn_kg_chunk_vectors"

_CREATE = (
    f"CREATE VECTOR INDEX {VECTOR_INDEX} IF NOT EXISTS FOR (n:Chunk) ON (n.embedding) "
    "OPTIONS {indexConfig: {`vector.dimensions`: $width, "
    "`vector.similarity_function`: 'cosine'}}"
)
_SHOW = "SHOW VECTOR INDEXES YIELD name, options WHERE name = $name RETURN options"
_READ = (
    "MATCH (c:Chunk {graph: $graph}) WHERE c.id > $after "
    "RETURN c.id AS id, c.text AS text, c.embedding_key AS key ORDER BY id LIMIT $limit"
)
_WRITE = (
    "UNWIND $rows AS row MATCH (c:Chunk {graph: $graph, id: row.id}) "
    "CALL db.create.setNodeVectorProperty(c, 'embedding', row.vector) "
    "SET c.embedding_key = row.key"
)


def add_vectors(
    server: Neo4jServer,
    graph: str,
    embed: Callable[[Sequence[str]], np.ndarray],
    *,
    width: int,
    encoder: str,
    batch_rows: int = 1000,
) -> int:
    """Gives each sentence of a graph its vector, where it has none or another one.

    Args:
        server: where the graph is, with its text.
        graph: its name.
        embed: makes vectors of texts, (texts, width).
        width: how many numbers a vector has.
        encoder: what tells this encoder from others, such as a hash.
        batch_rows: sentences of one transaction.

    Returns:
        How many vectors were made.

    Raises:
        ConfigurationError: if the index holds vectors of another width.
        Neo4jUnavailableError: if the server is away for good or refuses the work.
    """
    made = 0
    with server.connect() as driver, closing(driver.session(database=server.database)) as session:
        _make_index(server, session, width)
        after = ""
        while True:
            found = server.execute(session, _READ, graph=graph, after=after, limit=batch_rows)
            if not found:
                break
            after = found[-1]["id"]
            keys = [_key(encoder, row["text"]) for row in found]
            stale = [n for n, row in enumerate(found) if row["key"] != keys[n]]
            vectors = embed([found[n]["text"] for n in stale])
            rows = [
                {"id": found[n]["id"], "key": keys[n], "vector": vector}
                for n, vector in zip(stale, vectors.tolist(), strict=True)
            ]
            if rows:
                server.write(session, _WRITE, {"graph": graph, "rows": rows})
            made += len(rows)
        server.execute(session, "CALL db.awaitIndexes(300)")
    return made


def _key(encoder: str, text: str) -> str:
    """Tells whether a vector is that of a text; loads keep ids of sentences whose text changed."""
    return blake2b(f"{encoder}\0{text}".encode(), digest_size=12).hexdigest()


def _make_index(server: Neo4jServer, session: Session, width: int) -> None:
    server.execute(session, _CREATE, width=width)
    (row,) = server.execute(session, _SHOW, name=VECTOR_INDEX)
    has = row["options"]["indexConfig"].get("vector.dimensions")
    if has != width:
        raise ConfigurationError(
            f"the index {VECTOR_INDEX} of the database holds vectors of {has} numbers, and this "
            f"encoder makes {width}; `DROP INDEX {VECTOR_INDEX}` first, or load into another "
            "database",
            field="neo4j_vectors",
        )
