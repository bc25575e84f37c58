"""The rows that a chunk comes to, kept for later builds.

What one document says without the others is worked out chunk by chunk, which is a third of a build,
and more of one that merges names: each step that asks all chunks for something works them out. It
depends on the file of the chunk, the rows that are left out, where its names moved, the
label schema, the options and this code. Where none of these changed, the rows are read again.

A chunk has one file for each step that keeps something of it, since the steps depend on different
things: the names that a chunk has by itself stay the same wherever they move. A file begins with a
hash of its content and names what this depends on. A file that is damaged or speaks of something
else is as good as none: it is written anew.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from hashlib import blake2b
from struct import Struct
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import pyarrow as pa

from pfn_kg.transforms.extraction.columns import ChunkFile
from pfn_kg.transforms.facts.chunk_rows import ChunkRows
from pfn_kg.transforms.plumbing.files import join, name_of, read_if_there, replace_by_pieces
from pfn_kg.transforms.plumbing.shards import decode, encode

#: What is kept of a chunk: its rows, its names before any of them move, what of it is looked up in
#: a catalogue, and what documents say of its names.
Kind: TypeAlias = Literal["rows", "names", "lookups", "contexts"]

_DIGEST_BYTES = 16
_LENGTH = Struct("<Q")
# The name of `ChunkRows.moved` among the tables.
_MOVED = "moved"


class _Content(NamedTuple):
    """The content of a file.

    Attributes:
        tables: by name.
        counts: by name.
    """

    tables: dict[str, pa.Table]
    counts: Mapping[str, int]


class KeptRows:
    """A folder of rows by chunk.

    Args:
        folder: of the rows of one label schema, one set of options and one version of the code.
    """

    def __init__(self, folder: str):
        self.folder = folder

    def path(self, chunk_path: str, kind: Kind = "rows") -> str:
        """Where something of a chunk is kept.

        Args:
            chunk_path: of its extraction file.
            kind: of what is kept.
        """
        return join(self.folder, f"{name_of(chunk_path).removesuffix('.parquet')}.{kind}")

    def paths(self, chunk_path: str) -> set[str]:
        """Where anything of a chunk is kept."""
        return {self.path(chunk_path, kind) for kind in get_args(Kind)}

    def find(self, chunk: ChunkFile, of_chunk: Mapping[str, Any]) -> ChunkRows | None:
        """The rows of a chunk, if they are kept; the arguments are those of `keep`.

        Raises:
            OSError: if the file is there and can't be read.
        """
        content = self._find("rows", chunk, of_chunk)
        if content is None:
            return None
        tables = {**content.tables}
        moved = tables.pop(_MOVED)
        return ChunkRows(tables, Counter(content.counts), moved, applied=Counter(), judged=None)

    def keep(self, chunk: ChunkFile, of_chunk: Mapping[str, Any], rows: ChunkRows) -> None:
        """Keeps the rows of a chunk in the place of older ones.

        Args:
            chunk: its file.
            of_chunk: by name, all that its rows depend on beside its file, the label schema and
                the options: lists and mappings of what has a telling `repr`, in any order, and
                tuples of these, in theirs.
            rows: made without corrections.
        """
        content = _Content({**rows.tables, _MOVED: rows.moved}, rows.counts)
        self._keep("rows", chunk, of_chunk, content)

    def tables(
        self,
        kind: Kind,
        chunk: ChunkFile,
        of_chunk: Mapping[str, Any],
        make: Callable[[], dict[str, pa.Table]],
    ) -> dict[str, pa.Table]:
        """Other tables of a chunk: as they are kept, or made and kept.

        Args:
            kind: of the tables.
            chunk: its file.
            of_chunk: as in `keep`, all that the tables depend on.
            make: makes them.

        Raises:
            OSError: if the file is there and can't be read, or can't be written.
        """
        content = self._find(kind, chunk, of_chunk)
        if content is None:
            content = _Content(make(), {})
            self._keep(kind, chunk, of_chunk, content)
        return content.tables

    def _find(self, kind: Kind, chunk: ChunkFile, of_chunk: Mapping[str, Any]) -> _Content | None:
        data = read_if_there(self.path(chunk.path, kind))
        return None if data is None else _read(data, _key(kind, chunk, of_chunk))

    def _keep(
        self, kind: Kind, chunk: ChunkFile, of_chunk: Mapping[str, Any], content: _Content
    ) -> None:
        spelt = _spell(_key(kind, chunk, of_chunk), content)
        replace_by_pieces(self.path(chunk.path, kind), [_digest(*spelt), *spelt])


def _key(kind: Kind, chunk: ChunkFile, of_chunk: Mapping[str, Any]) -> str:
    spelt = f"{kind} {name_of(chunk.path)} {chunk.model_hash} {_in_order(of_chunk)}"
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


def _spell(key: str, content: _Content) -> list[bytes]:
    parts = {name: encode(table) for name, table in content.tables.items()}
    lengths = [[name, len(part)] for name, part in parts.items()]
    head = json.dumps({"key": key, "counts": content.counts, "tables": lengths}).encode()
    return [_LENGTH.pack(len(head)), head, *parts.values()]


def _read(data: bytes, key: str) -> _Content | None:
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
    return _Content(tables, head["counts"])


def _digest(*pieces: bytes | memoryview) -> bytes:
    digest = blake2b(digest_size=_DIGEST_BYTES)
    for piece in pieces:
        digest.update(piece)
    return digest.digest()
