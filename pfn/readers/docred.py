"""Reads DocRED's JSON (also Re-DocRED), cut into sentences.

A document's facts relate entities, that is clusters of mentions. In a sentence, a
gold triple is every ordered pair of its mentions whose entities a fact relates;
facts without such a pair reach over sentences and are counted as skipped.
"""

from __future__ import annotations

from pathlib import Path

import orjson
from pydantic import Field

from pfn.readers.files import StrictRecord, read_records
from pfn.readers.records import GoldEntity, GoldTriple, Reading
from schemas.errors import ConfigurationError
from schemas.label_schema import slug


class _Mention(StrictRecord):
    sent_id: int
    pos: list[int]
    type: str


class _Fact(StrictRecord):
    h: int
    t: int
    r: str


class _Document(StrictRecord):
    title: str
    sents: list[list[str]]
    vertexSet: list[list[_Mention]]  # noqa: N815 - the format's name
    labels: list[_Fact] = Field(default_factory=list)


def relation_names(path: str | Path) -> dict[str, str]:
    """Reads `rel_info.json` beside a DocRED file.

    Args:
        path: the DocRED file.

    Returns:
        The relation name (`place_of_birth`) of each Wikidata property id; empty without that file.

    Raises:
        ConfigurationError: if the file is no JSON object of strings.
    """
    names_path = Path(path).with_name("rel_info.json")
    if not names_path.exists():
        return {}
    try:
        names = orjson.loads(names_path.read_bytes())
        return {identifier: slug(name) for identifier, name in names.items()}
    except (orjson.JSONDecodeError, AttributeError, TypeError):
        raise ConfigurationError(f"{names_path}: not a JSON object of strings") from None


def read_docred(path: str | Path) -> Reading:
    """Reads a DocRED file; relations are named by the `rel_info.json` beside it.

    Args:
        path: a JSON list of documents.

    Returns:
        Every sentence of every document; the document's id is its title.

    Raises:
        ConfigurationError: if the file is wrong; names file, record and field.
    """
    names = relation_names(path)
    reading = Reading()
    for place, document in read_records(path, _Document):
        # Of each sentence the mentions, and of each mention its cluster.
        entities: list[list[GoldEntity]] = [[] for _ in document.sents]
        clusters: list[list[int]] = [[] for _ in document.sents]
        for cluster, mentions in enumerate(document.vertexSet):
            for number, mention in enumerate(mentions):
                field = f"{place}: field vertexSet.{cluster}.{number}"
                if not 0 <= mention.sent_id < len(document.sents):
                    raise ConfigurationError(f"{field}.sent_id: no sentence {mention.sent_id}")
                length = len(document.sents[mention.sent_id])
                if len(mention.pos) != 2 or not 0 <= mention.pos[0] < mention.pos[1] <= length:
                    raise ConfigurationError(
                        f"{field}.pos: {mention.pos} is not a span of a sentence of {length} tokens"
                    )
                begin, end = mention.pos
                entities[mention.sent_id].append((begin, end, mention.type))
                clusters[mention.sent_id].append(cluster)
        triples: list[list[GoldTriple]] = [[] for _ in document.sents]
        for number, fact in enumerate(document.labels):
            for field, cluster in (("h", fact.h), ("t", fact.t)):
                if not 0 <= cluster < len(document.vertexSet):
                    raise ConfigurationError(
                        f"{place}: field labels.{number}.{field}: no entity {cluster}"
                    )
            relation = names.get(fact.r, fact.r)
            found = False
            for sentence, of_sentence in enumerate(clusters):
                for subject, subject_cluster in enumerate(of_sentence):
                    if subject_cluster != fact.h:
                        continue
                    for object_, object_cluster in enumerate(of_sentence):
                        if object_cluster == fact.t and object_ != subject:
                            triples[sentence].append((subject, relation, object_))
                            found = True
            if not found:
                reading.skipped["fact without both arguments in one sentence"] += 1
        for index, tokens in enumerate(document.sents):
            reading.add(document.title, index, tokens, entities[index], triples[index])
    return reading
