"""The alias table beside a graph: kept for the next build, and cut for workers of this one."""

from __future__ import annotations

from hashlib import blake2b

from pfn_kg.pipeline.snapshots import ALIASES_FILE
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.rules import NearNameOptions
from pfn_kg.sinks.tables import parquet_bytes
from pfn_kg.transforms.merging.alias_table import AliasTable
from pfn_kg.transforms.merging.merge_options import Apart, MergeOptions
from pfn_kg.transforms.names.entity_keys import EntityKeys
from pfn_kg.transforms.plumbing.files import join, make_folder, read_if_there, replace

#: What workers join with while a graph is built.
ALIAS_KEYS_FILE = "alias_keys.parquet"
# Rows that one worker reads of the alias table at a time.
_ALIAS_GROUP_ROWS = 50_000


def kept_aliases(graph: str, recorded: str) -> str:
    """The path of the alias table that a graph was built with.

    Args:
        graph: the folder of the snapshot.
        recorded: the hash that `keep_aliases` gave.

    Raises:
        ConfigurationError: if there is another one there, or none.
    """
    path = join(graph, ALIASES_FILE)
    content = read_if_there(path)
    if content is None or _digest(content) != recorded:
        raise ConfigurationError(
            f"{path} is not the alias table of the last build; name one", field="aliases"
        )
    return path


def _digest(data: bytes) -> str:
    return blake2b(data, digest_size=16).hexdigest()


def keep_aliases(graph: str, aliases: AliasTable | None) -> str | None:
    """Puts the alias table beside the graph; gives its hash, or None if there is no table."""
    if aliases is None:
        return None
    data = parquet_bytes(aliases.rows)
    replace(join(graph, ALIASES_FILE), data)
    return _digest(data)


def merge_options(
    folder: str,
    *,
    keys: EntityKeys,
    aliases: AliasTable | None,
    near_names: NearNameOptions | None,
    apart: Apart | None = None,
) -> MergeOptions | None:
    """What makes entities of different keys one; None if nothing does.

    Args:
        folder: a folder that workers read; gets the file ALIAS_KEYS_FILE, which the caller
            deletes when the graph is built.
        keys: of names.
        aliases: the alias table, if any.
        near_names: how alike names must be; None compares none.
        apart: what is never made one.
    """
    apart = apart or Apart()
    if aliases is None:
        options = MergeOptions(keys, near_names=near_names, apart=apart)
        return options if near_names is not None or options.across_documents else None
    path = join(folder, ALIAS_KEYS_FILE)
    make_folder(folder)
    replace(path, parquet_bytes(aliases.keys, _ALIAS_GROUP_ROWS))
    return MergeOptions(keys, path, -(-len(aliases.keys) // _ALIAS_GROUP_ROWS), near_names, apart)
