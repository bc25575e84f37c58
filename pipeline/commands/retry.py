"""`pfn-kg retry`: reads what was rejected once more."""

from __future__ import annotations

from pfn_kg.pipeline.arguments import Call, JobOptions, LockOptions
from pfn_kg.pipeline.commands.build import FolderOptions
from pfn_kg.pipeline.commands.extract import rejected_code, say_other_languages
from pfn_kg.pipeline.logs import tell
from pfn_kg.pipeline.metrics_file import MetricsOptions, check_metrics_file, write_metrics
from pfn_kg.schemas.choices import CORPUS
from pfn_kg.schemas.extract_options import ModelOptions
from pfn_kg.schemas.options import Options, option

TAKES_BEAM_OPTIONS = True

EPILOG = (
    "Rows that are refused for the same reason as before are not read. The graph changes with the "
    "next build. Exit code 1 says that a file is gone of which rows were rejected, or that more "
    "rows than --max-rejected were rejected again."
)


class LimitOptions(Options):
    """The limits that a document may have been rejected for."""

    max_characters: int | None = option(
        None,
        "reject documents with more characters",
        group=CORPUS,
        metavar="N",
        default_text="that of the run",
        ge=1,
    )


OPTIONS: tuple[type[Options], ...] = (
    FolderOptions,
    LimitOptions,
    ModelOptions,
    JobOptions,
    MetricsOptions,
    LockOptions,
)


def main(call: Call) -> int:
    """Runs the command."""
    job, directory = call.of(JobOptions), call.of(FolderOptions).directory
    check_metrics_file(call)
    call.of(LimitOptions)
    call.of(ModelOptions)
    names = (*LimitOptions.model_fields, *ModelOptions.model_fields)
    given = {name: call.given[name] for name in names if name in call.given}
    from pfn_kg.pipeline.extract_phase import check_device, run_extraction
    from pfn_kg.pipeline.locks import hold
    from pfn_kg.pipeline.options import pipeline_options
    from pfn_kg.pipeline.prepare_extraction import prepare_extraction
    from pfn_kg.pipeline.retry import retry_options

    pipeline_options(call.beam)
    options, files = retry_options(directory, given)
    for file in files.gone:
        tell(
            f"pfn-kg: {file}: not there any more; what was rejected of it stays so",
            level="WARNING",
        )
    if not files.there:
        print(f"{directory}: nothing was rejected")
        return 0
    prepared = prepare_extraction(options, call.beam)
    # Whoever holds a folder makes it, which a wrong device shall not.
    check_device(prepared.options.device, call.beam)
    with hold(directory, "retry", take_over=call.of(LockOptions).take_over):
        manifest = run_extraction(prepared, call.beam)
    write_metrics(call, directory)
    say_other_languages(manifest)
    extraction = manifest.extraction
    counts = extraction.counts
    read = counts.get("rows", 0) - counts.get("unchanged", 0)
    rejected = counts.get("rejected", 0)
    print(
        f"{directory}: {read} rows read once more, of which {counts.get('documents', 0)} are "
        f"documents now, {rejected} rejected again, {extraction.seconds:.1f} s"
        + (f"; `pfn-kg build {directory}` takes them into the graph" if read else "")
    )
    return rejected_code(rejected, job.max_rejected) or int(bool(files.gone))
