"""Reads DocRED's JSON (also Re-DocRED), cut into sentences.

A document's facts relate entities, that is clusters of mentions. In a sentence, a
gold triple is every ordered pair of its mentions whose entities a fact relates;
facts without such a pair reach over sentences and are counted as skipped. The entities
and facts of whole documents, for windows of sentences, are in `Reading.documents`.

A document may be annotated in part. Three optional fields beside DocRED's own say so:
`annotated_entity_types` and `annotated_relations` list the labels that were annotated (an empty
list: none), and `annotated_pairs` is `mentions` where relations were annotated between the given
mentions alone. What was not annotated is unknown: it is no example of an absent label. Another
field, `unrelated_parts`, says that a document is made of parts of others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import orjson
from pydantic import Field

from pfn_kg.pfn.readers.files import StrictRecord, read_records
from pfn_kg.pfn.readers.records import Annotated, AnnotatedDocument, GoldEntity, GoldTriple, Reading
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.label_schema import slug


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
    # Ours: of a document that is annotated in part.
    annotated_entity_types: list[str] | None = None
    annotated_relations: list[str] | None = None
    annotated_pairs: Literal["all", "mentions"] = "all"
    # Ours: of a document that is made of parts of others.
    unrelated_parts: bool = False

    def annotated(self, names: Mapping[str, str]) -> Annotated:
        """Which labels were annotated, relations by their names."""
        types, relations = self.annotated_entity_types, self.annotated_relations
        return Annotated(
            None if types is None else frozenset(types),
            None if relations is None else frozenset(names.get(r, r) for r in relations),
            self.annotated_pairs == "mentions",
        )


class GoldMention(NamedTuple):
    """A gold mention: its place in the document's text, its type and its sentence."""

    begin: int
    end: int
    type: str
    sentence: int


class GoldDocument(NamedTuple):
    """A whole document with its gold annotation.

    Attributes:
        title: need not be unique.
        text: all tokens with a space between any two.
        clusters: of each entity its mentions.
        facts: (subject, relation, object), subject and object being positions in `clusters`.
    """

    title: str
    text: str
    clusters: list[list[GoldMention]]
    facts: set[tuple[int, str, int]]


def read_docred_documents(path: str | Path) -> list[GoldDocument]:
    """Reads a DocRED file by documents; relations are named as in `read_docred`.

    Args:
        path: a JSON list of documents.

    Raises:
        ConfigurationError: if the file is wrong, or a document is annotated in part; names file,
            record and field.
    """
    names = relation_names(path)
    gold = []
    for place, document in _documents(path):
        if document.annotated(names) != Annotated():
            raise ConfigurationError(f"{place}: annotated in part; all labels are needed here")
        offsets: list[list[tuple[int, int]]] = []
        position = 0
        for tokens in document.sents:
            offsets.append([])
            for token in tokens:
                offsets[-1].append((position, position + len(token)))
                position += len(token) + 1
        clusters = [
            [
                GoldMention(
                    offsets[mention.sent_id][mention.pos[0]][0],
                    offsets[mention.sent_id][mention.pos[1] - 1][1],
                    mention.type,
                    mention.sent_id,
                )
                for mention in mentions
            ]
            for mentions in document.vertexSet
        ]
        text = " ".join(token for tokens in document.sents for token in tokens)
        facts = {(fact.h, names.get(fact.r, fact.r), fact.t) for fact in document.labels}
        gold.append(GoldDocument(document.title, text, clusters, facts))
    return gold


def _documents(path: str | Path) -> Iterator[tuple[str, _Document]]:
    """The places and documents of a file, in which every mention and fact points to something."""
    for place, document in read_records(path, _Document):
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
        for number, fact in enumerate(document.labels):
            for end, cluster in (("h", fact.h), ("t", fact.t)):
                if not 0 <= cluster < len(document.vertexSet):
                    raise ConfigurationError(
                        f"{place}: field labels.{number}.{end}: no entity {cluster}"
                    )
        yield place, document


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


def listed_relations(path: str | Path) -> frozenset[str] | None:
    """The relations of a DocRED file's data set, by name; None without a `rel_info.json`.

    Args:
        path: the DocRED file.

    Raises:
        ConfigurationError: if that file is no JSON object of strings.
    """
    return frozenset(relation_names(path).values()) or None


def read_docred(path: str | Path) -> Reading:
    """Reads a DocRED file; relations are named by the `rel_info.json` beside it.

    Args:
        path: a JSON list of documents.

    Returns:
        Every sentence of every document; the document's id is its title. `relations` are those of
        `rel_info.json`.

    Raises:
        ConfigurationError: if the file is wrong; names file, record and field.
    """
    names = relation_names(path)
    reading = Reading()
    reading.relations = listed_relations(path)
    for _, document in _documents(path):
        # Of each sentence the mentions, and of each mention its cluster.
        entities: list[list[GoldEntity]] = [[] for _ in document.sents]
        clusters: list[list[int]] = [[] for _ in document.sents]
        for cluster, mentions in enumerate(document.vertexSet):
            for mention in mentions:
                begin, end = mention.pos
                entities[mention.sent_id].append((begin, end, mention.type))
                clusters[mention.sent_id].append(cluster)
        triples: list[list[GoldTriple]] = [[] for _ in document.sents]
        for fact in document.labels:
            relation = names.get(fact.r, fact.r)
            is_in_sentence = False
            for sentence, of_sentence in enumerate(clusters):
                # One mention may be given twice, also with two types; it isn't its own object.
                spans = [entity[:2] for entity in entities[sentence]]
                for subject, subject_cluster in enumerate(of_sentence):
                    if subject_cluster != fact.h:
                        continue
                    for object_, object_cluster in enumerate(of_sentence):
                        if object_cluster == fact.t and not (
                            fact.h == fact.t and spans[object_] == spans[subject]
                        ):
                            triples[sentence].append((subject, relation, object_))
                            is_in_sentence = True
            if not is_in_sentence:
                reading.skipped["fact without both arguments in one sentence"] += 1
        begin = len(reading)
        places: list[list[tuple[int, int]]] = [[] for _ in document.vertexSet]
        for index, tokens in enumerate(document.sents):
            kept = reading.add(document.title, index, tokens, entities[index], triples[index])
            for cluster, entity in zip(clusters[index], kept, strict=True):
                if (index, entity) not in places[cluster]:
                    places[cluster].append((index, entity))
        facts = dict.fromkeys((f.h, names.get(f.r, f.r), f.t) for f in document.labels)
        reading.documents.append(
            AnnotatedDocument(
                begin,
                len(reading),
                places,
                list(facts),
                document.annotated(names),
                document.unrelated_parts,
            )
        )
    return reading
