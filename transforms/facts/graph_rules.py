"""What the label schema says of the merged graph: how many objects, and no way back.

```
support that a rule speaks of, by subject -> relations -> those beyond max_objects
objects of acyclic relations, by object -'       '-> by predicate -> those that close a cycle
```

Only rows of relations that such a rule speaks of are shuffled, and of acyclic ones
ids and confidences. The edges of one acyclic relation that may be on a cycle meet in
one worker, about a hundred bytes each. An edge is on none if no edge leads to its
subject, which is so of most: of 100 places that are located in another, some 80 have
nothing located in them. Which relations the rules are against does not depend on order,
workers or shards: the better is the one with the greater confidence, then more
documents, then more triples, then the lower id.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

import apache_beam as beam
import networkx as nx
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.schemas.rules import Rules
from pfn_kg.schemas.shuffled_rows import OBJECT_SCHEMA
from pfn_kg.transforms.corrections.corrected_tables import TableCorrections
from pfn_kg.transforms.corrections.plan import CorrectionPlan
from pfn_kg.transforms.facts.acyclic import MOST_VISITS, closing_edges
from pfn_kg.transforms.plumbing.ids import from_arrow, shard_of, to_hex
from pfn_kg.transforms.plumbing.ranks import rank_in_runs
from pfn_kg.transforms.plumbing.shards import decode, encode, split
from pfn_kg.transforms.tables.aggregate import aggregate_relations, one_array

MAX_OBJECTS, ACYCLIC, UNCHECKED = "max_objects", "acyclic", "acyclic_unchecked"

_BEST_FIRST = [
    ("confidence", "descending"),
    ("document_count", "descending"),
    ("evidence_count", "descending"),
    ("relation_id", "ascending"),
]
_EDGE_COLUMNS = [*(name for name, _ in _BEST_FIRST), "subject_id", "object_id"]


class Verdict(NamedTuple):
    """Relations of the graph that a rule is against.

    Attributes:
        rule: its name.
        relations: how many.
        relation_ids: their ids in hexadecimal, as the one column of Arrow IPC bytes.
    """

    rule: str
    relations: int
    relation_ids: bytes


class GraphRules:
    """Which relations of the label schema the rules of the merged graph speak of.

    Args:
        label_schema: what it says of relations.
        rules: with `keep` a rule is not looked at.
    """

    def __init__(self, label_schema: LabelSchema, rules: Rules):
        self.max_objects: dict[str, int] = {}
        self.acyclic: frozenset[str] = frozenset()
        relations = label_schema.relations
        if rules.max_objects != "keep":
            self.max_objects = {r.name: r.max_objects for r in relations if r.max_objects}
        if rules.acyclic != "keep":
            self.acyclic = frozenset(r.name for r in relations if r.acyclic)

    @property
    def predicates(self) -> list[str]:
        """The relations that a rule speaks of."""
        return sorted(self.acyclic | self.max_objects.keys())


def ruled_support(support: pa.Table, rules: GraphRules, groups: int) -> Iterator[tuple[int, bytes]]:
    """The rows of support that a rule speaks of, by group of their subjects.

    The objects of acyclic relations, by their own group, are among them
    (`pfn_kg.schemas.shuffled_rows.OBJECT_SCHEMA`).

    Args:
        support: as in `pfn_kg.schemas.shuffled_rows.SUPPORT_SCHEMA`.
        rules: which relations they speak of.
        groups: how many groups there are; the verdicts do not depend on it.
    """
    rows = _of_predicates(support, rules.predicates)
    yield from split(rows, shard_of(from_arrow(rows["subject_id"]), groups), groups)
    objects = _of_predicates(rows, rules.acyclic).select(OBJECT_SCHEMA.names)
    objects = objects.group_by(OBJECT_SCHEMA.names).aggregate([]).cast(OBJECT_SCHEMA)
    yield from split(objects, shard_of(from_arrow(objects["object_id"]), groups), groups)


def _of_predicates(rows: pa.Table, predicates: Collection[str]) -> pa.Table:
    value_set = pa.array(sorted(predicates), pa.string())
    return rows.filter(pc.is_in(rows["predicate"], value_set=value_set))


class FindVerdicts(beam.PTransform):
    """From the rows of `ruled_support` to the verdicts of the rules.

    Args:
        rules: which relations they speak of.
        corrections: side inputs `corrections`, the plan of corrections, and `applied`, what each
            concerns; none without corrections.
    """

    def __init__(
        self,
        rules: GraphRules,
        corrections: Mapping[str, beam.pvalue.AsSideInput] | None = None,
    ):
        super().__init__()
        self._rules = rules
        self._corrections = corrections or {}

    def expand(self, support: beam.PCollection) -> beam.PCollection:
        """Applies the transform."""
        judged = (
            support
            | "GroupBySubject" >> beam.GroupByKey()
            | "RankObjects"
            >> beam.ParDo(_RankObjects(self._rules), **self._corrections).with_outputs(
                _RankObjects.EDGES, main="verdicts"
            )
        )
        cycles = (
            judged[_RankObjects.EDGES]
            | "KeyByPredicate" >> beam.Map(lambda edge: edge).with_output_types(tuple[str, bytes])
            | "GroupByPredicate" >> beam.GroupByKey()
            | "BreakCycles" >> beam.FlatMap(_break_cycles)
        )
        return (judged["verdicts"], cycles) | "AllVerdicts" >> beam.Flatten()


class _RankObjects(beam.DoFn):
    """Ranks the objects of each subject; what is left of acyclic relations is on `edges`."""

    EDGES = "edges"

    def __init__(self, rules: GraphRules):
        self._rules = rules

    def process(
        self,
        group: tuple[int, Iterable[bytes]],
        corrections: CorrectionPlan | None = None,
        applied: Mapping[tuple[int, int], int] | None = None,
    ) -> Iterator[Verdict | beam.pvalue.TaggedOutput]:
        tables = [decode(data) for data in group[1]]
        support = [table for table in tables if table.schema != OBJECT_SCHEMA]
        if not support:
            return
        objects = [table for table in tables if table.schema == OBJECT_SCHEMA]
        relations = aggregate_relations(pa.concat_tables(support))
        if corrections is not None:
            # A fact that people say holds is better than any that the model says.
            relations = TableCorrections(corrections, applied or {}).certain(relations)
        beyond = beyond_max_objects(relations, self._rules.max_objects)
        yield from _verdicts(MAX_OBJECTS, relations, beyond)
        left = relations.filter(pa.array(~beyond))
        # Those beyond `max_objects` are among these, which keeps an edge too many and none too few.
        led_to = pa.concat_tables([OBJECT_SCHEMA.empty_table(), *objects])
        for predicate in sorted(self._rules.acyclic):
            edges = _of_predicates(left, [predicate]).select(_EDGE_COLUMNS)
            nodes = to_hex(from_arrow(_of_predicates(led_to, [predicate])["object_id"]))
            edges = edges.filter(pc.is_in(edges["subject_id"], value_set=nodes))
            if len(edges):
                yield beam.pvalue.TaggedOutput(self.EDGES, (predicate, encode(edges)))


def beyond_max_objects(relations: pa.Table, max_objects: Mapping[str, int]) -> np.ndarray:
    """Which relations are not among the best of their subject and predicate, as a mask.

    Args:
        relations: rows of the table `relations`, all those of their subjects.
        max_objects: how many objects a subject may have, by predicate.
    """
    predicates = one_array(relations["predicate"]).dictionary_encode()
    # Rows of one subject and predicate next to each other, the best first.
    keys = (_codes(relations["subject_id"]), predicates.indices.to_numpy())
    order = np.lexsort((_best_first_rank(relations), *keys))
    rank = rank_in_runs(*(key[order] for key in keys))
    most = np.array(
        [max_objects.get(name, len(order)) for name in predicates.dictionary.to_pylist()],
        dtype=np.int64,
    )
    beyond = np.zeros(len(order), dtype=bool)
    beyond[order] = rank >= most[keys[1][order]]
    return beyond


def closing_cycles(
    relations: pa.Table, most_visits: int = MOST_VISITS
) -> tuple[np.ndarray, np.ndarray]:
    """Which relations of one predicate close a cycle of better ones, and which are unchecked.

    The others have no cycle. The rule of self-loops speaks of relations of an entity to itself,
    which are left alone here.

    Args:
        relations: rows of the table `relations`, all those of the predicate.
        most_visits: see `pfn_kg.transforms.facts.acyclic.closing_edges`.

    Returns:
        Two masks over the rows.
    """
    ends = _codes(
        pa.chunked_array([*relations["subject_id"].chunks, *relations["object_id"].chunks])
    )
    subjects, objects = np.split(ends, 2)
    rows = _may_be_on_cycles(subjects, objects)
    graph = nx.DiGraph(zip(subjects[rows].tolist(), objects[rows].tolist(), strict=True))
    component = {
        node: number
        for number, nodes in enumerate(nx.strongly_connected_components(graph))
        for node in nodes
    }
    # Only an edge between nodes of one component is on a cycle.
    inside = [
        row
        for row in rows[np.argsort(_best_first_rank(relations)[rows])].tolist()
        if component[int(subjects[row])] == component[int(objects[row])]
    ]
    edges = ((int(subjects[row]), int(objects[row])) for row in inside)
    masks = np.zeros((2, len(relations)), dtype=bool)
    for mask, places in zip(masks, closing_edges(edges, most_visits), strict=True):
        mask[[inside[place] for place in places]] = True
    closing, unchecked = masks
    return closing, unchecked


def _may_be_on_cycles(subjects: np.ndarray, objects: np.ndarray) -> np.ndarray:
    """The rows of edges between nodes that have a way in and a way out: mostly few."""
    rows = np.flatnonzero(subjects != objects)
    nodes = int(max(subjects.max(initial=-1), objects.max(initial=-1))) + 1
    while True:
        has_in, has_out = np.zeros((2, nodes), dtype=bool)
        has_in[objects[rows]] = has_out[subjects[rows]] = True
        left = rows[has_in[subjects[rows]] & has_out[objects[rows]]]
        # What few more rounds would take away is not worth them.
        if len(left) >= 0.9 * len(rows):
            return left
        rows = left


def _break_cycles(group: tuple[str, Iterable[bytes]]) -> Iterator[Verdict]:
    relations = pa.concat_tables(map(decode, group[1]))
    closing, unchecked = closing_cycles(relations)
    yield from _verdicts(ACYCLIC, relations, closing)
    if unchecked.any():
        # No policy speaks of these: they stay, and are counted.
        yield from _verdicts(UNCHECKED, relations, unchecked)


def _verdicts(rule: str, relations: pa.Table, against: np.ndarray) -> Iterator[Verdict]:
    ids = relations.select(["relation_id"]).filter(pa.array(against))
    if len(ids):
        yield Verdict(rule, len(ids), encode(ids))


def _best_first_rank(relations: pa.Table) -> np.ndarray:
    """The place of each relation among all, the best being the first."""
    order = pc.sort_indices(relations, sort_keys=_BEST_FIRST).to_numpy()
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank


def _codes(column: pa.ChunkedArray) -> np.ndarray:
    """A number for each distinct value."""
    return one_array(column).dictionary_encode().indices.to_numpy()


def judge(
    rows: pa.Table, verdicts: Iterable[Verdict], rules: Rules, spared: pa.Array | None = None
) -> tuple[pa.Table, int]:
    """Rows of `relations` or `triples`, as the verdicts leave them.

    Args:
        rows: with ids in hexadecimal.
        verdicts: on these rows or on more, in whatever order.
        rules: the policies.
        spared: ids of relations that are not dropped, since they hold by a correction.

    Returns:
        The rows, less those of dropped relations and with the rule in the flags of the
        others, and how many were dropped.
    """
    before, all_verdicts = len(rows), list(verdicts)
    for rule, policy in ((MAX_OBJECTS, rules.max_objects), (ACYCLIC, rules.acyclic)):
        spoken = [decode(verdict.relation_ids) for verdict in all_verdicts if verdict.rule == rule]
        if not spoken:
            continue
        ids = one_array(pa.concat_tables(spoken)["relation_id"])
        is_against = pc.is_in(rows["relation_id"], value_set=ids)
        if policy == "drop":
            if spared is not None:
                is_against = pc.and_not(is_against, pc.is_in(rows["relation_id"], spared))
            rows = rows.filter(pc.invert(is_against))
        elif "flags" in rows.column_names:
            number = rows.column_names.index("flags")
            flags = _with_flag(rows["flags"], np.flatnonzero(is_against.to_numpy()), rule)
            rows = rows.set_column(number, "flags", flags)
    return rows, before - len(rows)


def _with_flag(flags: pa.ChunkedArray, rows: np.ndarray, rule: str) -> pa.Array:
    """The lists with one more rule at the end of some."""
    before = one_array(flags)
    longer = [[*rules, rule] for rules in before.take(pa.array(rows)).to_pylist()]
    index = np.arange(len(before))
    index[rows] = len(before) + np.arange(len(rows))
    both = pa.concat_arrays([before, pa.array(longer, before.type)])
    return both.take(pa.array(index))
