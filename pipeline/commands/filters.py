"""The options of `load` and `export` that say which relations are written."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from pfn_kg.schemas.errors import ConfigurationError

if TYPE_CHECKING:
    from pfn_kg.transforms.graph.filters import Filters


def add_filter_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    group = parser.add_argument_group("filters", "which relations are loaded or exported")
    group.add_argument(
        "--min-confidence", type=float, metavar="P", help="relations from here on; default: all"
    )
    group.add_argument(
        "--min-evidence", type=int, metavar="N", help="relations with that many pieces; default: 1"
    )
    group.add_argument(
        "--relations", metavar="A,B", help="these alone, by their names; default: all"
    )


def filters(args: argparse.Namespace) -> Filters:
    """The filters from the command line, or from the list or text of a configuration.

    Raises:
        ConfigurationError: if one is no number or no list of names.
    """
    from pfn_kg.transforms.graph.filters import Filters

    for name, kind in (("min_confidence", float), ("min_evidence", int)):
        value = getattr(args, name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | kind)):
            option = f"--{name.replace('_', '-')}"
            raise ConfigurationError(f"{option}: {value!r} is not a number")
    names = args.relations
    if isinstance(names, str):
        names = [name.strip() for name in names.split(",") if name.strip()]
    if names is not None and not (
        isinstance(names, list) and names and all(isinstance(name, str) for name in names)
    ):
        raise ConfigurationError(f"--relations: {args.relations!r} names no relations")
    return Filters(
        0.0 if args.min_confidence is None else args.min_confidence,
        1 if args.min_evidence is None else args.min_evidence,
        None if names is None else tuple(names),
    )
