"""Small graphs with corrections, made in process by the functions that the pipeline calls."""

from collections import Counter
from typing import NamedTuple

import pyarrow as pa

from helpers.extraction_folders import LABEL_SCHEMA, row
from pfn_kg.schemas.extraction import EXTRACTION_SCHEMA
from pfn_kg.schemas.rules import NameRules, Rules
from pfn_kg.schemas.tables import TABLE_SCHEMAS
from pfn_kg.transforms.corrections.corrected_tables import TableCorrections
from pfn_kg.transforms.corrections.evidence import decode_evidence
from pfn_kg.transforms.corrections.outcomes import outcomes
from pfn_kg.transforms.corrections.plan import CorrectionOptions, CorrectionPlan, plan_corrections
from pfn_kg.transforms.facts.chunk_rows import rows_of_chunk
from pfn_kg.transforms.facts.fact_options import FactOptions
from pfn_kg.transforms.graph.write_tables import in_hexadecimal
from pfn_kg.transforms.plumbing.shards import encode
from pfn_kg.transforms.tables.aggregate import aggregate_entities, aggregate_relations


class CorrectedGraph(NamedTuple):
    """The tables of a graph as rows, with the plan of its corrections and their outcomes."""

    tables: dict[str, list[dict]]
    plan: CorrectionPlan
    outcomes: list[dict]
    evidence: list[dict]

    def facts(self):
        """The facts by names: (subject, relation, object)."""
        names = {e["entity_id"]: e["name"] for e in self.tables["entities"]}
        return {
            (names[r["subject_id"]], r["predicate"], names[r["object_id"]]): r
            for r in self.tables["relations"]
        }

    def entities(self):
        """The entities by name and type."""
        return {(e["name"], e["type"]): e for e in self.tables["entities"]}


def corrected_graph(
    docs,
    corrections=(),
    *,
    options=None,
    label_schema=LABEL_SCHEMA,
    chunk_documents=2,
    moves=None,
):
    """Builds a graph of documents without rules of the whole graph."""
    options = options or FactOptions(0.5, 0.5)
    plan = plan_corrections(
        CorrectionOptions(
            tuple(corrections), label_schema, options.names, options.rules, options.released
        ),
        moves,
    )
    parts: dict[str, list[pa.Table]] = {}
    applied: Counter = Counter()
    judged = []
    for begin in range(0, len(docs), chunk_documents):
        some = docs[begin : begin + chunk_documents]
        rows = [row(doc, "c.parquet", begin + number) for number, doc in enumerate(some)]
        made = rows_of_chunk(
            pa.Table.from_pylist(rows, EXTRACTION_SCHEMA),
            model_hash="m",
            losers=[],
            label_schema=label_schema,
            options=options,
            moves=moves or {},
            corrections=plan,
        )
        for name, table in made.tables.items():
            parts.setdefault(name, []).append(table)
        applied.update(made.applied)
        judged += [] if made.judged is None else [tuple(map(encode, made.judged))]
    correct = TableCorrections(plan, applied)
    tables = {}
    for name, some in parts.items():
        table = pa.concat_tables(some)
        if name == "entities":
            table = pa.concat_tables([table, correct.names(table, 0, 1)])
            table = aggregate_entities(table, label_schema.base_iri)
        elif name == "relations":
            table = aggregate_relations(table)
        table = in_hexadecimal(table).select(TABLE_SCHEMAS[name].names).cast(TABLE_SCHEMAS[name])
        if name == "entities":
            table = correct.entities(table)
        elif name == "relations":
            table = correct.relations(table, 0, 1)
        tables[name] = table.to_pylist()
    became = outcomes(corrections, plan, applied, [s for s, _ in judged]).to_pylist()
    evidence = decode_evidence(e for _, e in judged).to_pylist()
    return CorrectedGraph(tables, plan, became, evidence)


__all__ = ["CorrectedGraph", "FactOptions", "NameRules", "Rules", "corrected_graph"]
