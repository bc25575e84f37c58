"""`pfn-kg diff`: what is new, gone or changed between two graphs, and why."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Literal

from pfn_kg.pipeline.arguments import Call
from pfn_kg.schemas.options import Options, Texts, option

#: Those of the file system where the graphs lie.
TAKES_BEAM_OPTIONS = True

USAGE = "DIR1 [DIR2] [options]"
EPILOG = (
    "DIR1 and DIR2 are output folders, or snapshots such as DIR/builds/ID. With DIR1 alone, the "
    "graph before its current one is compared with the current one. Exit codes: 0, also where "
    "something differs; with --exit-code, 1 where something differs."
)


class DiffOptions(Options):
    """Which graphs are compared, and how the answer is printed."""

    directories: Texts = option(
        ..., "one or two output folders or snapshots", metavar="DIR", positional="+"
    )
    format: Literal["text", "json", "csv"] = option(
        "text",
        "of what is printed; text shows some of each kind, json and csv all",
        group="Answer",
    )
    limit: int = option(
        10, "rows of each kind that text shows at most", group="Answer", metavar="N", ge=0
    )
    tolerance: float = option(
        0.0,
        "confidences that differ by no more than this count as equal",
        group="Answer",
        metavar="P",
        ge=0,
        le=1,
    )
    exit_code: bool = option(False, "exit with 1 where something differs", group="Answer")


OPTIONS: tuple[type[Options], ...] = (DiffOptions,)


def main(call: Call) -> int:
    """Runs the command."""
    args = call.of(DiffOptions)
    from pfn_kg.pipeline.inspect.diff_output import diff_csv, diff_json, diff_lines
    from pfn_kg.pipeline.inspect.two_graphs import differences, read_sides
    from pfn_kg.pipeline.styled import print_lines

    sides = read_sides(args.directories)
    with tempfile.TemporaryDirectory(prefix="pfn-kg-diff-") as folder:
        found = differences(sides, Path(folder), args.tolerance)
        if args.format == "text":
            print_lines(diff_lines(found, args.limit))
        else:
            pieces = diff_json(found) if args.format == "json" else diff_csv(found)
            sys.stdout.writelines(pieces)
    return int(args.exit_code and not found.are_equal)
