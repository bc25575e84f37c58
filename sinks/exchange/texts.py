"""Columns of text for formats of nodes and edges, made column by column.

Joining columns gives the elements of all rows at once; one object per row would cost ten times as
much.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from pfn_kg.schemas.characters import NOT_OF_XML, REPLACEMENT
from pfn_kg.sinks.interface import JoinedFile, Pieces, Rows, Written

#: The folder of the pieces of which `finish` makes whole files.
PIECES = "pieces"

# Offsets of 64 bits: the text of many rows is longer than two gibibytes.
_TEXT = pa.large_string()
_BLOCK_ROWS = 16_384
# The ampersand first: the others bring one with them. A parser turns white space in an attribute
# into blanks unless it is spelt by number.
_XML = (
    ("&", "&amp;"),
    ("<", "&lt;"),
    (">", "&gt;"),
    ('"', "&quot;"),
    ("\t", "&#9;"),
    ("\n", "&#10;"),
    ("\r", "&#13;"),
)


def column(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Values of any plain type as text."""
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    return values if values.type == _TEXT else values.cast(_TEXT)


def xml(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Values as they stand in an element or an attribute of XML; null stays null.

    A character that XML cannot carry becomes U+FFFD.
    """
    texts = pc.replace_substring_regex(column(values), NOT_OF_XML, REPLACEMENT)
    return replaced(texts, _XML)


def replaced(texts: pa.Array, pairs: Iterable[tuple[str, str]]) -> pa.Array:
    """Texts with some characters in other spellings, one pair after the other."""
    for old, new in pairs:
        texts = pc.replace_substring(texts, old, new)
    return texts


def joined(*parts: pa.Array | str, nothing: str | None = None) -> pa.Array:
    """Columns and constants side by side, a row each.

    Args:
        parts: at least one of them a column.
        nothing: what stands for a null; by default a row with a null is null.
    """
    scalars = [pa.scalar(p, _TEXT) if isinstance(p, str) else p for p in parts]
    separator = pa.scalar("", _TEXT)
    if nothing is None:
        return pc.binary_join_element_wise(*scalars, separator)
    return pc.binary_join_element_wise(
        *scalars, separator, null_handling="replace", null_replacement=nothing
    )


def joined_lists(lists: pa.ChunkedArray, separator: str) -> pa.Array:
    """The items of each list as one text; of an empty list null."""
    lists = lists.combine_chunks()
    texts = column(pc.binary_join(lists, separator))
    return pc.if_else(pc.greater(pc.list_value_length(lists), 0), texts, pa.scalar(None, _TEXT))


def content(columns: Iterable[pa.Array]) -> bytes:
    """The rows of columns of text, one after the other."""
    return b"".join(_bytes(rows) for rows in columns)


def _bytes(rows: pa.Array) -> bytes:
    if not len(rows):
        return b""
    # All values of an array lie side by side in one buffer.
    whole = pa.concat_arrays([rows])
    offsets = pa.Array.from_buffers(pa.int64(), len(whole) + 1, [None, whole.buffers()[1]])
    begin, end = offsets[whole.offset].as_py(), offsets[whole.offset + len(whole)].as_py()
    return whole.buffers()[2][begin:end].to_pybytes() if end > begin else b""


def blocks(rows: pa.Table) -> Iterator[pa.Table]:
    """Rows in blocks, since their text takes much more memory than they."""
    for begin in range(0, len(rows), _BLOCK_ROWS):
        yield rows.slice(begin, _BLOCK_ROWS).combine_chunks()


def pieces_of(part: Rows, contents: Mapping[str, bytes], *, compress: bool) -> dict[str, bytes]:
    """Files that become parts of others, by the names that `pieces` finds.

    Args:
        part: the rows that they are made of.
        contents: by the kind of piece.
        compress: whether they are compressed; members of gzip may follow each other.
    """
    return {
        f"{PIECES}/{kind}-{part.number:08d}": packed(data, compress=compress)
        for kind, data in contents.items()
    }


def pieces(kind: str) -> Pieces:
    """All pieces of one kind, in the order of the rows."""
    return Pieces(f"{PIECES}/{kind}-")


def whole_files(files: Mapping[str, Sequence[bytes | Pieces]], *, compress: bool) -> Written:
    """Files of constant bytes and pieces.

    Args:
        files: by name.
        compress: whether the pieces are compressed; the names then end in `.gz`.
    """
    return Written(
        joined={
            f"{name}.gz" if compress else name: JoinedFile(
                tuple(
                    packed(part, compress=compress) if isinstance(part, bytes) else part
                    for part in parts
                )
            )
            for name, parts in files.items()
        }
    )


def packed(data: bytes, *, compress: bool) -> bytes:
    """Bytes, compressed or not; without a time stamp, so that the same rows are the same bytes."""
    return gzip.compress(data, compresslevel=6, mtime=0) if compress else data
