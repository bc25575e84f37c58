"""Which chunks of a plan are finished, and whether all of them are."""

from __future__ import annotations

from collections.abc import Container, Sequence
from concurrent.futures import ThreadPoolExecutor

from pfn_kg.transforms.extraction.chunk_files import ExtractionFolder, FinishedChunk
from pfn_kg.transforms.plumbing.files import name_of
from pfn_kg.transforms.plumbing.listing import list_folder
from pfn_kg.transforms.reading.plan import Plan


def finished_by_run(folder: ExtractionFolder, plan: Plan) -> list[list[FinishedChunk]]:
    """The finished chunks of each run of rows, in the plan's order."""
    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(lambda run: list(folder.finished(run)), plan.runs))


def check_finished(
    output: str,
    plan: Plan,
    finished: Sequence[Sequence[FinishedChunk]],
    wanted: Container[str] | None,
) -> None:
    """Compares the rows that were planned with those whose extractions are there.

    Args:
        output: the output folder.
        plan: what was to be read.
        finished: the chunks of each run of the plan.
        wanted: the names of the runs that an update reads, as in `WriteRunNames`; None is all.

    Raises:
        OSError: if rows are missing; says how many, and which come first.
    """
    missing, first = 0, None
    for run, chunks in zip(plan.runs, finished, strict=True):
        if chunks:
            # Chunks of a run follow each other without a gap.
            row = run.begin + sum(chunk.counters["rows"] for chunk in chunks)
        elif wanted is None or run.chunk_name(run.begin) in wanted:
            row = run.begin
        else:
            continue
        if row < run.end or not chunks:
            missing += run.end - row
            first = first or run.place(row)
    if first is not None:
        raise OSError(
            f"{output}: {missing} of {plan.rows} rows have no extractions there, although the "
            f"pipeline has ended, the first being {first}; do the workers see this folder?"
        )


class Watcher:
    """Gives the counters of chunks that were finished since it was last asked."""

    def __init__(self, folder: ExtractionFolder, known: Sequence[str] = ()):
        self._folder = folder
        self._seen = set(known)

    def __call__(self) -> list[dict[str, int]]:
        """The counters of chunks that were finished since the last call."""
        found = []
        for metadata in list_folder(self._folder.path, "*.parquet"):
            if metadata.path in self._seen:
                continue
            name = name_of(metadata.path).removesuffix(".parquet")
            counters = self._folder.counters(name)
            if counters is not None:
                self._seen.add(metadata.path)
                found.append(counters)
        return found
