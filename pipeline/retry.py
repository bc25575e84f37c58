"""What was rejected, once more: the files that it comes from, and the options to read them with."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from pfn_kg.pipeline.manifest import Manifest, read_extracted
from pfn_kg.schemas.assemble import assemble
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.extract_options import ExtractOptions
from pfn_kg.transforms.extraction.columns import ChunkFile, read_columns
from pfn_kg.transforms.plumbing.files import absolute, exists


class RejectedFiles(NamedTuple):
    """The files of a corpus of which something was rejected.

    Attributes:
        there: those that are there.
        gone: those that are not there any more.
    """

    there: tuple[str, ...]
    gone: tuple[str, ...]


def rejected_files(directory: str, manifest: Manifest) -> RejectedFiles:
    """The files of which a row is rejected in the extractions of a graph, sorted.

    Args:
        directory: the output folder.
        manifest: its manifest.
    """
    assert manifest.chunks is not None  # as it is extracted
    files = manifest.chunks.files(directory, manifest.model.hash)
    counts = [chunk.counts for chunk in manifest.listed_chunks(directory)]
    # An older list may say nothing.
    asked = [f.path for f, c in zip(files, counts, strict=True) if c.get("rejected", 1)]
    with ThreadPoolExecutor(16) as pool:
        found = sorted({file for files in pool.map(_files_of, asked) for file in files})
        is_there = list(pool.map(exists, found))
    there = tuple(file for file, there in zip(found, is_there, strict=True) if there)
    gone = set(found).difference(there)
    return RejectedFiles(there, tuple(sorted(_still_rejected(files, gone))) if gone else ())


def _files_of(path: str) -> list[str]:
    """The files of the corpus of which one chunk has rejected rows."""
    rows = read_columns(path, ["source_file", "rejected.list.element.error"])
    refused = pc.greater(pc.fill_null(pc.list_value_length(rows["rejected"]), 0), 0)
    return pc.unique(rows["source_file"].filter(refused)).to_pylist()


def _still_rejected(chunks: Sequence[ChunkFile], files: Collection[str]) -> set[str]:
    """Those of some files of which the last that was said of a row is that it was rejected."""
    last: dict[tuple[str, int], tuple[int, bool]] = {}
    read: dict[str, int] = {}
    wanted = pa.array(sorted(files), pa.string())
    for chunk in chunks:
        rows = read_columns(
            chunk.path, ["source_file", "source_row", "rejected.list.element.error"]
        )
        for row in rows.filter(pc.is_in(rows["source_file"], value_set=wanted)).to_pylist():
            place, said = (row["source_file"], row["source_row"]), bool(row["rejected"])
            last[place] = max(last.get(place, (-1, False)), (chunk.generation, said))
            if place[1] >= 0:
                read[place[0]] = max(chunk.generation, read.get(place[0], -1))
    return {
        file
        for (file, row), (generation, said) in last.items()
        # A file of which rows were read later is one that can be read.
        if said and not (row < 0 and read.get(file, -1) > generation)
    }


def retry_options(directory: str, given: Mapping[str, Any]) -> tuple[ExtractOptions, RejectedFiles]:
    """The options of an extraction that reads what was rejected.

    Args:
        directory: the output folder.
        given: options by name; the recorded ones hold for the rest.

    Returns:
        The options, and the files; the options are of no use where none of the files is there.

    Raises:
        ConfigurationError: if nothing was extracted there, or an option is wrong.
    """
    directory = absolute(directory)
    manifest = read_extracted(directory)
    files = rejected_files(directory, manifest)
    if files.gone and not files.there:
        raise ConfigurationError(
            f"{files.gone[0]}: not there any more, so what was rejected of it can't be read again"
            + (f" (nor of {len(files.gone) - 1} other files)" if len(files.gone) > 1 else "")
        )
    corpus = list(files.there) or ["nothing"]
    options = assemble(ExtractOptions, {"corpus": corpus, "output": directory, **given})
    return options.changed(into=True, retry=True), files


def recorded_corpus(manifest: Manifest | None) -> list[str]:
    """The corpus as a manifest records it."""
    return [] if manifest is None else list(manifest.configuration.recorded().get("corpus", ()))
