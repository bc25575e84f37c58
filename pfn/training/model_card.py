"""The model card: README.md of a checkpoint, in the form of the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

_METRICS = (
    ("entity", "entities", "NER"),
    ("triple", "triples", "Joint entity and relation extraction"),
)


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
        name: of the model.
        figures: for each split what `pfn_kg.pfn.evaluation.documents.score_reading` returns.
        encoder: the pretrained encoder.
        entity_types: names of the entity types.
        relation_types: names of the relations.
        data: the training data, in a sentence or two.
        attribution: what the data's licence asks to be said.
        licence: of the weights, as the hub names it, such as `cc-by-sa-4.0`.
        language: code of the texts' language.
        hyper_parameters: of the training.
        command: shows the figures again.
        limits: what the model is bad at, with examples; Markdown.
        window_tokens: word pieces of the windows of sentences it reads, if any.
        calibrated: whether its scores are calibrated.

    Returns:
        Markdown with YAML front matter.
    """
    front: dict[str, Any] = {
        "language": language,
        "library_name": "pfn-kg",
        "tags": ["named-entity-recognition", "relation-extraction", "knowledge-graph"],
        "pipeline_tag": "token-classification",
        "base_model": encoder,
    }
    if licence:
        front["license"] = licence
    front["model-index"] = [{"name": name, "results": _results(figures, data)}]
    reads = (
        f"in windows of consecutive sentences of up to {window_tokens} word pieces, so that the "
        "two entities of a relation may stand in different sentences"
        if window_tokens
        else "a sentence at a time"
    )
    scores = (
        "Its scores are calibrated: of what it says with 0.8, about 8 in 10 are right on text of "
        "that kind."
        if calibrated
        else "Its scores are not calibrated probabilities."
    )
    parts = [
        f"---\n{yaml.safe_dump(front, sort_keys=False, allow_unicode=True)}---\n\n# {name}",
        "A Partition Filter Network (Yan et al., EMNLP 2021): finds entities and the relations "
        f"between them at once, {reads}, over the encoder {encoder}.",
        "## Use\n\n"
        "Made to fill knowledge graphs from text of the kind it was trained on. On other kinds, "
        "or in another language, look at what it finds before you rely on it: it misses facts, "
        f"and says wrong ones with confidence. {scores} It is not made for decisions about "
        "people.\n\n"
        f'```sh\npfn-kg predict "Ada Lovelace was born in London." --model {name}\n```',
        f"## Training data\n\n{data}",
    ]
    if attribution:
        parts[-1] += f"\n\n{attribution}"
    if figures:
        parts.append(
            "## Figures\n\nStrict: an entity is right if its borders and its type are; a triple "
            "if its relation and both arguments, borders and types, are. Micro-averaged, in "
            f"percent.\n\n{_table(figures)}"
        )
        if any("fact" in of_split for of_split in figures.values()):
            parts[-1] += (
                "\n\nFacts are those of whole documents, each once; an argument stands for the "
                "annotated entity that has a mention with its borders."
            )
        parts[-1] += f"\n\nExpected calibration error:\n\n{_errors(figures)}"
        if command:
            parts[-1] += f"\n\n```sh\n{command}\n```"
    if limits:
        parts.append(f"## What it is bad at\n\n{limits.strip()}")
    if hyper_parameters:
        rows = "\n".join(f"| {key} | {value} |" for key, value in hyper_parameters.items())
        parts.append(f"## Hyper-parameters\n\n| | |\n| --- | --- |\n{rows}")
    parts.append(
        f"## Labels\n\nEntity types: {', '.join(entity_types)}.\n\n"
        f"Relations: {', '.join(relation_types)}."
    )
    return "\n\n".join(parts) + "\n"


def _table(figures: Mapping[str, Mapping[str, Any]]) -> str:
    lines = [
        "| split | of | precision | recall | F1 | gold |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for split, scores in figures.items():
        for key, label, _ in (*_METRICS, ("fact", "facts", "")):
            if key not in scores:
                continue
            p, r, f1 = (100 * scores[key][metric] for metric in ("precision", "recall", "f1"))
            lines.append(
                f"| {split} | {label} | {p:.1f} | {r:.1f} | {f1:.1f} | {scores[key]['support']} |"
            )
    return "\n".join(lines)


def _errors(figures: Mapping[str, Mapping[str, Any]]) -> str:
    of_tables = [scores["calibration"] for scores in figures.values()]
    labels = {"entity": "entities", "triple": "triples", "fact": "facts that are said"}
    names = [name for name in labels if all(name in of for of in of_tables)]
    lines = [
        f"| split | {' | '.join(labels[name] for name in names)} |",
        f"| --- |{' ---: |' * len(names)}",
    ]
    for split, of in zip(figures, of_tables, strict=True):
        errors = [f"{of[name]['error']:.3f}" for name in names]
        lines.append(f"| {split} | {' | '.join(errors)} |")
    return "\n".join(lines)


def _results(figures: Mapping[str, Mapping[str, Any]], data: str) -> list[dict[str, Any]]:
    return [
        {
            "task": {"type": "token-classification", "name": task},
            "dataset": {"name": data.partition(". ")[0].rstrip("."), "type": "text"}
            | {"split": split},
            "metrics": [
                {"type": metric, "value": round(100 * scores[key][metric], 2), "name": metric}
                for metric in ("precision", "recall", "f1")
            ],
        }
        for split, scores in figures.items()
        for key, _, task in _METRICS
    ]
