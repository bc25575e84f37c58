"""A catalogue as a file: the names of its entries, sorted by key, so that a join reads blocks.

A row is one name of one entry. Rows are sorted by the hash of the name's key, and row groups are
cut there, so that the footer alone says which row group has the entries of a name. A join reads
the row groups that its names are in, and nobody holds the whole catalogue.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.label_schema import NameKind
from pfn_kg.schemas.rules import NameRules
from pfn_kg.transforms.names.name_keys import name_key
from pfn_kg.transforms.plumbing.files import open_raw

#: One row for each name of an entry.
CATALOGUE_SCHEMA = pa.schema(
    {
        "block": pa.uint64(),  # hash of the key
        "key": pa.string(),  # of the name, by `entry_keys`
        "entry": pa.uint64(),  # hash of the IRI
        "iri": pa.string(),
        "name": pa.string(),  # what the catalogue calls the entry
        "type": pa.string(),  # an entity type of label schemas; null: unknown
        "popularity": pa.int64(),  # 0 or more; compared among entries of one name
        "neighbours": pa.list_(pa.uint64()),  # hashes of the IRIs of related entries
    }
)

#: Rows of a row group, about: what a worker reads at a time.
GROUP_ROWS = 50_000

#: Entries of one name that are told apart; the most popular ones stay.
MOST_ENTRIES = 32

#: Related entries that an entry keeps.
MOST_NEIGHBOURS = 24

#: Where the file's metadata describe it.
METADATA_KEY = b"pfn_kg.catalogue"
VERSION = 1

# Keys of a catalogue do not depend on the options of a build.
_RULES = NameRules()


def hash_of(text: str) -> int:
    """A hash of 64 bits, of a key or of an IRI."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


def lookup_key(name: str, kind: NameKind | None) -> str:
    """The key by which a name is looked up.

    Args:
        name: as the text has it.
        kind: what names of its type are like.
    """
    return name_key(name, kind, _RULES)


def entry_keys(name: str) -> tuple[str, ...]:
    """The keys under which a name of an entry is found: with its legal form and without."""
    keys = (lookup_key(name, None), lookup_key(name, "organization"))
    return tuple(dict.fromkeys(key for key in keys if key))


class Catalogue(NamedTuple):
    """What the footer of a catalogue says.

    Attributes:
        path: of the file.
        least: the least block of each row group.
        greatest: the greatest one.
        types: the entity types of the entries.
        digest: of the content.
    """

    path: str
    least: tuple[int, ...]
    greatest: tuple[int, ...]
    types: tuple[str, ...]
    digest: str

    @property
    def groups(self) -> int:
        """How many row groups there are."""
        return len(self.least)

    def groups_of(self, block: int) -> range:
        """The row groups that have rows of a block."""
        return range(bisect_left(self.greatest, block), bisect_right(self.least, block))

    def read(self, group: int) -> pa.Table:
        """The rows of a row group, as in CATALOGUE_SCHEMA."""
        with open_raw(self.path) as file:
            return pq.ParquetFile(file).read_row_group(group, use_threads=False)


def open_catalogue(path: str) -> Catalogue:
    """Reads the footer of a catalogue.

    Args:
        path: on any file system that Beam knows.

    Raises:
        ConfigurationError: if it is none; names the file.
    """

    def refuse(reason: str) -> ConfigurationError:
        return ConfigurationError(f"{path}: {reason}", field="catalogue")

    try:
        with open_raw(path) as file:
            footer = pq.ParquetFile(file).metadata
    except (OSError, ValueError, pa.ArrowException) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise refuse(reason) from None
    described = (footer.metadata or {}).get(METADATA_KEY)
    if described is None:
        raise refuse("no catalogue; make one by `pfn-kg catalogue`")
    facts = orjson.loads(described)
    if facts.get("version") != VERSION:
        raise refuse(f"a catalogue of version {facts.get('version')}, and {VERSION} is read")
    # Column 0 is `block`.
    ranges = [footer.row_group(g).column(0).statistics for g in range(footer.num_row_groups)]
    return Catalogue(
        path,
        tuple(int(s.min) for s in ranges),
        tuple(int(s.max) for s in ranges),
        tuple(facts["types"]),
        facts["digest"],
    )


def blocks_of(keys: pa.Array | list[str]) -> np.ndarray:
    """The block of each key."""
    listed = keys if isinstance(keys, list) else keys.to_pylist()
    return np.array([hash_of(key) for key in listed], dtype=np.uint64)
