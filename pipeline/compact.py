"""Compaction: the extractions of many updates in fewer files, without what is left out for good."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from typing import NamedTuple

from pfn_kg.pipeline.detached import refuse_while_detached
from pfn_kg.pipeline.locks import hold
from pfn_kg.pipeline.manifest import HERE, Manifest, read_extracted
from pfn_kg.pipeline.manifest_lists import ChunkList, ChunkRecord
from pfn_kg.pipeline.manifest_updates import clean_manifest, update_manifest
from pfn_kg.pipeline.options import pipeline_options
from pfn_kg.pipeline.running import running
from pfn_kg.pipeline.snapshots import (
    extraction_digest,
    history,
    read_record,
    replace_record,
)
from pfn_kg.schemas.choices import CHUNK_CHARACTERS
from pfn_kg.transforms.documents.compact_chunks import CompactChunks, ListedChunk, neighbours
from pfn_kg.transforms.documents.deduplicate import Deduplicate
from pfn_kg.transforms.documents.groups import group_count
from pfn_kg.transforms.plumbing.files import (
    PARTIAL_SUFFIX,
    absolute,
    join,
    read_bytes,
)
from pfn_kg.transforms.plumbing.listing import delete_all_but, delete_partial

# Rows of a file where the extraction did not record how many documents a chunk has.
_ROWS = 500


class Compacted(NamedTuple):
    """What a compaction did.

    Attributes:
        files_before: extraction files that the list of chunks named.
        files: that it names now.
        dropped_rows: rows of removed documents, and rows that a later run had replaced.
    """

    files_before: int
    files: int
    dropped_rows: int


def compact(
    directory: str, pipeline_args: Sequence[str] = (), *, take_over: bool = False
) -> Compacted:
    """Makes the extraction files of a folder fewer; graphs stay what they are.

    New files stand beside the old ones until the list of chunks names them. Whatever kills the
    command leaves the folder whole: with the old list, or with the new one and files that the next
    call deletes.

    Args:
        directory: the output folder, on any file system that Beam knows.
        pipeline_args: Beam's own options; without any, `LocalRunner` runs.
        take_over: whether claims of other commands are removed.

    Raises:
        ConfigurationError: if nothing was extracted there, or an option is wrong.
        OSError: if a file system fails.
    """
    directory = absolute(directory)
    read_extracted(directory)
    pipeline_options(pipeline_args)
    with hold(directory, "compact", take_over=take_over):
        refuse_while_detached(directory, "extract")
        return _compact(directory, pipeline_args)


def _compact(directory: str, pipeline_args: Sequence[str]) -> Compacted:
    # Workers read its lists, which one of an older version has no files for.
    manifest = update_manifest(directory, "compact", lambda now: now)
    clean_manifest(directory, "compact")
    assert manifest.chunks is not None  # as it is extracted
    records = manifest.listed_chunks(directory)
    recorded = manifest.configuration.recorded().get("chunk_documents")
    begins = neighbours(
        [ListedChunk(record.model_hash, record.counts) for record in records],
        most_rows=recorded if isinstance(recorded, int) else _ROWS,
        most_characters=CHUNK_CHARACTERS,
    )
    folder = join(directory, "extractions")
    path = join(folder, f"compacted-{uuid.uuid4().hex}{PARTIAL_SUFFIX}")
    with running(pipeline_args) as pipeline:
        chunks, removed = manifest.read_lists(pipeline, directory)
        groups = group_count(manifest.chunks.count)
        losers = (chunks | "Deduplicate" >> Deduplicate(groups, removed)).losers
        _ = chunks | "Compact" >> CompactChunks(folder, begins, losers, path)
    found = json.loads(read_bytes(path)) if records else []
    # What is in no file any more needs not be left out, and no row replaces another.
    generation = max(1, manifest.last_generation)
    new, dropped = [], 0
    for begin, (name, counts, of_file) in zip(begins, found, strict=True):
        dropped += of_file
        if name is not None:
            counts = records[begin].counts if counts is None else counts
            new.append(
                ChunkRecord(
                    name=name,
                    generation=generation,
                    model_hash=records[begin].model_hash,
                    counts=counts,
                )
            )
    if [record.name for record in new] != [record.name for record in records]:
        done = manifest.changed(chunks=ChunkList.of(new), removed=None)
        # In the order in which a killed command leaves a graph that is built once more.
        update_manifest(
            directory, "compact", lambda now: now.changed(chunks=done.chunks, removed=None)
        )
        _say_the_same(directory, manifest, done)
    else:
        new = list(records)
    delete_partial(folder)
    known = {join(folder, f"{record.name}.parquet") for record in new}
    delete_all_but(folder, known, "*.parquet")
    clean_manifest(directory, "compact")
    return Compacted(len(records), len(new), dropped)


def _say_the_same(directory: str, before: Manifest, now: Manifest) -> None:
    """Lets graphs of the old lists be graphs of the new ones, which say the same."""
    old, new = extraction_digest(before), extraction_digest(now)
    for path in history(directory, before.graph):
        if path != HERE:
            record = read_record(directory, path)
            if record.extraction == old:
                replace_record(directory, record.model_copy(update={"extraction": new}))
