"""`pfn-kg wait`: waits for a job that `--detach` has left, and does what is left to do after it."""

from __future__ import annotations

from functools import partial

from pfn_kg.pipeline.arguments import Call, JobOptions
from pfn_kg.pipeline.commands.build import FolderOptions, report_build
from pfn_kg.pipeline.commands.extract import report
from pfn_kg.pipeline.commands.run import report_run
from pfn_kg.pipeline.metrics_file import MetricsOptions, check_metrics_file
from pfn_kg.schemas.options import Options

TAKES_BEAM_OPTIONS = True

EPILOG = (
    "After an extraction that `pfn-kg run` has left, the command starts the job of the build with "
    "the options of Beam that it is given, and waits for that too. "
    "Exit codes: 0 where the job is done and all of it is written down; 1 where it failed or was "
    "cancelled, or its runner can't be reached; 2 where no job was detached, the corpus has "
    "changed, another build has finished meanwhile, or the build that follows can't begin. After "
    "an interruption the job goes on, and the command may be called again."
)

OPTIONS: tuple[type[Options], ...] = (FolderOptions, JobOptions, MetricsOptions)


def main(call: Call) -> int:
    """Runs the command."""
    call.of(JobOptions)
    directory = call.of(FolderOptions).directory
    check_metrics_file(call)
    from pfn_kg.pipeline.jobs.wait import finish_job
    from pfn_kg.pipeline.options import pipeline_options

    pipeline_options(call.beam)
    done = finish_job(directory, call.beam)
    if done.counts is None:
        assert done.manifest is not None
        return report(call, directory, done.manifest)
    how = report_build if done.manifest is None else partial(report_run, manifest=done.manifest)
    return how(call, directory, done.counts, has_corrections=done.has_corrections)
