"""Where ids went: those of keys that other entities took, and those of the last build.

```
old mentions -> by mention_id, with the new ones -> (old entity, new entity, mentions) -.
keys whose mentions went to another entity, in this build ------------------------------+
                                    -> by old id: those that are no entity now -> heirs
old redirects -> by where they led: still an entity, or its heir -> by old id --' -> table
```

An id that is an entity has no row, and every row leads to an entity, so that no two rows
make a chain. Only ids are read and shuffled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc

from pfn_kg.schemas.tables import TABLE_SCHEMAS
from pfn_kg.transforms.plumbing.ids import from_arrow, shard_of_hex, to_hex
from pfn_kg.transforms.plumbing.shards import decode, decode_all, encode, split
from pfn_kg.transforms.tables.parts import TablePart, read_part

#: Mentions of an old id that are of an entity now. `is_own`: by their keys, in this build.
VOTE_SCHEMA = pa.schema(
    {
        "old_id": pa.string(),
        "entity_id": pa.string(),
        "mentions": pa.int64(),
        "is_own": pa.bool_(),
    }
)
_SCHEMA = TABLE_SCHEMAS["redirects"]


def own_votes(moved: pa.Table, shards: int) -> Iterator[tuple[int, bytes]]:
    """Rows of `pfn_kg.schemas.shuffled_rows.MOVED_SCHEMA` as votes, by part of the old id."""
    votes = pa.table(
        {
            "old_id": to_hex(from_arrow(moved["old_id"])),
            "entity_id": to_hex(from_arrow(moved["entity_id"])),
            "mentions": moved["mentions"],
            "is_own": pa.array([True] * len(moved), pa.bool_()),
        },
        schema=VOTE_SCHEMA,
    )
    yield from _by_id(votes, "old_id", shards)


class FindRedirects(beam.PTransform):
    """From the files of the new tables to (number, rows of `redirects` as Arrow IPC bytes).

    There is an element for each file of `entities`, whose number it has.

    Args:
        votes: (part of the old id, VOTE_SCHEMA as bytes), from `own_votes`.
        old: the files of `mentions` of the last build, if there was one, and those of
            `redirects`, if it had any.
        plan: side input: how many files each new table has.
    """

    def __init__(
        self,
        votes: beam.PCollection,
        old: Sequence[TablePart],
        plan: beam.pvalue.AsSingleton,
    ):
        super().__init__()
        self._votes = votes
        self._old = old
        self._plan = plan

    def expand(self, parts: beam.PCollection) -> beam.PCollection:
        """Applies the transform to a collection of `TablePart`."""
        entities = _files(parts, "entities")
        votes = self._votes
        old_mentions = [part for part in self._old if part.table == "mentions"]
        old_redirects = [part for part in self._old if part.table == "redirects"]
        if old_mentions:
            read = (
                parts.pipeline
                | "OldMentions" >> beam.Create(old_mentions, reshuffle=True)
                | "ReadOldMentions"
                >> beam.FlatMap(_old_mentions, self._plan).with_output_types(tuple[int, Any])
            )
            changed = (
                {"old": read, "file": _files(parts, "mentions")}
                | "GroupByMention" >> beam.CoGroupByKey()
                | "Changed" >> beam.FlatMap(_changed, self._plan).with_output_types(tuple[int, Any])
            )
            votes = (votes, changed) | "AllVotes" >> beam.Flatten()
        heirs = (
            {"votes": votes, "file": entities}
            | "GroupVotes" >> beam.CoGroupByKey()
            | "Elect" >> beam.Map(_elect).with_output_types(tuple[int, Any])
        )
        if not old_redirects:
            return heirs
        read = (
            parts.pipeline
            | "OldRedirects" >> beam.Create(old_redirects, reshuffle=True)
            | "ReadOldRedirects"
            >> beam.FlatMap(_old_redirects, self._plan).with_output_types(tuple[int, Any])
        )
        carried = (
            {"redirects": read, "heirs": heirs, "file": entities}
            | "GroupByTarget" >> beam.CoGroupByKey()
            | "Carry" >> beam.FlatMap(_carry, self._plan).with_output_types(tuple[int, Any])
        )
        return (
            {"heirs": heirs, "carried": carried, "file": entities}
            | "GroupByOldId" >> beam.CoGroupByKey()
            | "Redirects" >> beam.Map(_redirects).with_output_types(tuple[int, bytes])
        )


def _files(parts: beam.PCollection, table: str) -> beam.PCollection:
    return (
        parts
        | f"Files of {table}" >> beam.Filter(lambda part: part.table == table)
        | f"Numbers of {table}"
        >> beam.Map(lambda part: (part.number, part)).with_output_types(tuple[int, Any])
    )


def _by_id(rows: pa.Table, column: str, shards: int) -> Iterator[tuple[int, bytes]]:
    yield from split(rows, shard_of_hex(rows[column], shards), shards)


def _old_mentions(part: TablePart, plan: Mapping[str, int]) -> Iterator[tuple[int, bytes]]:
    rows = read_part(part, ["mention_id", "entity_id"])
    yield from _by_id(rows, "mention_id", plan["mentions"])


def _old_redirects(part: TablePart, plan: Mapping[str, int]) -> Iterator[tuple[int, bytes]]:
    yield from _by_id(read_part(part), "entity_id", plan["entities"])


def _changed(
    group: tuple[int, Mapping[str, Iterable[Any]]], plan: Mapping[str, int]
) -> Iterator[tuple[int, bytes]]:
    """Of the mentions that are of another entity now: how many went from which to which."""
    old = decode_all(group[1]["old"])
    files = list(group[1]["file"])
    if old is None or not files:
        return
    new = read_part(files[0], ["mention_id", "entity_id"])
    index = pc.index_in(old["mention_id"].combine_chunks(), new["mention_id"].combine_chunks())
    entity = new["entity_id"].combine_chunks().take(index)
    # Null where the mention is gone, which passes no filter.
    differs = pc.not_equal(old["entity_id"].combine_chunks(), entity)
    rows = pa.table({"old_id": old["entity_id"], "entity_id": entity}).filter(differs)
    if not len(rows):
        return
    votes = rows.group_by(["old_id", "entity_id"], use_threads=False).aggregate([([], "count_all")])
    votes = votes.rename_columns({"count_all": "mentions"})
    votes = votes.append_column("is_own", pa.array([False] * len(votes), pa.bool_()))
    yield from _by_id(votes.select(VOTE_SCHEMA.names).cast(VOTE_SCHEMA), "old_id", plan["entities"])


def _entity_ids(files: Iterable[TablePart]) -> pa.Array:
    ids = [read_part(file, ["entity_id"])["entity_id"].combine_chunks() for file in files]
    return ids[0] if ids else pa.array([], pa.string())


def elect(votes: pa.Table, entity_ids: pa.Array) -> dict[str, str]:
    """The heir of each old id that is no entity: the entity with most of its mentions.

    What this build says of keys goes before what mentions of the last build say; of equals
    the lower id is the heir.

    Args:
        votes: as in VOTE_SCHEMA.
        entity_ids: of the entities among which an old id would be.
    """
    gone = votes.filter(pc.invert(pc.is_in(votes["old_id"], value_set=entity_ids)))
    elected = gone.group_by(["old_id", "entity_id", "is_own"], use_threads=False).aggregate(
        [("mentions", "sum")]
    )
    elected = elected.sort_by(
        [
            ("old_id", "ascending"),
            ("is_own", "descending"),
            ("mentions_sum", "descending"),
            ("entity_id", "ascending"),
        ]
    )
    heirs: dict[str, str] = {}
    for old, heir in zip(
        elected["old_id"].to_pylist(), elected["entity_id"].to_pylist(), strict=True
    ):
        heirs.setdefault(old, heir)
    return heirs


def _elect(group: tuple[int, Mapping[str, Iterable[Any]]]) -> tuple[int, bytes]:
    votes = decode_all(group[1]["votes"])
    heirs = {} if votes is None else elect(votes, _entity_ids(group[1]["file"]))
    return group[0], encode(_table(heirs))


def _carry(
    group: tuple[int, Mapping[str, Iterable[Any]]], plan: Mapping[str, int]
) -> Iterator[tuple[int, bytes]]:
    """Old redirects, to where they lead now; those that lead nowhere end."""
    redirects = _pairs(group[1]["redirects"])
    if not redirects:
        return
    entities = set(_entity_ids(group[1]["file"]).to_pylist())
    heirs = _pairs(group[1]["heirs"])
    carried = {}
    for old, target in redirects.items():
        target_now = target if target in entities else heirs.get(target)
        if target_now is not None:
            carried[old] = target_now
    if carried:
        yield from _by_id(_table(carried), "old_id", plan["entities"])


def _redirects(group: tuple[int, Mapping[str, Iterable[Any]]]) -> tuple[int, bytes]:
    entities = set(_entity_ids(group[1]["file"]).to_pylist())
    heirs = _pairs(group[1]["carried"]) | _pairs(group[1]["heirs"])
    return group[0], encode(_table({old: id_ for old, id_ in heirs.items() if old not in entities}))


def _pairs(parts: Iterable[bytes]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for part in parts:
        table = decode(part)
        pairs |= zip(table["old_id"].to_pylist(), table["entity_id"].to_pylist(), strict=True)
    return pairs


def _table(redirects: Mapping[str, str]) -> pa.Table:
    old = sorted(redirects)
    return pa.table([old, [redirects[id_] for id_ in old]], schema=_SCHEMA)
