"""`pfn-kg run`: extract, then build."""

from __future__ import annotations

import argparse
from typing import Any

from pfn_kg.pipeline.commands.build import (
    add_build_arguments,
    build_options,
    last_build,
    load_target,
)
from pfn_kg.pipeline.commands.extract import (
    add_extract_arguments,
    add_job_arguments,
    apply_config,
    extract_options,
    print_plan,
    rejected_code,
    unchanged_rows,
)
from pfn_kg.pipeline.commands.neo4j import load_and_report
from pfn_kg.pipeline.commands.rdf import rdf_options
from pfn_kg.schemas.job import ExtractOptions

TAKES_BEAM_OPTIONS = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `run`: those of both phases."""
    add_extract_arguments(parser)
    add_build_arguments(parser)
    add_job_arguments(parser)


def main(args: argparse.Namespace) -> int:
    """Runs the command."""
    apply_config(args)
    extract_opts = extract_options(args)
    build_opts = build_options(args, last_build(args.into) if args.into else None)
    # What the build will refuse shall not wait for the extraction.
    if args.rdf is not False:
        rdf_options(args, extract_opts.language)
    extract_opts = _with_floors(extract_opts, build_opts)
    target = load_target(args, build_opts)
    from pfn_kg.pipeline.build_phase import build, check_aliases
    from pfn_kg.pipeline.extract_phase import extract, prepare_extraction
    from pfn_kg.pipeline.options import pipeline_options

    pipeline_options(args.beam)
    prepared = prepare_extraction(extract_opts)
    check_aliases(prepared.options.output, build_opts, prepared.label_schema)
    if args.dry_run:
        print_plan(prepared, args.beam)
        return 0
    manifest = extract(prepared, args.beam)
    counts = build(prepared.options.output, build_opts, args.beam)
    extracted = manifest["extract"]
    rejected = counts.get("rejected", 0)
    read = ""
    if extract_opts.into:
        read = f"{extracted['counts'].get('documents', 0)}{unchanged_rows(manifest)}; "
    print(
        f"{extract_opts.output}: {read}{counts.get('documents', 0)} documents, "
        f"{extracted['counts'].get('sentences', 0)} sentences, "
        f"{counts.get('mentions', 0)} mentions, {counts.get('triples', 0)} triples, "
        f"{counts.get('entities', 0)} entities, {counts.get('relations', 0)} relations, "
        f"{rejected} rejected; {extracted['seconds']:.1f} s of extraction "
        f"({extracted['sentences_per_second']:.0f} sentences/s)"
    )
    code = rejected_code(rejected, args.max_rejected)
    if target is not None:
        code |= load_and_report(extract_opts.output, target, args.beam, args.max_rejected)
    return code


def _with_floors(options: ExtractOptions, build: Any) -> ExtractOptions:
    """The options of the extraction such that it keeps all that the build asks for."""
    floors = {}
    for name in ("entity", "relation"):
        threshold = getattr(build, f"{name}_threshold")
        if threshold is not None and threshold < getattr(options, f"{name}_floor"):
            floors[f"{name}_floor"] = threshold
    return options.model_copy(update=floors)
