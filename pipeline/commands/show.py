"""`pfn-kg show`: the facts of an entity with their best sentences."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Literal

from pfn_kg.pipeline.arguments import Call
from pfn_kg.schemas.options import Options, option

#: Those of the file system where the graph lies.
TAKES_BEAM_OPTIONS = True


class ShowOptions(Options):
    """Which entity is shown, and how."""

    directory: str = option(..., "output folder of a finished run", metavar="DIR", positional="1")
    entity: str = option(..., "a name, an alias, a value or an id", metavar="NAME", positional="1")
    format: Literal["text", "json"] = option("text", "of what is printed", group="Answer")
    limit: int = option(
        20,
        "show this many facts at most, the most confident ones",
        group="Answer",
        ge=1,
        metavar="N",
    )


OPTIONS: tuple[type[Options], ...] = (ShowOptions,)


def main(call: Call) -> int:
    """Runs the command."""
    args = call.of(ShowOptions)
    from pfn_kg.pipeline.finished_run import read_finished
    from pfn_kg.pipeline.inspect.entity_page import entity_page
    from pfn_kg.pipeline.inspect.entity_text import entity_lines
    from pfn_kg.pipeline.styled import print_lines

    page = entity_page(read_finished(args.directory), args.entity, args.limit)
    if args.format == "json":
        print(json.dumps(asdict(page), indent=2, ensure_ascii=False))
    else:
        print_lines(entity_lines(page, "; see more by --limit"))
    return 0
