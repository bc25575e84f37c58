"""Scores of whole documents: entities, and facts between annotated entities.

A fact is (subject, relation, object); it counts once a document, by whichever mentions it
was found. An argument stands for the annotated entity that has a mention with its borders.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pfn_kg.pfn.calibration import Calibration, calibration_of, reliability
from pfn_kg.pfn.evaluation.analyses import in_triple
from pfn_kg.pfn.evaluation.annotated_texts import AnnotatedText, facts_by_place, said_facts
from pfn_kg.pfn.evaluation.bounded_decoding import bounded_floors
from pfn_kg.pfn.evaluation.fact_evidence import by_evidence
from pfn_kg.pfn.evaluation.gold_spans import gold_sentence
from pfn_kg.pfn.evaluation.predictions import Predictions, predict_reading
from pfn_kg.pfn.evaluation.scores import THRESHOLD_GRID, Counts, Judged, judge, resolved, score
from pfn_kg.pfn.extractor import Extractor
from pfn_kg.pfn.inference.across_sentences import heads_by_place
from pfn_kg.pfn.readers.records import Reading
from pfn_kg.pfn.resolution import HeadPolicy, resolve_heads
from pfn_kg.schemas.choices import DEFAULT_FLOOR
from pfn_kg.schemas.records import (
    DocumentHeads,
)


def score_reading(
    predictions: Predictions,
    reading: Reading,
    *,
    entity_threshold: float,
    relation_threshold: float,
    fact_calibration: Calibration,
    across_threshold: float | None = None,
    head_policy: HeadPolicy = "all",
) -> dict[str, Any]:
    """Scores of sentences, of facts where documents were read, and how reliable scores are.

    Where a document is annotated in part there are no scores of sentences, and predictions of
    labels that were not annotated are left out.

    Args:
        predictions: what was found, at or below the thresholds.
        reading: the sentences.
        entity_threshold: lambda_e of eq. 13.
        relation_threshold: lambda_r of eq. 13.
        fact_calibration: of the score of a fact, which is that of its best triple.
        across_threshold: least score of a triple across sentences; `relation_threshold` by default.
        head_policy: see `pfn_kg.pfn.resolution.resolve`.

    Returns:
        As `pfn_kg.pfn.evaluation.scores.score` (of documents that are annotated in part only
        `entity`), with `in_triple` (`pfn_kg.pfn.evaluation.analyses.in_triple`), of documents with
        `fact` and `fact_evidence`, and with `calibration`: of `entity` and `triple` the `error`
        and the `bins` of `pfn_kg.pfn.calibration.reliability`, over all that scores at least the
        floors, and of `fact` over the facts that are said.
    """
    gold = [gold_sentence(sentence) for sentence in reading]
    results: dict[str, Any] = {}
    if not reading.is_partial:
        results = score(
            predictions.sentences,
            gold,
            entity_threshold=entity_threshold,
            relation_threshold=relation_threshold,
            head_policy=head_policy,
        )
        results["in_triple"] = in_triple(
            [
                resolved(
                    prediction,
                    entity_threshold=entity_threshold,
                    relation_threshold=relation_threshold,
                    head_policy=head_policy,
                )
                for prediction in predictions.sentences
            ],
            gold,
        )
    documents, lowest = predictions.documents, relation_threshold
    if predictions.texts:
        judged = judge_documents(predictions.documents, predictions.texts, entity_threshold)
        if across_threshold is not None:
            lowest = min(relation_threshold, across_threshold)
            documents = heads_by_place(
                documents,
                [document.text for document in predictions.texts],
                [document.sentences for document in predictions.texts],
                inside_from=relation_threshold,
                across_from=across_threshold,
            )
        scores = score_documents(
            documents,
            predictions.texts,
            entity_threshold=entity_threshold,
            relation_threshold=lowest,
            head_policy=head_policy,
        )
        results.setdefault("entity", scores["entity"])
        results["fact"] = scores["fact"]
        results["fact_evidence"] = scores["fact_evidence"]
    else:
        judged = judge(predictions.sentences, gold, entity_threshold)
    judgements = {"entity": judged.mentions[:2], "triple": judged.triples[:2]}
    if predictions.texts:
        judgements["fact"] = judge_facts(
            documents,
            predictions.texts,
            thresholds=(entity_threshold, lowest),
            calibration=fact_calibration,
        )
    results["calibration"] = {
        name: reliability(*items)._asdict() for name, items in judgements.items()
    }
    return results


def evaluate_reading(extractor: Extractor, reading: Reading) -> dict[str, Any]:
    """Reads annotated sentences and scores what was found, at the model's own thresholds.

    Of a model that accepts almost everything only the best of its output is scored
    (`pfn_kg.pfn.evaluation.bounded_decoding`).

    Returns:
        As `score_reading`.
    """
    entity, relation = extractor.thresholds(None, None)
    floors = bounded_floors(
        extractor,
        reading,
        entity=min(entity, DEFAULT_FLOOR),
        relation=min(relation, DEFAULT_FLOOR),
    )
    predictions = predict_reading(
        extractor, reading, entity_floor=floors.entity, relation_floor=floors.relation
    )
    return score_reading(
        predictions,
        reading,
        entity_threshold=entity,
        relation_threshold=relation,
        fact_calibration=calibration_of(extractor.config.calibration, "fact"),
    )


def score_documents(
    predictions: Sequence[DocumentHeads],
    documents: Sequence[AnnotatedText],
    *,
    entity_threshold: float,
    relation_threshold: float,
    head_policy: HeadPolicy = "all",
) -> dict[str, Any]:
    """Scores predictions against documents.

    Predictions of which a document's annotation does not say are left out.

    Returns:
        `entity` (strict, micro-averaged) and `fact`, each precision, recall, f1 and support, and
        `fact_evidence`: see `pfn_kg.pfn.evaluation.fact_evidence.by_evidence`.
    """
    entity, fact = Counts(), Counts()
    inside: list[bool] = []
    right: list[bool] = []
    for heads, document in zip(predictions, documents, strict=True):
        mentions, triples = resolve_heads(
            heads,
            entity_threshold=entity_threshold,
            relation_threshold=relation_threshold,
            head_policy=head_policy,
        )
        known = {(m.begin, m.end, m.type) for m in mentions if document.is_mention(m) is not None}
        entity.add(known, document.entities, 2)
        places = facts_by_place(document, mentions, triples)
        said = {f: is_inside for f, is_inside in places.items() if document.is_known(f)}
        fact.add(set(said), document.facts, 1)
        inside += said.values()
        right += (f in document.facts for f in said)
    return {
        "entity": entity.scores(),
        "fact": fact.scores(),
        "fact_evidence": by_evidence(inside, right),
    }


def judge_documents(
    predictions: Sequence[DocumentHeads],
    documents: Sequence[AnnotatedText],
    entity_threshold: float,
) -> Judged:
    """Which of all predictions are right; a triple is if it says a fact of the document.

    Predictions of which a document's annotation does not say are left out.
    """
    judged = Judged.empty()
    for heads, document in zip(predictions, documents, strict=True):
        judged.add(
            heads,
            document.is_mention,
            document.is_fact,
            entity_threshold=entity_threshold,
            sentence_of=document.sentence_of,
        )
    return judged


def judge_facts(
    predictions: Sequence[DocumentHeads],
    documents: Sequence[AnnotatedText],
    *,
    thresholds: tuple[float, float],
    calibration: Calibration,
) -> tuple[list[float], list[bool]]:
    """Scores of the facts that are said of documents, and whether each is right.

    Facts of which a document's annotation does not say are left out.

    Args:
        predictions: what was found in each document.
        documents: the documents, in the same order.
        thresholds: least score of a mention and of a triple.
        calibration: of the score of a fact, which is that of its best triple.
    """
    scores: list[float] = []
    right: list[bool] = []
    for heads, document in zip(predictions, documents, strict=True):
        entity, relation = thresholds
        said = said_facts(
            document,
            *resolve_heads(heads, entity_threshold=entity, relation_threshold=relation),
        )
        for fact, score_ in said.items():
            if document.is_known(fact):
                scores.append(score_)
                right.append(fact in document.facts)
    return calibration.of_scores(np.array(scores)).tolist(), right


def tune_document_thresholds(
    predictions: Sequence[DocumentHeads],
    documents: Sequence[AnnotatedText],
    grid: Sequence[float] = THRESHOLD_GRID,
) -> tuple[float, float]:
    """The thresholds with the best entity F1, and then with the best fact F1.

    Args:
        predictions: with a floor no higher than the grid's least.
        documents: the documents.
        grid: thresholds to try.

    Returns:
        Entity threshold and relation threshold; of equals the nearest to 0.5.
    """

    def quality(threshold: float) -> tuple[float, float]:
        scores = score_documents(
            predictions, documents, entity_threshold=threshold, relation_threshold=1.0
        )
        return scores["entity"]["f1"], -abs(threshold - 0.5)

    entity = max(grid, key=quality)
    return entity, tune_relation_threshold(predictions, documents, entity, grid)


def tune_relation_threshold(
    predictions: Sequence[DocumentHeads],
    documents: Sequence[AnnotatedText],
    entity_threshold: float,
    grid: Sequence[float] = THRESHOLD_GRID,
) -> float:
    """The relation threshold with the best fact F1; of equals the nearest to 0.5."""

    def quality(threshold: float) -> tuple[float, float]:
        scores = score_documents(
            predictions, documents, entity_threshold=entity_threshold, relation_threshold=threshold
        )
        return scores["fact"]["f1"], -abs(threshold - 0.5)

    return max(grid, key=quality)
