"""The paper's analyses: in-triple entities (Table 3), overlap (Figure 3), triples (Figure 4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

from pfn_kg.pfn.evaluation.gold_spans import GoldSentence, Span
from pfn_kg.pfn.evaluation.scores import Counts, f1_of, prf, resolved
from pfn_kg.pfn.resolution import HeadPolicy
from pfn_kg.schemas.records import HeadExtraction

#: Overlapping patterns, as section 2 and Figure 3 call them.
PATTERNS = ("normal", "seo", "epo")
#: From so many triples in a sentence on, Figure 4 counts no further.
MOST_TRIPLES = 5

_Triples = set[tuple[Span, str, Span]]


def analyse(
    predictions: Sequence[HeadExtraction],
    gold: Sequence[GoldSentence],
    *,
    entity_threshold: float,
    relation_threshold: float,
    head_policy: HeadPolicy = "all",
    listed: Sequence[Sequence[tuple[Any, str, Any]]] | None = None,
) -> dict[str, Any]:
    """Scores by what the paper breaks them down to.

    Args:
        predictions: as in `pfn_kg.pfn.evaluation.scores.score`.
        gold: as in `pfn_kg.pfn.evaluation.scores.score`.
        entity_threshold: as in `pfn_kg.pfn.evaluation.scores.score`.
        relation_threshold: as in `pfn_kg.pfn.evaluation.scores.score`.
        head_policy: as in `pfn_kg.pfn.evaluation.scores.score`.
        listed: of each sentence the triples as the data lists them. Sentences are then grouped as
            the literature does (`published_patterns`, and repeated triples count); by default by
            their distinct triples.

    Returns:
        `in_triple`: see `in_triple`. `overlap`: strict scores of triples in sentences of each
        pattern, `normal`, `seo` and `epo`. `triples_per_sentence`: the same in sentences with
        1, 2, 3, 4 and 5 or more gold triples, keys `1` to `5+`. In both, `sentences` is the
        number of sentences; sentences without a gold triple are in neither.
    """
    predicted = [
        resolved(
            prediction,
            entity_threshold=entity_threshold,
            relation_threshold=relation_threshold,
            head_policy=head_policy,
        )
        for prediction in predictions
    ]
    overlap = {name: Counts() for name in PATTERNS}
    by_number = {_number(n): Counts() for n in range(1, MOST_TRIPLES + 1)}
    sentences: Counter[str] = Counter()
    groups: Sequence[tuple[int, list[str]]]
    if listed is None:
        groups = [(len(g.triples), patterns(g.triples) if g.triples else []) for g in gold]
    else:
        groups = [(len(of), published_patterns(of) if of else []) for of in listed]
    for (_, triples), sentence, (count, found) in zip(predicted, gold, groups, strict=True):
        if not count:
            continue
        number = _number(count)
        sentences[number] += 1
        by_number[number].add(triples, sentence.triples, 1)
        for name in found:
            sentences[name] += 1
            overlap[name].add(triples, sentence.triples, 1)
    return {
        "in_triple": in_triple(predicted, gold),
        "overlap": {n: c.scores() | {"sentences": sentences[n]} for n, c in overlap.items()},
        "triples_per_sentence": {
            n: c.scores() | {"sentences": sentences[n]} for n, c in by_number.items()
        },
    }


def patterns(triples: Iterable[tuple[Span, str, Span]]) -> list[str]:
    """The overlapping patterns of a sentence (section 2).

    `epo` (EntityPairOverlap): two triples have the same subject and the same object. `seo`
    (SingleEntityOverlap): triples share an entity and are not of one pair. A sentence may
    be both. `normal`: no triple shares an entity with another.

    Args:
        triples: at least one.
    """
    pairs = [(subject, object_) for subject, _, object_ in triples]
    patterns = []
    different = set(pairs)
    if len(different) < len(pairs):
        patterns.append("epo")
    entities = Counter(chain.from_iterable({subject, object_} for subject, object_ in different))
    if max(entities.values()) > 1:
        patterns.append("seo")
    return patterns or ["normal"]


def published_patterns(triples: Sequence[tuple[Any, str, Any]]) -> list[str]:
    """The overlapping patterns of a sentence as the literature's counts have them.

    A triple that is listed twice overlaps itself (`epo`), and so does an entity that is subject
    and object at once (`seo`). The test part of WebNLG (partial) comes to 246, 457 and 26
    sentences then.

    Args:
        triples: of a sentence as the data lists them, at least one.
    """
    pairs = [(subject, object_) for subject, _, object_ in triples]
    if len(set(chain.from_iterable(pairs))) == 2 * len(pairs):
        return ["normal"]
    found = []
    different = set(pairs)
    if len(different) < len(pairs):
        found.append("epo")
    if len(set(chain.from_iterable(different))) < 2 * len(different):
        found.append("seo")
    return found


def in_triple(
    predictions: Sequence[tuple[set[Span], _Triples]], gold: Sequence[GoldSentence]
) -> dict[str, dict[str, float | int]]:
    """Entities in triples and outside of them (Table 3).

    The paper gives no rule for predictions; here a predicted entity is in-triple if a
    predicted triple uses it, and a gold entity if a gold triple does. Precision is the part
    of the predicted entities of a group that are gold entities, recall the part of its gold
    entities that were predicted, whichever group the other side puts them in.

    Args:
        predictions: predicted entities and triples of each sentence.
        gold: the sentences.

    Returns:
        For `total`, `in_triple` and `out_of_triple` precision, recall, f1, support and ratio
        (the group's part of all gold entities); `difference` has in minus out.
    """
    groups = ("total", "in_triple", "out_of_triple")
    precise, predicted, recalled, support = (Counter[str]() for _ in range(4))
    for (entities, triples), sentence in zip(predictions, gold, strict=True):
        ours, theirs = _by_group(entities, triples), _by_group(sentence.entities, sentence.triples)
        for group in groups:
            predicted[group] += len(ours[group])
            precise[group] += len(ours[group] & sentence.entities)
            support[group] += len(theirs[group])
            recalled[group] += len(theirs[group] & entities)
    scores: dict[str, dict[str, float | int]] = {}
    for group in groups:
        precision = prf(precise[group], predicted[group], 0)["precision"]
        recall = prf(recalled[group], 0, support[group])["recall"]
        scores[group] = {
            "precision": precision,
            "recall": recall,
            "f1": f1_of(precision, recall),
            "support": support[group],
            "ratio": support[group] / support["total"] if support["total"] else 0.0,
        }
    scores["difference"] = {
        metric: scores["in_triple"][metric] - scores["out_of_triple"][metric]
        for metric in ("precision", "recall", "f1")
    }
    return scores


def _by_group(entities: set[Span], triples: _Triples) -> dict[str, set[Span]]:
    used = {span for subject, _, object_ in triples for span in (subject, object_)}
    return {"total": entities, "in_triple": used, "out_of_triple": entities - used}


def _number(triples: int) -> str:
    return str(triples) if triples < MOST_TRIPLES else f"{MOST_TRIPLES}+"
