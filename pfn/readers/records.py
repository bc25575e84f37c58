"""What every reader yields: sentences with their gold mentions and gold triples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

from pfn_kg.pfn.readers.detokenisation import detokenise
from pfn_kg.schemas.errors import ConfigurationError

GoldEntity = tuple[int, int, str]
GoldTriple = tuple[int, str, int]


class AnnotatedSentence(NamedTuple):
    """A sentence with its gold annotation.

    Attributes:
        document_id: the document the sentence comes from.
        sentence_index: its place in that document.
        text: the sentence's text.
        tokens: the data set's own tokens.
        token_offsets: (begin, end) of each token in `text`, in code points, end exclusive.
        entities: (first token, one past the last token, type), each once.
        triples: (index of the subject in `entities`, relation, index of the object), each once.
    """

    document_id: str
    sentence_index: int
    text: str
    tokens: list[str]
    token_offsets: list[tuple[int, int]]
    entities: list[GoldEntity]
    triples: list[GoldTriple]


class Annotated(NamedTuple):
    """Which labels of a document were annotated; all others are unknown, not absent.

    Mentions and facts that are given count whatever their label.

    Attributes:
        entity_types: the types whose mentions are all annotated; None: every type.
        relations: the relations whose facts are all annotated; None: every relation.
        between_mentions: whether facts were annotated between the given mentions alone, so that
            a pair with any other word is unknown.
    """

    entity_types: frozenset[str] | None = None
    relations: frozenset[str] | None = None
    between_mentions: bool = False


class AnnotatedDocument(NamedTuple):
    """What is annotated of a whole document, over its sentences.

    Attributes:
        begin: place of its first sentence in the reading.
        end: one past the place of its last sentence.
        clusters: of each entity its mentions, as (sentence of the document, index in that
            sentence's `entities`).
        facts: (subject, relation, object), subject and object being places in `clusters`.
        annotated: which labels were annotated.
        unrelated_parts: whether it is made of parts of other documents, so that it is unlike what
            people write.
    """

    begin: int
    end: int
    clusters: list[list[tuple[int, int]]]
    facts: list[tuple[int, str, int]]
    annotated: Annotated = Annotated()
    unrelated_parts: bool = False


class Reading(list[AnnotatedSentence]):
    """The sentences of a file, in its order.

    Attributes:
        skipped: what the file says and a sentence can't hold, counted by reason.
        documents: the documents, where the format has entities and facts of whole documents.
        listed: of each sentence the triples as the file lists them, by the words of their
            arguments, where the format may list one twice; otherwise empty.
        relations: the relations that the data set has, where it lists them: no document says
            whether a fact of another one holds. None: not listed.
    """

    def __init__(self, sentences: Iterable[AnnotatedSentence] = ()) -> None:
        super().__init__(sentences)
        self.skipped: Counter[str] = Counter()
        self.documents: list[AnnotatedDocument] = []
        self.listed: list[list[tuple[str, str, str]]] = []
        self.relations: frozenset[str] | None = None

    @property
    def is_partial(self) -> bool:
        """Whether a document is annotated with some labels only."""
        return any(document.annotated != Annotated() for document in self.documents)

    def first(self, limit: int | None) -> Reading:
        """The first so many sentences, and what is annotated of documents over those."""
        if limit is None:
            return self
        first = Reading(self[:limit])
        first.skipped = self.skipped
        first.listed = self.listed[:limit]
        first.relations = self.relations
        for document in self.documents:
            if document.begin >= limit:
                break
            end = min(document.end, limit)
            clusters = [
                [mention for mention in cluster if document.begin + mention[0] < end]
                for cluster in document.clusters
            ]
            facts = [fact for fact in document.facts if clusters[fact[0]] and clusters[fact[2]]]
            first.documents.append(document._replace(end=end, clusters=clusters, facts=facts))
        return first

    def add(
        self,
        document_id: str,
        sentence_index: int,
        tokens: list[str],
        entities: Iterable[GoldEntity],
        triples: Iterable[GoldTriple],
        text: str | None = None,
        token_offsets: list[tuple[int, int]] | None = None,
    ) -> list[int]:
        """Adds a sentence; what is said twice is kept once.

        Args:
            document_id: the document the sentence comes from.
            sentence_index: its place in that document.
            tokens: the data set's tokens.
            entities: as in `AnnotatedSentence`; may hold an entity more than once.
            triples: as in `AnnotatedSentence`, indices into `entities` as given.
            text: the sentence's text; rebuilt from the tokens if None.
            token_offsets: places of the tokens in `text`; needed where `text` is given.

        Returns:
            Of each entity as given its index among those that are kept.
        """
        if text is None or token_offsets is None:
            text, token_offsets = detokenise(tokens)
        index_of: dict[GoldEntity, int] = {}
        renumbered = [index_of.setdefault(entity, len(index_of)) for entity in entities]
        # A mention may relate to itself: cell (i, i) of the relation table. WebNLG's last
        # words have such triples, and leaving them out would flatter recall.
        kept = dict.fromkeys((renumbered[s], relation, renumbered[o]) for s, relation, o in triples)
        self.append(
            AnnotatedSentence(
                document_id, sentence_index, text, tokens, token_offsets, list(index_of), list(kept)
            )
        )
        return renumbered


def without_overlaps(reading: Reading) -> Reading:
    """The sentences in which no entity overlaps another; the others are counted as skipped.

    One span with two types overlaps itself.

    Raises:
        ConfigurationError: if a document is annotated in part; the sentences that are kept would
            not say so.
    """
    if reading.is_partial:
        raise ConfigurationError(
            "can't be dropped from documents that are annotated in part",
            field="overlapping_entities",
        )
    kept = Reading(s for s in reading if not _overlap(s.entities))
    kept.skipped = reading.skipped.copy()
    if len(kept) < len(reading):
        kept.skipped["sentence with overlapping entities"] = len(reading) - len(kept)
    return kept


def _overlap(entities: Iterable[GoldEntity]) -> bool:
    spans = sorted(entities)
    # Sorted by begin: if any two overlap, then some two neighbours do.
    return any(left[1] > right[0] for left, right in pairwise(spans))
