"""`pfn-kg verify`: whether a graph holds what is promised of it."""

from __future__ import annotations

from pfn_kg.pipeline.arguments import Call
from pfn_kg.schemas.options import Options, option

#: Those of the file system where the graph lies.
TAKES_BEAM_OPTIONS = True


class VerifyOptions(Options):
    """The graph that is checked."""

    directory: str = option(..., "output folder of a finished run", metavar="DIR", positional="1")


OPTIONS: tuple[type[Options], ...] = (VerifyOptions,)


def main(call: Call) -> int:
    """Runs the command."""
    directory = call.of(VerifyOptions).directory
    from pfn_kg.pipeline.verify import verify

    lines = verify(directory)
    for line in lines:
        print(line)
    if not lines:
        print(f"{directory}: all is as promised")
    return 1 if lines else 0
