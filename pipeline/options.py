"""Beam's own options, as they stand after `--` on the command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import (
    GoogleCloudOptions,
    PipelineOptions,
    StandardOptions,
)

from pfn_kg.schemas.errors import ConfigurationError

# DirectRunner is a switch that may fetch a binary; a local run shall not.
LOCAL_RUNNER = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"
_LOCAL = {None, "FnApiRunner", LOCAL_RUNNER}


def is_local_run(arguments: Sequence[str]) -> bool:
    """Whether these options run the pipeline in this process."""
    return (
        not arguments or PipelineOptions(list(arguments)).view_as(StandardOptions).runner in _LOCAL
    )


def pipeline_options(arguments: Sequence[str]) -> PipelineOptions:
    """Beam's options; without a runner, FnApiRunner. They hold for Beam's file systems at once.

    Args:
        arguments: such as `--runner=FlinkRunner`.

    Raises:
        ConfigurationError: if one is unknown to Beam, or wrong.
    """
    if arguments:
        _check(arguments)
    options = PipelineOptions(list(arguments))
    if options.view_as(GoogleCloudOptions).template_location:
        raise ConfigurationError(
            "--template_location: this command stays until its job is done, and a template only "
            "describes the job; leave it out to run the job"
        )
    if options.view_as(StandardOptions).no_wait_until_finish:
        raise ConfigurationError(
            "--no_wait_until_finish: the command writes down what its job leaves; `detach` leaves "
            "the job, and `pfn-kg wait` finishes it"
        )
    # Whoever opens a file before the pipeline runs needs them too: keys, endpoints, name nodes.
    FileSystems.set_options(options)
    standard = options.view_as(StandardOptions)
    if standard.runner in _LOCAL:
        standard.runner = LOCAL_RUNNER
    return options


def _check(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(add_help=False, conflict_handler="resolve", allow_abbrev=False)
    parser.error = _fail  # type: ignore[method-assign, assignment]
    for options_class in PipelineOptions.__subclasses__():
        if hook := options_class.__dict__.get("_add_argparse_args"):
            hook.__get__(None, options_class)(parser)
    _, unknown = parser.parse_known_args(list(arguments))
    if unknown:
        raise ConfigurationError(f"{unknown[0]}: no option of Apache Beam")


def _fail(message: str) -> None:
    raise ConfigurationError(f"after --: {message}")
