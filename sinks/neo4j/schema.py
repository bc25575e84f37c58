"""Names in Neo4j, and the constraints and indexes of a graph there.

Neo4j accepts no parameters for labels and relationship types, so these are part of a
statement's text. They come from the label schema alone, and are checked again and quoted
here; everything else is a parameter.
"""

from __future__ import annotations

import re

# Within backticks a backtick would end the name, and \uXXXX is read as a character.
_NAME = re.compile(r"[^\W\d]\w*")

#: Finds entities by words of their names and aliases: `db.index.fulltext.queryNodes`.
FULL_TEXT_INDEX = "pfn_kg_entity_names"

#: Finds sentences by their words.
TEXT_INDEX = "pfn_kg_chunk_text"

#: What all nodes of a graph are found by, those of its text among them.
NODE_LABELS = ("Entity", "Value", "Document", "Chunk", "Evidence")

#: What retrievers of neo4j-graphrag know an entity by.
ENTITY_LABEL = "__Entity__"

_CONSTRAINT = (
    "CREATE CONSTRAINT pfn_kg_{name}_id IF NOT EXISTS "
    "FOR (n:{label}) REQUIRE (n.graph, n.id) IS UNIQUE"
)


def quoted(name: str) -> str:
    """A label or relationship type as it stands in a statement.

    Raises:
        ValueError: if it is not of letters, digits and underscores; the label schema
            lets no other pass.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no label or relationship type")
    return f"`{name}`"


def schema_statements(lexical: bool = False) -> list[str]:
    """What a graph needs before its first row: each statement may be run any number of times.

    Args:
        lexical: whether the graph holds the text too.
    """
    labels = NODE_LABELS if lexical else NODE_LABELS[:2]
    statements = [
        *[_CONSTRAINT.format(name=label.lower(), label=label) for label in labels],
        "CREATE INDEX pfn_kg_entity_name IF NOT EXISTS FOR (n:Entity) ON (n.name)",
        f"CREATE FULLTEXT INDEX {FULL_TEXT_INDEX} IF NOT EXISTS "
        "FOR (n:Entity) ON EACH [n.name, n.aliases]",
    ]
    if lexical:
        statements += [
            "CREATE INDEX pfn_kg_evidence_relation IF NOT EXISTS FOR (n:Evidence) ON (n.relation)",
            f"CREATE FULLTEXT INDEX {TEXT_INDEX} IF NOT EXISTS FOR (n:Chunk) ON EACH [n.text]",
        ]
    return [*statements, "CALL db.awaitIndexes(300)"]
