"""Counts and seconds of a run as a file in the text format of Prometheus.

The collector `textfile` of Prometheus' node exporter reads such files. The file holds no time:
the exporter tells when the file was written (`node_textfile_mtime_seconds`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pfn_kg.pipeline.arguments import Call
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.options import Options, option

if TYPE_CHECKING:
    from pfn_kg.pipeline.manifest import Manifest


class MetricsOptions(Options):
    """Where the figures of a run are written for a monitoring system."""

    metrics_file: str | None = option(
        None,
        "at the end, write the manifest's counts and seconds to this file, in the text format of "
        "Prometheus",
        group="Job",
        metavar="FILE",
    )


@dataclass(frozen=True)
class _Gauge:
    """One metric: its name without the prefix, its help, and its samples by labels."""

    name: str
    help: str
    samples: Iterable[tuple[Mapping[str, str], float]]


def check_metrics_file(call: Call) -> None:
    """Refuses a file that can't be written, before any work.

    Raises:
        ConfigurationError: if the file is a folder, or lies in no folder of this machine.
    """
    path = call.of(MetricsOptions).metrics_file
    if path is None:
        return
    from pfn_kg.transforms.plumbing.files import is_local, local_path

    if not is_local(path):
        return  # its file system says so when it is written
    file = local_path(path)
    if not path or file.is_dir():
        raise ConfigurationError(f"{path!r} is no file", field="metrics_file")
    if not file.absolute().parent.is_dir():
        raise ConfigurationError(
            f"{path}: there is no folder {file.absolute().parent}", field="metrics_file"
        )


def write_metrics(call: Call, directory: str) -> None:
    """Writes the figures of an output folder, if the call names a file for them.

    A reader finds the old file or the new one, not a part.

    Args:
        call: the command line.
        directory: the output folder, whose command is done.

    Raises:
        OSError: if the file can't be written.
    """
    path = call.of(MetricsOptions).metrics_file
    if path is None:
        return
    from pfn_kg.pipeline.manifest import find_manifest
    from pfn_kg.transforms.plumbing.files import absolute, replace

    manifest = find_manifest(absolute(directory))
    if manifest is not None:
        replace(absolute(path), metrics_text(manifest, directory).encode())


def metrics_text(manifest: Manifest, directory: str) -> str:
    """The figures of a manifest in the text format of Prometheus, version 0.0.4.

    Args:
        manifest: of an output folder.
        directory: the folder, a label of each sample.
    """
    extraction, build = manifest.extraction, manifest.build
    of_folder = {"directory": directory}
    gauges = [
        _Gauge(
            "info",
            "Run and model; the value is always 1.",
            [
                (
                    of_folder
                    | {
                        "run_id": manifest.run_id or "",
                        "model": manifest.model.name or "",
                        "model_hash": manifest.model.hash,
                        "version": manifest.versions.get("pfn-kg", ""),
                    },
                    1,
                )
            ],
        )
    ]
    if manifest.extract is not None:
        gauges += [
            _Gauge(
                "extract_items",
                "What the extraction counted, by kind.",
                _by_kind(of_folder, extraction.counts),
            ),
            _Gauge(
                "extract_seconds",
                "Seconds of the last extraction.",
                [(of_folder, extraction.seconds)],
            ),
            _Gauge(
                "extract_sentences_per_second",
                "Of those that the last extraction read.",
                [(of_folder, extraction.sentences_per_second)],
            ),
            _Gauge(
                "extract_documents_per_second",
                "Of those that the last extraction read.",
                [(of_folder, extraction.documents_per_second)],
            ),
        ]
    if build is not None:
        gauges += [
            _Gauge(
                "build_items",
                "What the build of the current graph counted, by kind.",
                _by_kind(of_folder, build.counts),
            ),
            _Gauge(
                "build_seconds",
                "Seconds of the build of the current graph.",
                [(of_folder, build.seconds)],
            ),
        ]
    if samples := [
        *_of_jobs(of_folder, "extract", extraction.metrics),
        *_of_jobs(of_folder, "build", {} if build is None else build.metrics),
    ]:
        gauges.append(_Gauge("metric", "What the workers of a phase counted, by name.", samples))
    return "".join(map(_lines, gauges))


def _of_jobs(
    labels: Mapping[str, str], phase: str, metrics: Mapping[str, int | Mapping[str, int]]
) -> Iterator[tuple[Mapping[str, str], float]]:
    for name, value in metrics.items():
        statistics = value if isinstance(value, Mapping) else {"sum": value}
        for statistic, number in statistics.items():
            yield {**labels, "phase": phase, "name": name, "statistic": statistic}, number


def _by_kind(
    labels: Mapping[str, str], counts: Mapping[str, int]
) -> list[tuple[Mapping[str, str], float]]:
    return [({**labels, "kind": kind}, count) for kind, count in sorted(counts.items())]


def _lines(gauge: _Gauge) -> str:
    name = f"pfn_kg_{gauge.name}"
    lines = [f"# HELP {name} {gauge.help}", f"# TYPE {name} gauge"]
    for labels, value in gauge.samples:
        inner = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        lines.append(f"{name}{{{inner}}} {value}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
