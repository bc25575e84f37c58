"""Documents of JSON: one object a line, or a list of objects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from pfn_kg.pipeline.ingest.encodings import MOST_BYTES, decode, encoding_of, open_bytes, read_whole
from pfn_kg.pipeline.ingest.records import Document, Unreadable, UnreadableFileError
from pfn_kg.schemas.choices import DEFAULT_TITLE_COLUMN
from pfn_kg.schemas.ingest_options import IngestOptions

_UTF_8 = ("utf-8", "utf-8-sig", "utf_8")
_ABSENT: Any = object()


def read_json(path: str, options: IngestOptions) -> Iterator[Document | Unreadable | str]:
    """The documents of a file; first the name of its encoding.

    Args:
        path: of the file. `.json` may hold a list of objects or one object, over any lines.
        options: the names of fields, the encoding.

    Raises:
        UnreadableFileError: if the file as a whole can't be read.
    """
    if path.lower().removesuffix(".gz").endswith(".json"):
        yield from _read_whole(path, options)
    else:
        yield from _read_lines(path, options)


def _read_whole(path: str, options: IngestOptions) -> Iterator[Document | Unreadable | str]:
    with open_bytes(path) as file:
        first = file.readline(MOST_BYTES)
    try:
        is_lines = isinstance(orjson.loads(_plain(first)), dict)
    except orjson.JSONDecodeError:
        is_lines = False
    if is_lines:
        yield from _read_lines(path, options)
        return
    decoded = decode(read_whole(path), given=options.encoding)
    yield decoded.encoding
    try:
        found = orjson.loads(decoded.text.removeprefix("\ufeff"))
    except orjson.JSONDecodeError as error:
        raise UnreadableFileError(f"not valid JSON: {error}") from None
    for number, item in enumerate(found if isinstance(found, list) else [found], start=1):
        yield document_of(item, options, f"item {number}")


def _read_lines(path: str, options: IngestOptions) -> Iterator[Document | Unreadable | str]:
    encoding = options.encoding or encoding_of(path)
    yield encoding
    with open_bytes(path) as file:
        number = 0
        for number, line in enumerate(_lines(file, encoding), start=1):
            where = f"line {number}"
            if isinstance(line, Unreadable):
                yield Unreadable(f"{where}: {line.reason}")
            elif line.strip():
                try:
                    yield document_of(orjson.loads(line), options, where)
                except orjson.JSONDecodeError as error:
                    yield Unreadable(f"{where}: not valid JSON: {error}")


def _lines(file: Any, encoding: str) -> Iterator[bytes | Unreadable]:
    """The lines of a file in UTF-8."""
    if encoding.startswith(("utf-16", "utf_16", "utf-32", "utf_32")):
        # A line break is no single byte there.
        data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise UnreadableFileError(
                f"more than {MOST_BYTES >> 20} MiB of {encoding}; convert it to UTF-8"
            )
        for text in decode(data, given=encoding).text.split("\n"):
            yield text.encode()
        return
    while line := file.readline(MOST_BYTES + 1):
        if len(line) > MOST_BYTES:
            raise UnreadableFileError(f"a line of more than {MOST_BYTES >> 20} MiB")
        if encoding in _UTF_8:
            yield _plain(line)
            continue
        try:
            yield line.decode(encoding).encode()
        except UnicodeError:
            yield Unreadable(f"no text in {encoding}")


def _plain(line: bytes) -> bytes:
    return line.removeprefix(b"\xef\xbb\xbf")


def document_of(item: Any, options: IngestOptions, where: str) -> Document | Unreadable:
    """The document that an object or a row is.

    Args:
        item: the object, or anything else that stood there.
        options: the names of the fields.
        where: its place in the file, for errors.
    """
    if not isinstance(item, dict):
        return Unreadable(f"{where}: not an object but {_kind(item)}")
    text = _field(item, options.text_column)
    if not isinstance(text, str):
        return Unreadable(f"{where}: {_wrong(text, options.text_column, item, 'text')}")
    if not text.strip():
        return Unreadable(f"{where}: the field {options.text_column!r} is empty")
    id_: Any = None
    if options.id_column != "none":
        id_ = _field(item, options.id_column)
        if isinstance(id_, bool) or not isinstance(id_, str | int) or id_ == "":
            return Unreadable(
                f"{where}: {_wrong(id_, options.id_column, item, 'text or a whole number')}"
            )
    title = _field(item, options.title_column or DEFAULT_TITLE_COLUMN)
    title_name = options.title_column or DEFAULT_TITLE_COLUMN
    used = {options.id_column, options.text_column}
    if isinstance(title, str) or title in (None, _ABSENT):
        used.add(title_name)
        title = title if isinstance(title, str) else None
    else:
        # A title of another type stays what it is, a field.
        title = None
    fields = {name: value for name, value in item.items() if name not in used}
    return Document(text, None if id_ is None else str(id_), title, fields)


def _field(item: dict[str, Any], name: str) -> Any:
    """A field by its name, with dots between those of nested ones."""
    if name in item:
        return item[name]
    found: Any = item
    for part in name.split("."):
        if not isinstance(found, dict) or part not in found:
            return _ABSENT
        found = found[part]
    return found


def _wrong(value: Any, name: str, item: dict[str, Any], expected: str) -> str:
    if value is _ABSENT:
        has = ", ".join(list(item)[:8]) or "none"
        return f"no field {name!r} (it has {has})"
    return f"the field {name!r} is {_kind(value)}, not {expected}"


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if value == "":
        return "empty"
    kinds = {dict: "an object", list: "a list", str: "text", bool: "true or false"}
    return kinds.get(type(value), "a number")
