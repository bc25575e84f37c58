"""`pfn-kg build`: the graph again from its extractions, without the model."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from pfn.resolution import HEAD_POLICIES
from pipeline.commands.extract import add_job_arguments, apply_config, rejected_code
from pipeline.commands.neo4j import (
    LOAD_OPTIONS,
    add_neo4j_arguments,
    load_and_report,
    load_options,
)
from pipeline.commands.rdf import add_rdf_arguments, rdf_options
from schemas.errors import ConfigurationError
from schemas.job import CONSTRAINT_POLICIES

if TYPE_CHECKING:
    from pipeline.build import BuildOptions
    from pipeline.load import LoadOptions

TAKES_BEAM_OPTIONS = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `build`."""
    parser.add_argument("directory", metavar="DIR", help="output folder of extract or run")
    add_build_arguments(parser)
    add_job_arguments(parser)


def add_build_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options that say how extractions become a graph."""
    group = parser.add_argument_group("build")
    group.add_argument(
        "--entity-threshold", type=float, metavar="P", help="mentions from here; default: model's"
    )
    group.add_argument(
        "--relation-threshold", type=float, metavar="P", help="triples from here; default: model's"
    )
    group.add_argument("--schema", metavar="FILE", help="label schema in place of the model's")
    group.add_argument(
        "--head-policy",
        choices=HEAD_POLICIES,
        help="which of several entities at one head take part; default: all",
    )
    group.add_argument(
        "--constraint-policy",
        choices=CONSTRAINT_POLICIES,
        help="triples between types that the label schema has not; default: flag",
    )
    group.add_argument("--aliases", metavar="FILE", help="table of names of one entity")
    group.add_argument("--base-iri", metavar="IRI", help="namespace of the graph's IRIs")
    group.add_argument(
        "--rdf", action=argparse.BooleanOptionalAction, help="whether to write Turtle; on"
    )
    group.add_argument(
        "--sentences", action="store_true", default=None, help="write the table of sentences"
    )
    add_rdf_arguments(parser)
    add_neo4j_arguments(parser, "the graph is not loaded")


def build_options(args: argparse.Namespace) -> BuildOptions:
    """The options of the build phase from the command line.

    Raises:
        ConfigurationError: if one is wrong, or not built yet.
    """
    if args.aliases is not None:
        raise ConfigurationError("--aliases: this option is not built yet")
    for name, allowed in (
        ("head_policy", HEAD_POLICIES),
        ("constraint_policy", CONSTRAINT_POLICIES),
    ):
        value = getattr(args, name)
        if value is not None and value not in allowed:
            option = f"--{name.replace('_', '-')}"
            raise ConfigurationError(f"{option}: {value!r} is not one of {', '.join(allowed)}")
    for name in ("entity_threshold", "relation_threshold"):
        value = getattr(args, name)
        if value is not None and not (isinstance(value, float | int) and 0 <= value <= 1):
            option = f"--{name.replace('_', '-')}"
            raise ConfigurationError(f"{option}: {value!r} is not between 0 and 1")
    from pipeline.build import BuildOptions
    from schemas.label_schema import LabelSchema

    if args.base_iri is not None:
        nothing: dict[str, Any] = {"entity_types": [], "relations": []}
        LabelSchema.from_dict(nothing | {"base_iri": args.base_iri}, "--base-iri")
    options = BuildOptions(
        entity_threshold=args.entity_threshold,
        relation_threshold=args.relation_threshold,
        head_policy=args.head_policy or "all",
        constraint_policy=args.constraint_policy or "flag",
        base_iri=args.base_iri,
        rdf=None if args.rdf is False else rdf_options(args, None),
        label_language=args.label_language,
        sentences=bool(args.sentences or args.neo4j_lexical),
    )
    if args.schema is None:
        return options
    try:
        with open(args.schema, encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigurationError(f"--schema: {args.schema}: {reason}") from None
    return options._replace(label_schema=LabelSchema.from_yaml(text, f"--schema: {args.schema}"))


def load_target(args: argparse.Namespace, options: BuildOptions) -> LoadOptions | None:
    """Where the graph goes besides, if a server was named.

    Raises:
        ConfigurationError: if an option is wrong, or says how to load what is not loaded.
    """
    if args.neo4j_uri is None:
        for name in LOAD_OPTIONS:
            if getattr(args, name) is not None:
                option = f"--{name.replace('_', '-')}"
                raise ConfigurationError(f"{option}: only together with --neo4j-uri")
        return None
    target = load_options(args, args.neo4j_uri)
    if options.label_schema is not None:
        target.filters.check(options.label_schema)
    from pipeline.load import check_server

    check_server(target.server, args.beam)
    return target


def main(args: argparse.Namespace) -> int:
    """Runs the command."""
    apply_config(args)
    options = build_options(args)
    target = load_target(args, options)
    from pipeline.build import build

    counts = build(args.directory, options, args.beam)
    print(
        f"{args.directory}: {counts.get('documents', 0)} documents, "
        f"{counts.get('mentions', 0)} mentions, {counts.get('triples', 0)} triples, "
        f"{counts.get('entities', 0)} entities, {counts.get('values', 0)} values, "
        f"{counts.get('relations', 0)} relations, {counts.get('rejected', 0)} rejected"
    )
    code = rejected_code(counts.get("rejected", 0), args.max_rejected)
    if target is not None:
        code |= load_and_report(args.directory, target, args.beam, args.max_rejected)
    return code
