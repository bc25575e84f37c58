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

    documents: str | None = option(
        None,
        "ids as they are, with commas between them",
        group="Documents",
        metavar="IDS",
        common=True,
        default_text="those of `documents_file`",
    )
    documents_file: str | None = option(
        None,
        "file with one id a line, such as one of an id with a comma",
        group="Documents",
        metavar="FILE",
        common=True,
        default_text="none",
    )


OPTIONS: tuple[type[Options], ...] = (
    FolderOptions,
    RemoveOptions,
    BuildOptions,
    LoadOptions,
    JobOptions,
    LockOptions,
)


def document_ids(documents: object, file: object = None) -> list[str]:
    """The ids of the documents that are taken out, each as it is: white space is part of it.

    Args:
        documents: ids with commas between them; of a configuration file also a list of ids.
        file: a file with one id a line, on any file system that Beam knows.

    Raises:
        ConfigurationError: if neither or both are given, no id is named, or the file can't be
            read.
    """
    if documents is not None and file is not None:
        raise ConfigurationError("not together with `documents`", field="documents_file")
    if file is not None:
        return _ids_of_file(file)
    if isinstance(documents, list):  # of a configuration file
        ids = [str(id_) for id_ in documents]
    elif documents is None or isinstance(documents, bool) or not isinstance(documents, str | int):
        raise ConfigurationError("name the documents, or give `documents_file`", field="documents")
    else:
        ids = str(documents).split(",")
    if "" in ids or not ids:
        raise ConfigurationError(f"{documents!r} has an empty id", field="documents")
    return ids


def _ids_of_file(path: object) -> list[str]:
    from pfn_kg.transforms.plumbing.files import read_if_there

    if not isinstance(path, str) or not path:
        raise ConfigurationError(f"{path!r} is no file", field="documents_file")
    try:
        content = read_if_there(path)
        if content is None:
            raise ConfigurationError(f"{path}: no such file", field="documents_file")
        # Lines end as they do in files; an id may hold any other separator.
        lines = content.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path}: not UTF-8", field="documents_file") from None
    except OSError as error:
        raise ConfigurationError(f"{error}", field="documents_file") from None
    ids = [line.removesuffix("\r") for line in lines]
    ids = [id_ for id_ in ids if id_]
    if not ids:
        raise ConfigurationError(f"{path} names no document", field="documents_file")
    return ids


def main(call: Call) -> int:
    """Runs the command."""
    call.of(JobOptions)
    directory = call.of(FolderOptions).directory
    ids = document_ids(call.given.get("documents"), call.given.get("documents_file"))
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
        try:
            removed = remove_documents(directory, ids)
        except ConfigurationError as error:
            if error.field == "documents" and "documents_file" in call.given:
                raise ConfigurationError(error.reason, field="documents_file") from None
            raise
        return write_graph(call, options, target, done=f"{removed} documents removed; ")
