"""Decoding (eq. 13), pruned: the RE table is filled only where a triple can be accepted.

Eq. 13 accepts a triple only if an entity is accepted at both of its heads. So the NER
table comes first, and relation scores are computed for pairs of accepted heads alone:
the same triples as from the full table, at a few per cent of its cells.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from pfn_kg.pfn.calibration import Calibration, RelationCalibration, calibration_of
from pfn_kg.pfn.inference.awaited_counts import Awaiting, finished, places_of, spans_of
from pfn_kg.pfn.model import devices
from pfn_kg.pfn.model.configuration import PFNConfig
from pfn_kg.pfn.model.modeling import PFNModel, PFNOutput
from pfn_kg.pfn.model.task_units import TaskUnit, UnitFeatures, upper_triangle

# Cells whose scores are in memory at once, to bound it on long sentences. On a GPU so many
# scores: after each part of the cells one waits for the count of those that are accepted.
_CELLS = 1 << 16
_GPU_NUMBERS = 1 << 25
_NONE = Calibration()


class Cells(NamedTuple):
    """Accepted cells of a batch's tables, sorted.

    Attributes:
        places: (sentence, row, column, label) of each cell, (n, 4).
        scores: probability of each cell, (n,).
    """

    places: Tensor
    scores: Tensor


class Decoded(NamedTuple):
    """Accepted cells of the tables: spans, and head-only triples between their heads.

    Where the model has a tail table: the same between their last positions.
    """

    entities: Cells
    triples: Cells
    tails: Cells | None = None


class RelationShift(NamedTuple):
    """What calibration adds to the logits of triples, by relation and by place.

    Attributes:
        relations: of each label, (labels,).
        across: of a pair in two sentences.
        sentence_ids: where windows have several sentences: that of each position,
            (batch, length).
    """

    relations: Tensor
    across: float
    sentence_ids: Tensor | None

    @classmethod
    def of(
        cls, config: PFNConfig, sentence_ids: Tensor | None, device: torch.device | str
    ) -> RelationShift | None:
        """The shift of a model for a batch; None if it calibrates all triples alike."""
        calibration = RelationCalibration.of(config.calibration)
        if not calibration.shifts:
            return None
        relations = [calibration.relations.get(name, 0.0) for name in config.relation_types]
        shifts = _on_device(tuple(relations), torch.device(device))
        return cls(shifts, calibration.across, sentence_ids)

    def at(self, sentence: Tensor, first: Tensor, second: Tensor) -> Tensor:
        """The shift of cells, (cells, labels)."""
        shift = self.relations.expand(len(sentence), -1)
        if self.sentence_ids is None:
            return shift
        across = self.sentence_ids[sentence, first] != self.sentence_ids[sentence, second]
        return shift + self.across * across.unsqueeze(1)


@lru_cache(maxsize=64)
def _on_device(numbers: tuple[float, ...], device: torch.device) -> Tensor:
    """Numbers on a device, copied there once: each such copy is waited for."""
    return torch.tensor(numbers, device=device)


def decode(
    model: PFNModel, batch: dict[str, Any], *, entity_floor: float, relation_floor: float
) -> Decoded:
    """Reads a batch and accepts what scores at least the floors.

    Args:
        model: in evaluation mode.
        batch: from `InputEncoder.collate` or `InputEncoder.batch`, on the model's device.
        entity_floor: least e^k_ij of an entity (lambda_e).
        relation_floor: least r^l_ij of a triple (lambda_r).

    Returns:
        Cells on the CPU; every head of a triple is the row of an entity.
    """
    return finished(
        decoding(model, batch, entity_floor=entity_floor, relation_floor=relation_floor)
    )


@torch.inference_mode()
def decoding(
    model: PFNModel, batch: dict[str, Any], *, entity_floor: float, relation_floor: float
) -> Awaiting[Decoded]:
    """As `decode`, by someone who may do something else while a device counts.

    Nothing in between waits for the device: what depends on what it found waits for a few counts,
    and the cells come in one copy.

    Args:
        model: as in `decode`.
        batch: as in `decode`.
        entity_floor: as in `decode`.
        relation_floor: as in `decode`.

    Yields:
        Tensors of the device, and is sent the same on the CPU.
    """
    batch = dict(batch)
    widths, count = batch.pop("span_widths", None), batch.pop("spans", None)
    if widths is None or count is None:
        spans = upper_triangle(
            batch["position_mask"], batch.get("sentence_ids"), model.config.max_span
        )
    else:
        spans = spans_of(widths, count)
    read = model.project(**batch)
    of_entities, of_relations = (
        calibration_of(model.config.calibration, table) for table in ("entity", "relation")
    )
    entities = yield from accept(
        model.ner, read.ner, spans, floor=entity_floor, calibration=of_entities
    )
    shift = RelationShift.of(model.config, read.sentence_ids, read.mask.device)
    tables = [entities]
    # Entities with different heads may end together, so a tail may meet itself.
    ends = [(model.re, read.re, 1, model.config.reflexive), (model.re_tail, read.re_tail, 2, True)]
    for unit, features, end, reflexive in ends:
        if unit is None or features is None:
            continue
        # The first position and the other end; a list of columns would be copied, and waited for.
        ends_of = entities.places[:, : end + 1 : end]
        pairs = yield from pairs_of(ends_of, read.mask, reflexive)
        found = yield from accept(
            unit, features, pairs, floor=relation_floor, calibration=of_relations, shift=shift
        )
        tables.append(found)
    if not devices.runs_ahead(entities.places.device):
        return Decoded(*(Cells(cells.places, cells.scores.float()) for cells in tables))
    rows = yield packed(tables)
    return Decoded(*unpacked(rows, [len(cells.scores) for cells in tables]))


def packed(tables: list[Cells]) -> Tensor:
    """Cells of tables in one tensor: places, and the bits of their scores, (cells, 5)."""
    rows = [
        torch.cat((c.places.int(), c.scores.float().view(torch.int32).unsqueeze(1)), 1)
        for c in tables
    ]
    return torch.cat(rows)


def unpacked(rows: Tensor, sizes: list[int]) -> list[Cells]:
    """What `packed` was given.

    Args:
        rows: from `packed`.
        sizes: how many cells each table has.
    """
    return [
        Cells(part[:, :4].long(), part[:, 4].contiguous().view(torch.float32))
        for part in rows.split(sizes)
    ]


def accept(
    unit: TaskUnit,
    features: UnitFeatures,
    cells: tuple[Tensor, Tensor, Tensor],
    *,
    floor: float,
    calibration: Calibration = _NONE,
    shift: RelationShift | None = None,
) -> Awaiting[Cells]:
    """Computes the given cells of a unit's table and keeps those at or above a floor.

    Args:
        unit: of the model.
        features: of the batch.
        cells: sentence, row and column of each, (cells,).
        floor: least score.
        calibration: of the table.
        shift: what it adds by relation and place.

    Yields:
        How many there are.
    """
    places, scores = [], []
    labels = unit.label.out_features
    ahead = devices.runs_ahead(cells[0].device)
    size = max(1, _GPU_NUMBERS // labels) if ahead else _CELLS
    for part in zip(*(c.split(size) for c in cells), strict=True):
        logits = unit.cells(features, *part)
        probabilities = calibration.probability(logits, None if shift is None else shift.at(*part))
        found = yield from places_of((probabilities >= floor).flatten())
        cell, label = found // labels, found % labels
        places.append(torch.stack((*(c[cell] for c in part), label), 1))
        scores.append(probabilities.flatten()[found])
    if not places:
        device = cells[0].device
        return Cells(
            torch.zeros(0, 4, dtype=torch.long, device=device), torch.zeros(0, device=device)
        )
    return Cells(torch.cat(places), torch.cat(scores))


def head_pairs(
    entities: Tensor, mask: Tensor, reflexive: bool = True
) -> tuple[Tensor, Tensor, Tensor]:
    """As `pairs_of`, at once."""
    return finished(pairs_of(entities, mask, reflexive))


def pairs_of(
    entities: Tensor, mask: Tensor, reflexive: bool = True
) -> Awaiting[tuple[Tensor, Tensor, Tensor]]:
    """All ordered pairs of heads of one sentence.

    Args:
        entities: (sentence, first, ...) of accepted entities, (n, 2 or more).
        mask: true at positions of the sentence, (batch, length).
        reflexive: whether a head is paired with itself.

    Yields:
        How many there are.

    Returns:
        Sentence, subject head and object head of each pair, sorted.
    """
    length = mask.shape[1]
    heads = torch.zeros_like(mask)
    at = entities.to(mask.device)
    heads.view(-1).index_fill_(0, at[:, 0] * length + at[:, 1], True)
    counts = heads.sum(1)
    # Each head meets the heads of its sentence, or the others.
    met = counts if reflexive else (counts - 1).clamp_min(0)
    numbers = yield torch.stack((counts.sum(), (counts * met).sum()))
    of_heads, of_pairs = numbers.tolist()
    place = yield from places_of(heads.flatten(), of_heads)
    sentence = place // length
    subject = torch.repeat_interleave(
        torch.arange(of_heads, device=place.device), met[sentence], output_size=of_pairs
    )
    # Number the repetitions of a head, and pass over its own number.
    widths = met[sentence]
    number = torch.arange(of_pairs, device=place.device) - (widths.cumsum(0) - widths)[subject]
    starts = (counts.cumsum(0) - counts)[sentence][subject]
    if not reflexive:
        number = number + (number >= subject - starts)
    head = place % length
    return sentence[subject], head[subject], head[starts + number]


def decode_tables(
    tables: PFNOutput,
    *,
    entity_floor: float,
    relation_floor: float,
    reflexive: bool = True,
    calibration: dict[str, Any] | None = None,
    max_span: int | None = None,
    shift: RelationShift | None = None,
) -> Decoded:
    """Decodes full tables, as eq. 13 says it; what `decode` is tested against."""
    if tables.entity_table is None or tables.relation_table is None:
        raise ValueError("the output has no tables")
    of_relations = calibration_of(calibration, "relation")
    entity = calibration_of(calibration, "entity").probability(tables.entity_table)
    if max_span is not None:
        # Also where the floor is 0 nothing is longer.
        longer = torch.ones_like(entity[0, :, :, 0], dtype=torch.bool).triu(max_span)
        entity = entity.masked_fill(longer.unsqueeze(-1), -1.0)
    shifts = None
    if shift is not None:
        places = torch.ones(tables.relation_table.shape[:3], dtype=torch.bool).nonzero()
        shifts = shift.at(*places.unbind(1)).view(tables.relation_table.shape)
    relation = of_relations.probability(tables.relation_table, shifts)
    entities = (entity >= entity_floor).nonzero()
    heads = (entity >= entity_floor).any(-1).any(-1)
    accepted = (relation >= relation_floor) & (heads.unsqueeze(2) & heads.unsqueeze(1)).unsqueeze(
        -1
    )
    if not reflexive:
        accepted &= ~torch.eye(heads.shape[1], dtype=torch.bool, device=heads.device)[..., None]
    triples = accepted.nonzero()
    decoded = Decoded(
        Cells(entities, entity[entities.unbind(1)]), Cells(triples, relation[triples.unbind(1)])
    )
    if tables.tail_table is None:
        return decoded
    tail = of_relations.probability(tables.tail_table, shifts)
    last = (entity >= entity_floor).any(-1).any(1)
    tails = (
        (tail >= relation_floor) & (last.unsqueeze(2) & last.unsqueeze(1)).unsqueeze(-1)
    ).nonzero()
    return decoded._replace(tails=Cells(tails, tail[tails.unbind(1)]))
