"""The build phase as a pipeline: from the chunks of extractions to the files of a graph.

```
chunks -> ids -> rows that are left out, sizes of the tables
chunks -> rows of each table, by file -> merge -> one file a shard -> redirects, RDF
```

With an alias table or the comparison of near names, the names of the chunks are read first to
find out which entities are one; with a catalogue they are read after that, to find out what
entities are. Otherwise the pipeline has no such steps.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import apache_beam as beam

from pfn_kg.pipeline.write_graph import WriteGraph, sum_counts
from pfn_kg.schemas.choices import SHARD_ROWS
from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.sinks.rdf.sink import RdfSink
from pfn_kg.sinks.tables import parquet_bytes
from pfn_kg.transforms.corrections.corrected_tables import corrected_names
from pfn_kg.transforms.corrections.find_plan import (
    CorrectionFile,
    FindPlan,
    read_references,
    write_outcomes,
)
from pfn_kg.transforms.documents.deduplicate import Deduplicate
from pfn_kg.transforms.facts.fact_options import FactOptions
from pfn_kg.transforms.facts.graph_rules import FindVerdicts, GraphRules
from pfn_kg.transforms.facts.kept_rows import KeptRows
from pfn_kg.transforms.graph.make_rows import MakeNames, MakeRows
from pfn_kg.transforms.graph.route_verdicts import RouteVerdicts
from pfn_kg.transforms.graph.table_shards import BOUNDED_BY, plan_shards
from pfn_kg.transforms.graph.write_tables import WriteTables, write_redirects
from pfn_kg.transforms.linking.link_entities import Linked, LinkEntities, Linking
from pfn_kg.transforms.linking.occurrences import (
    FindOccurrences,
    Occurrences,
    ReferenceOccurrences,
)
from pfn_kg.transforms.linking.split_homonyms import HomonymOptions, SplitHomonyms
from pfn_kg.transforms.merging.doubtful_names import MOST_DOUBTFUL, write_doubtful
from pfn_kg.transforms.merging.merge_entities import MergeEntities, MergeOptions
from pfn_kg.transforms.merging.redirects import FindRedirects
from pfn_kg.transforms.plumbing.files import join, replace
from pfn_kg.transforms.plumbing.metrics import count
from pfn_kg.transforms.tables.parts import TablePart

#: The file that the counts are written to.
COUNTS_FILE = "counts.json"


class BuildGraph(beam.PTransform):
    """Writes the files of a graph from a collection of `ChunkFile`.

    Args:
        folder: where to write; a folder a table.
        label_schema: of the graph.
        options: thresholds and policies.
        groups: the number of groups in which documents meet, from
            `pfn_kg.transforms.documents.groups.group_count`.
        rdf: writes Turtle; None writes none.
        shard_rows: about how many rows a file holds.
        removed: the rows of removed documents by chunk, from
            `pfn_kg.transforms.documents.removed_documents.FindRemoved`; None if none are.
        merge: makes entities with different keys one; None merges none.
        linking: links entities to a catalogue; None links none.
        homonyms: tells names of several things apart; None does not look for any.
        corrections: what people say of the graph; None is nothing.
        old: the files of `mentions` of the last build, and those of `redirects` if it had any.
        kept: where the rows of chunks, and what other steps ask of chunks, are kept for later
            builds, if they are.
    """

    def __init__(
        self,
        folder: str,
        label_schema: LabelSchema,
        options: FactOptions,
        *,
        groups: int,
        rdf: RdfSink | None = None,
        shard_rows: int = SHARD_ROWS,
        removed: beam.PCollection | None = None,
        merge: MergeOptions | None = None,
        linking: Linking | None = None,
        homonyms: HomonymOptions | None = None,
        corrections: CorrectionFile | None = None,
        old: Sequence[TablePart] = (),
        kept: KeptRows | None = None,
    ):
        super().__init__()
        self._kept = kept
        self._merge = merge
        self._linking = linking
        self._homonyms = homonyms
        self._corrections = corrections
        self._old = old
        self._groups = groups
        self._removed = removed
        self._folder = folder
        self._label_schema = label_schema
        self._options = options
        self._rdf = rdf
        self._shard_rows = shard_rows

    def expand(self, chunks: beam.PCollection) -> beam.PCollection:
        """Applies the transform; its one element is the path of the file of counts."""
        deduplicated = chunks | "Deduplicate" >> Deduplicate(self._groups, self._removed)
        tables = [name for name in BOUNDED_BY if name != "sentences" or self._options.sentences]
        plan = (
            deduplicated.sizes
            | "SumSizes" >> beam.CombineGlobally(sum_counts)
            | "PlanShards" >> beam.Map(plan_shards, tables, self._shard_rows)
        )
        planned = beam.pvalue.AsSingleton(plan)
        beside: dict[str, Any] = {
            "losers": beam.pvalue.AsMultiMap(deduplicated.losers),
            "plan": planned,
        }
        canonical, counts, moves = None, [], None
        if self._merge is not None:
            merged = (
                chunks
                # FnApiRunner holds back what is joined of a collection until all who read
                # that collection are done, and `MakeRows` waits for what is joined here.
                | "ChunksAgain" >> beam.Reshuffle()
                | "MakeNames"
                >> MakeNames(self._label_schema, self._options, kept=self._kept, **beside)
                | "WithReferences" >> _WithReferences(self._corrections, planned)
                | "MergeEntities" >> MergeEntities(self._merge, planned)
            )
            moves = merged.moves
            beside["moves"] = beam.pvalue.AsMultiMap(merged.moves)
            canonical = merged.names
            counts.append(merged.counts)
            if merged.doubtful is not None:
                counts.append(
                    merged.doubtful
                    | "LikeliestDoubtful" >> beam.combiners.Top.Of(MOST_DOUBTFUL)
                    | "WriteDoubtful" >> beam.Map(write_doubtful, self._folder)
                )
        links = None
        if self._linking is not None:
            linked = self._link(chunks, self._linking, beside, canonical)
            links = linked.links
            canonical = linked.names
            counts.append(linked.counts)
            beside["links"] = beam.pvalue.AsMultiMap(links)
        if self._homonyms is not None:
            split = (
                chunks
                | "ChunksToSplit" >> beam.Reshuffle()
                | "SplitHomonyms"
                >> SplitHomonyms(
                    self._homonyms,
                    self._label_schema,
                    self._options,
                    folder=self._folder,
                    to_bytes=parquet_bytes,
                    beside=dict(beside),
                    kept=self._kept,
                )
            )
            counts.append(split.counts)
            beside["splits"] = beam.pvalue.AsMultiMap(split.links)
        plan_of = None
        if self._corrections is not None:
            if moves is None:
                moves = chunks.pipeline | "NoMoves" >> beam.Create([])
            plan_of = moves | "FindPlan" >> FindPlan(self._corrections, links)
            beside["corrections"] = beam.pvalue.AsSingleton(plan_of)
            if canonical is not None:
                canonical = canonical | "CorrectNames" >> beam.FlatMap(
                    corrected_names, beside["corrections"], planned
                ).with_output_types(tuple[tuple[str, int], bytes])
        rules = GraphRules(self._label_schema, self._options.rules)
        made = chunks | "MakeRows" >> MakeRows(
            self._label_schema, self._options, rules=rules, kept=self._kept, **beside
        )
        corrected = {}
        if plan_of is not None:
            applied = made.applied | "SumApplied" >> beam.CombineGlobally(_sum)
            corrected = {
                "corrections": beam.pvalue.AsSingleton(plan_of),
                "applied": beam.pvalue.AsSingleton(applied),
            }
            counts.append(
                applied
                | "WriteOutcomes"
                >> beam.Map(
                    write_outcomes,
                    self._corrections,
                    corrected["corrections"],
                    beam.pvalue.AsIter(made.judged),
                    self._folder,
                )
            )
        verdicts = made.ruled | "GraphRules" >> FindVerdicts(rules, corrected)
        written = made.rows | "WriteTables" >> WriteTables(
            self._folder,
            parquet_bytes,
            base_iri=self._label_schema.base_iri,
            rules=self._options.rules,
            plan=plan,
            verdicts=verdicts | "RouteVerdicts" >> RouteVerdicts(made.claims, planned),
            canonical=canonical,
            corrections=corrected,
        )
        violations = verdicts | "CountVerdicts" >> beam.Map(
            lambda verdict: {f"violations.{verdict.rule}": verdict.relations}
        )
        redirects = (
            written.parts
            | "FindRedirects" >> FindRedirects(made.moved, self._old, planned)
            | "WriteRedirects" >> beam.Map(write_redirects, self._folder, parquet_bytes, planned)
        )
        counted = made.counts | "CountChunks" >> beam.Map(_count_chunk)
        counts += [counted, violations, redirects, written.counts]
        if self._rdf is not None:
            # The sink reads the tables that were written, as it reads those of any graph.
            rdf = written.parts | "Rdf" >> WriteGraph(self._rdf, join(self._folder, "rdf"))
            counts.append(rdf | "RdfCounts" >> beam.Map(_rdf_counts))
        return (
            counts
            | "Counts" >> beam.Flatten()
            | "SumCounts" >> beam.CombineGlobally(sum_counts)
            | "WriteCounts" >> beam.Map(_write_counts, join(self._folder, COUNTS_FILE))
        )

    def _link(
        self,
        chunks: beam.PCollection,
        linking: Linking,
        beside: Mapping[str, Any],
        names: beam.PCollection | None,
    ) -> Linked:
        """Links entities to the catalogue.

        Args:
            chunks: all of them.
            linking: the catalogue.
            beside: side inputs.
            names: that the alias table gives.
        """
        found = (
            chunks
            | "ChunksToLink" >> beam.Reshuffle()
            | "FindOccurrences"
            >> FindOccurrences(
                linking.catalogue,
                self._label_schema,
                self._options,
                kept=self._kept,
                **beside,
            )
        )
        if self._corrections is not None:
            asked = [beside[name] for name in ("plan", "moves") if name in beside]
            references = (
                chunks.pipeline
                | "OnceToLink" >> beam.Create([None])
                | "ReferenceOccurrences"
                >> beam.ParDo(
                    ReferenceOccurrences(self._corrections, linking.catalogue), *asked
                ).with_outputs(ReferenceOccurrences.DOCUMENTS, main="lookups")
            )
            of_references = (references["lookups"], references[ReferenceOccurrences.DOCUMENTS])
            found = Occurrences(
                *(
                    (of_chunks, some)
                    | f"Flatten {name}" >> beam.Flatten()
                    | f"Types of {name}" >> beam.Map(_same).with_output_types(tuple[int, bytes])
                    for name, of_chunks, some in zip(
                        Occurrences._fields, found, of_references, strict=True
                    )
                )
            )
        return found | "LinkEntities" >> LinkEntities(
            linking, self._folder, parquet_bytes, plan=beside["plan"], names=names
        )


class _WithReferences(beam.PTransform):
    """Adds the names that corrections speak of to those of the chunks, if there are any."""

    def __init__(self, corrections: CorrectionFile | None, plan: beam.pvalue.AsSingleton):
        super().__init__()
        self._corrections = corrections
        self._plan = plan

    def expand(self, names: beam.PCollection) -> beam.PCollection:
        if self._corrections is None:
            return names
        references = (
            names.pipeline
            | "Once" >> beam.Create([None])
            | "References"
            >> beam.FlatMap(read_references, self._corrections, self._plan).with_output_types(
                tuple[int, bytes]
            )
        )
        return (names, references) | beam.Flatten()


def _same(element: Any) -> Any:
    return element


def _sum(counts: Iterable[Mapping[tuple[int, int], int]]) -> dict[tuple[int, int], int]:
    total: Counter[tuple[int, int]] = Counter()
    for some in counts:
        total.update(some)
    return dict(total)


def _rdf_counts(counts: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if name.startswith("rdf_")}


def _count_chunk(counts: dict[str, int]) -> dict[str, int]:
    count("build_chunks")
    for name in ("documents", "sentences", "mentions", "triples"):
        count(f"build_{name}", counts.get(name, 0))
    for stage in ("read", "split", "extract", "deduplicate"):
        count(f"build_rejected_{stage}", counts.get(f"rejected.{stage}", 0))
    return counts


def _write_counts(counts: dict[str, int], path: str) -> str:
    for name in ("entities", "values", "relations"):
        count(f"build_{name}", counts.get(name, 0))
    replace(path, json.dumps(counts).encode())
    return path
