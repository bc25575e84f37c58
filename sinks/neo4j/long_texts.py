"""Texts that are longer than an index of Neo4j takes.

A row whose indexed property is too long would be refused. Its name is cut and stays whole among the
aliases; its id becomes the beginning and a hash.
"""

from __future__ import annotations

from hashlib import blake2b

import pyarrow as pa
import pyarrow.compute as pc

#: Bytes of UTF-8 of a text in an index at most. Neo4j 5.26 takes 8164 bytes of a name, and of a
#: graph's name and an id 8161 together.
MOST_BYTES = 7000

# Of an id that is cut; the rest is a hash.
_KEPT_BYTES = 200
_ELLIPSIS = "\u2026"


def with_short_names(entities: pa.Table) -> pa.Table:
    """Rows of entities whose names an index takes.

    Args:
        entities: with the columns `name` and `aliases`.

    Returns:
        The rows; a name that is too long is cut, ends with an ellipsis, and stands whole before
        the aliases.
    """
    name = entities["name"]
    if not _has_long(name):
        return entities
    names, aliases = name.to_pylist(), entities["aliases"].to_pylist()
    for row, text in enumerate(names):
        if len(text.encode()) > MOST_BYTES:
            names[row] = _beginning(text, MOST_BYTES - len(_ELLIPSIS.encode())) + _ELLIPSIS
            aliases[row] = [text, *(aliases[row] or ())]
    for column, values in (("name", names), ("aliases", aliases)):
        index = entities.schema.get_field_index(column)
        field = entities.schema.field(column)
        entities = entities.set_column(index, field, pa.array(values, field.type))
    return entities


def short_ids(ids: pa.ChunkedArray) -> pa.ChunkedArray:
    """Ids that an index takes; of one that is too long the beginning and a hash of the whole."""
    if not _has_long(ids):
        return ids
    return pa.chunked_array([pa.array([_short_id(id_) for id_ in ids.to_pylist()], ids.type)])


def is_long(ids: pa.ChunkedArray) -> pa.ChunkedArray:
    """Whether each id is longer than an index takes."""
    return pc.greater(pc.binary_length(ids), MOST_BYTES)


def _has_long(texts: pa.ChunkedArray) -> bool:
    return (pc.max(pc.binary_length(texts)).as_py() or 0) > MOST_BYTES


def _short_id(id_: str) -> str:
    if len(id_.encode()) <= MOST_BYTES:
        return id_
    digest = blake2b(id_.encode(), digest_size=16).hexdigest()
    return f"{_beginning(id_, _KEPT_BYTES)}{_ELLIPSIS}{digest}"


def _beginning(text: str, size: int) -> str:
    """As many characters as fit into so many bytes."""
    return text.encode()[:size].decode(errors="ignore")
