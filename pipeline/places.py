"""Whether this machine and the workers can reach the places that a call names, before any work."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.installation import how_to_install

_SCHEME = re.compile(r"([A-Za-z][-A-Za-z0-9+.]*)://")

#: Scheme: the module that Beam's file system needs, the distribution that brings it, our extra.
_EXTRAS = {
    "gs": ("google.cloud.storage", "apache-beam[gcp]", "gcp"),
    "s3": ("boto3", "apache-beam[aws]", "aws"),
    "hdfs": ("hdfs", "apache-beam[hadoop]", "hadoop"),
}
# Options whose values are paths on file systems of Beam. A scheme in any other may be an IRI.
_PATHS = ("corpus", "output", "into", "directory")
# Of those, what workers write or read as part of the graph.
_GRAPHS = ("output", "into", "directory")

# Runners that start their workers on this machine, unless they are told otherwise.
_LOCAL_RUNNERS = {
    "",
    "FnApiRunner",
    "DirectRunner",
    "SwitchingDirectRunner",
    "BundleBasedDirectRunner",
    "PrismRunner",
}
_LOCAL_FLINK = ("[local]", "[auto]")
_LOCAL_SPARK = re.compile(r"local(\[.*\])?")


def check_places(given: Mapping[str, Any], beam: Sequence[str]) -> None:
    """Sets Beam's options for its file systems, and refuses places that can't be reached.

    Args:
        given: the options of a call by flat name.
        beam: Beam's own options.

    Raises:
        ConfigurationError: if the library of a file system is not installed, no file system has
            such a scheme, or workers elsewhere would not see a folder of this machine.
    """
    schemes = list(_with_schemes(given))
    if not beam and not schemes:
        return
    for name, value, scheme in schemes:
        module, package, extra = _EXTRAS.get(scheme, (None, "", ""))
        if module is not None and not _is_installed(module):
            raise ConfigurationError(f"{value}: {how_to_install(package, extra)}", field=name)
    from pfn_kg.pipeline.options import pipeline_options
    from pfn_kg.transforms.plumbing.files import is_local, known_schemes

    pipeline_options(beam)
    known = known_schemes()
    for name, value, scheme in schemes:
        # Of a corpus the listing says it, for each argument.
        if name in _GRAPHS and scheme not in known:
            raise ConfigurationError(
                f"{value}: no file system of Beam has the scheme {scheme}://", field=name
            )
    if given.get("shared_paths") is True or not beam or (runner := remote_runner(beam)) is None:
        return
    for name in _GRAPHS:
        folder = given.get(name)
        if isinstance(folder, str) and is_local(folder):
            raise ConfigurationError(
                f"{folder} is a folder of this machine, and workers of {runner} run elsewhere; "
                "name one on a file system that they see, such as gs:// or s3://, or give "
                "`shared_paths` if all of them have this folder mounted",
                field=name,
            )


def remote_runner(beam: Sequence[str]) -> str | None:
    """The name of the runner whose workers are on other machines or in containers, else None.

    Workers are on this machine for Beam's local runners and for any portable runner with the
    environment LOOPBACK or an embedded one. A Flink or Spark without the address of a cluster is
    started here, with LOOPBACK. All else counts as remote, a container on this machine too, since
    what it writes is gone with it.

    Args:
        beam: Beam's own options.
    """
    from apache_beam.options.pipeline_options import (
        FlinkRunnerOptions,
        PipelineOptions,
        PortableOptions,
        SparkRunnerOptions,
        StandardOptions,
    )

    options = PipelineOptions(list(beam))
    runner = (options.view_as(StandardOptions).runner or "").rpartition(".")[2]
    portable = options.view_as(PortableOptions)
    environment = (portable.environment_type or "").upper()
    if environment:
        is_local = environment == "LOOPBACK" or "EMBEDDED" in environment
        # These two never ask where workers run.
        is_local = is_local or runner in ("", "FnApiRunner")
        is_local = is_local and runner != "DataflowRunner"
    elif runner == "FlinkRunner":
        is_local = options.view_as(FlinkRunnerOptions).flink_master.strip() in _LOCAL_FLINK
    elif runner == "SparkRunner":
        master = options.view_as(SparkRunnerOptions).spark_master_url
        is_local = _LOCAL_SPARK.fullmatch(master) is not None
    else:
        is_local = runner in _LOCAL_RUNNERS or portable.job_endpoint == "embed"
    return None if is_local else runner


def _with_schemes(given: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Name, value and scheme of each value that begins like a URL of a file system."""
    for name, value in given.items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, str) and (match := _SCHEME.match(one)):
                scheme = match[1].lower()
                if name in _PATHS or scheme in _EXTRAS:
                    yield name, one, scheme


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # a package above it
        return False
