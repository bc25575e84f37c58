"""Errors of runners that are asked for a job, worded alike whatever the runner."""

from __future__ import annotations

from pfn_kg.pipeline.detached import DetachedJob
from pfn_kg.pipeline.printable import one_line
from pfn_kg.schemas.errors import ConfigurationError


def no_answer(job: DetachedJob, said: object) -> OSError:
    """The error where a runner can't be reached, or can't tell now.

    Args:
        job: that it was asked for.
        said: by the runner, or by the library that asked.
    """
    return OSError(f"{job}: no answer: {one_line(str(said))}")


def not_known(job: DetachedJob, said: object) -> ConfigurationError:
    """The error where a runner does not know a job, or refuses to tell; as `no_answer`."""
    return ConfigurationError(f"{job} is not known there: {one_line(str(said))}")
