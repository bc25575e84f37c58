"""Changes of a run's manifest that several commands may make at the same time."""

from __future__ import annotations

from collections.abc import Callable

from pfn_kg.pipeline.locks import hold_manifest
from pfn_kg.pipeline.manifest import Manifest, find_manifest, manifest_path, write_manifest
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.transforms.plumbing.files import delete_partial

# What belongs to the graph, and not to the extractions.
_OF_GRAPH = ("graph", "build", "loads")


def update_manifest(
    directory: str, command: str, change: Callable[[Manifest], Manifest]
) -> Manifest:
    """Reads the manifest of a run, changes it and writes it, while nobody else does.

    Args:
        directory: the output folder.
        command: what writes, for the message that others get.
        change: gives the new manifest; what it raises leaves the old one.

    Returns:
        The manifest, as it was written.

    Raises:
        ConfigurationError: if there is no manifest, or it can't be read.
    """
    with hold_manifest(directory, command):
        manifest = find_manifest(directory)
        if manifest is None:
            raise ConfigurationError(f"{manifest_path(directory)}: not there any more")
        changed = change(manifest)
        if changed != manifest:
            write_manifest(directory, changed)
    return changed


def delete_partial_manifests(directory: str, command: str) -> None:
    """Deletes what killed commands left of files directly in an output folder.

    Nobody writes the manifest meanwhile, so no file is deleted that is about to get its name.

    Args:
        directory: the output folder.
        command: what deletes, for the message that others get.
    """
    with hold_manifest(directory, command):
        delete_partial(directory)


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
