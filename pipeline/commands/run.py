"""`pfn-kg run`: extract, then build."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pfn_kg.pipeline.arguments import Call, JobOptions, LockOptions
from pfn_kg.pipeline.commands.build import (
    build_options,
    last_build,
    load_target,
    print_corrections,
)
from pfn_kg.pipeline.commands.extract import (
    DetachOptions,
    PlaceOptions,
    extract_options,
    print_plan,
    rejected_code,
    say_left,
    say_other_languages,
    unchanged_rows,
)
from pfn_kg.pipeline.commands.neo4j import load_and_report
from pfn_kg.pipeline.interruption import hint
from pfn_kg.pipeline.metrics_file import MetricsOptions, check_metrics_file, write_metrics
from pfn_kg.schemas.build_options import BuildOptions, PolicyOptions, is_language_tag
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.extract_options import ExtractOptions
from pfn_kg.schemas.load_options import LoadOptions
from pfn_kg.schemas.options import Options

if TYPE_CHECKING:
    from pfn_kg.pipeline.manifest import Manifest

TAKES_BEAM_OPTIONS = True
OPTIONS: tuple[type[Options], ...] = (
    ExtractOptions,
    PlaceOptions,
    BuildOptions,
    LoadOptions,
    JobOptions,
    MetricsOptions,
    LockOptions,
    DetachOptions,
)


def main(call: Call) -> int:
    """Runs the command."""
    job, place = call.of(JobOptions), call.of(PlaceOptions)
    is_detached = call.of(DetachOptions).detach
    check_metrics_file(call)
    options = extract_options(call)
    build_opts = build_options(call, last_build(place.into) if place.into else None)
    # What the build will refuse shall not wait for the extraction.
    _check_label_language(options, build_opts)
    options = with_floors(options, build_opts)
    target = load_target(call, build_opts, is_detached=is_detached)
    from pfn_kg.pipeline.build_phase import check_aliases, run_build
    from pfn_kg.pipeline.extract_phase import check_device, run_extraction
    from pfn_kg.pipeline.locks import hold
    from pfn_kg.pipeline.options import pipeline_options
    from pfn_kg.pipeline.prepare_extraction import prepare_extraction

    pipeline_options(call.beam)
    if is_detached:
        from pfn_kg.pipeline.jobs.extraction import start_extraction
        from pfn_kg.pipeline.jobs.submit import check_detachable

        check_detachable(call.beam)
    prepared = prepare_extraction(options, call.beam)
    check_aliases(prepared.options.output, build_opts, prepared.label_schema)
    if place.dry_run:
        print_plan(prepared, call.beam, build=build_opts, neo4j=target)
        return 0
    # Whoever holds a folder makes it, which a wrong device shall not.
    check_device(prepared.options.device, call.beam)
    output = prepared.options.output
    # In one go: no other command comes between extraction and build.
    with hold(output, "run", take_over=call.of(LockOptions).take_over):
        if is_detached:
            say_left(options.output, start_extraction(prepared, call.beam, then=build_opts))
            return 0
        manifest = run_extraction(prepared, call.beam)
        with hint(lambda: f"the extractions stay; build the graph by `pfn-kg build {output}`"):
            counts = run_build(output, build_opts, call.beam)
    has_corrections = build_opts.corrections is not None
    code = report_run(
        call, options.output, counts, manifest=manifest, has_corrections=has_corrections
    )
    if target is not None:
        code |= load_and_report(
            options.output, target, beam=call.beam, max_rejected=job.max_rejected
        )
    return code


def report_run(
    call: Call,
    directory: str,
    counts: Mapping[str, int],
    *,
    manifest: Manifest,
    has_corrections: bool,
) -> int:
    """Says what an extraction and its build came to; gives the exit code.

    Args:
        call: the command line.
        directory: the output folder, as it was named.
        counts: of the build.
        manifest: of the extraction.
        has_corrections: whether people's corrections went into the graph.
    """
    write_metrics(call, directory)
    say_other_languages(manifest)
    extraction = manifest.extraction
    rejected = counts.get("rejected", 0)
    read = ""
    if extraction.unchanged_rows is not None:
        read = f"{extraction.counts.get('documents', 0)}{unchanged_rows(manifest)}; "
    print(
        f"{directory}: {read}{counts.get('documents', 0)} documents, "
        f"{extraction.counts.get('sentences', 0)} sentences, "
        f"{counts.get('mentions', 0)} mentions, {counts.get('triples', 0)} triples, "
        f"{counts.get('entities', 0)} entities, {counts.get('relations', 0)} relations, "
        f"{rejected} rejected; {extraction.seconds:.1f} s of extraction "
        f"({extraction.sentences_per_second:.0f} sentences/s)"
    )
    if has_corrections:
        print_corrections(directory, counts)
    return rejected_code(rejected, call.of(JobOptions).max_rejected)


def _check_label_language(options: ExtractOptions, build: BuildOptions) -> None:
    """The language of the corpus becomes a tag in RDF, unless another one is given."""
    if build.rdf is None or build.label_language is not None:
        return
    if not is_language_tag(options.language):
        raise ConfigurationError(
            f"{options.language!r} is no language tag for names in RDF, such as en; "
            "give one by `label_language`",
            field="language",
        )


def with_floors(options: ExtractOptions, build: PolicyOptions) -> ExtractOptions:
    """The options of the extraction such that it keeps all that the build asks for."""
    return options.changed(**build.lower_floors(options.entity_floor, options.relation_floor))
