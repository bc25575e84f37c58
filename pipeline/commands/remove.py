"""`pfn-kg remove`: takes documents out of a graph."""

from __future__ import annotations

import argparse

from pfn_kg.pipeline.commands.build import (
    add_build_arguments,
    build_options,
    last_build,
    load_target,
    write_graph,
)
from pfn_kg.pipeline.commands.extract import add_job_arguments, apply_config
from pfn_kg.schemas.errors import ConfigurationError

TAKES_BEAM_OPTIONS = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `remove`."""
    parser.add_argument("directory", metavar="DIR", help="output folder of a run")
    parser.add_argument(
        "--documents",
        metavar="IDS_OR_FILE",
        help="ids with commas between them, or a file with one id a line",
    )
    add_build_arguments(parser)
    add_job_arguments(parser)


def document_ids(value: object) -> list[str]:
    """The ids that `--documents` names: those of the file of that name, if there is one.

    Raises:
        ConfigurationError: if it names none or the file can't be read.
    """
    from apache_beam.io.filesystem import BeamIOError
    from apache_beam.io.filesystems import FileSystems

    from pfn_kg.transforms.plumbing.files import read_bytes

    if isinstance(value, list):  # of a configuration file
        return [str(id_) for id_ in value]
    if not isinstance(value, str | int) or isinstance(value, bool) or value == "":
        raise ConfigurationError("--documents: name the documents, or a file with an id a line")
    spelt = str(value)
    try:
        is_file = FileSystems.exists(spelt)
    except (OSError, BeamIOError, ValueError):
        is_file = False  # an id may be a URL, of which no file system knows
    try:
        if is_file:
            # Lines end as they do in files; an id may hold any other separator.
            lines = read_bytes(spelt).decode("utf-8-sig").split("\n")
            ids = [line.removesuffix("\r") for line in lines]
        else:
            ids = [id_.strip() for id_ in spelt.split(",")]
    except (OSError, BeamIOError, ValueError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise ConfigurationError(f"--documents: {spelt}: {reason}") from None
    ids = [id_ for id_ in ids if id_.strip()]
    if not ids:
        raise ConfigurationError(f"--documents: {spelt!r} names no document")
    return ids


def main(args: argparse.Namespace) -> int:
    """Runs the command."""
    apply_config(args)
    ids = document_ids(args.documents)
    options = build_options(args, last_build(args.directory))
    target = load_target(args, options)
    from pfn_kg.pipeline.build_phase import check_aliases
    from pfn_kg.pipeline.options import pipeline_options
    from pfn_kg.pipeline.remove import remove_documents

    pipeline_options(args.beam)
    check_aliases(args.directory, options)
    removed = remove_documents(args.directory, ids)
    return write_graph(args, options, target, f"{removed} documents removed; ")
