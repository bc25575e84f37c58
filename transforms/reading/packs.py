"""Which short runs of rows are packed into one, so that their chunks span files.

Runs are taken in the order of their files' paths, whatever the order in which these were listed. A
pack ends where the next run would make it too large. Beyond half of that it ends after any file
whose path says so by its hash: a file that comes or goes moves the ends of a few packs near it, and
all others keep their names, and their extractions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import NamedTuple

from pfn_kg.schemas.choices import CHUNK_CHARACTERS
from pfn_kg.transforms.reading.runs import AnyRun, ChunkRun, RunPack

# A pack that is half full ends within an eighth of the rows that it may have, on the average.
_ENDS = 8


class PlannedRun(NamedTuple):
    """A run, and whether it may share a chunk with others.

    Attributes:
        run: a row group, or a part of one.
        size: of its rows in memory, in bytes; None keeps it alone.
    """

    run: ChunkRun
    size: int | None = None


def packed_runs(planned: Iterable[PlannedRun]) -> list[AnyRun]:
    """The runs of a plan, short ones packed.

    Args:
        planned: all runs.

    Returns:
        Those that stay alone in their order, then the others by path and row.
    """
    alone: list[AnyRun] = []
    short: list[PlannedRun] = []
    for one in planned:
        if one.size is None:
            alone.append(one.run)
        else:
            short.append(one)
    short.sort(key=lambda one: (one.run.file, one.run.begin))
    return alone + [RunPack(tuple(runs)) if len(runs) > 1 else runs[0] for runs in _cut(short)]


def _cut(short: Iterable[PlannedRun]) -> Iterator[list[ChunkRun]]:
    pack: list[ChunkRun] = []
    documents, size = 0, 0
    for one in short:
        run = one.run
        rows, bytes_ = run.end - run.begin, one.size or 0
        if pack and (documents + rows > run.chunk_documents or size + bytes_ > CHUNK_CHARACTERS):
            yield pack
            pack, documents, size = [], 0, 0
        pack.append(run)
        documents, size = documents + rows, size + bytes_
        is_half_full = 2 * documents > run.chunk_documents or 2 * size > CHUNK_CHARACTERS
        share = max(rows / run.chunk_documents, bytes_ / CHUNK_CHARACTERS)
        if is_half_full and _fraction(run) < _ENDS * share:
            yield pack
            pack, documents, size = [], 0, 0
    if pack:
        yield pack


def _fraction(run: ChunkRun) -> float:
    """A number in [0, 1) that depends on the place of a run alone."""
    spelt = f"{run.row_group} {run.file}".encode(errors="surrogatepass")
    return int.from_bytes(blake2b(spelt, digest_size=4).digest(), "big") / 2**32
