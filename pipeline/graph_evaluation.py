"""The whole pipeline over annotated documents: raw text in, the graph scored against gold.

With ids from a catalogue, entities are scored across documents too: those of the graph, and those
of a graph of the annotated mentions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from pfn_kg.pfn.readers.docred import GoldDocument
from pfn_kg.pipeline.build_phase import BuildOptions, run_build
from pfn_kg.pipeline.extract_phase import run_extraction
from pfn_kg.pipeline.finished_run import FinishedRun, read_finished
from pfn_kg.pipeline.gold_extractions import write_gold_run
from pfn_kg.pipeline.graph_scores import by_document, score_graph
from pfn_kg.pipeline.lineage import untold
from pfn_kg.pipeline.link_scores import LinkedMention, score_links
from pfn_kg.pipeline.name_kinds import Named, NameKinds
from pfn_kg.pipeline.prepare_extraction import PreparedExtraction, prepare_extraction
from pfn_kg.schemas.extract_options import ExtractOptions
from pfn_kg.sinks.tables import parquet_bytes
from pfn_kg.transforms.names.entity_keys import EntityKeys
from pfn_kg.transforms.plumbing.files import join, make_folder, read_if_there, replace
from pfn_kg.transforms.tables.parts import read_part

_CORPUS = "gold.parquet"
_GOLD_RUN = "_of_gold_mentions"
_MENTIONS = ("document_id", "begin", "end", "type", "entity_id")
_TRIPLES = (
    *("document_id", "relation", "relation_id", "subject_entity_id", "object_entity_id"),
    "evidence_sentences",
    *("subject_begin", "subject_end", "object_begin", "object_end"),
)


def document_ids(gold: Sequence[GoldDocument]) -> list[str]:
    """An id for each document: titles need not be unique, and need not be there."""
    return [f"{number:06}" for number in range(len(gold))]


def prepare_evaluation(
    gold: Sequence[GoldDocument], directory: str, options: dict[str, Any]
) -> PreparedExtraction:
    """Writes the texts of the documents as a corpus and prepares the extraction.

    Args:
        gold: the documents.
        directory: where the corpus and the run go; what was extracted there of the same
            documents with the same options is used again.
        options: of the extraction, but for corpus and output.

    Raises:
        ConfigurationError: if an option is wrong, or the folder holds another run.
    """
    make_folder(directory)
    corpus = join(directory, _CORPUS)
    rows = {
        "id": document_ids(gold),
        "title": [document.title for document in gold],
        "text": [document.text for document in gold],
    }
    schema = pa.schema([("id", pa.string()), ("title", pa.string()), ("text", pa.string())])
    data = parquet_bytes(pa.table(rows, schema=schema))
    # A chunk is named by when its file was written, so one that is right stays.
    if read_if_there(corpus) != data:
        replace(corpus, data)
    prepared = prepare_extraction(
        ExtractOptions.from_dict(
            {
                **options,
                "corpus": [corpus],
                "output": join(directory, "run"),
                "resume": True,
            }
        )
    )
    return prepared


def evaluate_graph(
    gold: Sequence[GoldDocument],
    prepared: PreparedExtraction,
    options: BuildOptions,
    pipeline_args: Sequence[str] = (),
    *,
    links: Mapping[int, Sequence[str | None]] | None = None,
    relations: frozenset[str] | None = None,
) -> dict[str, Any]:
    """Runs both phases and scores the graph.

    Args:
        gold: the documents.
        prepared: from `prepare_evaluation`.
        options: of the build.
        pipeline_args: Beam's own options.
        links: ids of entities, from `pfn_kg.pfn.readers.entity_links.read_entity_links`.
        relations: those that the data set has; facts of others are left out. None: all.

    Returns:
        As `pfn_kg.pipeline.graph_scores.score_graph`, with `documents` and the `counts` of the
        build. With links also `links`, as `pfn_kg.pipeline.link_scores.score_links` gives it for
        the `graph` and for a graph of the `gold` mentions.
    """
    run_extraction(prepared, pipeline_args)
    directory = prepared.options.output
    counts = run_build(directory, options, pipeline_args)

    run = read_finished(directory)
    stated = _rows(run, "relations", ("relation_id", "confidence"))
    confidence = {row["relation_id"]: row["confidence"] for row in stated}
    triples = [
        row | {"confidence": confidence[row["relation_id"]]}
        for row in _rows(run, "triples", _TRIPLES)
        if relations is None or row["relation"] in relations
    ]
    mentions = _rows(run, "mentions", _MENTIONS)
    graph = by_document(mentions, triples)
    scores = score_graph(dict(zip(document_ids(gold), gold, strict=True)), graph)
    scores |= {"documents": len(gold), "counts": counts}
    if links is None:
        return scores
    gold_run = directory + _GOLD_RUN
    write_gold_run(gold_run, gold, document_ids(gold), prepared.label_schema)
    with untold():
        run_build(gold_run, options, pipeline_args)
    of_gold = _rows(read_finished(gold_run), "mentions", _MENTIONS)
    keys = EntityKeys.of(run.label_schema, options.names)
    kinds = {t.name: t.kind for t in run.label_schema.entity_types}
    return scores | {
        "links": {
            name: score_links(linked_mentions(gold, links, rows, kinds), NameKinds(keys).of)
            for name, rows in (("gold", of_gold), ("graph", mentions))
        }
    }


def linked_mentions(
    gold: Sequence[GoldDocument],
    links: Mapping[int, Sequence[str | None]],
    mentions: Sequence[Mapping[str, Any]],
    kinds: Mapping[str, str],
) -> list[LinkedMention]:
    """The gold mentions of entities with an id, each with the entity that the graph gives it.

    Args:
        gold: the documents.
        links: by position of a document, the ids of its clusters.
        mentions: rows of the graph's table of mentions; the id of a document is its position.
        kinds: of the entity types; values have no ids.
    """
    there = {(row["document_id"], row["begin"], row["end"]): row for row in mentions}
    ids = document_ids(gold)
    linked = []
    for number, of_document in sorted(links.items()):
        document = gold[number]
        for cluster, identity in zip(document.clusters, of_document, strict=True):
            for begin, end, type_ in dict.fromkeys((m.begin, m.end, m.type) for m in cluster):
                if identity is None or kinds.get(type_, "entity") == "value":
                    continue
                row = there.get((ids[number], begin, end))
                entity = None if row is None else row["entity_id"]
                # What the model typed is what the build was given.
                type_ = type_ if row is None else row["type"]
                named = Named(document.text[begin:end], type_)
                linked.append(LinkedMention(ids[number], identity, entity, named))
    return linked


def _rows(run: FinishedRun, table: str, columns: Sequence[str]) -> list[dict[str, Any]]:
    return [row for part in run.parts([table]) for row in read_part(part, columns).to_pylist()]
