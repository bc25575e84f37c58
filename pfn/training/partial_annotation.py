"""Training on documents that are annotated in part: unknown labels are left out of the loss.

Distant labels, one property at a time, or entities without relations: most data that people have
says nothing of many labels. A cell of a table counts if its label was annotated in the document,
or if the annotation names the cell itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations

from pfn_kg.pfn.model.configuration import PFNConfig
from pfn_kg.pfn.readers.records import Annotated, AnnotatedDocument, Reading
from pfn_kg.pfn.training.gold_cells import GoldCells, KnownLabels, TargetsAcross


def by_annotation(reading: Reading) -> tuple[Reading, Reading]:
    """Parts the documents that are annotated with all labels from the others."""
    parts = Reading(), Reading()
    for document in reading.documents:
        part = parts[document.annotated != Annotated()]
        begin = len(part)
        part += reading[document.begin : document.end]
        part.documents.append(document._replace(begin=begin, end=len(part)))
    return parts


def restrict(
    document: AnnotatedDocument,
    sentences: list[list[GoldCells]],
    across: tuple[TargetsAcross, TargetsAcross],
    placed: Mapping[tuple[int, int], tuple[int, tuple[int, int]]],
    config: PFNConfig,
) -> None:
    """Says of a document's cells which labels were annotated.

    Args:
        document: with its annotation.
        sentences: its cells, which are changed.
        across: its targets across sentences; likewise.
        placed: of each mention, named by sentence and number, the place of its sentence in
            `sentences` and its rows.
        config: of the model that is trained.
    """
    types = document.annotated.entity_types
    names = document.annotated.relations
    relations = [
        number
        for number, name in enumerate(config.relation_types)
        if names is None or name in names
    ]
    known = KnownLabels(
        None
        if types is None
        else frozenset(n for n, name in enumerate(config.entity_types) if name in types),
        None if names is None else frozenset(relations),
    )
    if document.annotated.between_mentions:
        known = known._replace(relations=frozenset())
        for (place, firsts), (other, seconds) in permutations(placed.values(), 2):
            for table, (row, column) in enumerate(zip(firsts, seconds, strict=True)):
                if place != other:
                    for label in relations:
                        across[table].setdefault((place, row, other, column, label), 0.0)
                elif row != column:
                    cells = sentences[place][0]
                    targets = cells.tails if table else cells.relations
                    for label in relations:
                        targets.setdefault((row, column, label), 0.0)
    for number, parts in enumerate(sentences):
        sentences[number] = [cells._replace(known=known) for cells in parts]
