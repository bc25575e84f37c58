"""The extraction file: the model's output for one chunk of documents.

Each chunk is one immutable Parquet file with one row per row of the source. Offsets are
code points of the document's text, begin inclusive, end exclusive; the text of spans is
not stored again. Mentions and head triples are kept from a floor up, so that thresholds
can move without the model. Readers understand all versions up to their own and refuse
later ones.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

import pyarrow as pa

#: Raised whenever the columns or their meaning change.
EXTRACTION_VERSION = 2

#: The counter of the words that the end of a line cuts in two and that were read as one. Names in
#: the file are made of whole words where it is not 0.
JOINED_WORDS = "joined_words"

_VERSION_KEY = b"pfn_kg.extraction_version"
_COUNTERS_KEY = b"pfn_kg.counters"

SENTENCE_TYPE = pa.struct({"begin": pa.int32(), "end": pa.int32()})
MENTION_TYPE = pa.struct(
    {
        "begin": pa.int32(),
        "end": pa.int32(),
        "type": pa.string(),
        "score": pa.float32(),
        "sentence": pa.int32(),
    }
)
HEAD_TRIPLE_TYPE = pa.struct(
    {
        "subject": pa.int32(),
        "relation": pa.string(),
        "object": pa.int32(),
        "score": pa.float32(),
        "sentence": pa.int32(),
    }
)
TAIL_TRIPLE_TYPE = pa.struct(
    {
        "subject": pa.int32(),
        "relation": pa.string(),
        "object": pa.int32(),
        "score": pa.float32(),
    }
)
REJECTED_TYPE = pa.struct(
    {
        "stage": pa.string(),
        "sentence_index": pa.int32(),
        "error": pa.string(),
        "payload": pa.string(),
    }
)

#: The columns. A document that was rejected as a whole has no text; what could not
#: be read at all (a row group, a file) stands as one row without a document id.
EXTRACTION_SCHEMA = pa.schema(
    {
        "source_file": pa.string(),
        "source_row": pa.int64(),
        "document_id": pa.string(),
        "title": pa.string(),
        "metadata": pa.string(),  # a JSON object
        "content_hash": pa.string(),
        "text": pa.large_string(),
        "sentences": pa.list_(SENTENCE_TYPE),
        "mentions": pa.list_(MENTION_TYPE),
        "head_triples": pa.list_(HEAD_TRIPLE_TYPE),
        "tail_triples": pa.list_(TAIL_TRIPLE_TYPE),  # null where the model has no tail table
        "rejected": pa.list_(REJECTED_TYPE),
    }
)


class Rejection(NamedTuple):
    """Why a document, or a sentence of it, could not be processed.

    Attributes:
        stage: `read`, `split` or `extract`.
        sentence_index: the sentence, or None for the whole document.
        error: one line for people.
        payload: the beginning of what was rejected, where there is any.
    """

    stage: str
    sentence_index: int | None
    error: str
    payload: str | None = None


def with_counters(schema: pa.Schema, counters: Mapping[str, int]) -> pa.Schema:
    """The schema with the version of the format and a chunk's counters in its metadata."""
    return schema.with_metadata(
        {
            _VERSION_KEY: str(EXTRACTION_VERSION),
            _COUNTERS_KEY: json.dumps(dict(sorted(counters.items()))),
        }
    )


def read_counters(schema: pa.Schema) -> dict[str, int]:
    """The counters in the metadata of an extraction file's schema.

    Raises:
        ValueError: if the file is not an extraction file, or one of a later version.
    """
    metadata = schema.metadata or {}
    version = metadata.get(_VERSION_KEY, b"none").decode()
    if not version.isdecimal() or int(version) not in range(1, EXTRACTION_VERSION + 1):
        raise ValueError(
            f"extraction format version {version}, but this program reads up to "
            f"{EXTRACTION_VERSION}"
        )
    counters: dict[str, int] = json.loads(metadata[_COUNTERS_KEY])
    return counters


def with_all_columns(rows: pa.Table) -> pa.Table:
    """Rows with columns of nulls for what an older file lacks, or what was not read of it."""
    columns = {
        f.name: rows[f.name] if f.name in rows.column_names else pa.nulls(len(rows), f.type)
        for f in EXTRACTION_SCHEMA
    }
    return pa.table(columns, schema=EXTRACTION_SCHEMA)
