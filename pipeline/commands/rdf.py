"""The options of `build` and `export` that say how the graph is written as RDF."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING

from pfn_kg.schemas.errors import ConfigurationError

if TYPE_CHECKING:
    from pfn_kg.sinks.rdf.sink import RdfOptions

PROVENANCE = ("none", "statement", "rdf12")
RELATION_IRIS = ("own", "match")
ALIAS_IRIS = ("same-as", "subject")

_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*")


def add_rdf_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    group = parser.add_argument_group("rdf")
    group.add_argument(
        "--provenance",
        choices=PROVENANCE,
        help="evidence in RDF, as statements or as RDF 1.2 reifiers; default: none",
    )
    group.add_argument(
        "--relation-iris",
        choices=RELATION_IRIS,
        help="IRIs of the graph's own, or the matching ones of the label schema; default: own",
    )
    group.add_argument(
        "--alias-iris",
        choices=ALIAS_IRIS,
        help="IRIs of the alias table as owl:sameAs, or as what entities are called; default: "
        "same-as",
    )
    group.add_argument(
        "--label-language",
        metavar="TAG",
        help="of names in RDF; none: without; default: the run's --language",
    )


def rdf_options(args: argparse.Namespace, language: str | None) -> RdfOptions:
    """The options of the RDF sink from the command line.

    Args:
        args: the command line.
        language: of the corpus.

    Raises:
        ConfigurationError: if one is wrong.
    """
    from pfn_kg.sinks.rdf.sink import RdfOptions

    for name, allowed in (
        ("provenance", PROVENANCE),
        ("relation_iris", RELATION_IRIS),
        ("alias_iris", ALIAS_IRIS),
    ):
        value = getattr(args, name)
        if value is not None and value not in allowed:
            option = f"--{name.replace('_', '-')}"
            raise ConfigurationError(f"{option}: {value!r} is not one of {', '.join(allowed)}")
    tag = args.label_language if args.label_language is not None else language
    if tag is not None and not (isinstance(tag, str) and _LANGUAGE.fullmatch(tag)):
        if args.label_language is None:
            raise ConfigurationError(
                f"--language: {tag!r} is no language tag for names in RDF, such as en; "
                "give one by --label-language"
            )
        raise ConfigurationError(f"--label-language: {tag!r} is no language tag, such as en")
    return RdfOptions(
        provenance=args.provenance or "none",
        relation_iris=args.relation_iris or "own",
        alias_iris=args.alias_iris or "same-as",
        language=None if tag == "none" else tag,
    )
