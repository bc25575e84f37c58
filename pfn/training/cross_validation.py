"""Cross-validation as in section 5.1: each fold is the test set once, 15 % of the rest is dev."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from pfn_kg.pfn.readers.records import AnnotatedSentence, Reading
from pfn_kg.schemas.errors import ConfigurationError

#: Part of the training sentences that the paper takes for the development set.
DEV_PART = 0.15


def read_folds(folds: str, sentences: Sequence[AnnotatedSentence], seed: int) -> list[list[int]]:
    """The test sentences of each fold.

    Args:
        folds: a number of folds, which are then drawn by whole documents, or a JSON file with
            a list of lists of sentence numbers from 0, or with such a list under
            `test_indices_per_fold` (the published folds of ADE).
        sentences: the data set.
        seed: of the draw.

    Returns:
        For each fold places in `sentences`. Folds from a file need not part the data: of the
        published ones of ADE one sentence is in two and another in none.

    Raises:
        ConfigurationError: if they are no folds of this data set.
    """
    if folds.isdecimal():
        return _draw(int(folds), sentences, seed)
    try:
        test_rows = json.loads(Path(folds).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise ConfigurationError(f"{folds}: {reason}", field="folds") from None
    if isinstance(test_rows, dict):
        test_rows = test_rows.get("test_indices_per_fold")
    if not isinstance(test_rows, list) or len(test_rows) < 2 or not all(map(_is_fold, test_rows)):
        raise ConfigurationError(
            f"{folds}: not a list of two or more lists of numbers", field="folds"
        )
    for number, fold in enumerate(test_rows, 1):
        for index, count in Counter(fold).items():
            if not 0 <= index < len(sentences):
                raise ConfigurationError(
                    f"{folds}: fold {number}: there is no sentence {index}", field="folds"
                )
            if count > 1:
                raise ConfigurationError(
                    f"{folds}: fold {number}: sentence {index} is there {count} times",
                    field="folds",
                )
    return test_rows


def split_fold(sentences: Reading, test: Sequence[int], seed: int) -> dict[str, Reading]:
    """Training, development and test sentences of a fold.

    Args:
        sentences: the data set.
        test: places of the test sentences.
        seed: of the shuffle that parts the development sentences from the training ones.

    Returns:
        `train`, `dev` and `test`; together they are the data set.
    """
    held_out = set(test)
    rest = [index for index in range(len(sentences)) if index not in held_out]
    Random(f"{seed} dev").shuffle(rest)
    count = round(DEV_PART * len(rest))
    places = {"train": rest[count:], "dev": rest[:count], "test": sorted(held_out)}
    return {name: Reading(sentences[i] for i in chosen) for name, chosen in places.items()}


def summarise(folds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Mean and standard deviation over folds.

    Args:
        folds: of each fold what `pfn_kg.pfn.evaluation.scores.score` returns.

    Returns:
        `mean` and `deviation` (of the sample; 0 for one fold), each with `entity`, `triple`,
        and both again under `macro` and `official`: precision, recall and f1; and under
        `in_triple` these of the groups of Table 3, with their `ratio` where they have one.
    """

    def over(
        kinds: Sequence[str], metrics: Sequence[str] = ("precision", "recall", "f1")
    ) -> tuple[dict[str, float], dict[str, float]]:
        mean, deviation = {}, {}
        for metric in metrics:
            values = []
            for fold in folds:
                value: Any = fold
                for kind in kinds:
                    value = value[kind]
                values.append(value[metric])
            mean[metric] = statistics.fmean(values)
            deviation[metric] = statistics.stdev(values) if len(values) > 1 else 0.0
        return mean, deviation

    summary: dict[str, Any] = {"mean": {}, "deviation": {}}
    for kind in ("entity", "triple"):
        summary["mean"][kind], summary["deviation"][kind] = over((kind,))
        for average in ("macro", "official"):
            for name, scores in zip(("mean", "deviation"), over((average, kind)), strict=True):
                summary[name].setdefault(average, {})[kind] = scores
    for group, of_group in folds[0].get("in_triple", {}).items():
        metrics = [metric for metric in of_group if metric != "support"]
        for name, scores in zip(
            ("mean", "deviation"), over(("in_triple", group), metrics), strict=True
        ):
            summary[name].setdefault("in_triple", {})[group] = scores
    return summary


def _draw(count: int, sentences: Sequence[AnnotatedSentence], seed: int) -> list[list[int]]:
    of_document: dict[str, list[int]] = {}
    for index, sentence in enumerate(sentences):
        of_document.setdefault(sentence.document_id, []).append(index)
    if not 2 <= count <= len(of_document):
        raise ConfigurationError(
            f"{count} is not between 2 and the number of documents, {len(of_document)}",
            field="folds",
        )
    documents = sorted(of_document)
    Random(f"{seed} folds").shuffle(documents)
    return [
        sorted(index for document in documents[fold::count] for index in of_document[document])
        for fold in range(count)
    ]


def _is_fold(fold: Any) -> bool:
    return (
        isinstance(fold, list)
        and bool(fold)
        and all(isinstance(index, int) and not isinstance(index, bool) for index in fold)
    )
