"""The state of an output folder: what is there, how it was made, and what is left to do.

Nothing is changed and no lock is taken, so that a folder can be looked at while it is written.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from pfn_kg.pipeline.build_phase import recorded_options
from pfn_kg.pipeline.detached import find_job
from pfn_kg.pipeline.finished_run import read_label_schema
from pfn_kg.pipeline.locks import Owner, claims
from pfn_kg.pipeline.manifest import HERE, Manifest, find_manifest, versions
from pfn_kg.pipeline.snapshots import BUILDS, LINK, RECORD_FILE, read_record
from pfn_kg.schemas.build_options import BuildOptions
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.extract_options import ExtractOptions
from pfn_kg.schemas.options import Option, Options, options_of
from pfn_kg.transforms.extraction.chunk_files import ExtractionFolder
from pfn_kg.transforms.plumbing.files import (
    absolute,
    join,
    name_of,
)
from pfn_kg.transforms.plumbing.listing import list_folder

_EXTRACTIONS = "extractions"
# What says where or how fast, but not what of the corpus becomes of it.
_PLACES = ("corpus", "output", "resume", "into", "model", "device")


@dataclass(frozen=True)
class Snapshot:
    """A graph that the folder keeps.

    Attributes:
        path: from the output folder.
        is_current: whether readers find this one.
        made: when it was finished, in UTC (ISO 8601); None where that is not known.
        counts: of documents, entities, relations and so on.
        bytes: of its files.
    """

    path: str
    is_current: bool
    made: str | None
    counts: Mapping[str, int]
    bytes: int


@dataclass(frozen=True)
class RunStatus:
    """The state of an output folder.

    Attributes:
        directory: the folder.
        state: `never run`, `extracting`, `extracted`, `building`, `finished` or `failed`.
        is_written: whether a command is writing the folder now, as far as can be seen.
        job: the job that `pfn-kg wait` is to finish, and its work; None where none was left.
        locks: who claims the folder, one line each; a claim of a killed command says so.
        next: what goes on or is left to do, in one sentence; names of options are in backquotes.
        model: name, hash and thresholds.
        corpus_rows: rows of the corpus.
        extracted_rows: rows whose extractions are there.
        unreadable_files: files of the corpus that could not be read, with the reasons.
        removed_documents: documents that were taken out.
        extraction: what the extraction counted.
        graph: path of the current snapshot; None without a finished graph.
        snapshots: the graphs that are kept, the current one first.
        options: those that differ from the defaults, by name; their values.
        versions: of the packages that made the extractions or the graph.
        other_versions: of those, what is installed now where it differs.
        bytes: by `extractions`, `snapshots` and `other`.
        loads: graphs in Neo4j that were loaded from here: name and server.
    """

    directory: str
    state: str
    is_written: bool
    job: str | None
    locks: tuple[str, ...]
    next: str
    model: Mapping[str, Any]
    corpus_rows: int
    extracted_rows: int
    unreadable_files: Mapping[str, str]
    removed_documents: int
    extraction: Mapping[str, int]
    graph: str | None
    snapshots: tuple[Snapshot, ...]
    options: Mapping[str, Any]
    versions: Mapping[str, str]
    other_versions: Mapping[str, str]
    bytes: Mapping[str, int]
    loads: Mapping[str, str]

    @property
    def is_well(self) -> bool:
        """Whether the folder has a finished graph, its last command ended well, and none writes.

        Nor does a job without a command.
        """
        return self.state == "finished" and not self.is_written and self.job is None


def run_status(directory: str) -> RunStatus:
    """The state of an output folder.

    Raises:
        ConfigurationError: if the folder holds something else than a run, or is damaged.
    """
    directory = absolute(directory)
    manifest = find_manifest(directory)
    owners = claims(directory)
    is_written = any(not (isinstance(owner, Owner) and owner.is_gone) for owner in owners)
    sizes = dict(_sizes(directory, manifest))
    found = manifest or Manifest()
    snapshots = tuple(_snapshots(directory, found, sizes))
    state = _state(manifest)
    left = find_job(directory)
    job = None if left is None else f"{left} {left.does}"
    extracted = 0 if manifest is None else _extracted_rows(directory, manifest)
    rows = sum(file.rows for file in found.inputs)
    now = versions()
    return RunStatus(
        directory=directory,
        state=state,
        is_written=is_written,
        job=job,
        locks=tuple(map(_claim, owners)),
        next=_next(directory, found, state, is_written=is_written, job=job, rows=(extracted, rows)),
        model={
            "name": found.model.name,
            "hash": found.model.hash,
            "entity_threshold": found.model.entity_threshold,
            "relation_threshold": found.model.relation_threshold,
        }
        if manifest is not None
        else {},
        corpus_rows=rows,
        extracted_rows=extracted,
        unreadable_files={file.path: file.error for file in found.inputs if file.error},
        removed_documents=0 if found.removed is None else found.removed.count,
        extraction=dict(found.extraction.counts),
        graph=found.graph,
        snapshots=snapshots,
        options={} if manifest is None else _options(directory, manifest),
        versions=dict(found.versions),
        other_versions={n: now[n] for n, v in found.versions.items() if n in now and now[n] != v},
        bytes=_bytes(sizes),
        loads={name: load.uri for name, load in found.loads.items()},
    )


def _state(manifest: Manifest | None) -> str:
    if manifest is None:
        return "never run"
    return "finished" if manifest.state == "done" else manifest.state


def _claim(owner: Owner | str) -> str:
    if not isinstance(owner, Owner):
        return owner
    what = f"pfn-kg {owner.command} (process {owner.pid} on {owner.host}, since {owner.since})"
    return f"{what}, which was killed" if owner.is_gone else what


def _sizes(directory: str, manifest: Manifest | None) -> Iterator[tuple[str, int]]:
    """The files of the folder by path, from there, with their sizes; none twice by the link."""
    begin = len(join(directory, ""))
    has_link = manifest is not None and manifest.graph not in (None, HERE)
    for metadata in list_folder(directory):
        path = metadata.path[begin:].replace(os.sep, "/")
        if not (has_link and path.startswith(f"{LINK}/")):
            yield path, metadata.size_in_bytes


def _bytes(sizes: Mapping[str, int]) -> dict[str, int]:
    found = {_EXTRACTIONS: 0, "snapshots": 0, "other": 0}
    for path, size in sizes.items():
        top = path.partition("/")[0]
        name = {_EXTRACTIONS: _EXTRACTIONS, BUILDS: "snapshots"}.get(top, "other")
        found[name] += size
    return found


def _snapshots(directory: str, manifest: Manifest, sizes: Mapping[str, int]) -> Iterator[Snapshot]:
    """The snapshots that are finished, the current one first, then the newest."""
    if manifest.graph == HERE and manifest.build is not None:
        yield Snapshot(HERE, True, None, _counts(manifest.build.counts), 0)
    paths = {
        "/".join(path.split("/")[:2])
        for path in sizes
        if path.startswith(f"{BUILDS}/") and path.endswith(f"/{RECORD_FILE}")
    }
    for path in sorted(paths, key=lambda path: (path == manifest.graph, path), reverse=True):
        try:
            record = read_record(directory, path)
        except ConfigurationError:
            continue  # another command deletes it just now
        size = sum(size for file, size in sizes.items() if file.startswith(f"{path}/"))
        counts = _counts(record.build.counts)
        yield Snapshot(path, path == manifest.graph, record.made, counts, size)


def _counts(counts: Mapping[str, int]) -> dict[str, int]:
    names = ("documents", "mentions", "triples", "entities", "relations", "rejected")
    return {name: counts[name] for name in names if name in counts}


def _extracted_rows(directory: str, manifest: Manifest) -> int:
    """Rows whose extractions are there: counted by the manifest, or in the files themselves."""
    if manifest.chunks is not None:
        return sum(chunk.counts.get("rows", 0) for chunk in manifest.listed_chunks(directory))
    folder = ExtractionFolder(join(directory, _EXTRACTIONS))
    names = [
        name_of(metadata.path).removesuffix(".parquet")
        for metadata in list_folder(folder.path, "*.parquet")
    ]
    with ThreadPoolExecutor(16) as pool:
        return sum((counters or {}).get("rows", 0) for counters in pool.map(folder.counters, names))


def _options(directory: str, manifest: Manifest) -> dict[str, Any]:
    """The options of extraction and build that are not the defaults."""
    recorded = manifest.configuration.recorded()
    known = {o.path[0]: o for o in options_of(ExtractOptions)}
    found = {
        known[name].name: value
        for name, value in recorded.items()
        if name in known
        and name not in _PLACES
        and value != _plain(known[name].default)
        and not _follows_from_model(name, value, manifest)
    }
    if manifest.build is None:
        return found
    try:
        build = recorded_options(directory, manifest)
        schema = read_label_schema(join(directory, "label_schema.yaml"))
    except ConfigurationError:
        return found  # what is damaged is for the next build to say
    # The record holds what the model and its label schema say where nobody says otherwise.
    own = {
        "entity_threshold": manifest.model.entity_threshold,
        "relation_threshold": manifest.model.relation_threshold,
        "base_iri": schema.base_iri,
    }
    for option in options_of(BuildOptions):
        value, default = _value(build, option), _value(BuildOptions(), option)
        if value == default or (option.name in own and value == own[option.name]):
            continue
        found[option.name] = value if isinstance(value, bool | int | float | str) else "given"
    return found


def _follows_from_model(name: str, value: Any, manifest: Manifest) -> bool:
    """Whether the value is what the program sets where nobody gives one."""
    if name in ("token_budget", "window_tokens"):
        return True
    if name in ("entity_floor", "relation_floor"):
        return value == getattr(manifest.model, name.replace("floor", "threshold"))
    return False


def _value(options: Options, option: Option) -> Any:
    """The value of an option; of a group that can be turned off, whether it is on."""
    value: Any = options
    for name in option.path:
        if value is None:
            return option.default
        value = getattr(value, name)
    is_group = option.kind == "switch" and not isinstance(value, bool)
    return value is not None if is_group else value


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _next(
    directory: str,
    manifest: Manifest,
    state: str,
    *,
    is_written: bool,
    job: str | None,
    rows: tuple[int, int],
) -> str:
    """What goes on, or what is left to do, in one sentence."""
    extracted, all_rows = rows
    if is_written:
        return "a command is writing the folder; wait until it is done"
    if job is not None:
        return f"{job}; `pfn-kg wait {directory}` finishes it"
    if state == "never run":
        return f"nothing is here; `pfn-kg run` with `output` {directory} begins a run"
    if state == "extracting":
        left = max(0, all_rows - extracted)
        return (
            f"the extraction was interrupted; the same command with `resume` reads the {left} rows "
            f"that are left of {all_rows}"
        )
    if state in ("extracted", "building", "failed"):
        what = {
            "extracted": "everything is extracted",
            "building": "the build was interrupted",
            "failed": "the last build failed",
        }[state]
        stays = "; until then the graph before it stays" if manifest.graph is not None else ""
        return f"{what}; `pfn-kg build {directory}` makes the graph{stays}"
    return "nothing is left to do; a resume would change nothing"
