"""Reads SpERT's JSON: CoNLL04, SciERC and ADE as they are usually passed around."""

from __future__ import annotations

from pathlib import Path

from pfn_kg.pfn.readers.files import StrictRecord, read_records
from pfn_kg.pfn.readers.records import Reading
from pfn_kg.schemas.errors import ConfigurationError


class _Entity(StrictRecord):
    type: str
    start: int
    end: int


class _Relation(StrictRecord):
    type: str
    head: int
    tail: int


class _Sentence(StrictRecord):
    tokens: list[str]
    entities: list[_Entity]
    relations: list[_Relation]
    orig_id: int | str | None = None


def read_spert(path: str | Path) -> Reading:
    """Reads a SpERT file: tokens, entities (end exclusive) and relations between them.

    Args:
        path: a JSON list of sentences.

    Returns:
        One sentence a record; the document's id is its `orig_id`, or else its number.

    Raises:
        ConfigurationError: if the file is wrong; names file, record and field.
    """
    reading = Reading()
    for number, (place, sentence) in enumerate(read_records(path, _Sentence)):
        length = len(sentence.tokens)
        for index, entity in enumerate(sentence.entities):
            if not 0 <= entity.start < entity.end <= length:
                raise ConfigurationError(
                    f"{place}: field entities.{index}: [{entity.start}, {entity.end}) is not a "
                    f"span of {length} tokens"
                )
        for index, relation in enumerate(sentence.relations):
            for field, argument in (("head", relation.head), ("tail", relation.tail)):
                if not 0 <= argument < len(sentence.entities):
                    raise ConfigurationError(
                        f"{place}: field relations.{index}.{field}: no entity {argument}"
                    )
        reading.add(
            str(number if sentence.orig_id is None else sentence.orig_id),
            0,
            sentence.tokens,
            [(entity.start, entity.end, entity.type) for entity in sentence.entities],
            [(relation.head, relation.type, relation.tail) for relation in sentence.relations],
        )
    return reading
