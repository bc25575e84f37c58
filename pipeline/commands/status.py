"""`pfn-kg status`: the state of an output folder."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Literal

from pfn_kg.pipeline.arguments import Call, flag, with_flags
from pfn_kg.schemas.options import Options, option

#: Those of the file system where the folder lies.
TAKES_BEAM_OPTIONS = True

EPILOG = (
    "Exit codes: 0 where the state could be told; with --exit-code, 1 unless the graph is "
    "finished, no command is writing the folder and no job is left to wait for; 2 where the folder "
    "is no run."
)


# Of `run`, in what is said of the next step.
_OPTIONS_OF_RUN = ("output", "resume")


class StatusOptions(Options):
    """The folder, and how its state is printed."""

    directory: str = option(..., "output folder of a run", metavar="DIR", positional="1")
    format: Literal["text", "json"] = option("text", "of what is printed", group="Answer")
    exit_code: bool = option(
        False,
        "exit with 1 unless the graph is finished, no command is writing the folder and no job is "
        "left to wait for",
        group="Answer",
    )


OPTIONS: tuple[type[Options], ...] = (StatusOptions,)


def main(call: Call) -> int:
    """Runs the command."""
    args = call.of(StatusOptions)
    from pfn_kg.pipeline.inspect.run_status import run_status
    from pfn_kg.pipeline.inspect.status_text import status_lines
    from pfn_kg.pipeline.styled import print_lines

    status = run_status(args.directory)
    status = replace(status, next=with_flags(status.next, {n: flag(n) for n in _OPTIONS_OF_RUN}))
    if args.format == "json":
        print(json.dumps(asdict(status), indent=2, ensure_ascii=False))
    else:
        print_lines(status_lines(status))
    return int(args.exit_code and not status.is_well)
