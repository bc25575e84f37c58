"""The model card: README.md of a checkpoint, in the form of the Hugging Face hub.

Its text is in `model_card_template.md`, a Jinja template.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

_TEMPLATE = Path(__file__).with_name("model_card_template.md")
_SCORES = {"entity": "entities", "triple": "triples", "fact": "facts"}
#: Type and name of the hub's tasks; results of one type would be listed as one.
_TASKS = {
    "entity": ("token-classification", "NER"),
    "triple": ("relation-extraction", "Joint entity and relation extraction"),
}
_ERRORS = {"entity": "entities", "triple": "triples", "fact": "accepted facts"}


def model_card(
    name: str,
    figures: Mapping[str, Mapping[str, Any]],
    *,
    encoder: str,
    entity_types: Sequence[str],
    relation_types: Sequence[str],
    data: str,
    attribution: str | None = None,
    licence: str | None = None,
    language: str = "en",
    hyper_parameters: Mapping[str, Any] | None = None,
    command: str | None = None,
    limits: str | None = None,
    window_tokens: int = 0,
    calibrated: bool = False,
) -> str:
    """Writes a model card.

    Args:
        name: name of the model.
        figures: for each split the result of `pfn_kg.pfn.evaluation.documents.score_reading`.
        encoder: the pretrained encoder.
        entity_types: names of the entity types.
        relation_types: names of the relations.
        data: the training data, in a sentence or two.
        attribution: the credit that the data's licence asks for.
        licence: licence of the weights, as the hub names it, such as `cc-by-sa-4.0`.
        language: language code of the texts.
        hyper_parameters: options of the training.
        command: the command that prints the figures again.
        limits: known weaknesses, with examples; Markdown.
        window_tokens: word pieces of the windows of sentences that the model reads; 0 for none.
        calibrated: whether its scores are calibrated.

    Returns:
        Markdown with YAML front matter.
    """
    front = ModelCardData(
        language=language,
        library_name="pfn-kg",
        tags=["named-entity-recognition", "relation-extraction", "knowledge-graph"],
        pipeline_tag="token-classification",
        base_model=encoder,
        license=licence,
        model_name=name,
        eval_results=_results(figures, data) or None,
    )
    kept = [
        kind
        for kind in _ERRORS
        if all(kind in scores["calibration"] for scores in figures.values())
    ]
    card = ModelCard.from_template(
        front,
        template_path=str(_TEMPLATE),
        name=name,
        figures=_rows(figures),
        error_names=[_ERRORS[kind] for kind in kept],
        errors={
            split: [scores["calibration"][kind]["error"] for kind in kept]
            for split, scores in figures.items()
        },
        encoder=encoder,
        entity_types=entity_types,
        relation_types=relation_types,
        data=data,
        attribution=attribution,
        hyper_parameters=hyper_parameters,
        command=command,
        limits=limits.strip() if limits else None,
        window_tokens=window_tokens,
        calibrated=calibrated,
    )
    return str(card).rstrip("\n") + "\n"


def _rows(figures: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows of the table of scores, in percent."""
    return [
        {
            "split": split,
            "of": label,
            "support": scores[kind]["support"],
            **{metric: 100 * scores[kind][metric] for metric in ("precision", "recall", "f1")},
        }
        for split, scores in figures.items()
        for kind, label in _SCORES.items()
        if kind in scores
    ]


def _results(figures: Mapping[str, Mapping[str, Any]], data: str) -> list[EvalResult]:
    return [
        EvalResult(
            task_type=task_type,
            task_name=task,
            dataset_type="text",
            dataset_name=data.partition(". ")[0].rstrip("."),
            dataset_split=split,
            metric_type=metric,
            metric_name=metric,
            metric_value=round(100 * scores[kind][metric], 2),
        )
        for split, scores in figures.items()
        for kind, (task_type, task) in _TASKS.items()
        for metric in ("precision", "recall", "f1")
    ]
