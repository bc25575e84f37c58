"""Reads JSON with `text` and `triple_list`: NYT and WebNLG, full spans or last words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import Field

from pfn_kg.pfn.readers.files import StrictRecord, read_records
from pfn_kg.pfn.readers.records import GoldEntity, GoldTriple, Reading

ENTITY_TYPE = "None"
"""These data sets do not type entities; the official code calls the one type so."""

# Strict validation would want a tuple, and JSON has lists.
_Triple = Annotated[tuple[str, str, str], Field(strict=False)]


class _Sentence(StrictRecord):
    text: str
    triple_list: list[_Triple]


def read_triple_list(path: str | Path) -> Reading:
    """Reads sentences whose triples name their arguments by their words.

    An argument is taken to stand where its words stand first in the text; tokens are
    what white space separates.

    Args:
        path: a JSON list, or one JSON object a line.

    Returns:
        One sentence a record; the document's id is the record's number, from 0. A triple
        with an argument that the text does not have is counted as skipped. `listed` has the
        triples of each record as the file gives them, repeated ones too.

    Raises:
        ConfigurationError: if the file is wrong; names file, record and field.
    """
    reading = Reading()
    for number, (_, sentence) in enumerate(read_records(path, _Sentence)):
        words = list(re.finditer(r"\S+", sentence.text))
        tokens = [word.group() for word in words]
        reading.listed.append(sentence.triple_list)
        entities: list[GoldEntity] = []
        triples: list[GoldTriple] = []
        for subject, relation, object_ in sentence.triple_list:
            subject_span = _first_occurrence(tokens, subject.split())
            object_span = _first_occurrence(tokens, object_.split())
            if subject_span is None or object_span is None:
                reading.skipped["triple with an argument that is not in the text"] += 1
                continue
            triples.append((len(entities), relation, len(entities) + 1))
            entities += [(*subject_span, ENTITY_TYPE), (*object_span, ENTITY_TYPE)]
        reading.add(
            str(number),
            0,
            tokens,
            entities,
            triples,
            text=sentence.text,
            token_offsets=[word.span() for word in words],
        )
    return reading


def _first_occurrence(tokens: list[str], wanted: list[str]) -> tuple[int, int] | None:
    if not wanted:
        return None
    for begin in range(len(tokens) - len(wanted) + 1):
        if tokens[begin : begin + len(wanted)] == wanted:
            return begin, begin + len(wanted)
    return None
