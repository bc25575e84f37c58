"""The encodings of text files: told by a byte order mark, declared, or detected."""

from __future__ import annotations

import codecs
import gzip
from typing import BinaryIO, NamedTuple, cast

from pfn_kg.pipeline.ingest.records import UnreadableFileError
from pfn_kg.transforms.plumbing.files import open_raw

#: A document is read as a whole, which takes memory in proportion to its length.
MOST_BYTES = 256 << 20

_UTF_8 = "utf-8"
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Of encodings that fit a text equally well, these are far more common than all others.
_USUAL = ("cp1252", "latin_1")
_SAMPLE_BYTES = 1 << 18
_PIECE_BYTES = 1 << 20


class Decoded(NamedTuple):
    """A text and the encoding that it was in.

    Attributes:
        text: decoded.
        encoding: its name in Python.
    """

    text: str
    encoding: str


def open_bytes(path: str) -> BinaryIO:
    """Opens a file on any file system; what ends in `.gz` is decompressed."""
    raw = open_raw(path)
    if path.lower().endswith(".gz"):
        return cast(BinaryIO, gzip.GzipFile(fileobj=raw))
    return raw


def read_whole(path: str) -> bytes:
    """All bytes of a file of a bounded size.

    Raises:
        UnreadableFileError: if the file is larger.
    """
    with open_bytes(path) as file:
        data = b""
        parts = []
        size = 0
        while data := file.read(_PIECE_BYTES):
            parts.append(data)
            size += len(data)
            if size > MOST_BYTES:
                raise UnreadableFileError(
                    f"more than {MOST_BYTES >> 20} MiB in one document; cut it into parts"
                )
        return b"".join(parts)


def decode(data: bytes, *, given: str | None = None, declared: str | None = None) -> Decoded:
    """The text of a file.

    Args:
        data: the whole file.
        given: the encoding that a person named; nothing else is tried.
        declared: the encoding that the file claims; tried after UTF-8, which no other text looks
            like.

    Raises:
        UnreadableFileError: if the bytes are no text in the encoding.
    """
    encoding = given or _marked(data)
    if encoding is not None:
        return Decoded(_decoded(data, encoding), encoding)
    try:
        return Decoded(data.decode(), _UTF_8)
    except UnicodeDecodeError:
        pass
    if declared is not None:
        try:
            return Decoded(data.decode(declared), codecs.lookup(declared).name)
        except (LookupError, UnicodeDecodeError):
            pass  # many pages claim what they are not
    encoding = _detected(data)
    return Decoded(_decoded(data, encoding), encoding)


def encoding_of(path: str) -> str:
    """The encoding of a file of any size, which is read piece by piece.

    Raises:
        UnreadableFileError: if none fits.
    """
    check = codecs.getincrementaldecoder(_UTF_8)()
    first = True
    before = b""
    with open_bytes(path) as file:
        while piece := file.read(_PIECE_BYTES):
            if first and (mark := _marked(piece)) is not None:
                return mark
            first = False
            try:
                check.decode(piece)
            except UnicodeDecodeError:
                # What surrounds the first byte that is no UTF-8 says most.
                return _detected(before[-_SAMPLE_BYTES:] + piece)
            before = piece
    return _UTF_8


def _marked(data: bytes) -> str | None:
    return next((encoding for mark, encoding in _MARKS if data.startswith(mark)), None)


def _decoded(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeError as error:
        where = f" at byte {error.start}" if isinstance(error, UnicodeDecodeError) else ""
        raise UnreadableFileError(f"no text in {encoding}{where}") from None


def _detected(data: bytes) -> str:
    from charset_normalizer import from_bytes

    # Bytes beyond ASCII are what tells encodings apart, and they may come late.
    begin = next((i for i, byte in enumerate(data) if byte > 127), 0)
    begin = max(0, begin - _SAMPLE_BYTES // 2)
    sample = data[begin : begin + _SAMPLE_BYTES]
    matches = from_bytes(sample)
    best = matches.best()
    if best is None or b"\x00" in sample:
        raise UnreadableFileError("no text: no encoding fits its bytes")
    for match in matches:
        # Encodings that give the same text are one match.
        same = {match.encoding, *match.could_be_from_charset}
        if match.chaos <= best.chaos and same.intersection(_USUAL):
            # Windows-1252 has all of Latin-1 that is printed, and quotation marks and dashes.
            return "cp1252" if _fits(data, "cp1252") else match.encoding
    return str(best.encoding)


def _fits(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
