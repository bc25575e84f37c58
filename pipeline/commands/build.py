"""`pfn-kg build`: the graph again from its extractions, without the model."""

from __future__ import annotations

import argparse
import importlib.util
from typing import TYPE_CHECKING, Any

from pfn_kg.pfn.resolution import HEAD_POLICIES
from pfn_kg.pipeline.commands.extract import add_job_arguments, apply_config, rejected_code
from pfn_kg.pipeline.commands.neo4j import (
    LOAD_OPTIONS,
    add_neo4j_arguments,
    load_and_report,
    load_options,
)
from pfn_kg.pipeline.commands.rdf import add_rdf_arguments, rdf_options
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.job import (
    CONSTRAINT_POLICIES,
    DIRECTION_POLICIES,
    EVIDENCE_POLICIES,
    MIRROR_POLICIES,
    NameRules,
    Rules,
)

if TYPE_CHECKING:
    from pfn_kg.pipeline.build_phase import BuildOptions
    from pfn_kg.pipeline.load import LoadOptions

TAKES_BEAM_OPTIONS = True

#: Below this, names that are alike say nothing any more.
LEAST_SIMILARITY = 0.7

#: The rules of the label schema but for argument types: option, policies, what it speaks of.
RULE_OPTIONS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("direction", DIRECTION_POLICIES, "triples whose types fit only the other way round"),
    ("self-loops", CONSTRAINT_POLICIES, "triples between an entity and itself"),
    ("overlaps", CONSTRAINT_POLICIES, "triples whose arguments overlap in the text"),
    ("symmetric", MIRROR_POLICIES, "directions in which symmetric relations are said"),
    ("inverse", MIRROR_POLICIES, "directions in which relations with an inverse are said"),
    ("max-objects", CONSTRAINT_POLICIES, "relations beyond the best max_objects of a subject"),
    ("acyclic", CONSTRAINT_POLICIES, "acyclic relations that close a cycle"),
    ("evidence", EVIDENCE_POLICIES, "triples of one fact in one document, by sentences between"),
)

#: Which names are held for one: option, what it does.
NAME_OPTIONS: tuple[tuple[str, str], ...] = (
    ("possessives", "take a possessive off: Google's"),
    ("legal-suffixes", "take the legal form off organisations: Google LLC"),
    ("articles", "take the article off: the Thames"),
    ("bracketed", "acronyms that the document introduces in brackets: European Union (EU)"),
    ("initials", "acronyms of a name in the document: EU"),
    ("last-names", "people by the last name, named in full in the document"),
    ("first-names", "people by the first name, likewise"),
    ("first-words", "organisations by the first word, likewise"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `build`."""
    parser.add_argument("directory", metavar="DIR", help="output folder of extract or run")
    add_build_arguments(parser)
    add_job_arguments(parser)


def add_build_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options that say how extractions become a graph, and what is written of it."""
    add_policy_arguments(parser)
    group = parser.add_argument_group("tables")
    group.add_argument(
        "--rdf", action=argparse.BooleanOptionalAction, help="whether to write Turtle; on"
    )
    group.add_argument(
        "--sentences", action="store_true", default=None, help="write the table of sentences"
    )
    add_rdf_arguments(parser)
    add_neo4j_arguments(parser, "the graph is not loaded")


def add_policy_arguments(parser: argparse.ArgumentParser) -> None:
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
    for name, allowed, help_ in RULE_OPTIONS:
        default = getattr(Rules(), name.replace("-", "_"))
        group.add_argument(f"--{name}-policy", choices=allowed, help=f"{help_}; default: {default}")
    for name, help_ in NAME_OPTIONS:
        default = "on" if getattr(NameRules(), name.replace("-", "_")) else "off"
        group.add_argument(
            f"--{name}", action=argparse.BooleanOptionalAction, help=f"{help_}; default: {default}"
        )
    group.add_argument(
        "--aliases",
        metavar="FILE",
        help="Parquet or CSV of names of one entity: alias, canonical_name and, where wanted, "
        "type and iri; none: without the last build's",
    )
    group.add_argument(
        "--fuzzy",
        metavar="P",
        help="names that are this similar are of one entity, such as 0.92; none (default): only "
        "equal ones",
    )
    group.add_argument(
        "--fuzzy-words",
        type=int,
        metavar="N",
        help="fewer words of a name are not compared by --fuzzy; default: 2",
    )
    group.add_argument("--base-iri", metavar="IRI", help="namespace of the graph's IRIs")


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


def build_options(args: argparse.Namespace, last: BuildOptions | None = None) -> BuildOptions:
    """The options of the build phase from the command line.

    Args:
        args: the command line.
        last: what holds where the command line says nothing; the defaults without.

    Raises:
        ConfigurationError: if one is wrong.
    """
    for name, allowed in (
        ("head_policy", HEAD_POLICIES),
        ("constraint_policy", CONSTRAINT_POLICIES),
        *((f"{name.replace('-', '_')}_policy", allowed) for name, allowed, _ in RULE_OPTIONS),
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
    name_rules = {}
    for name, _ in NAME_OPTIONS:
        value = getattr(args, name.replace("-", "_"))
        if value is not None and not isinstance(value, bool):
            raise ConfigurationError(f"--{name}: {value!r} is not true or false")
        if value is not None:
            name_rules[name.replace("-", "_")] = value
    from pfn_kg.pipeline.build_phase import BuildOptions
    from pfn_kg.schemas.label_schema import LabelSchema

    if args.base_iri is not None:
        nothing: dict[str, Any] = {"entity_types": [], "relations": []}
        LabelSchema.from_dict(nothing | {"base_iri": args.base_iri}, "--base-iri")
    options = last or BuildOptions()
    given = {
        name: getattr(args, name)
        for name in (
            "entity_threshold",
            "relation_threshold",
            "head_policy",
            "constraint_policy",
            "base_iri",
            "label_language",
        )
        if getattr(args, name) is not None
    }
    policies = {
        name.replace("-", "_"): getattr(args, f"{name.replace('-', '_')}_policy")
        for name, _, _ in RULE_OPTIONS
    }
    given |= _merge_options(args, options)
    given["rules"] = options.rules._replace(**{k: v for k, v in policies.items() if v is not None})
    given["names"] = options.names._replace(**name_rules)
    if args.sentences or args.neo4j_lexical:
        given["sentences"] = True
    rdf = rdf_options(args, None)
    if args.rdf is False:
        given["rdf"] = None
    elif args.rdf or options.rdf is not None:
        known = ("provenance", "relation_iris", "alias_iris")
        names = [name for name in known if getattr(args, name) is not None]
        given["rdf"] = (options.rdf or rdf)._replace(**{n: getattr(rdf, n) for n in names})
    options = options._replace(**given)
    if args.schema is not None and args.base_iri is None:
        options = options._replace(base_iri=None)  # a schema comes with its own
    if args.schema is None:
        return options
    try:
        with open(args.schema, encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigurationError(f"--schema: {args.schema}: {reason}") from None
    return options._replace(label_schema=LabelSchema.from_yaml(text, f"--schema: {args.schema}"))


def _merge_options(args: argparse.Namespace, last: BuildOptions) -> dict[str, Any]:
    """The options that say which entities of different names are one, where they are given."""
    from pfn_kg.transforms.merging.near_names import NearNameOptions

    given: dict[str, Any] = {}
    if args.aliases is not None:
        if not isinstance(args.aliases, str) or not args.aliases:
            raise ConfigurationError(f"--aliases: {args.aliases!r} is no file")
        given["aliases"] = None if args.aliases == "none" else args.aliases
    fuzzy = last.fuzzy
    if args.fuzzy is not None:
        similarity = _similarity(args.fuzzy)
        fuzzy = (
            None
            if similarity is None
            else (fuzzy or NearNameOptions(1.0))._replace(similarity=similarity)
        )
    if args.fuzzy_words is not None:
        if type(args.fuzzy_words) is not int or args.fuzzy_words < 1:
            raise ConfigurationError(f"--fuzzy-words: {args.fuzzy_words!r} is not 1 or more")
        if fuzzy is None:
            raise ConfigurationError("--fuzzy-words: only together with --fuzzy")
        fuzzy = fuzzy._replace(words=args.fuzzy_words)
    if fuzzy is not None and importlib.util.find_spec("rapidfuzz") is None:
        raise ConfigurationError('--fuzzy: rapidfuzz is not installed: pip install "pfn-kg[fuzzy]"')
    return given | {"fuzzy": fuzzy}


def _similarity(value: Any) -> float | None:
    if value == "none":
        return None
    try:
        similarity = float(value)
    except (TypeError, ValueError):
        similarity = 0.0
    if isinstance(value, bool) or not LEAST_SIMILARITY <= similarity <= 1:
        raise ConfigurationError(
            f"--fuzzy: {value!r} is not between {LEAST_SIMILARITY} and 1, nor none"
        )
    return similarity


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
    from pfn_kg.pipeline.load import check_server

    check_server(target.server, args.beam)
    return target


def main(args: argparse.Namespace) -> int:
    """Runs the command."""
    apply_config(args)
    options = build_options(args)
    target = load_target(args, options)
    return write_graph(args, options, target)


def write_graph(
    args: argparse.Namespace, options: BuildOptions, target: LoadOptions | None, done: str = ""
) -> int:
    """Builds the graph of a folder, loads it where it shall go, and says what came out.

    Args:
        args: the command line.
        options: of the build.
        target: where the graph is loaded, if anywhere.
        done: what was done before.

    Returns:
        The exit code.
    """
    from pfn_kg.pipeline.build_phase import build

    counts = build(args.directory, options, args.beam)
    print(
        f"{args.directory}: {done}{counts.get('documents', 0)} documents, "
        f"{counts.get('mentions', 0)} mentions, {counts.get('triples', 0)} triples, "
        f"{counts.get('entities', 0)} entities, {counts.get('values', 0)} values, "
        f"{counts.get('relations', 0)} relations, {counts.get('rejected', 0)} rejected"
    )
    code = rejected_code(counts.get("rejected", 0), args.max_rejected)
    if target is not None:
        code |= load_and_report(args.directory, target, args.beam, args.max_rejected)
    return code
