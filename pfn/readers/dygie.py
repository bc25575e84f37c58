"""Reads DyGIE's JSON lines (ACE04, ACE05, SciERC): one document a line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from pfn_kg.pfn.readers.files import StrictRecord, read_records
from pfn_kg.pfn.readers.records import GoldEntity, GoldTriple, Reading
from pfn_kg.schemas.errors import ConfigurationError

# Strict validation would want a tuple, and JSON has lists.
_Span = Annotated[tuple[int, int, str], Field(strict=False)]
_Pair = Annotated[tuple[int, int, int, int, str], Field(strict=False)]


class _Document(StrictRecord):
    doc_key: str | int | None = None
    # In place of it in the files of TextFlint, which the paper's Table 4 is of.
    sample_id: str | int | None = None
    sentences: list[list[str]]
    ner: list[list[_Span]]
    relations: list[list[_Pair]]


def read_dygie(path: str | Path) -> Reading:
    """Reads a DyGIE file: token offsets count through the document, ends are inclusive.

    A document is named by `doc_key`, or by `sample_id` in files of TextFlint.

    Args:
        path: a file with one JSON object a line.

    Returns:
        Every sentence of every document. A relation whose arguments are not both
        mentions of its sentence is counted as skipped.

    Raises:
        ConfigurationError: if the file is wrong; names file, record and field.
    """
    reading = Reading()
    for place, document in read_records(path, _Document):
        name = document.sample_id if document.doc_key is None else document.doc_key
        if name is None:
            raise ConfigurationError(f"{place}: field doc_key: is missing")
        for field in ("ner", "relations"):
            if len(getattr(document, field)) != len(document.sentences):
                raise ConfigurationError(
                    f"{place}: field {field}: has not one list for each of the "
                    f"{len(document.sentences)} sentences"
                )
        start = 0
        for index, tokens in enumerate(document.sentences):
            entities: list[GoldEntity] = []
            index_of: dict[tuple[int, int], list[int]] = {}
            for first, last, type_ in document.ner[index]:
                if not start <= first <= last < start + len(tokens):
                    raise ConfigurationError(
                        f"{place}: field ner.{index}: [{first}, {last}] is not a span of the "
                        f"sentence's tokens {start} to {start + len(tokens) - 1}"
                    )
                index_of.setdefault((first, last), []).append(len(entities))
                entities.append((first - start, last + 1 - start, type_))
            triples: list[GoldTriple] = []
            for first, last, other_first, other_last, relation in document.relations[index]:
                subjects = index_of.get((first, last))
                objects = index_of.get((other_first, other_last))
                if subjects is None or objects is None:
                    reading.skipped["relation between spans that are no mentions"] += 1
                    continue
                triples.extend((s, relation, o) for s in subjects for o in objects)
            reading.add(str(name), index, tokens, entities, triples)
            start += len(tokens)
    return reading
