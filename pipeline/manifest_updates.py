"""Changes of a run's manifest that several commands may make at the same time."""

from __future__ import annotations

import logging
from collections.abc import Callable

from pfn_kg.pipeline.history import with_events
from pfn_kg.pipeline.locks import hold_manifest
from pfn_kg.pipeline.manifest import Manifest, find_manifest, manifest_path, write_manifest
from pfn_kg.pipeline.manifest_lists import delete_other_lists
from pfn_kg.pipeline.snapshots import is_link_behind, switch_link
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.transforms.plumbing.listing import delete_partial

_logger = logging.getLogger(__name__)

# What belongs to the graph, and not to the extractions.
_OF_GRAPH = ("graph", "build", "loads", "history")


def update_manifest(
    directory: str, command: str, change: Callable[[Manifest], Manifest]
) -> Manifest:
    """Reads the manifest of a run, changes it and writes it, while nobody else does.

    Args:
        directory: the output folder.
        command: what writes, for the message that others get.
        change: gives the new manifest; what it raises leaves the old one.

    The link `DIR/graph` follows the manifest while nobody else writes it.

    Returns:
        The manifest, as it was written.

    Raises:
        ConfigurationError: if there is no manifest, or it can't be read.
    """

    def of_what_is_there(manifest: Manifest | None) -> Manifest:
        if manifest is None:
            raise ConfigurationError(f"{manifest_path(directory)}: not there any more")
        return change(manifest)

    return put_manifest(directory, command, of_what_is_there)


def put_manifest(
    directory: str, command: str, make: Callable[[Manifest | None], Manifest]
) -> Manifest:
    """As `update_manifest`, also where there is no manifest yet."""
    with hold_manifest(directory, command):
        manifest = find_manifest(directory)
        made = make(manifest)
        if made != manifest:
            made = with_events(manifest, made, command)
        # Lists of an older version get files of their own.
        if made != manifest or any(list_.rows is not None for list_ in made.lists):
            write_manifest(directory, made)
        if made.graph is not None:
            switch_link(directory, made.graph)
    return made


def mend_link(directory: str, command: str) -> None:
    """Makes the link `DIR/graph` lead to the graph that the manifest names.

    A command that is killed right after it has written the manifest leaves the link behind: at
    the whole graph of before. Where the folder can't be written the link stays as it is.

    Args:
        directory: the output folder.
        command: what mends, for the message that others get.
    """
    manifest = find_manifest(directory)
    if manifest is None or not is_link_behind(directory, manifest):
        return
    try:
        update_manifest(directory, command, lambda now: now)
    except (ConfigurationError, OSError) as error:
        _logger.debug("%s: the link stays: %s", directory, error)


def clean_manifest(directory: str, command: str) -> None:
    """Deletes what killed commands left of manifests and lists, and lists of former manifests.

    Nobody writes the manifest meanwhile, so no file is deleted that is about to be named.

    Args:
        directory: the output folder, which the caller holds.
        command: what deletes, for the message that others get.
    """
    with hold_manifest(directory, command):
        delete_partial(directory)
        manifest = find_manifest(directory)
        delete_other_lists(directory, () if manifest is None else manifest.lists)


def carried(manifest: Manifest, last: Manifest | None) -> Manifest:
    """The manifest of an extraction, with what it does not change.

    The graph stays until another one is built, and with it the record of its build; so do the
    records of loads, and keys that this version does not know.

    Args:
        manifest: of the extraction.
        last: the one that it replaces, if there is one.
    """
    if last is None:
        return manifest
    kept = {name: getattr(last, name) for name in _OF_GRAPH if name in last.model_fields_set}
    return manifest.changed(**{**(last.model_extra or {}), **kept})


def check_unchanged(output: str, found: Manifest | None) -> None:
    """Refuses to go on where another command has changed a folder since it was looked at.

    Args:
        output: the folder, which the caller holds.
        found: its manifest at that time.

    Raises:
        ConfigurationError: if so.
    """
    now = find_manifest(output)
    # What was loaded meanwhile changes nothing here.
    if (now and now.changed(loads={})) != (found and found.changed(loads={})):
        raise ConfigurationError(
            f"{output} was changed by another command in the meantime; try again", field="output"
        )
