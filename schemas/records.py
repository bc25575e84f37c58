"""The records that travel through the pipeline, as tuples: they are made by the million.

Offsets are characters (code points), begin inclusive, end exclusive. Those of
`Mention` and `HeadTriple` refer to the text the record belongs to: the sentence
while the model reads, the whole document from the extraction files on.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from typing import Any, NamedTuple


class Mention(NamedTuple):
    """An entity span, `<w_i, k, w_j>` of section 3, with its score `e^k_ij` (eq. 10).

    Attributes:
        begin: first character of the first word.
        end: one past the last character of the last word.
        text: the text between the two.
        type: name of the entity type.
        score: probability in [0, 1].
    """

    begin: int
    end: int
    text: str
    type: str
    score: float


class HeadTriple(NamedTuple):
    """A head-only triple `<w_i, r, w_j>` of section 3, with its score `r^l_ij` (eq. 11).

    Attributes:
        subject: first character of the subject's first word (its head).
        relation: name of the relation.
        object: first character of the object's first word (its head).
        score: probability in [0, 1].
    """

    subject: int
    relation: str
    object: int
    score: float


class Triple(NamedTuple):
    """A relation between two mentions, after resolution (eq. 13).

    Attributes:
        subject: index into the list of mentions.
        relation: name of the relation.
        object: index into the list of mentions.
        score: the relation score of the head triple.
    """

    subject: int
    relation: str
    object: int
    score: float


class Sentence(NamedTuple):
    """A sentence of a document: its index and its offsets in the document's text."""

    # A tuple's method of that name is of no use for a sentence.
    index: int  # type: ignore[assignment]
    begin: int
    end: int


class HeadExtraction(NamedTuple):
    """What the model said of one text, unresolved: everything above a floor.

    Attributes:
        mentions: sorted by (begin, end, type).
        head_triples: sorted by (subject, object, relation).
        windows: how many windows the text was read in.
        tail_triples: what a tail table says, if the model has one: like `head_triples`, with
            the ends of subject and object in the place of their begins.
    """

    mentions: list[Mention]
    head_triples: list[HeadTriple]
    windows: int = 1
    tail_triples: list[HeadTriple] | None = None


class DocumentHeads(NamedTuple):
    """What the model said of a document, unresolved: everything above a floor.

    Attributes:
        mentions: sorted by (begin, end, type); each inside one sentence.
        head_triples: sorted by (subject, object, relation); subject and object may stand in
            different sentences.
        tail_triples: as in `HeadExtraction`.
        windows: how many windows the document was read in.
        cut_sentences: how many sentences are longer than the model reads at once.
        errors: of each sentence that could not be read (by its place) why.
        long_mentions: how many spans were left out because no name is that long.
    """

    mentions: list[Mention]
    head_triples: list[HeadTriple]
    tail_triples: list[HeadTriple] | None
    windows: int
    cut_sentences: int
    errors: Mapping[int, Exception]
    long_mentions: int = 0


class Extraction(NamedTuple):
    """Mentions and resolved triples of one text."""

    mentions: list[Mention]
    triples: list[Triple]


class DocumentExtraction(NamedTuple):
    """Mentions and resolved triples of a document, offsets those of the whole text."""

    sentences: list[Sentence]
    mentions: list[Mention]
    triples: list[Triple]

    def to_dict(self) -> dict[str, Any]:
        """The record as dictionaries, lists, texts and numbers, ready for JSON.

        Scores are rounded to six digits; `sentence` of a mention is the index of its sentence.
        """
        begins = [sentence.begin for sentence in self.sentences]
        return {
            "sentences": [{"begin": s.begin, "end": s.end} for s in self.sentences],
            "mentions": [
                {
                    **m._asdict(),
                    "score": round(m.score, 6),
                    "sentence": bisect_right(begins, m.begin) - 1,
                }
                for m in self.mentions
            ],
            "triples": [{**t._asdict(), "score": round(t.score, 6)} for t in self.triples],
        }
