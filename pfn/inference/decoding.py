"""Decoding (eq. 13), pruned: the RE table is filled only where a triple can be accepted.

Eq. 13 accepts a triple only if an entity is accepted at both of its heads. So the NER
table comes first, and relation scores are computed for pairs of accepted heads alone:
the same triples as from the full table, at a few per cent of its cells.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from pfn_kg.pfn.calibration import Calibration, RelationCalibration, calibration_of
from pfn_kg.pfn.model.configuration import PFNConfig
from pfn_kg.pfn.model.modeling import PFNModel, PFNOutput
from pfn_kg.pfn.model.task_units import TaskUnit, UnitFeatures, upper_triangle

# Cells whose pair representations are in memory at once, to bound it on long sentences. On a GPU
# there are more, since after each of them one waits for their count.
_CELLS = 1 << 16
_GPU_CELLS = 1 << 18
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
        return cls(torch.tensor(relations, device=device), calibration.across, sentence_ids)

    def at(self, sentence: Tensor, first: Tensor, second: Tensor) -> Tensor:
        """The shift of cells, (cells, labels)."""
        shift = self.relations.expand(len(sentence), -1)
        if self.sentence_ids is None:
            return shift
        across = self.sentence_ids[sentence, first] != self.sentence_ids[sentence, second]
        return shift + self.across * across.unsqueeze(1)


@torch.inference_mode()
def decode(
    model: PFNModel, batch: dict[str, Tensor], *, entity_floor: float, relation_floor: float
) -> Decoded:
    """Reads a batch and accepts what scores at least the floors.

    Args:
        model: in evaluation mode.
        batch: from `InputEncoder.collate`, on the model's device.
        entity_floor: least e^k_ij of an entity (lambda_e).
        relation_floor: least r^l_ij of a triple (lambda_r).

    Returns:
        Cells on the CPU; every head of a triple is the row of an entity.
    """
    # Before the encoder is called: to count the cells one waits for all that was asked for.
    spans = upper_triangle(batch["position_mask"], batch.get("sentence_ids"), model.config.max_span)
    read = model.project(**batch)
    of_entities, of_relations = (
        calibration_of(model.config.calibration, table) for table in ("entity", "relation")
    )
    entities = accept(model.ner, read.ner, spans, floor=entity_floor, calibration=of_entities)
    pairs = head_pairs(entities.places, read.mask, model.config.reflexive)
    shift = RelationShift.of(model.config, read.sentence_ids, read.mask.device)
    tables = [
        entities,
        accept(
            model.re, read.re, pairs, floor=relation_floor, calibration=of_relations, shift=shift
        ),
    ]
    if model.re_tail is not None and read.re_tail is not None:
        # Entities with different heads may end together, so a tail may meet itself.
        pairs = head_pairs(entities.places[:, [0, 2]], read.mask)
        tables.append(
            accept(
                model.re_tail,
                read.re_tail,
                pairs,
                floor=relation_floor,
                calibration=of_relations,
                shift=shift,
            )
        )
    return Decoded(*_on_cpu(tables))


def _on_cpu(tables: list[Cells]) -> list[Cells]:
    """Cells of tables on the CPU; from a GPU in one copy, since each copy waits."""
    if all(cells.places.device.type == "cpu" for cells in tables):
        return [Cells(cells.places, cells.scores.float()) for cells in tables]
    return unpacked(packed(tables).cpu(), [len(cells.scores) for cells in tables])


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
) -> Cells:
    """Computes the given cells of a unit's table and keeps those at or above a floor.

    Args:
        unit: of the model.
        features: of the batch.
        cells: sentence, row and column of each, (cells,).
        floor: least score.
        calibration: of the table.
        shift: what it adds by relation and place.
    """
    places, scores = [], []
    size = _CELLS if cells[0].device.type == "cpu" else _GPU_CELLS
    for part in zip(*(c.split(size) for c in cells), strict=True):
        logits = unit.cells(features, *part)
        probabilities = calibration.probability(logits, None if shift is None else shift.at(*part))
        cell, label = (probabilities >= floor).nonzero(as_tuple=True)
        places.append(torch.stack((*(c[cell] for c in part), label), 1))
        scores.append(probabilities[cell, label])
    if not places:
        device = cells[0].device
        return Cells(
            torch.zeros(0, 4, dtype=torch.long, device=device), torch.zeros(0, device=device)
        )
    return Cells(torch.cat(places), torch.cat(scores))


def head_pairs(
    entities: Tensor, mask: Tensor, reflexive: bool = True
) -> tuple[Tensor, Tensor, Tensor]:
    """All ordered pairs of heads of one sentence.

    Args:
        entities: (sentence, first, last, type) of accepted entities, (n, 4).
        mask: true at positions of the sentence, (batch, length).
        reflexive: whether a head is paired with itself.

    Returns:
        Sentence, subject head and object head of each pair, sorted.
    """
    heads = torch.zeros_like(mask)
    heads[entities[:, 0].to(mask.device), entities[:, 1].to(mask.device)] = True
    sentence, head = heads.nonzero(as_tuple=True)
    counts = heads.sum(1)
    # Each head meets the heads of its sentence: repeat it, and number the repetitions.
    widths = counts[sentence]
    subject = torch.repeat_interleave(torch.arange(len(head), device=head.device), widths)
    starts = (counts.cumsum(0) - counts)[sentence]
    number = torch.arange(len(subject), device=head.device) - torch.repeat_interleave(
        widths.cumsum(0) - widths, widths
    )
    object_ = starts[subject] + number
    if not reflexive:
        differ = subject != object_
        subject, object_ = subject[differ], object_[differ]
    return sentence[subject], head[subject], head[object_]


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
