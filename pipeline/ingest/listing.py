"""The files that `ingest` reads, with the ids of their documents."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.ingest_options import FORMAT_OF_SUFFIX, IngestFormat, format_of
from pfn_kg.transforms.plumbing.files import (
    absolute,
    exists,
    is_local,
    local_path,
    name_of,
)
from pfn_kg.transforms.plumbing.listing import list_folder
from pfn_kg.transforms.reading.list_corpus import list_corpus


class Source(NamedTuple):
    """A file that is read.

    Attributes:
        path: where it is.
        name: what it is called from the folder that was named; the id of its document, if it has
            only one.
        format: how it is read.
    """

    path: str
    name: str
    format: IngestFormat


class Listing(NamedTuple):
    """What the arguments stand for.

    Attributes:
        sources: the files, in the order of their paths within each argument.
        left_out: how many files of folders have an ending that is not known, by ending.
    """

    sources: list[Source]
    left_out: Counter[str]


def list_sources(inputs: Sequence[str], format_: IngestFormat | None) -> Listing:
    """The files of some arguments, each once.

    Of a folder all files below it are read whose endings are known; files and folders whose names
    begin with `.` or `_` are left out. Any other argument is a file, or a pattern if there is no
    such file.

    Args:
        inputs: files, folders or patterns.
        format_: of all of them; None goes by the ends of their names.

    Raises:
        ConfigurationError: if an argument matches nothing, or the format of a named file is not
            known.
    """
    found: dict[str, tuple[str, IngestFormat]] = {}
    left_out: Counter[str] = Counter()
    for name in inputs:
        path = absolute(name)
        try:
            listed = _below(path, format_, left_out)
        except OSError as error:
            reason = " ".join(str(error).split())
            raise ConfigurationError(f"{name}: can't be listed: {reason}", field="inputs") from None
        if listed is None:
            listed = _named(name, format_)
        if not listed:
            endings = ", ".join(sorted(left_out)) or "none"
            raise ConfigurationError(
                f"{name}: no file below this folder can be read (endings there: {endings}; known "
                f"are {', '.join(FORMAT_OF_SUFFIX)})",
                field="inputs",
            )
        for source in listed:
            found.setdefault(source.path, (source.name, source.format))
    sources = [Source(path, *about) for path, about in found.items()]
    return Listing(_with_own_names(sources), left_out)


def _below(path: str, format_: IngestFormat | None, left_out: Counter[str]) -> list[Source] | None:
    """The files below a folder; None if it is none."""
    is_folder = is_local(path) and local_path(path).is_dir()
    if not is_folder and (is_local(path) or exists(path)):
        return None
    files = list_folder(path)
    if not files and not is_folder:
        return None
    sources = []
    for metadata in files:
        name = metadata.path[len(path) :].replace(os.sep, "/").strip("/")
        if any(part.startswith((".", "_")) for part in name.split("/")):
            continue
        known = format_ or format_of(name)
        if known is None:
            left_out[os.path.splitext(name)[1].lower() or "no ending"] += 1
        else:
            sources.append(Source(metadata.path, name, known))
    return sources


def _named(name: str, format_: IngestFormat | None) -> list[Source]:
    """The file of that name, or the files that match a pattern."""
    try:
        files = list_corpus([name])
    except ConfigurationError as error:
        reason = error.reason.removeprefix("CORPUS ")
        raise ConfigurationError(reason, field="inputs") from None
    sources = []
    for metadata in files:
        known = format_ or format_of(metadata.path)
        if known is None:
            raise ConfigurationError(
                f"{metadata.path}: the ending is not known (known are "
                f"{', '.join(FORMAT_OF_SUFFIX)}); name the format by `format`",
                field="inputs",
            )
        last = name_of(metadata.path)
        sources.append(Source(metadata.path, last, known))
    return sources


def _with_own_names(sources: list[Source]) -> list[Source]:
    """Sources of which no two have the same name: longer names from the folder above all."""
    if len({source.name for source in sources}) == len(sources):
        return sources
    folders = [source.path.replace(os.sep, "/").split("/")[:-1] for source in sources]
    above = 0
    while all(len(parts) > above and parts[above] == folders[0][above] for parts in folders):
        above += 1
    return [
        source._replace(name="/".join(source.path.replace(os.sep, "/").split("/")[above:]))
        for source in sources
    ]
