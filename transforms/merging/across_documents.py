"""Entities that are one by what several documents say: short forms, types, names alike.

```
names of chunks -> short forms that a document defines -> by short form, with its own names --.
names of chunks -> by block -> type votes, middle names --------------------------------------+
names of chunks -> SimilarNameHeirs -> heirs ------------------------------------------------+
moves by alias table and near names --------------------------------------------------------. |
                                  claims by both ends -> at each id, the claims that give way -+
claims without those that gave way, with the chunks of the names -> moves by chunk
```

An id takes part in the claims of one rule alone, so that no move leads to an id that moves itself.
Alias table and near names go first, then abbreviations, middle names, votes and
similar names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import Any

import apache_beam as beam
import pyarrow as pa

from pfn_kg.schemas.shuffled_rows import FACT_BYTES, ID_TYPE, Move
from pfn_kg.transforms.merging.components import links_of
from pfn_kg.transforms.merging.merge_options import SIZE_TABLE, MergeOptions
from pfn_kg.transforms.merging.moves import moves_of_chunks
from pfn_kg.transforms.merging.name_blocks import (
    MIDDLE_NAMES,
    MOST_ENTITIES,
    TYPE_VOTES,
    compared,
    middle_block,
    middle_names,
    type_votes,
)
from pfn_kg.transforms.merging.similar_name_heirs import SimilarNameHeirs
from pfn_kg.transforms.merging.similar_names import SIMILAR_NAMES
from pfn_kg.transforms.names.entity_keys import EntityKeys
from pfn_kg.transforms.names.short_forms import form_of
from pfn_kg.transforms.plumbing.ids import from_arrow, shard_of
from pfn_kg.transforms.plumbing.shards import decode, decode_all, encode, split

#: The rule of this module beside those of `pfn_kg.transforms.merging.name_blocks`.
ABBREVIATIONS = "abbreviations"
# The first goes before the others.
_PRIORITY = ("", ABBREVIATIONS, MIDDLE_NAMES, TYPE_VOTES, SIMILAR_NAMES)

_CLAIM_SCHEMA = pa.schema(
    {"old": ID_TYPE, "heir": ID_TYPE, "rule": pa.string(), "type": pa.string()}
)
_DEFINITION_SCHEMA = pa.schema({"short": ID_TYPE, "long": ID_TYPE, "rule": pa.string()})
_BLOCK_SCHEMA = pa.schema(
    {
        "block": pa.binary(FACT_BYTES),
        "rule": pa.string(),
        "entity_id": ID_TYPE,
        "type": pa.string(),
        "key": pa.string(),
        "mentions": pa.int64(),
        "facts": pa.list_(pa.binary(FACT_BYTES)),
    }
)


class AcrossDocuments(beam.PTransform):
    """From (part of the ids, CHUNK_NAME_SCHEMA as Arrow IPC bytes) to moves, pairs and counts.

    Moves are (chunk, list of `Move`), pairs are `DoubtfulName`, or None if similar names are not
    compared.

    Args:
        options: which rules are on, and what is never made one.
        plan: side input: the number of files of each table.
        taken: (part of the id, ids as LINK_SCHEMA) whose entities move by other rules, or get
            others that move.
    """

    def __init__(
        self, options: MergeOptions, plan: beam.pvalue.AsSingleton, taken: beam.PCollection
    ):
        super().__init__()
        self._options = options
        self._plan = plan
        self._taken = taken

    def expand(
        self, names: beam.PCollection
    ) -> tuple[beam.PCollection, beam.PCollection | None, beam.PCollection]:
        """Applies the transform."""
        options, plan = self._options, self._plan
        definitions = names | "Definitions" >> beam.FlatMap(
            _definitions, options.keys, plan
        ).with_output_types(tuple[int, bytes])
        by_short = (
            {"names": names, "definitions": definitions}
            | "GroupShort" >> beam.CoGroupByKey()
            | "Abbreviations"
            >> beam.FlatMap(_abbreviations, options, plan).with_output_types(tuple[int, bytes])
        )
        by_block = (
            names
            | "Blocks"
            >> beam.FlatMap(_blocks, options.keys, plan).with_output_types(tuple[int, bytes])
            | "GroupBlocks" >> beam.GroupByKey()
            | "Compare"
            >> beam.ParDo(_Compare(options), plan).with_outputs(_Compare.COUNTS, main="claims")
        )
        of_blocks = by_block["claims"] | "ClaimTypes" >> beam.Map(_same).with_output_types(
            tuple[int, bytes]
        )
        counts, doubtful = [by_block[_Compare.COUNTS]], None
        said = [by_short, of_blocks]
        if options.keys.rules.similar_names:
            heirs, doubtful, of_similar = names | "SimilarNames" >> SimilarNameHeirs(options, plan)
            said.append(
                heirs
                | "SimilarClaims"
                >> beam.FlatMap(_claims_of_heirs, plan).with_output_types(tuple[int, bytes])
            )
            counts.append(of_similar)
        claims = said | "Claims" >> beam.Flatten()
        at_heirs = claims | "ByHeir" >> beam.FlatMap(_by_heir, plan).with_output_types(
            tuple[int, bytes]
        )
        vetoes = (
            {"claims": claims, "heirs": at_heirs, "taken": self._taken}
            | "GroupEnds" >> beam.CoGroupByKey()
            | "GiveWay" >> beam.FlatMap(_give_way, plan).with_output_types(tuple[int, bytes])
        )
        chunks = names | "Chunks" >> beam.MapTuple(_chunks).with_output_types(tuple[int, bytes])
        held = (
            {"claims": claims, "vetoes": vetoes, "chunks": chunks}
            | "GroupOld" >> beam.CoGroupByKey()
            | "Moves" >> beam.ParDo(_Moves()).with_outputs(_Moves.COUNTS, main="moves")
        )
        moves = held["moves"] | "MoveTypes" >> beam.Map(_same).with_output_types(tuple[int, Any])
        counts.append(held[_Moves.COUNTS])
        return moves, doubtful, counts | "Counts" >> beam.Flatten()


def _same(element: Any) -> Any:
    return element


def _claims_of_heirs(
    group: tuple[int, bytes], plan: Mapping[str, int]
) -> Iterator[tuple[int, bytes]]:
    claims = {(old, heir, SIMILAR_NAMES, None) for old, heir in links_of([group[1]])}
    yield from _by("old", _table(claims, _CLAIM_SCHEMA), plan)


def _chunks(part: int, names: bytes) -> tuple[int, bytes]:
    return part, encode(decode(names).select(["entity_id", "chunk"]))


def _by(column: str, rows: pa.Table, plan: Mapping[str, int]) -> Iterator[tuple[int, bytes]]:
    shards = plan[SIZE_TABLE]
    yield from split(rows, shard_of(from_arrow(rows[column]), shards), shards)


def _definitions(
    group: tuple[int, bytes], keys: EntityKeys, plan: Mapping[str, int]
) -> Iterator[tuple[int, bytes]]:
    """The short forms that documents send to a long form, by the id that they have themselves."""
    if not keys.rules.abbreviations:
        return
    rows = decode(group[1])
    columns = (rows[name].to_pylist() for name in ("entity_id", "own_type", "name", "rule"))
    found = {
        (keys.home(name, type_), long, rule)
        for long, type_, name, rule in zip(*columns, strict=True)
        if rule in ("bracketed", "initials")
    }
    yield from _by("short", _table(found, _DEFINITION_SCHEMA), plan)


def _abbreviations(
    group: tuple[int, Mapping[str, Iterable[bytes]]],
    options: MergeOptions,
    plan: Mapping[str, int],
) -> Iterator[tuple[int, bytes]]:
    """Claims that an acronym is the long form that all documents that say so agree on."""
    names, definitions = decode_all(group[1]["names"]), decode_all(group[1]["definitions"])
    if names is None or definitions is None:
        return
    longs: dict[bytes, set[bytes]] = {}
    introduced: set[bytes] = set()
    for row in definitions.to_pylist():
        longs.setdefault(row["short"], set()).add(row["long"])
        if row["rule"] == "bracketed":
            introduced.add(row["short"])
    spelt: dict[bytes, bool] = {}
    for id_, type_, name, chunk in _columns(names, "entity_id", "type", "name", "chunk"):
        if id_ in longs and chunk >= 0:
            # "Who" is no acronym, and has the key of one.
            form = form_of(name, options.keys.key(name, type_), None)
            spelt[id_] = spelt.get(id_, True) and bool(form.acronym)
    claims = {
        (short, long, ABBREVIATIONS, None)
        for short, of_short in longs.items()
        if spelt.get(short) and short in introduced and len(of_short) == 1
        for long in of_short
        if short != long and _may_be_one(options, short, long)
    }
    yield from _by("old", _table(claims, _CLAIM_SCHEMA), plan)


def _blocks(
    group: tuple[int, bytes], keys: EntityKeys, plan: Mapping[str, int]
) -> Iterator[tuple[int, bytes]]:
    """The entities of names, once for each block in which they are compared."""
    rules = keys.rules
    if not (rules.type_votes or rules.middle_names):
        return
    rows = []
    columns = ("entity_id", "type", "name", "rule", "mentions", "facts", "chunk")
    for id_, type_, name, rule, mentions, facts, chunk in _columns(decode(group[1]), *columns):
        # Names that corrections speak of are in no chunk.
        if rule is not None or chunk < 0:
            continue
        key = keys.key(name, type_)
        rest = (id_, type_, key, mentions, facts)
        if rules.type_votes:
            rows.append((_digest(TYPE_VOTES, key), TYPE_VOTES, *rest))
        block = middle_block(key) if keys.kinds.get(type_) == "person" else None
        if rules.middle_names and block is not None:
            rows.append((_digest(MIDDLE_NAMES, block), MIDDLE_NAMES, *rest))
    table = _table(rows, _BLOCK_SCHEMA)
    shards = plan[SIZE_TABLE]
    digests = [int.from_bytes(block, "big") % shards for block in table["block"].to_pylist()]
    yield from split(table, pa.array(digests, pa.int64()).to_numpy(), shards)


class _Compare(beam.DoFn):
    """Compares the entities of blocks; yields claims, and on `counts` what was left out."""

    COUNTS = "counts"

    def __init__(self, options: MergeOptions):
        self._options = options

    def process(self, group: tuple[int, Iterable[bytes]], plan: Mapping[str, int]) -> Iterator[Any]:
        blocks: dict[tuple[bytes, str], list[tuple]] = {}
        for part in group[1]:
            for block, rule, *rest in _columns(decode(part), *_BLOCK_SCHEMA.names):
                blocks.setdefault((block, rule), []).append(tuple(rest))
        claims: set[tuple] = set()
        too_large = 0
        for (_, rule), rows in blocks.items():
            entities = compared(rows)
            if len(entities) > MOST_ENTITIES:
                too_large += 1
                continue
            decide = type_votes if rule == TYPE_VOTES else middle_names
            claims.update(m for m in decide(entities) if _may_be_one(self._options, m.old, m.heir))
        yield beam.pvalue.TaggedOutput(self.COUNTS, {"name_blocks_too_large": too_large})
        yield from _by("old", _table(claims, _CLAIM_SCHEMA), plan)


def _may_be_one(options: MergeOptions, one: bytes, other: bytes) -> bool:
    return other not in options.apart.others.get(one, ())


def _by_heir(group: tuple[int, bytes], plan: Mapping[str, int]) -> Iterator[tuple[int, bytes]]:
    yield from _by("heir", decode(group[1]), plan)


def _give_way(
    group: tuple[int, Mapping[str, Iterable[bytes]]], plan: Mapping[str, int]
) -> Iterator[tuple[int, bytes]]:
    """The claims that give way at one of their ends, by the id that they would move."""
    taken = {id_ for link in links_of(group[1]["taken"]) for id_ in link}
    at: dict[bytes, list[tuple[int, tuple]]] = {}
    for side, end in (("claims", 0), ("heirs", 1)):
        for part in group[1][side]:
            for claim in _columns(decode(part), *_CLAIM_SCHEMA.names):
                at.setdefault(claim[end], []).append((_PRIORITY.index(claim[2]), claim))
    vetoes = set()
    for id_, claims in at.items():
        best = 0 if id_ in taken else min(priority for priority, _ in claims)
        vetoes |= {claim for priority, claim in claims if priority > best}
    yield from _by("old", _table(vetoes, _CLAIM_SCHEMA), plan)


class _Moves(beam.DoFn):
    """Gives chunks the moves that no other claim is against; yields (chunk, list of `Move`)."""

    COUNTS = "counts"

    def process(self, group: tuple[int, Mapping[str, Iterable[bytes]]]) -> Iterator[Any]:
        claims, vetoes = (
            {c for part in group[1][side] for c in _columns(decode(part), *_CLAIM_SCHEMA.names)}
            for side in ("claims", "vetoes")
        )
        chunks = decode_all(group[1]["chunks"])
        moves = sorted(Move(*claim) for claim in claims - vetoes)
        if chunks is None or not moves:
            return
        counts: dict[str, int] = {}
        for move in moves:
            counts[f"merged.{move.rule}"] = counts.get(f"merged.{move.rule}", 0) + 1
        yield beam.pvalue.TaggedOutput(self.COUNTS, counts)
        yield from moves_of_chunks(moves, chunks)


def _digest(*parts: str) -> bytes:
    return blake2b("\n".join(parts).encode(), digest_size=FACT_BYTES).digest()


def _columns(table: pa.Table, *names: str) -> Iterator[tuple]:
    return zip(*(table[name].to_pylist() for name in names), strict=True)


def _table(rows: Iterable[tuple], schema: pa.Schema) -> pa.Table:
    # In an order of their own, whatever set they come from.
    ordered = sorted(rows, key=repr)
    columns = [[row[number] for row in ordered] for number in range(len(schema))]
    arrays = [pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)]
    return pa.table(arrays, schema=schema)
