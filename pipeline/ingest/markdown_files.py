"""Documents of Markdown: its text without marks, and the fields of its front matter."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

from pfn_kg.pfn.inference.cut_words import join_cut_words
from pfn_kg.pipeline.ingest.encodings import decode, read_whole
from pfn_kg.pipeline.ingest.records import Document, UnreadableFileError
from pfn_kg.schemas.ingest_options import IngestOptions

_FRONT_MATTER = re.compile(r"---[ \t]*\n(.*?\n)?(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)


def read_markdown(path: str, options: IngestOptions) -> Iterator[Document | str]:
    """The document of a file; first the name of its encoding.

    Args:
        path: of the file.
        options: the encoding, and what is mended.

    Raises:
        UnreadableFileError: if the file can't be read, or has no text.
    """
    decoded = decode(read_whole(path), given=options.encoding)
    yield decoded.encoding
    source = decoded.text.removeprefix("\ufeff").replace("\r\n", "\n")
    fields: dict[str, Any] = {}
    if front := _FRONT_MATTER.match(source):
        fields = _fields(front[1] or "")
        source = source[front.end() :]
    tokens = MarkdownIt("commonmark").enable("table").parse(source)
    text = plain_text(tokens)
    if not text.strip():
        raise UnreadableFileError("no text in it")
    if options.join_hyphens:
        text = join_cut_words(text).text
    title = fields.pop("title", None)
    yield Document(text, title=_heading(tokens) if title is None else str(title), fields=fields)


def _fields(front: str) -> dict[str, Any]:
    try:
        found = yaml.safe_load(front)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 2}: " if mark is not None else ""
        raise UnreadableFileError(f"{where}the front matter is not valid YAML") from None
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise UnreadableFileError("the front matter is not a mapping")
    return {str(name): value for name, value in found.items()}


def plain_text(tokens: Sequence[Token]) -> str:
    """The text of a parsed document: a block a paragraph, without code and without HTML.

    Items of a list stand on lines of their own, and the cells of a row side by side.
    """
    blocks: list[str] = []
    cells: list[str] | None = None
    depth = 0
    last_in_list = False
    for token in tokens:
        if token.type == "tr_open":
            cells = []
        elif token.type == "tr_close" and cells is not None:
            blocks.append(" | ".join(cells))
            cells = None
        elif token.type in ("bullet_list_open", "ordered_list_open"):
            depth += 1
        elif token.type in ("bullet_list_close", "ordered_list_close"):
            depth -= 1
        elif token.type == "inline":
            text = _inline(token.children or [])
            if cells is not None:
                cells.append(text)
            elif text.strip():
                # A list is one paragraph.
                if depth and last_in_list and blocks:
                    blocks[-1] += f"\n{text}"
                else:
                    blocks.append(text)
                last_in_list = depth > 0
    return "\n\n".join(block for block in blocks if block.strip(" |"))


def _inline(tokens: Sequence[Token]) -> str:
    parts = []
    for token in tokens:
        if token.type in ("text", "code_inline"):
            parts.append(token.content)
        elif token.type == "softbreak" or token.type == "hardbreak":
            parts.append("\n")
        elif token.type == "image":
            parts.append(_inline(token.children or []))
    return "".join(parts)


def _heading(tokens: Sequence[Token]) -> str | None:
    """The text of the first heading of the first rank."""
    for before, token in pairwise(tokens):
        if before.type == "heading_open" and before.tag == "h1":
            return " ".join(_inline(token.children or []).split()) or None
    return None
