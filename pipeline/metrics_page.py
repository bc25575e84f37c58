"""The reference page of all metrics: `python -m pfn_kg.pipeline.metrics_page` writes it."""

from __future__ import annotations

import sys
from pathlib import Path

from pfn_kg.transforms.plumbing.metrics import MEASURES, NAMESPACE

#: Where the page stands in the repository.
PAGE = Path("docs") / "reference" / "metrics.md"

_HEAD = f"""\
<!-- Made by `python -m pfn_kg.pipeline.metrics_page`; edit `MEASURES` in the code instead. -->

# Metrics

The pipelines count with Beam's Metrics API, so that the page of every runner shows the same figures
while a job runs: the job's page of Dataflow, the accumulators of Flink and Spark, Prism's page.
All names stand in the namespace `{NAMESPACE}`. RunInference adds its own in the namespace `PFN`.

A local run counts them too. The manifest keeps them at the end (`extract.metrics` and
`build.metrics`), `--metrics-file` writes them as `pfn_kg_metric`
([monitoring](../how-to/deploy.md#monitoring)), and the extra `otel` sends them
([OpenTelemetry](../how-to/deploy.md#opentelemetry)).

A metric counts what the workers of this job did. Rows that an earlier job had read are not in it.
Where a worker is lost, some runners count its work twice. The counts beside the metrics in the
manifest come from the files and are exact.

A counter is a sum. A distribution has `sum`, `count`, `min` and `max`. Times are in milliseconds,
summed over all workers.
"""


def metrics_page() -> str:
    """The page as Markdown: a table a phase."""
    parts = [_HEAD]
    for phase, title in (("extract", "Extraction"), ("build", "Build")):
        parts.append(f"## {title}\n")
        lines = ["| metric | kind | is |", "| --- | --- | --- |"]
        lines += [
            f"| `{measure.name}` | {measure.kind} | {measure.description} |"
            for measure in MEASURES
            if measure.phase == phase
        ]
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def main() -> int:
    """Writes the page into the checkout that this runs in."""
    PAGE.write_text(metrics_page(), encoding="utf-8")
    print(PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
