"""Output folders as the extract phase leaves them, made by hand."""

import hashlib
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from helpers.output_folders import listed_chunks, read_manifest, write_manifest
from pfn_kg.schemas.extraction import EXTRACTION_SCHEMA, with_counters
from pfn_kg.schemas.label_schema import LabelSchema

LABEL_SCHEMA = LabelSchema.from_dict(
    {
        "base_iri": "https://example.org/kg/",
        "entity_types": [
            {"name": "PER", "description": "People."},
            {"name": "LOC"},
            {"name": "TIME", "kind": "value", "datatype": "xsd:date"},
        ],
        "relations": [
            {
                "name": "place of birth",
                "description": "Where someone was born.",
                "arguments": [{"subject": "PER", "object": "LOC", "count": 3}],
                "exact_match": ["http://www.wikidata.org/prop/direct/P19"],
                "max_objects": 1,
            },
            {"name": "date of birth", "arguments": [{"subject": "PER", "object": "TIME"}]},
            {"name": "spouse", "symmetric": True},
        ],
    }
)


class Doc(NamedTuple):
    """A document and what the model said of it, by words: `mentions` and `triples`.

    A sentence ends at a full stop. A mention is (text, type, score) or with its
    occurrence as a fourth; a triple is (subject text, relation, object text, score).
    """

    id: str | None
    text: str | None
    mentions: tuple = ()
    triples: tuple = ()
    rejected: tuple = ()
    title: str | None = None
    metadata: str | None = None


def sentences_of(text):
    begins = [0] + [i + 2 for i in range(len(text) - 2) if text[i : i + 2] == ". "]
    return [
        {"begin": b, "end": e}
        for b, e in zip(begins, [b - 1 for b in begins[1:]] + [len(text)], strict=True)
    ]


def row(doc, source_file, source_row):
    sentences = sentences_of(doc.text) if doc.text is not None else []

    def sentence(offset):
        return max(i for i, s in enumerate(sentences) if s["begin"] <= offset)

    def find(name, occurrence=0):
        at = -1
        for _ in range(occurrence + 1):
            at = doc.text.index(name, at + 1)
        return at

    mentions = []
    for name, type_, score, *occurrence in doc.mentions:
        begin = find(name, *occurrence)
        mentions.append(
            {
                "begin": begin,
                "end": begin + len(name),
                "type": type_,
                "score": score,
                "sentence": sentence(begin),
            }
        )
    triples = [
        {
            "subject": find(subject),
            "relation": relation,
            "object": find(object_),
            "score": score,
            "sentence": sentence(find(subject)),
        }
        for subject, relation, object_, score in doc.triples
    ]
    digest = None if doc.text is None else hashlib.sha256(doc.text.encode()).hexdigest()
    return {
        "source_file": source_file,
        "source_row": source_row,
        "document_id": doc.id,
        "title": doc.title,
        "metadata": doc.metadata,
        "content_hash": digest,
        "text": doc.text,
        "sentences": sentences,
        "mentions": mentions,
        "head_triples": triples,
        "tail_triples": None,
        "rejected": [
            {"stage": stage, "sentence_index": index, "error": error, "payload": payload}
            for stage, index, error, payload in doc.rejected
        ],
    }


def write_folder(folder: Path, docs, chunk_documents=2, label_schema=LABEL_SCHEMA, reverse=False):
    """Writes extractions, label schema and manifest; all rows are of one source file."""
    (folder / "extractions").mkdir(parents=True)
    chunks = []
    for begin in range(0, len(docs), chunk_documents):
        part = docs[begin : begin + chunk_documents]
        rows = [row(doc, "corpus.parquet", begin + i) for i, doc in enumerate(part)]
        table = pa.Table.from_pylist(rows, with_counters(EXTRACTION_SCHEMA, {}))
        pq.write_table(table, folder / "extractions" / f"chunk{begin}.parquet")
        chunks.append({"name": f"chunk{begin}"})
    (folder / "label_schema.yaml").write_text(label_schema.to_yaml(), encoding="utf-8")
    content = {
        "state": "extracted",
        "configuration": {"entity_floor": 0.1, "relation_floor": 0.1},
        "model": {"hash": "m1", "entity_threshold": 0.5, "relation_threshold": 0.5},
        "chunks": chunks[::-1] if reverse else chunks,
    }
    write_manifest(folder, content)
    return str(folder)


def born_in(id_, name, place, score):
    """A document that says where someone was born, and the model's score for that."""
    text = f"{name} was born in {place}. Nothing more."
    mentions = ((name, "PER", 0.9), (place, "LOC", 0.8))
    return Doc(id_, text, mentions, ((name, "place of birth", place, score),))


def change(folder: Path, generation: int, docs, removed):
    """Adds a chunk, as a run of that number does, and removes documents of all runs up to it."""
    manifest = read_manifest(folder)
    listed, gone = manifest["chunks"], manifest.get("removed") or {}
    if isinstance(listed, dict):  # since the folder was built
        listed = [chunk.pop("counts") | chunk for chunk in listed_chunks(folder)]
    if "path" in gone:
        rows = pq.read_table(folder / gone["path"]).to_pylist()
        gone = {row["document_id"]: row["generation"] for row in rows}
    if docs:
        name = f"new{generation}"
        rows = [row(doc, f"{name}.parquet", n) for n, doc in enumerate(docs)]
        counts = {"rows": len(rows), "documents": len(rows)}
        table = pa.Table.from_pylist(rows, with_counters(EXTRACTION_SCHEMA, counts))
        pq.write_table(table, folder / "extractions" / f"{name}.parquet")
        listed = [*listed, {"name": name, "generation": generation, **counts}]
    gone = gone | dict.fromkeys(removed, generation)
    write_manifest(folder, manifest | {"version": 3, "chunks": listed, "removed": gone})


ADA = "Ada Lovelace was born in London in 1815. She died in London."
DOCS = [
    Doc(
        "a",
        ADA,
        (
            ("Ada Lovelace", "PER", 0.9),
            ("Ada", "PER", 0.3),
            ("London", "LOC", 0.95),
            ("London", "LOC", 0.9, 1),
            ("1815", "TIME", 0.8),
        ),
        (
            ("Ada Lovelace", "place of birth", "London", 0.8),
            ("Ada Lovelace", "date of birth", "1815", 0.7),
            ("Ada Lovelace", "spouse", "London", 0.2),
            ("Ada Lovelace", "spouse", "born", 0.9),
        ),
        title="Ada",
        metadata='{"url": "x"}',
    ),
    Doc(
        "b",
        "😀 ADA  LOVELACE, of LONDON. Born there. Yes, in 1815.",
        (("ADA  LOVELACE", "PER", 0.6), ("LONDON", "LOC", 0.7), ("1815", "TIME", 0.9)),
        (
            ("ADA  LOVELACE", "place of birth", "LONDON", 0.5),
            ("ADA  LOVELACE", "date of birth", "1815", 0.6),
            ("LONDON", "place of birth", "ADA  LOVELACE", 0.6),
        ),
    ),
    Doc("c", None, rejected=(("read", None, "empty text", ""),)),
    Doc(
        "d",
        "Nothing here.",
        rejected=(("extract", 0, "ValueError: poison", "Nothing here."),),
    ),
    Doc("a", ADA),  # the same again
    Doc("b", "Another text.", (("Another", "PER", 0.9),)),  # other text, same id
    Doc(None, None, rejected=(("read", None, "row group 3: corrupt", None),)),
]
