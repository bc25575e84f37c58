"""`pfn-kg history`: what was done to an output folder."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from pfn_kg.pipeline.arguments import Call
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.options import Options, option

if TYPE_CHECKING:
    from pfn_kg.pipeline.manifest_parts import HistoryEvent
    from pfn_kg.pipeline.styled import Line

#: Those of the file system where the folder lies.
TAKES_BEAM_OPTIONS = True


class HistoryOptions(Options):
    """The folder, and how much of its history is printed."""

    directory: str = option(..., "output folder of a run", metavar="DIR", positional="1")
    format: Literal["text", "json"] = option("text", "of what is printed", group="Answer")
    limit: int | None = option(
        None,
        "print the last N events alone",
        group="Answer",
        metavar="N",
        default_text="all that are kept, 100",
        ge=1,
    )


OPTIONS: tuple[type[Options], ...] = (HistoryOptions,)


def main(call: Call) -> int:
    """Runs the command."""
    args = call.of(HistoryOptions)
    from pfn_kg.pipeline.manifest import find_manifest
    from pfn_kg.pipeline.styled import print_lines

    manifest = find_manifest(args.directory)
    if manifest is None:
        raise ConfigurationError(f"{args.directory}: no manifest.json there, so no history")
    events = manifest.history[-args.limit :] if args.limit else manifest.history
    if args.format == "json":
        found = [event.model_dump(mode="json", exclude_unset=True) for event in events]
        print(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        print_lines(history_lines(events, manifest.graph))
    return 0


def history_lines(events: Sequence[HistoryEvent], current: str | None) -> Iterator[Line]:
    """The events, the last one first: a line each, and one for each option that was changed.

    Args:
        events: the last one last.
        current: the path of the current graph.
    """
    from pfn_kg.pipeline.printable import one_line, padded
    from pfn_kg.pipeline.styled import Styled

    if not events:
        yield ["nothing is known of what was done before"]
    for event in reversed(events):
        counts = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in event.counts.items())
        parts: list[Styled | str] = [Styled(event.time, "dim"), f"  {padded(event.what, 8)}  "]
        said = [counts] if counts else []
        if event.seconds is not None:
            said.append(f"{event.seconds:.1f} s")
        if event.snapshot is not None:
            said.append(event.snapshot)
        parts.append("; ".join(said))
        if event.snapshot is not None and event.snapshot == current:
            parts.append(Styled("  (current)", "bold green"))
        yield parts
        for name, (before, after) in event.options.items():
            spelt = one_line(f"{name}: {_spelt(before)} -> {_spelt(after)}")
            yield [" " * (len(event.time) + 12), Styled(spelt, "yellow")]


def _spelt(value: object) -> str:
    return "none" if value is None else json.dumps(value, ensure_ascii=False)
