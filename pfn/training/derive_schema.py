"""The label schema of training data: its labels, and the argument types that occur."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from pfn_kg.pfn.readers import AnnotatedSentence
from pfn_kg.pfn.readers.records import AnnotatedDocument
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.label_schema import LabelSchema


def derive_label_schema(
    sentences: Sequence[AnnotatedSentence],
    schema: LabelSchema | None = None,
    documents: Sequence[AnnotatedDocument] = (),
) -> LabelSchema:
    """The label schema of training data.

    Args:
        sentences: the training data.
        documents: whose facts across sentences count too.
        schema: what is known of the labels; must know each. Made from the data if None.

    Returns:
        The schema with the counts of argument types that the data shows.

    Raises:
        ConfigurationError: if the data has a label that the schema lacks, or none at all.
    """
    types = sorted({type_ for s in sentences for _, _, type_ in s.entities})
    counts: dict[str, Counter[tuple[str, str]]] = {}
    for sentence in sentences:
        for subject, relation, object_ in sentence.triples:
            pair = (sentence.entities[subject][2], sentence.entities[object_][2])
            counts.setdefault(relation, Counter())[pair] += 1
    for document in documents:
        mentions = [
            [(place, sentences[document.begin + place].entities[i][2]) for place, i in cluster]
            for cluster in document.clusters
        ]
        for subject, relation, object_ in document.facts:
            subjects, objects = mentions[subject], mentions[object_]
            if subjects and objects and not {s for s, _ in subjects} & {s for s, _ in objects}:
                pair = (subjects[0][1], objects[0][1])
                counts.setdefault(relation, Counter())[pair] += 1
    if not types or not counts:
        raise ConfigurationError("no entity or no triple is annotated", field="train")
    known: dict[str, Any] = (
        schema.to_dict()
        if schema
        else {
            "entity_types": [{"name": name} for name in types],
            "relations": [{"name": name} for name in sorted(counts)],
        }
    )
    for kind, used in (("entity_types", types), ("relations", counts)):
        missing = sorted(set(used) - {label["name"] for label in known[kind]})
        if missing:
            raise ConfigurationError(
                f"{kind} lacks {missing[0]!r}, which the data has", field="schema"
            )
    for relation in known["relations"]:
        of_relation = counts.get(relation["name"], Counter())
        relation["arguments"] = [
            {"subject": subject, "object": object_, "count": count}
            for (subject, object_), count in sorted(
                of_relation.items(), key=lambda item: (-item[1], item[0])
            )
        ]
    return LabelSchema.from_dict(known)
