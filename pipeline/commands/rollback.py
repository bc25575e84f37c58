"""`pfn-kg rollback`: back to the graph before the last build."""

from __future__ import annotations

from pfn_kg.pipeline.arguments import Call, LockOptions
from pfn_kg.schemas.options import Options, option

#: Those of the file system where the graph lies.
TAKES_BEAM_OPTIONS = True


class SnapshotOptions(Options):
    """The folder whose current graph is another one afterwards."""

    directory: str = option(..., "output folder of a finished run", metavar="DIR", positional="1")


OPTIONS: tuple[type[Options], ...] = (SnapshotOptions, LockOptions)


def main(call: Call) -> int:
    """Runs the command."""
    directory = call.of(SnapshotOptions).directory
    from pfn_kg.pipeline.rollback import rollback

    record = rollback(directory, take_over=call.of(LockOptions).take_over)
    counts = record.build.counts
    print(
        f"{directory}: {record.path}, made {record.made}: {counts.get('documents', 0)} documents, "
        f"{counts.get('entities', 0)} entities, {counts.get('relations', 0)} relations"
    )
    return 0
