"""`pfn-kg build`: the graph again from its extractions, without the model."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any, TypeVar

from pfn_kg.pipeline.arguments import Call, JobOptions, LockOptions
from pfn_kg.pipeline.commands.extract import DetachOptions, rejected_code, say_left
from pfn_kg.pipeline.commands.neo4j import load_and_report, load_options
from pfn_kg.pipeline.interruption import hint
from pfn_kg.pipeline.metrics_file import MetricsOptions, check_metrics_file, write_metrics
from pfn_kg.schemas.assemble import assemble
from pfn_kg.schemas.build_options import BuildOptions, PolicyOptions
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.installation import how_to_install
from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.schemas.load_options import LoadOptions
from pfn_kg.schemas.options import Options, option

TAKES_BEAM_OPTIONS = True

_Policies = TypeVar("_Policies", bound=PolicyOptions)


class FolderOptions(Options):
    """The folder that the command works on."""

    directory: str = option(..., "output folder of extract or run", metavar="DIR", positional="1")


OPTIONS: tuple[type[Options], ...] = (
    FolderOptions,
    BuildOptions,
    LoadOptions,
    JobOptions,
    MetricsOptions,
    LockOptions,
    DetachOptions,
)


def last_build(directory: str) -> BuildOptions:
    """How the graph of a folder was built last; the defaults where it never was.

    Raises:
        ConfigurationError: if nothing was extracted there.
    """
    from pfn_kg.pipeline.build_phase import recorded_options
    from pfn_kg.pipeline.manifest import read_extracted
    from pfn_kg.transforms.plumbing.files import absolute

    directory = absolute(directory)
    return recorded_options(directory, read_extracted(directory))


def build_options(call: Call, last: BuildOptions | None = None) -> BuildOptions:
    """The options of the build phase.

    Args:
        call: the command line.
        last: what holds where the call says nothing; the defaults without.

    Raises:
        ConfigurationError: if one is wrong.
    """
    given = dict(call.given)
    if given.get("neo4j_lexical") is True:
        given["sentences"] = True
    return policies(given, BuildOptions, last or BuildOptions())


def policies(given: dict[str, Any], group: type[_Policies], last: _Policies) -> _Policies:
    """Options that say how extractions become a graph, with the label schema that is named.

    Args:
        given: options by name.
        group: which of them are wanted.
        last: what holds where nothing is given.

    Raises:
        ConfigurationError: if one is wrong.
    """
    if given.get("schema") is not None:
        given = given | {"schema": read_schema(given["schema"])}
        if given.get("base_iri") is None:
            last = last.changed(base_iri=None)  # a schema comes with its own
    options = assemble(group, given, last)
    if options.fuzzy is not None and importlib.util.find_spec("rapidfuzz") is None:
        raise ConfigurationError(how_to_install("rapidfuzz", "fuzzy"), field="fuzzy")
    return options


def read_schema(path: object) -> LabelSchema:
    """The label schema in a file.

    Raises:
        ConfigurationError: if it can't be read; names the file.
    """
    if not isinstance(path, str):
        raise ConfigurationError(f"{path!r} is no file", field="schema")
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigurationError(f"{path}: {reason}", field="schema") from None
    try:
        return LabelSchema.from_yaml(text, path)
    except ConfigurationError as error:
        raise ConfigurationError(str(error), field="schema") from None


def load_target(
    call: Call, options: BuildOptions, *, is_detached: bool = False
) -> LoadOptions | None:
    """Where the graph goes besides, if a server was named.

    Args:
        call: the command line.
        options: of the build.
        is_detached: whether the command leaves before there is a graph.

    Raises:
        ConfigurationError: if an option is wrong, says how to load what is not loaded, or names a
            server although nobody will be there to load.
    """
    uri = call.given.get("neo4j_uri")
    if uri is not None and is_detached:
        # The password would have to be kept until then.
        raise ConfigurationError(
            "not together with `neo4j_uri`; `pfn-kg load` loads the graph that `pfn-kg wait` has "
            "finished",
            field="detach",
        )
    if uri is None:
        call.check_together((LoadOptions,), "neo4j_uri")
        return None
    target = load_options(call, uri)
    if options.label_schema is not None:
        target.filters.check(options.label_schema)
    from pfn_kg.pipeline.load import check_server

    check_server(target.server, call.beam)
    return target


def main(call: Call) -> int:
    """Runs the command."""
    call.of(JobOptions)
    is_detached = call.of(DetachOptions).detach
    check_metrics_file(call)
    options = build_options(call)
    target = load_target(call, options, is_detached=is_detached)
    from pfn_kg.pipeline.locks import hold
    from pfn_kg.pipeline.manifest import read_extracted
    from pfn_kg.transforms.plumbing.files import absolute

    directory = absolute(call.of(FolderOptions).directory)
    if is_detached:
        from pfn_kg.pipeline.jobs.submit import check_detachable

        check_detachable(call.beam)
    read_extracted(directory)
    with hold(directory, "build", take_over=call.of(LockOptions).take_over):
        if is_detached:
            return _leave(call, options)
        return write_graph(call, options, target)


def _leave(call: Call, options: BuildOptions) -> int:
    from pfn_kg.pipeline.jobs.build import start_build

    directory = call.of(FolderOptions).directory
    say_left(directory, start_build(directory, options, call.beam))
    return 0


def write_graph(
    call: Call, options: BuildOptions, target: LoadOptions | None, *, done: str = ""
) -> int:
    """Builds the graph of a folder, loads it where it shall go, and says what came out.

    Args:
        call: the command line.
        options: of the build.
        target: where the graph is loaded, if anywhere.
        done: what was done before.

    Returns:
        The exit code.
    """
    from pfn_kg.pipeline.build_phase import run_build

    directory, most = call.of(FolderOptions).directory, call.of(JobOptions).max_rejected
    with hint(lambda: f"the extractions stay; build again by `pfn-kg build {directory}`"):
        counts = run_build(directory, options, call.beam)
    has_corrections = options.corrections is not None
    code = report_build(call, directory, counts, done=done, has_corrections=has_corrections)
    if target is not None:
        code |= load_and_report(directory, target, beam=call.beam, max_rejected=most)
    return code


def report_build(
    call: Call,
    directory: str,
    counts: Mapping[str, int],
    *,
    done: str = "",
    has_corrections: bool = False,
) -> int:
    """Says what a build came to; gives the exit code.

    Args:
        call: the command line.
        directory: the output folder, as it was named.
        counts: of the build.
        done: what was done before.
        has_corrections: whether people's corrections went into it.
    """
    write_metrics(call, directory)
    print(
        f"{directory}: {done}{counts.get('documents', 0)} documents, "
        f"{counts.get('mentions', 0)} mentions, {counts.get('triples', 0)} triples, "
        f"{counts.get('entities', 0)} entities, {counts.get('values', 0)} values, "
        f"{counts.get('relations', 0)} relations, {counts.get('rejected', 0)} rejected"
    )
    if has_corrections:
        print_corrections(directory, counts)
    return rejected_code(counts.get("rejected", 0), call.of(JobOptions).max_rejected)


def print_corrections(directory: str, counts: Mapping[str, int]) -> None:
    """Says how many corrections a build applied, and what they say of the model.

    Args:
        directory: the output folder.
        counts: of the build.
    """
    from pfn_kg.pipeline.correction_precision import precision_line
    from pfn_kg.pipeline.finished_run import read_finished

    applied, given = counts.get("corrections_applied", 0), counts.get("corrections", 0)
    line = precision_line(read_finished(directory).build.precision or {})
    print(f"{applied} of {given} corrections apply" + ("" if line is None else f"; {line}"))
