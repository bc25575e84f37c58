"""`pfn-kg corrections`: what became of the corrections of a graph, and what they teach."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pfn_kg.pipeline.arguments import Call
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.options import Options, option

#: Those of the file system where the graph lies.
TAKES_BEAM_OPTIONS = True

_TO = "Training data"


class CorrectionOptions(Options):
    """The graph whose corrections are shown or become training data."""

    directory: str = option(
        ..., "output folder of a run with corrections", metavar="DIR", positional="1"
    )
    to: Literal["training"] | None = option(
        None,
        "write what was judged as documents of the format docred, annotated in part",
        group=_TO,
        common=True,
        default_text="print what became of the corrections",
    )
    output: str | None = option(
        None, "file that is written", group=_TO, metavar="FILE", common=True, default_text="none"
    )


OPTIONS: tuple[type[Options], ...] = (CorrectionOptions,)


def main(call: Call) -> int:
    """Runs the command."""
    given = call.of(CorrectionOptions)
    if given.to is None:
        if given.output is not None:
            raise ConfigurationError("only together with `to`", field="output")
        _show(given.directory)
        return 0
    if given.output is None:
        raise ConfigurationError("name the file that is written", field="output")
    from pfn_kg.pipeline.correction_training import write_lessons

    counts = write_lessons(given.directory, given.output)
    left_out = f", {counts['left_out']} left out" if counts["left_out"] else ""
    print(
        f"{given.output}: {counts['records']} records with {counts['right']} right and "
        f"{counts['wrong']} wrong facts{left_out}"
    )
    return 0


def _show(directory: str) -> None:
    """Prints what the corrections of a graph did, and the precision of what they judge."""
    from pfn_kg.pipeline.correction_inputs import read_outcomes
    from pfn_kg.pipeline.correction_precision import precision_line
    from pfn_kg.pipeline.finished_run import read_finished

    run = read_finished(directory)
    if not run.has_corrections:
        raise ConfigurationError(
            f"{directory}: its graph has no corrections; build it with a file of `corrections`"
        )
    rows = read_outcomes(run.graph).to_pylist()
    kinds: dict[str, list[bool]] = {}
    for row in rows:
        kinds.setdefault(row["kind"], []).append(row["is_applied"])
    print(f"{sum(row['is_applied'] for row in rows)} of {len(rows)} corrections apply")
    for kind, applied in sorted(kinds.items()):
        print(f"  {kind}: {sum(applied)} of {len(applied)}")
    for row in rows:
        if not row["is_applied"]:
            print(f"  row {row['row']} ({row['kind']}): {row['reason']}")
    record = run.build.precision or {}
    if line := precision_line(record):
        print(line)
        for name, precision in record["by_relation"].items():
            print(f"  {name}: {_said(precision)}")
        for band in record["by_confidence"]:
            print(f"  {band['from']:g} to {band['below']:g}: {_said(band)}")


def _said(record: Mapping[str, Any]) -> str:
    from pfn_kg.pipeline.correction_precision import Precision

    precision = Precision(**{name: record[name] for name in Precision._fields})
    return f"{precision.right} of {precision.judged}, {precision}"
