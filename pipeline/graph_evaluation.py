"""The whole pipeline over annotated documents: raw text in, the graph scored against gold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from pfn_kg.pfn.readers.docred import GoldDocument
from pfn_kg.pipeline.build_phase import BuildOptions, run_build
from pfn_kg.pipeline.extract_phase import run_extraction
from pfn_kg.pipeline.finished_run import read_finished
from pfn_kg.pipeline.graph_scores import by_document, score_graph
from pfn_kg.pipeline.prepare_extraction import PreparedExtraction, prepare_extraction
from pfn_kg.schemas.extract_options import ExtractOptions
from pfn_kg.sinks.tables import parquet_bytes
from pfn_kg.transforms.plumbing.files import join, make_folder, read_if_there, replace
from pfn_kg.transforms.tables.parts import read_part

_CORPUS = "gold.parquet"
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
) -> dict[str, Any]:
    """Runs both phases and scores the graph.

    Args:
        gold: the documents.
        prepared: from `prepare_evaluation`.
        options: of the build.
        pipeline_args: Beam's own options.

    Returns:
        As `pfn_kg.pipeline.graph_scores.score_graph`, with `documents` and the `counts` of the
        build.
    """
    run_extraction(prepared, pipeline_args)
    directory = prepared.options.output
    counts = run_build(directory, options, pipeline_args)

    run = read_finished(directory)

    def rows(table: str, columns: Sequence[str]) -> list[dict[str, Any]]:
        parts = run.parts([table])
        return [row for part in parts for row in read_part(part, columns).to_pylist()]

    relations = rows("relations", ("relation_id", "confidence"))
    confidence = {row["relation_id"]: row["confidence"] for row in relations}
    triples = [
        row | {"confidence": confidence[row["relation_id"]]} for row in rows("triples", _TRIPLES)
    ]
    graph = by_document(rows("mentions", _MENTIONS), triples)
    scores = score_graph(dict(zip(document_ids(gold), gold, strict=True)), graph)
    return scores | {"documents": len(gold), "counts": counts}
