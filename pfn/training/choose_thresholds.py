"""Thresholds and calibration, chosen on development data."""

from __future__ import annotations

from pfn_kg.pfn.calibration import calibration_of
from pfn_kg.pfn.evaluation.documents import (
    judge_documents,
    judge_facts,
    predict_reading,
    tune_document_thresholds,
)
from pfn_kg.pfn.evaluation.gold_spans import gold_sentence
from pfn_kg.pfn.evaluation.scores import THRESHOLD_GRID, judge, tune_thresholds
from pfn_kg.pfn.extractor import Extractor
from pfn_kg.pfn.readers import Reading
from pfn_kg.pfn.training.calibration_fit import fit_calibration
from pfn_kg.pfn.training.options import TrainingOptions
from pfn_kg.schemas.job import DEFAULT_FLOOR

# Calibration looks at what scores at least this; below it nearly all is wrong.
_CALIBRATION_FLOOR = 0.02


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
    floor = _CALIBRATION_FLOOR if options.calibrate else min(THRESHOLD_GRID)
    read = predict_reading(extractor, dev, entity_floor=floor, relation_floor=floor)
    gold = [gold_sentence(sentence) for sentence in dev]
    if options.tune_thresholds:
        config.entity_threshold, config.relation_threshold = (
            tune_document_thresholds(read.documents, read.texts)
            if read.texts
            else tune_thresholds(read.sentences, gold)
        )
    if not options.calibrate:
        return
    chosen = config.entity_threshold, config.relation_threshold
    judged = (
        judge_documents(read.documents, read.texts, config.entity_threshold)
        if read.texts
        else judge(read.sentences, gold, config.entity_threshold)
    )
    calibration = {}
    for table, (scores, right) in (("entity", judged.mentions), ("relation", judged.triples)):
        if 0 < sum(right) < len(right):
            fitted = fit_calibration(scores, right)
            calibration[table] = fitted._asdict()
            # What is accepted stays the same.
            threshold = fitted.of_score(getattr(config, f"{table}_threshold"))
            setattr(config, f"{table}_threshold", round(threshold, 4))
    if read.texts and "relation" in calibration:
        # Those that extraction files keep, so that a lower threshold has its facts calibrated too.
        floors = chosen[0], min(chosen[1], DEFAULT_FLOOR)
        of_facts, right = judge_facts(
            read.documents,
            read.texts,
            thresholds=floors,
            calibration=calibration_of(calibration, "relation"),
        )
        if 0 < sum(right) < len(right):
            calibration["fact"] = fit_calibration(of_facts, right)._asdict()
    config.calibration = calibration or None
