"""Going back to the snapshot before the current one."""

from __future__ import annotations

from pfn_kg.pipeline.detached import refuse_while_detached
from pfn_kg.pipeline.locks import hold
from pfn_kg.pipeline.manifest import HERE, Manifest, find_manifest
from pfn_kg.pipeline.manifest_updates import update_manifest
from pfn_kg.pipeline.snapshots import (
    SnapshotRecord,
    as_current,
    current_record,
    read_record,
)
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.transforms.plumbing.files import absolute


def rollback(directory: str, *, take_over: bool = False) -> SnapshotRecord:
    """Makes the snapshot before the current one current again.

    Its record comes back into the manifest. Extractions and removed documents stay what they are,
    so the next build makes the newer graph once more, unless its options are others.

    Args:
        directory: the output folder.
        take_over: whether claims of other commands are removed.

    Returns:
        The record of the snapshot that is current now.

    Raises:
        ConfigurationError: if there is no graph, or none before it.
    """
    directory = absolute(directory)
    _previous(directory, find_manifest(directory))
    with hold(directory, "rollback", take_over=take_over):
        refuse_while_detached(directory, "build")
        found: list[SnapshotRecord] = []

        def go_back(manifest: Manifest) -> Manifest:
            found.append(_previous(directory, manifest))
            return as_current(manifest, found[-1])

        update_manifest(directory, "rollback", go_back)
    return found[-1]


def _previous(directory: str, manifest: Manifest | None) -> SnapshotRecord:
    current = None if manifest is None else current_record(directory, manifest)
    if current is None:
        raise ConfigurationError(f"{directory}: no finished graph there")
    if current.path == HERE or current.previous is None:
        raise ConfigurationError(f"{directory}: no graph is kept from before the current one")
    try:
        return read_record(directory, current.previous)
    except ConfigurationError:
        raise ConfigurationError(
            f"{directory}: the graph before the current one, {current.previous}, is not kept"
        ) from None
