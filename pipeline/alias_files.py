"""The alias table beside a graph: kept for the next build, and cut for workers of this one."""

from __future__ import annotations

from hashlib import blake2b

from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.schemas.rules import NameRules, NearNameOptions
from pfn_kg.sinks.tables import parquet_bytes
from pfn_kg.transforms.merging.alias_table import AliasTable
from pfn_kg.transforms.merging.merge_options import MergeOptions
from pfn_kg.transforms.names.entity_keys import EntityKeys
from pfn_kg.transforms.plumbing.files import (
    delete,
    exists,
    join,
    make_folder,
    read_if_there,
    replace,
)

#: The alias table that the graph was built with, so that the next build has it too.
ALIASES_FILE = "aliases.parquet"

_ALIAS_KEYS_FILE = "alias_keys.parquet"
# Rows that one worker reads of the alias table at a time.
_ALIAS_GROUP_ROWS = 50_000


def kept_aliases(directory: str, recorded: str) -> str:
    """The path of the alias table of a folder's last build.

    Args:
        directory: the output folder.
        recorded: the hash that `keep_aliases` gave.

    Raises:
        ConfigurationError: if there is another one there, or none.
    """
    path = join(directory, ALIASES_FILE)
    content = read_if_there(path)
    if content is None or _digest(content) != recorded:
        raise ConfigurationError(
            f"{path} is not the alias table of the last build; name one", field="aliases"
        )
    return path


def _digest(data: bytes) -> str:
    return blake2b(data, digest_size=16).hexdigest()


def keep_aliases(directory: str, aliases: AliasTable | None) -> str | None:
    """Puts the alias table beside the graph, or takes the last one away; gives its hash."""
    path = join(directory, ALIASES_FILE)
    if aliases is None:
        if exists(path):
            delete(path)
        return None
    data = parquet_bytes(aliases.rows)
    replace(path, data)
    return _digest(data)


def merge_options(
    temporary: str,
    *,
    label_schema: LabelSchema,
    names: NameRules,
    aliases: AliasTable | None,
    near_names: NearNameOptions | None,
) -> MergeOptions | None:
    """What makes entities of different keys one; None if nothing does.

    Args:
        temporary: a folder that workers read, where what they join with goes.
        label_schema: of the graph.
        names: what is taken off a name.
        aliases: the alias table, if any.
        near_names: how alike names must be; None compares none.
    """
    keys = EntityKeys.of(label_schema, names)
    if aliases is None:
        return None if near_names is None else MergeOptions(keys, near_names=near_names)
    path = join(temporary, _ALIAS_KEYS_FILE)
    make_folder(temporary)
    replace(path, parquet_bytes(aliases.keys, _ALIAS_GROUP_ROWS))
    return MergeOptions(keys, path, -(-len(aliases.keys) // _ALIAS_GROUP_ROWS), near_names)
