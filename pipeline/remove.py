"""Taking documents out of a graph: the manifest names them, and the next build leaves them out."""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.compute as pc

from pfn_kg.pipeline.detached import refuse_while_detached
from pfn_kg.pipeline.locks import hold
from pfn_kg.pipeline.manifest import read_extracted
from pfn_kg.pipeline.manifest_lists import RemovedList
from pfn_kg.pipeline.manifest_updates import update_manifest
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.transforms.extraction.columns import ChunkFile, read_columns
from pfn_kg.transforms.plumbing.files import absolute

_SHOWN = 5


def remove_documents(directory: str, ids: Collection[str]) -> int:
    """Records that documents are no longer part of a graph; the caller builds it again.

    What is removed is what was said of a document up to now, so that it can be added
    again. Doing it twice is doing it once.

    Args:
        directory: the output folder.
        ids: of the documents; also of such as were rejected.

    Returns:
        How many documents are removed that were not before.

    Raises:
        ConfigurationError: if nothing was extracted there or an id is unknown; then
            nothing is changed.
    """
    directory = absolute(directory)
    read_extracted(directory)
    refuse_while_detached(directory, "extract")
    with hold(directory, "remove"):
        return _remove(directory, ids)


def _remove(directory: str, ids: Collection[str]) -> int:
    manifest = read_extracted(directory)
    wanted = pa.array(sorted(set(ids)), pa.string())
    # Of each id the last generation that speaks of it.
    known: dict[str, int] = {}
    with ThreadPoolExecutor(16) as pool:
        assert manifest.chunks is not None  # as it is extracted
        files = manifest.chunks.files(directory, manifest.model.hash)
        for file, found in zip(files, pool.map(lambda f: _found(f, wanted), files), strict=True):
            for id_ in found:
                known[id_] = max(file.generation, known.get(id_, 0))
    if unknown := [id_ for id_ in wanted.to_pylist() if id_ not in known]:
        shown = ", ".join(map(repr, unknown[:_SHOWN]))
        more = f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
        raise ConfigurationError(f"{directory} has no document {shown}{more}", field="documents")
    before = {} if manifest.removed is None else manifest.removed.documents(directory)
    new = {id_ for id_, last in known.items() if before.get(id_, -1) < last}
    if new:
        removed = RemovedList.of(before | dict.fromkeys(new, manifest.last_generation))
        update_manifest(
            directory,
            "remove",
            lambda manifest: manifest.changed(state="extracted", removed=removed),
        )
    return len(new)


def _found(file: ChunkFile, wanted: pa.Array) -> list[str]:
    column = read_columns(file.path, ["document_id"])["document_id"]
    return pc.unique(column.filter(pc.is_in(column, value_set=wanted))).to_pylist()
