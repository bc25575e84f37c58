"""How much of an almost untrained model's output is decoded: enough to score it, and no more.

Such a model accepts about half of all cells. Each pair of words then has half of all relations, and
the triples of a development set fill the memory. A few short sentences show whether that is so,
and from which score on the output has a size that can be handled. A trained model's output is
never cut.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple

from pfn_kg.pfn.evaluation.gold_spans import GoldSentence, gold_sentence
from pfn_kg.pfn.evaluation.scores import predict
from pfn_kg.pfn.extractor import Extractor
from pfn_kg.pfn.readers.records import Reading

_logger = logging.getLogger(__name__)

# Sentences that are tried, the shortest of so many words or more.
_TRIED = 16
_FEWEST_WORDS = 5
# A word has more mentions or triples than that only where a model has not learnt yet.
_MENTIONS_OF_WORD = 1.0
_TRIPLES_OF_WORD = 3.0
# Triples that are decoded then: some hundred MiB.
_MOST_TRIPLES = 500_000


class Floors(NamedTuple):
    """From which scores on a model's output is decoded.

    Attributes:
        entity: least score of a mention.
        relation: least score of a head triple.
        raised: whether they are higher than what was asked for.
    """

    entity: float
    relation: float
    raised: bool = False


def bounded_floors(
    extractor: Extractor, reading: Reading, *, entity: float, relation: float
) -> Floors:
    """Floors at which the output for a reading fits into memory.

    Args:
        extractor: the model.
        reading: what will be read.
        entity: least score of a mention that is wanted.
        relation: least score of a head triple that is wanted.

    Returns:
        These floors, or higher ones for a model that accepts almost everything; a warning then
        says so.
    """
    gold = [gold_sentence(sentence) for sentence in reading]
    tried = (
        sorted(
            (g for g in gold if len(g.text.split()) >= _FEWEST_WORDS), key=lambda g: len(g.text)
        )[:_TRIED]
        or gold[:1]
    )
    words = [len(g.text.split()) for g in tried]
    floors = Floors(entity, relation)
    # Without triples first: a pair of heads has as many as there are relations.
    mentions = _scores(extractor, tried, entity, relation=1.0)[0]
    if len(mentions) > _MENTIONS_OF_WORD * sum(words):
        floors = Floors(_least(mentions, _MENTIONS_OF_WORD * sum(words)), relation, raised=True)
    triples = _scores(extractor, tried, floors.entity, relation)[1]
    if len(triples) > _TRIPLES_OF_WORD * sum(words):
        # The number of pairs grows with the square of what is read together.
        share = sum(n * n for n in words) / _pairs(extractor, reading, gold)
        kept = min(_MOST_TRIPLES * share, _TRIPLES_OF_WORD * sum(words))
        floors = Floors(floors.entity, _least(triples, max(1, kept)), raised=True)
    if floors.raised:
        _logger.warning(
            "the model has hardly learnt: a word has %.1f mentions from %.3f and %.1f triples from "
            "%.3f; only those from %.3f and %.3f on are looked at",
            len(mentions) / sum(words),
            entity,
            len(triples) / sum(words),
            relation,
            floors.entity,
            floors.relation,
        )
    return floors


def _scores(
    extractor: Extractor, tried: Sequence[GoldSentence], entity: float, relation: float
) -> tuple[list[float], list[float]]:
    found = predict(extractor, tried, entity_floor=entity, relation_floor=relation)
    return (
        [mention.score for heads in found for mention in heads.mentions],
        [triple.score for heads in found for triple in heads.head_triples],
    )


def _least(scores: list[float], kept: float) -> float:
    """The score from which on there are about so many."""
    return sorted(scores, reverse=True)[min(int(kept), len(scores) - 1)]


def _pairs(extractor: Extractor, reading: Reading, gold: Sequence[GoldSentence]) -> int:
    """About how many pairs of words are read together."""
    lengths = [len(g.text.split()) for g in gold]
    window = extractor.config.window_tokens
    if not window or not reading.documents:
        return max(1, sum(n * n for n in lengths))
    of_documents = (sum(lengths[d.begin : d.end]) for d in reading.documents)
    return max(1, sum(n * min(n, window) for n in of_documents))
