"""`pfn-kg compact`: the extractions of many updates in fewer files."""

from __future__ import annotations

from pfn_kg.pipeline.arguments import Call, LockOptions
from pfn_kg.schemas.options import Options, option

TAKES_BEAM_OPTIONS = True


class CompactOptions(Options):
    """The folder whose extraction files become fewer."""

    directory: str = option(..., "output folder of a finished run", metavar="DIR", positional="1")


OPTIONS: tuple[type[Options], ...] = (CompactOptions, LockOptions)


def main(call: Call) -> int:
    """Runs the command."""
    directory = call.of(CompactOptions).directory
    from pfn_kg.pipeline.compact import compact

    done = compact(directory, call.beam, take_over=call.of(LockOptions).take_over)
    if done.files == done.files_before and not done.dropped_rows:
        files = "1 extraction file" if done.files == 1 else f"{done.files} extraction files"
        print(f"{directory}: {files}; none can be made fewer")
        return 0
    print(
        f"{directory}: {done.files_before} extraction files are {done.files} now, without "
        f"{done.dropped_rows} rows that no graph needs"
    )
    return 0
