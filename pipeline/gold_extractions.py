"""Annotated documents as an output folder, as if a model had found just what is annotated.

A build of it shows how well names are merged, without what a model misses.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import pyarrow as pa

from pfn_kg.pfn.readers.docred import GoldDocument
from pfn_kg.schemas.extraction import EXTRACTION_SCHEMA, with_counters
from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.sinks.tables import parquet_bytes
from pfn_kg.transforms.plumbing.files import join, make_folder, replace

_CHUNK = "gold"
_THRESHOLD = 0.5


def gold_extractions(
    gold: Sequence[GoldDocument], ids: Sequence[str], label_schema: LabelSchema
) -> pa.Table:
    """The rows of an extraction file.

    Args:
        gold: the documents; labels that the label schema lacks are left out.
        ids: of the documents.
        label_schema: of the graph.
    """
    types = {t.name for t in label_schema.entity_types}
    relations = {r.name for r in label_schema.relations}
    return pa.Table.from_pylist(
        [_row(document, id_, types, relations) for id_, document in zip(ids, gold, strict=True)],
        EXTRACTION_SCHEMA,
    )


def _row(document: GoldDocument, id_: str, types: set[str], relations: set[str]) -> dict:
    found = {(m.begin, m.end, m.type): m.sentence for c in document.clusters for m in c}
    sentences = 1 + max(found.values(), default=0)
    # Where the sentences are is not kept; all that asks for it is the nearest evidence.
    triples = {
        (document.clusters[subject][0].begin, relation, document.clusters[object_][0].begin)
        for subject, relation, object_ in document.facts
        if relation in relations and document.clusters[subject] and document.clusters[object_]
    }
    return {
        "source_file": "gold",
        "source_row": 0,
        "document_id": id_,
        "content_hash": id_,
        "text": document.text,
        "sentences": [{"begin": 0, "end": len(document.text)}] * sentences,
        "mentions": [
            {"begin": begin, "end": end, "type": type_, "score": 1.0, "sentence": sentence}
            for (begin, end, type_), sentence in sorted(found.items())
            if type_ in types
        ],
        "head_triples": [
            {"subject": subject, "relation": relation, "object": object_, "score": 1.0}
            for subject, relation, object_ in sorted(triples)
        ],
        "rejected": [],
    }


def write_gold_run(
    directory: str, gold: Sequence[GoldDocument], ids: Sequence[str], label_schema: LabelSchema
) -> None:
    """Writes an output folder that a build can be made of.

    Args:
        directory: the folder; what was there of an earlier call is replaced.
        gold: the documents.
        ids: of the documents.
        label_schema: of the graph.
    """
    make_folder(join(directory, "extractions"))
    rows = gold_extractions(gold, ids, label_schema)
    schema = with_counters(EXTRACTION_SCHEMA, {})
    data = parquet_bytes(rows.cast(schema))
    replace(join(directory, "extractions", f"{_CHUNK}.parquet"), data)
    replace(join(directory, "label_schema.yaml"), label_schema.to_yaml().encode())
    manifest = {
        "state": "extracted",
        "model": {
            "hash": _CHUNK,
            "entity_threshold": _THRESHOLD,
            "relation_threshold": _THRESHOLD,
        },
        "chunks": [{"name": _CHUNK}],
    }
    replace(join(directory, "manifest.json"), json.dumps(manifest).encode())
