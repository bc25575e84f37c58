"""`pfn-kg remove`: takes documents out of a graph."""

from __future__ import annotations

from pfn_kg.pipeline.arguments import Call, JobOptions, LockOptions
from pfn_kg.pipeline.commands.build import (
    FolderOptions,
    build_options,
    last_build,
    load_target,
    write_graph,
)
from pfn_kg.schemas.build_options import BuildOptions
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.load_options import LoadOptions
from pfn_kg.schemas.options import Options, option

TAKES_BEAM_OPTIONS = True


class RemoveOptions(Options):
    """The documents that are taken out."""

    documents: str = option(
        ...,
        "ids with commas between them, or a file with one id a line",
        group="Documents",
        metavar="IDS_OR_FILE",
        common=True,
    )


OPTIONS: tuple[type[Options], ...] = (
    FolderOptions,
    RemoveOptions,
    BuildOptions,
    LoadOptions,
    JobOptions,
    LockOptions,
)


def document_ids(value: object) -> list[str]:
    """The ids that the option names: those of the file of that name, if there is one.

    Raises:
        ConfigurationError: if it names none or the file can't be read.
    """
    from apache_beam.io.filesystem import BeamIOError
    from apache_beam.io.filesystems import FileSystems

    from pfn_kg.transforms.plumbing.files import read_bytes

    if isinstance(value, list):  # of a configuration file
        return [str(id_) for id_ in value]
    if not isinstance(value, str | int) or isinstance(value, bool) or value == "":
        raise ConfigurationError(
            "name the documents, or a file with an id a line", field="documents"
        )
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
        raise ConfigurationError(f"{spelt}: {reason}", field="documents") from None
    ids = [id_ for id_ in ids if id_.strip()]
    if not ids:
        raise ConfigurationError(f"{spelt!r} names no document", field="documents")
    return ids


def main(call: Call) -> int:
    """Runs the command."""
    call.of(JobOptions)
    directory = call.of(FolderOptions).directory
    # In a configuration file it may be a list.
    ids = document_ids(call.given.get("documents"))
    options = build_options(call, last_build(directory))
    target = load_target(call, options)
    from pfn_kg.pipeline.build_phase import check_aliases
    from pfn_kg.pipeline.locks import hold
    from pfn_kg.pipeline.options import pipeline_options
    from pfn_kg.pipeline.remove import remove_documents

    pipeline_options(call.beam)
    check_aliases(directory, options)
    # In one go: no other command comes between removal and build.
    with hold(directory, "remove", take_over=call.of(LockOptions).take_over):
        removed = remove_documents(directory, ids)
        return write_graph(call, options, target, done=f"{removed} documents removed; ")
