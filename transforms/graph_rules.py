"""What the label schema says of the merged graph: how many objects, and no way back.

```
support -> by subject -> relations -> those beyond max_objects
                            '-> by predicate -> those that close a cycle
```

Only rows of relations that such a rule speaks of are shuffled, and of acyclic ones
ids and confidences; the edges of one acyclic relation meet in one worker, about a
hundred bytes each. Which relations the rules are against does not depend on order,
workers or shards: the better is the one with the greater confidence, then more
documents, then more triples, then the lower id.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import apache_beam as beam
import networkx as nx
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.job import Rules
from schemas.label_schema import LabelSchema
from transforms.aggregate import aggregate_relations
from transforms.identity import from_arrow, shard_of
from transforms.shards import decode, split

MAX_OBJECTS, ACYCLIC = "max_objects", "acyclic"

# Enough to keep each group small on large corpora; the result does not depend on it.
_GROUPS = 64


class Verdict(NamedTuple):
    """A relation of the graph that a rule is against, by its id in hexadecimal."""

    relation_id: str
    rule: str


class Edge(NamedTuple):
    """A relation of the graph; the lesser of two is the better."""

    doubt: float
    documents: int
    triples: int
    relation_id: str
    subject: str
    object: str


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


class FindVerdicts(beam.PTransform):
    """From rows of support, as Arrow IPC bytes, to the verdicts of the rules.

    Args:
        rules: which relations they speak of.
    """

    def __init__(self, rules: GraphRules):
        super().__init__()
        self._rules = rules

    def expand(self, support: beam.PCollection) -> beam.PCollection:
        """Applies the transform."""
        rules = self._rules
        judged = (
            support
            | "OfRules" >> beam.FlatMap(_by_subject, rules).with_output_types(tuple[int, bytes])
            | "GroupBySubject" >> beam.GroupByKey()
            | "RankObjects"
            >> beam.ParDo(_RankObjects(rules)).with_outputs(_RankObjects.EDGES, main="verdicts")
        )
        cycles = (
            judged[_RankObjects.EDGES]
            | "KeyByPredicate" >> beam.Map(lambda found: found).with_output_types(tuple[str, Any])
            | "GroupByPredicate" >> beam.GroupByKey()
            | "BreakCycles" >> beam.FlatMap(_break_cycles)
        )
        return (judged["verdicts"], cycles) | "AllVerdicts" >> beam.Flatten()


def _by_subject(support: bytes, rules: GraphRules) -> Iterator[tuple[int, bytes]]:
    predicates = rules.predicates
    if not predicates:
        return
    rows = decode(support)
    rows = rows.filter(pc.is_in(rows["predicate"], value_set=pa.array(predicates, pa.string())))
    if len(rows):
        yield from split(rows, shard_of(from_arrow(rows["subject_id"]), _GROUPS), _GROUPS)


class _RankObjects(beam.DoFn):
    """Ranks the objects of each subject; what is left of acyclic relations is on `edges`."""

    EDGES = "edges"

    def __init__(self, rules: GraphRules):
        self._rules = rules

    def process(
        self, group: tuple[int, Iterable[bytes]]
    ) -> Iterator[Verdict | beam.pvalue.TaggedOutput]:
        relations = aggregate_relations(pa.concat_tables(map(decode, group[1])))
        by_predicate: dict[str, list[Edge]] = {}
        for predicate, edge in edges(relations):
            by_predicate.setdefault(predicate, []).append(edge)
        for predicate, found in by_predicate.items():
            beyond = beyond_max_objects(found, self._rules.max_objects.get(predicate))
            yield from (Verdict(id_, MAX_OBJECTS) for id_ in sorted(beyond))
            if predicate in self._rules.acyclic:
                left = [edge for edge in found if edge.relation_id not in beyond]
                yield beam.pvalue.TaggedOutput(self.EDGES, (predicate, left))


def edges(relations: pa.Table) -> Iterator[tuple[str, Edge]]:
    """The rows of the table `relations`, each with its predicate."""
    columns = ("confidence", "document_count", "evidence_count", "relation_id")
    values = [relations[name].to_pylist() for name in (*columns, "subject_id", "object_id")]
    for predicate, confidence, documents, triples, *ids in zip(
        relations["predicate"].to_pylist(), *values, strict=True
    ):
        yield predicate, Edge(-confidence, -documents, -triples, *ids)


def beyond_max_objects(found: Iterable[Edge], most: int | None) -> set[str]:
    """The ids of the relations of one predicate that are not among the best of their subject."""
    beyond: set[str] = set()
    if most is None:
        return beyond
    objects: dict[str, int] = {}
    for edge in sorted(found):
        objects[edge.subject] = objects.get(edge.subject, 0) + 1
        if objects[edge.subject] > most:
            beyond.add(edge.relation_id)
    return beyond


def closing_cycles(found: Iterable[Edge]) -> set[str]:
    """The ids of the relations of one predicate that close a cycle of better ones.

    The others have no cycle. A relation of an entity to itself is the matter of the
    rule of self-loops and left alone.
    """
    within = [edge for edge in found if edge.subject != edge.object]
    graph = nx.DiGraph((edge.subject, edge.object) for edge in within)
    # Only what lies in one strongly connected component can be on a cycle: mostly nothing.
    component = {
        node: number
        for number, nodes in enumerate(nx.strongly_connected_components(graph))
        if len(nodes) > 1
        for node in nodes
    }
    closing: set[str] = set()
    kept = nx.DiGraph()
    for edge in sorted(within):
        number = component.get(edge.subject)
        if number is None or number != component.get(edge.object):
            continue
        kept.add_nodes_from((edge.subject, edge.object))
        if nx.has_path(kept, edge.object, edge.subject):
            closing.add(edge.relation_id)
        else:
            kept.add_edge(edge.subject, edge.object)
    return closing


def _break_cycles(group: tuple[str, Iterable[list[Edge]]]) -> Iterator[Verdict]:
    found = [edge for part in group[1] for edge in part]
    yield from (Verdict(id_, ACYCLIC) for id_ in sorted(closing_cycles(found)))


def judge(rows: pa.Table, verdicts: Iterable[Verdict], rules: Rules) -> tuple[pa.Table, int]:
    """Rows of `relations` or `triples`, as the verdicts leave them.

    Args:
        rows: with ids in hexadecimal.
        verdicts: of the whole graph, in whatever order.
        rules: the policies.

    Returns:
        The rows, less those of dropped relations and with the rule in the flags of the
        others, and how many were dropped.
    """
    before, found = len(rows), list(verdicts)
    for rule, policy in ((MAX_OBJECTS, rules.max_objects), (ACYCLIC, rules.acyclic)):
        ids = pa.array((v.relation_id for v in found if v.rule == rule), pa.string())
        is_against = pc.is_in(rows["relation_id"], value_set=ids)
        if policy == "drop":
            rows = rows.filter(pc.invert(is_against))
        elif "flags" in rows.column_names and pc.any(is_against).as_py():
            flags = rows["flags"].to_pylist()
            for row in np.flatnonzero(is_against.to_numpy()).tolist():
                flags[row] = [*flags[row], rule]
            number = rows.column_names.index("flags")
            rows = rows.set_column(number, "flags", pa.array(flags, pa.list_(pa.string())))
    return rows, before - len(rows)
