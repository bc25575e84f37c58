"""`pfn-kg report`: a graph as one page to send around."""

from __future__ import annotations

from pfn_kg.pipeline.arguments import Call
from pfn_kg.schemas.options import Options
from pfn_kg.schemas.view_options import ReportOptions

OPTIONS: tuple[type[Options], ...] = (ReportOptions,)


def main(call: Call) -> int:
    """Runs the command."""
    options = call.of(ReportOptions)
    from pfn_kg.pipeline.view.libraries import check_libraries

    check_libraries("duckdb")
    from pfn_kg.pipeline.view.report import write_report

    size = write_report(options)
    print(f"{options.output}: {size / 1024:.0f} KiB")
    return 0
