"""Thresholds and calibration, chosen on development data."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import compress
from typing import Any

import numpy as np

from pfn_kg.pfn.calibration import Calibration
from pfn_kg.pfn.evaluation.bounded_decoding import bounded_floors
from pfn_kg.pfn.evaluation.documents import (
    judge_documents,
    judge_facts,
    tune_document_thresholds,
    tune_relation_threshold,
)
from pfn_kg.pfn.evaluation.gold_spans import gold_sentence
from pfn_kg.pfn.evaluation.predictions import Predictions, predict_reading
from pfn_kg.pfn.evaluation.scores import THRESHOLD_GRID, Judged, judge, tune_thresholds
from pfn_kg.pfn.extractor import Extractor
from pfn_kg.pfn.model.configuration import PFNConfig
from pfn_kg.pfn.readers import Reading
from pfn_kg.pfn.training.calibration_fit import fit_calibration, fit_relation_calibration
from pfn_kg.pfn.training.clear_threshold import clear_threshold
from pfn_kg.pfn.training.options import TrainingOptions
from pfn_kg.pfn.training.partial_annotation import by_annotation
from pfn_kg.schemas.choices import DEFAULT_FLOOR

_logger = logging.getLogger(__name__)

_NOT_CALIBRATED = "scores of %s are not calibrated: on dev, a better score is not more often right"

# Calibration looks at what scores at least this; below it nearly all is wrong. It looks further
# down at mentions: a curve that is fitted above alone is so flat below that extractions are full
# of what is there.
_CALIBRATION_FLOOR = 0.02
_MENTION_FLOOR = 0.002


def choose_thresholds(extractor: Extractor, dev: Reading, options: TrainingOptions) -> None:
    """Chooses thresholds and calibration on development data, as the options say.

    Args:
        extractor: whose configuration is changed.
        dev: the development data.
        options: of the training.
    """
    config = extractor.config
    config.calibration = None
    if not options.tune_thresholds and not options.calibrate:
        return
    dev, partial = by_annotation(dev) if dev.documents else (dev, Reading())
    least = min(THRESHOLD_GRID)
    floors = bounded_floors(
        extractor,
        dev,
        entity=_MENTION_FLOOR if options.calibrate else least,
        relation=_CALIBRATION_FLOOR if options.calibrate else least,
    )
    read = predict_reading(
        extractor, dev, entity_floor=floors.entity, relation_floor=floors.relation
    )
    gold = [gold_sentence(sentence) for sentence in dev]
    if options.tune_thresholds:
        config.entity_threshold, config.relation_threshold = (
            tune_document_thresholds(read.documents, read.texts)
            if read.texts
            else tune_thresholds(read.sentences, gold)
        )
        if floors.raised:
            # Lower ones accept almost everything.
            config.entity_threshold = max(config.entity_threshold, floors.entity)
            config.relation_threshold = max(config.relation_threshold, floors.relation)
        _clear_of_ties(config, read)
    if not options.calibrate:
        return
    judged = (
        judge_documents(read.documents, read.texts, config.entity_threshold)
        if read.texts
        else judge(read.sentences, gold, config.entity_threshold)
    )
    if partial.documents and read.texts:
        more = predict_reading(
            extractor, partial, entity_floor=floors.entity, relation_floor=floors.relation
        )
        judged.triples.extend(
            judge_documents(more.documents, more.texts, config.entity_threshold).triples
        )
    calibration = _calibrate(config, judged)
    if "relation" not in calibration:
        return
    # Calibration by relation changes the order of triples: the threshold is chosen once more.
    floors = bounded_floors(
        extractor,
        dev,
        entity=min(config.entity_threshold, DEFAULT_FLOOR),
        relation=DEFAULT_FLOOR,
    )
    read = predict_reading(
        extractor, dev, entity_floor=floors.entity, relation_floor=floors.relation
    )
    if options.tune_thresholds:
        config.relation_threshold = (
            tune_relation_threshold(read.documents, read.texts, config.entity_threshold)
            if read.texts
            else tune_thresholds(read.sentences, gold, entity_grid=[config.entity_threshold])[1]
        )
        _clear_of_ties(config, read)
    if read.texts:
        # Facts down to the floor of extraction files: a lower threshold has its facts calibrated.
        lowest = config.entity_threshold, min(config.relation_threshold, DEFAULT_FLOOR)
        of_facts, right = judge_written_facts(read, dev, lowest)
        if 0 < sum(right) < len(right):
            fitted = fit_calibration(of_facts, right)
            if fitted.ranks:
                calibration["fact"] = fitted._asdict()


def judge_written_facts(
    read: Predictions, dev: Reading, thresholds: tuple[float, float]
) -> tuple[list[float], list[bool]]:
    """Scores of the facts of documents as people write them, and whether each is right.

    Of documents made of unrelated parts more facts are right at one score: a calibration by both
    kinds fits neither. They are looked at where there are no others.

    Args:
        read: what was found in the documents.
        dev: the documents.
        thresholds: least score of a mention and of a triple.
    """
    written = [not document.unrelated_parts for document in dev.documents]
    if not any(written):
        written = [True] * len(written)
    return judge_facts(
        list(compress(read.documents, written)),
        list(compress(read.texts, written)),
        thresholds=thresholds,
        calibration=Calibration(),
    )


def _calibrate(config: PFNConfig, judged: Judged) -> dict[str, Any]:
    """Calibrates a model by judged predictions, and moves its thresholds to the new scores.

    Where scores do not rank, calibration would make them all one, and a threshold would accept
    everything or nothing. Such a table stays as it is.

    Returns:
        The calibration, which the configuration holds too.
    """
    calibration: dict[str, Any] = {}
    if 0 < sum(judged.mentions.right) < len(judged.mentions.right):
        fitted = fit_calibration(*judged.mentions)
        if fitted.ranks:
            calibration["entity"] = fitted._asdict()
            config.entity_threshold = _moved(
                config.entity_threshold, judged.mentions.scores, fitted
            )
        else:
            _logger.warning(_NOT_CALIBRATED, "mentions")
    if 0 < sum(judged.triples.right) < len(judged.triples.right):
        of_triples = fit_relation_calibration(judged.triples)
        if of_triples.table.ranks:
            calibration["relation"] = of_triples.as_dict()
            config.relation_threshold = _moved(
                config.relation_threshold, judged.triples.scores, of_triples.table
            )
        else:
            _logger.warning(_NOT_CALIBRATED, "triples")
    config.calibration = calibration or None
    return calibration


def _moved(threshold: float, scores: Sequence[float], calibration: Calibration) -> float:
    """The threshold that accepts the same items by their calibrated scores."""
    before = np.array(scores)
    after = calibration.of_scores(before)
    return clear_threshold(
        calibration.of_score(threshold), after[before >= threshold], after[before < threshold]
    )


def _clear_of_ties(config: PFNConfig, read: Predictions) -> None:
    """Moves thresholds off the scores that were found, without another decision."""
    found = read.documents or read.sentences
    mentions = np.array([m.score for heads in found for m in heads.mentions])
    triples = np.array([t.score for heads in found for t in heads.head_triples])
    for name, scores in (("entity_threshold", mentions), ("relation_threshold", triples)):
        threshold = getattr(config, name)
        is_accepted = scores >= threshold
        cleared = clear_threshold(threshold, scores[is_accepted], scores[~is_accepted])
        setattr(config, name, cleared)
