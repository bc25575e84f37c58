"""The rows that a chunk comes to, kept for later builds.

What one document says without the others is worked out chunk by chunk, which is a third of a build.
It depends on the file of the chunk, the rows that are left out, where its names moved, the
label schema, the options and this code. Where none of these changed, the rows are read again.

One file a chunk begins with a hash of its content and names what the rows depend on. A file that is
damaged or speaks of something else is as good as none: it is written anew.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from hashlib import blake2b
from struct import Struct
from typing import Any

from pfn_kg.transforms.extraction.columns import ChunkFile
from pfn_kg.transforms.facts.chunk_rows import ChunkRows
from pfn_kg.transforms.plumbing.files import join, name_of, read_if_there, replace_by_pieces
from pfn_kg.transforms.plumbing.shards import decode, encode

_SUFFIX = ".rows"
_DIGEST_BYTES = 16
_LENGTH = Struct("<Q")
# The name of `ChunkRows.moved` among the tables.
_MOVED = "moved"


class KeptRows:
    """A folder of rows by chunk.

    Args:
        folder: of the rows of one label schema, one set of options and one version of the code.
    """

    def __init__(self, folder: str):
        self.folder = folder

    def path(self, chunk_path: str) -> str:
        """Where the rows of a chunk are kept.

        Args:
            chunk_path: of its extraction file.
        """
        return join(self.folder, name_of(chunk_path).removesuffix(".parquet") + _SUFFIX)

    def find(self, chunk: ChunkFile, of_chunk: Mapping[str, Any]) -> ChunkRows | None:
        """The rows of a chunk, if they are kept; the arguments are those of `keep`.

        Raises:
            OSError: if the file is there and can't be read.
        """
        data = read_if_there(self.path(chunk.path))
        return None if data is None else _read(data, _key(chunk, of_chunk))

    def keep(self, chunk: ChunkFile, of_chunk: Mapping[str, Any], rows: ChunkRows) -> None:
        """Keeps the rows of a chunk in the place of older ones.

        Args:
            chunk: its file.
            of_chunk: by name, all that its rows depend on beside its file, the label schema and
                the options: lists and mappings of what has a telling `repr`, in any order, and
                tuples of these, in theirs.
            rows: made without corrections.
        """
        content = _spell(_key(chunk, of_chunk), rows)
        replace_by_pieces(self.path(chunk.path), [_digest(*content), *content])


def _key(chunk: ChunkFile, of_chunk: Mapping[str, Any]) -> str:
    spelt = f"{name_of(chunk.path)} {chunk.model_hash} {_in_order(of_chunk)}"
    return _digest(spelt.encode(errors="surrogatepass")).hex()


def _in_order(value: Any) -> str:
    """A text that tells values apart, whatever the order of lists and mappings; tuples have one."""
    if isinstance(value, Mapping):
        items = sorted(f"{key!r}: {_in_order(one)}" for key, one in value.items())
        return f"{{{', '.join(items)}}}"
    if isinstance(value, list):
        return f"[{', '.join(sorted(map(_in_order, value)))}]"
    if type(value) is tuple:
        return f"({', '.join(map(_in_order, value))})"
    return repr(value)


def _spell(key: str, rows: ChunkRows) -> list[bytes]:
    parts = {name: encode(table) for name, table in [*rows.tables.items(), (_MOVED, rows.moved)]}
    lengths = [[name, len(part)] for name, part in parts.items()]
    head = json.dumps({"key": key, "counts": rows.counts, "tables": lengths}).encode()
    return [_LENGTH.pack(len(head)), head, *parts.values()]


def _read(data: bytes, key: str) -> ChunkRows | None:
    content = memoryview(data)[_DIGEST_BYTES:]
    if len(content) < _LENGTH.size or _digest(content) != data[:_DIGEST_BYTES]:
        return None
    begin = _LENGTH.size + _LENGTH.unpack_from(content)[0]
    head = json.loads(bytes(content[_LENGTH.size : begin]))
    if head["key"] != key:
        return None
    tables = {}
    for name, length in head["tables"]:
        tables[name] = decode(content[begin : begin + length])
        begin += length
    moved = tables.pop(_MOVED)
    return ChunkRows(tables, Counter(head["counts"]), moved, applied=Counter(), judged=None)


def _digest(*pieces: bytes | memoryview) -> bytes:
    digest = blake2b(digest_size=_DIGEST_BYTES)
    for piece in pieces:
        digest.update(piece)
    return digest.digest()
