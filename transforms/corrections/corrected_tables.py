"""Entities and relations of the graph, as corrections leave them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from pfn_kg.schemas.characters import shown_name
from pfn_kg.schemas.shuffled_rows import NAME_SCHEMA
from pfn_kg.schemas.tables import CORRECTED_COLUMNS, TABLE_SCHEMAS, table_schema
from pfn_kg.transforms.corrections.fact_verdicts import Assertion
from pfn_kg.transforms.corrections.plan import CorrectionPlan
from pfn_kg.transforms.names.canonical_names import CanonicalEntity
from pfn_kg.transforms.plumbing.ids import from_arrow, id_array, shard_of
from pfn_kg.transforms.plumbing.shards import decode, split


class TableCorrections:
    """The corrections of a build, as they are applied to its tables.

    Args:
        plan: what they come to.
        applied: by row and side what each concerns, from all chunks.
    """

    def __init__(self, plan: CorrectionPlan, applied: Mapping[tuple[int, int], int]):
        self._plan = plan
        live = frozenset(row for (row, _), items in applied.items() if items)
        self._asserted = plan.asserted(live)
        facts = [assertion.fact for assertion in self._asserted.values()]
        self._needed = {id_ for subject, _, object_ in facts for id_ in (subject, object_)}

    @property
    def spared(self) -> pa.Array:
        """The ids of relations that hold, in hexadecimal: no rule drops them."""
        return pa.array(sorted(id_.hex() for id_ in self._asserted), pa.string())

    def certain(self, relations: pa.Table) -> pa.Table:
        """Rows of the table `relations`, with confidence 1 where a correction says that they hold.

        Args:
            relations: with ids in hexadecimal.
        """
        holds = pc.is_in(relations["relation_id"], value_set=self.spared)
        confidence = pc.if_else(holds, pa.scalar(1, pa.float32()), relations["confidence"])
        place = relations.column_names.index("confidence")
        return relations.set_column(place, "confidence", confidence)

    def names(self, names: pa.Table, shard: int, shards: int) -> pa.Table:
        """The rows of names that corrections give the entities of one file.

        Args:
            names: rows of NAME_SCHEMA that the file is made of.
            shard: number of the file.
            shards: how many files there are.
        """
        there = set(pc.unique(names["entity_id"]).to_pylist())
        given = {
            id_: (target.entity, target.name)
            for id_, target in self._plan.named.items()
            if id_ in there or id_ in self._needed
        }
        for id_ in self._needed - there - given.keys():
            given[id_] = self._plan.ends[id_]
        ids = sorted(given)
        of_shard = shard_of(id_array(ids), shards).tolist()
        rows = [
            _name_row(*given[id_])
            for id_, number in zip(ids, of_shard, strict=True)
            if number == shard
        ]
        return pa.Table.from_pylist(rows, NAME_SCHEMA)

    def entities(self, entities: pa.Table) -> pa.Table:
        """The table `entities` with CORRECTED_COLUMNS.

        An entity that has lost its mentions to another one is no entity any more.

        Args:
            entities: with ids in hexadecimal.
        """
        needed = pa.array(sorted(id_.hex() for id_ in self._needed), pa.string())
        stays = pc.or_(
            pc.greater(entities["mentions"], 0), pc.is_in(entities["entity_id"], value_set=needed)
        )
        entities = entities.filter(stays)
        rows = {id_.hex(): target.row for id_, target in self._plan.named.items()}
        return self._signed("entities", entities, rows)

    def relations(self, relations: pa.Table, shard: int, shards: int) -> pa.Table:
        """The table `relations` with the facts that hold, and with CORRECTED_COLUMNS.

        Args:
            relations: with ids in hexadecimal.
            shard: number of the file.
            shards: how many files there are.
        """
        relations = self.certain(relations)
        there = set(relations["relation_id"].to_pylist())
        ids = sorted(self._asserted)
        of_shard = shard_of(id_array(ids), shards).tolist()
        missing = [
            _relation_row(id_, self._asserted[id_])
            for id_, number in zip(ids, of_shard, strict=True)
            if number == shard and id_.hex() not in there
        ]
        added = pa.Table.from_pylist(missing, TABLE_SCHEMAS["relations"])
        rows = {id_.hex(): assertion.row for id_, assertion in self._asserted.items()}
        return self._signed("relations", pa.concat_tables([relations, added]), rows)

    def _signed(self, table: str, rows: pa.Table, corrected: Mapping[str, int]) -> pa.Table:
        """The rows with who corrected them, by their first column."""
        signatures = self._plan.signatures
        found = [corrected.get(id_) for id_ in rows[rows.column_names[0]].to_pylist()]
        for number, field in enumerate(CORRECTED_COLUMNS):
            values = [None if row is None else signatures[row][number] for row in found]
            rows = rows.append_column(field, pa.array(values, field.type))
        return rows.cast(table_schema(table, corrected=True))


def corrected_names(
    element: tuple[tuple[str, int], bytes], plan: CorrectionPlan, shards: Mapping[str, int]
) -> Iterator[tuple[tuple[str, int], bytes]]:
    """The names that the alias table gives, each of the entity that corrections make of its own.

    Args:
        element: table and number of the file, and rows of NAME_SCHEMA as Arrow IPC bytes.
        plan: what the corrections come to.
        shards: the number of files of each table.
    """
    (table, _), data = element
    rows = []
    for row in decode(data).to_pylist():
        target = plan.classes.targets.get(row["entity_id"])
        if target is not None:
            # The name is still one of them.
            row |= _name_row(target.entity, row["name"]) | {"same_as": row["same_as"]}
        row["is_canonical"] = row["entity_id"] not in plan.named
        rows.append(row)
    names = pa.Table.from_pylist(rows, NAME_SCHEMA)
    of = shard_of(from_arrow(names["entity_id"]), shards[table])
    for shard, part in split(names, of, shards[table]):
        yield (table, shard), part


def _name_row(entity: CanonicalEntity, name: str) -> dict[str, object]:
    return {
        **entity._asdict(),
        "entity_id": entity.id,
        "name": shown_name(name),
        "mentions": 0,
        "own": 0,
        "documents": 0,
        "is_canonical": True,
        "same_as": None,
    }


def _relation_row(id_: bytes, assertion: Assertion) -> dict[str, object]:
    """A fact that no triple says."""
    subject, predicate, object_ = assertion.fact
    return {
        "relation_id": id_.hex(),
        "subject_id": subject.hex(),
        "predicate": predicate,
        "object_id": object_.hex(),
        "confidence": 1.0,
        "evidence_count": 0,
        "document_count": 0,
        "evidence": [],
    }
