"""Gold annotation as cells of the tables, for training (the labels of eq. 12)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

from pfn_kg.pfn.evaluation.gold_spans import GoldSentence, Span
from pfn_kg.pfn.inference.inputs import InputEncoder, Window

#: Row, column and label of a table's cells, with the probability that the label holds: the
#: labels of eq. 12, 1 where people annotated them. In cells that are not named it is 0.
Targets: TypeAlias = dict[tuple[int, int, int], float]

#: Place of the subject's sentence, its row there, the same of the object, and the relation, with
#: the probability that it holds.
TargetsAcross: TypeAlias = dict[tuple[int, int, int, int, int], float]


class KnownLabels(NamedTuple):
    """The numbers of the labels that were annotated in a window; None: all of them."""

    entity_types: frozenset[int] | None = None
    relations: frozenset[int] | None = None


class GoldCells(NamedTuple):
    """A window with the targets of its tables (the labels of eq. 12).

    Attributes:
        window: what the model reads.
        entities: of (row of the first word, row of the last word, entity type).
        relations: of (row of the subject's head, row of the object's head, relation).
        tails: the same with the rows of the last words.
        known: which labels were annotated. Of another label only the cells that are named count.
    """

    window: Window
    entities: Targets
    relations: Targets
    tails: Targets
    known: KnownLabels = KnownLabels()


def placed_spans(
    spans: Iterable[Span], window: Window, encoder: InputEncoder
) -> dict[Span, tuple[int, int]]:
    """The rows of the first and the last word of spans in a window's tables.

    A span is placed where a word begins at its begin and a word ends at its end; one that
    begins or ends inside a word can't be said by the tables and is left out.
    """
    rows = encoder.rows(window)
    begins = {begin: row for (begin, _), row in zip(window.words, rows, strict=True)}
    ends = {end: row for (_, end), row in zip(window.words, rows, strict=True)}
    return {
        span: (begins[span[0]], ends[span[1]])
        for span in spans
        if span[0] in begins and span[1] in ends
    }


def gold_cells(gold: GoldSentence, windows: list[Window], encoder: InputEncoder) -> list[GoldCells]:
    """Places gold spans in the tables of a sentence's windows; see `placed_spans`."""
    config = encoder.config
    types = {name: index for index, name in enumerate(config.entity_types)}
    relations = {name: index for index, name in enumerate(config.relation_types)}
    cells_of_windows = []
    for window in windows:
        placed = placed_spans(gold.entities, window, encoder)
        pairs = [
            (placed[s], placed[o], relations[r])
            for s, r, o in gold.triples
            if s in placed and o in placed
        ]
        cells_of_windows.append(
            GoldCells(
                window,
                entities=certain((*place, types[span[2]]) for span, place in placed.items()),
                relations=certain((s[0], o[0], r) for s, o, r in pairs),
                tails=certain((s[1], o[1], r) for s, o, r in pairs),
            )
        )
    return cells_of_windows


def certain(cells: Iterable[tuple[int, int, int]]) -> Targets:
    """Cells that are true, in order, each once."""
    return dict.fromkeys(sorted(set(cells)), 1.0)
