"""Entities linked to a catalogue: from the names of chunks to the links that each chunk learns.

```
chunks -> lookups by part of the catalogue -> entries by id -> entries by chunk -.
      '-> entities by document, by chunk -----------------------------------------+-> votes by id
votes by id -> decisions -> links by chunk, names of the entries, why
```

No step holds the catalogue, all names, or all documents of a name: a name is one row a chunk.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import apache_beam as beam
import pyarrow as pa

from pfn_kg.schemas.characters import shown_name
from pfn_kg.schemas.shuffled_rows import NAME_SCHEMA, Link
from pfn_kg.transforms.facts.settled_entities import CATALOGUE
from pfn_kg.transforms.linking.candidates import (
    by_home,
    chunks_of_entities,
    join_catalogue,
    send_to_chunks,
)
from pfn_kg.transforms.linking.catalogue_file import Catalogue
from pfn_kg.transforms.linking.decisions import (
    DECISION_SCHEMA,
    Decision,
    Told,
    decide,
    decision_row,
    heir_of,
    told_otherwise,
    told_row,
)
from pfn_kg.transforms.linking.evidence import Entry
from pfn_kg.transforms.linking.occurrences import Occurrences
from pfn_kg.transforms.linking.votes import Vote
from pfn_kg.transforms.merging.components import by_shard
from pfn_kg.transforms.merging.merge_options import SIZE_TABLE, Apart
from pfn_kg.transforms.plumbing.files import join, replace
from pfn_kg.transforms.plumbing.shards import decode, decode_all, encode
from pfn_kg.transforms.tables.parts import part_name

#: The folder of the files that say why; see DECISION_SCHEMA.
LINKS_FOLDER = "links"


class Linking(NamedTuple):
    """What links entities.

    Attributes:
        catalogue: of entries.
        confidence: of a link, from here on.
        apart: what is never made one.
    """

    catalogue: Catalogue
    confidence: float
    apart: Apart = Apart()

    @property
    def homes(self) -> dict[bytes, bytes]:
        """For each id that is kept apart from others, the least of all that hang together."""
        homes: dict[bytes, bytes] = {}
        for id_ in sorted(self.apart.others):
            waiting = [id_]
            while waiting:
                one = waiting.pop()
                if one not in homes:
                    homes[one] = id_
                    waiting += self.apart.others.get(one, ())
        return homes


class Linked(NamedTuple):
    """The output of `LinkEntities`.

    Attributes:
        links: (number of the chunk, list of `Link`).
        names: rows of NAME_SCHEMA that the catalogue gives, as ((`entities`, shard), bytes).
        counts: dictionaries.
    """

    links: beam.PCollection
    names: beam.PCollection
    counts: beam.PCollection


class LinkEntities(beam.PTransform):
    """From `Occurrences` to `Linked`; writes why.

    Args:
        linking: the catalogue, and how sure a link must be.
        folder: of the graph.
        to_bytes: turns a table into the bytes of a file.
        plan: side input: the number of files of each table.
        names: rows of NAME_SCHEMA that the alias table gives, as ((`entities`, shard), bytes);
            None if there is no alias table.
    """

    def __init__(
        self,
        linking: Linking,
        folder: str,
        to_bytes: Callable[[pa.Table], bytes],
        *,
        plan: beam.pvalue.AsSingleton,
        names: beam.PCollection | None = None,
    ):
        super().__init__()
        self._linking = linking
        self._write = folder, to_bytes
        self._plan = plan
        self._names = names

    def expand(self, occurrences: Occurrences) -> Linked:
        """Applies the transform."""
        plan, linking = self._plan, self._linking
        homes = linking.homes
        candidates = (
            occurrences.lookups
            | "GroupLookups" >> beam.GroupByKey()
            | "JoinCatalogue"
            >> beam.FlatMap(join_catalogue, linking.catalogue, homes, plan).with_output_types(
                tuple[int, bytes]
            )
        )
        chunks = occurrences.documents | "ChunksOfEntities" >> beam.FlatMap(
            chunks_of_entities, homes, plan
        ).with_output_types(tuple[int, bytes])
        of_chunks = (
            {"candidates": candidates, "chunks": chunks}
            | "GroupCandidates" >> beam.CoGroupByKey()
            | "SendToChunks" >> beam.FlatMap(send_to_chunks).with_output_types(tuple[int, bytes])
        )
        voted = (
            {"candidates": of_chunks, "documents": occurrences.documents}
            | "GroupByChunk" >> beam.CoGroupByKey()
            | "Vote"
            >> beam.ParDo(Vote(linking.confidence, homes), plan).with_outputs(
                Vote.TOLD, main="votes"
            )
        )
        of_ids = {
            "votes": voted["votes"]
            | "VoteTypes" >> beam.Map(_same).with_output_types(tuple[int, bytes]),
            "told": voted[Vote.TOLD]
            | "ToldTypes" >> beam.Map(_same).with_output_types(tuple[int, bytes]),
        }
        if self._names is not None:
            of_ids["given"] = self._names | "GivenIris" >> beam.FlatMap(
                _given, homes, plan
            ).with_output_types(tuple[int, bytes])
        decided = (
            of_ids
            | "GroupById" >> beam.CoGroupByKey()
            | "Decide"
            >> beam.ParDo(_Decide(linking), plan).with_outputs(
                _Decide.NAMES, _Decide.ROWS, _Decide.COUNTS, main="links"
            )
        )
        nothing = (
            occurrences.lookups.pipeline
            | "OnceForLinks" >> beam.Create([None])
            | "NoRows" >> beam.FlatMap(_no_rows, plan).with_output_types(tuple[int, bytes])
        )
        rows = decided[_Decide.ROWS] | "RowTypes" >> beam.Map(_same).with_output_types(
            tuple[int, bytes]
        )
        written = (
            (rows, nothing)
            | "AllRows" >> beam.Flatten()
            | "GroupRows" >> beam.GroupByKey()
            | "WriteLinks" >> beam.Map(_write_rows, *self._write, plan)
        )
        names = decided[_Decide.NAMES] | "NameTypes" >> beam.Map(_same).with_output_types(
            tuple[tuple[str, int], bytes]
        )
        links = decided["links"] | "LinkTypes" >> beam.Map(_same).with_output_types(tuple[int, Any])
        counts = (decided[_Decide.COUNTS], written) | "LinkCounts" >> beam.Flatten()
        return Linked(links, names, counts)


def _same(element: Any) -> Any:
    return element


def _given(
    element: tuple[tuple[str, int], bytes], homes: Mapping[bytes, bytes], plan: Mapping[str, int]
) -> Iterator[tuple[int, bytes]]:
    """The names that the alias table gives entities, by part of their ids."""
    yield from by_home(decode(element[1]), homes, plan)


class _Decide(beam.DoFn):
    """Decides on the entities of one part of the ids; yields links by chunk."""

    NAMES, ROWS, COUNTS = "names", "rows", "counts"

    def __init__(self, linking: Linking):
        self._linking = linking

    def process(
        self, group: tuple[int, Mapping[str, Iterable[bytes]]], plan: Mapping[str, int]
    ) -> Iterator[Any]:
        part, parts = group
        votes = decode_all(parts["votes"])
        given = decode_all(parts.get("given", ())) or NAME_SCHEMA.empty_table()
        told: dict[bytes, list[tuple[int, str, str, float]]] = {}
        for data in parts["told"]:
            columns = decode(data).to_pydict()
            for id_, *rest in zip(*columns.values(), strict=True):
                told.setdefault(id_, []).append(tuple(rest))
        outcome = _Outcome(given)
        if votes is not None:
            chunks = _chunks_of(votes)
            for decision in decide(
                votes,
                self._linking.confidence,
                given=_least(given),
                apart=self._linking.apart.others,
            ):
                id_ = decision.named.id
                outcome.add(decision, chunks[id_], told_otherwise(decision, told.get(id_, ())))
        yield from sorted(outcome.links.items())
        for shard, data in by_shard(outcome.names(), "entity_id", plan[SIZE_TABLE]):
            yield beam.pvalue.TaggedOutput(self.NAMES, ((SIZE_TABLE, shard), data))
        table = pa.Table.from_pylist(outcome.rows, DECISION_SCHEMA)
        yield beam.pvalue.TaggedOutput(self.ROWS, (part, encode(table)))
        yield beam.pvalue.TaggedOutput(self.COUNTS, dict(outcome.counts))


class _Outcome:
    """What the decisions of one part of the ids come to.

    Args:
        given: rows of NAME_SCHEMA that the alias table gives entities.
    """

    def __init__(self, given: pa.Table):
        self.links: dict[int, list[Link]] = {}
        self.rows: list[dict[str, object]] = []
        self.counts: Counter[str] = Counter()
        self._given = {row["entity_id"]: row for row in given.to_pylist()}
        self._names: dict[bytes, dict[str, object]] = {}

    def add(self, decision: Decision, chunks: Iterable[int], told: Iterable[Told]) -> None:
        """Adds what is decided of one entity.

        Args:
            decision: for all documents.
            chunks: that the entity is in.
            told: documents that say otherwise.
        """
        old, told = decision.named.id, list(told)
        if decision.heir is not None:
            link = Link(old, decision.heir, CATALOGUE, decision.type)
            for chunk in chunks:
                self.links.setdefault(chunk, []).append(link)
        if not decision.documents:  # a name that a correction speaks of and no text has
            return
        self.rows.append(decision_row(decision))
        self.counts["catalogue.names"] += 1
        self.counts[f"catalogue.{decision.reason}"] += 1
        named = self._given.pop(old, None)
        is_meant = len(told) < decision.documents
        if decision.entry is not None and decision.heir is not None and is_meant:
            row = _name_row(decision.heir, decision.type, decision.entry)
            if named is None:
                self._names.setdefault(decision.heir, row)
            else:
                # The user's own table has the word: such a name ranks before other given ones.
                self._names[decision.heir] = row | {"name": named["name"], "own": 1}
        elif decision.heir is None and named is not None and is_meant:
            self._names[old] = named
        for one in told:
            heir, type_ = heir_of(one.entry, decision.named.type)
            link = Link(old, heir, CATALOGUE, type_, one.document_id)
            self.links.setdefault(one.chunk, []).append(link)
            self._names.setdefault(heir, _name_row(heir, type_, one.entry))
            self.rows.append(told_row(decision, one))
            self.counts["catalogue.told"] += 1

    def names(self) -> pa.Table:
        """The names that alias table and catalogue give entities: rows of NAME_SCHEMA."""
        rows = self._given | self._names
        return pa.Table.from_pylist([rows[id_] for id_ in sorted(rows)], NAME_SCHEMA)


def _least(given: pa.Table) -> dict[bytes, str]:
    """The IRIs that the alias table gives; the first one where an id has several."""
    iris: dict[bytes, str] = {}
    columns = (given[name].to_pylist() for name in ("entity_id", "same_as"))
    for id_, iri in zip(*columns, strict=True):
        if iri is not None:
            iris[id_] = min(iri, iris.get(id_, iri))
    return iris


def _chunks_of(votes: pa.Table) -> dict[bytes, list[int]]:
    chunks: dict[bytes, set[int]] = {}
    for id_, chunk in zip(votes["entity_id"].to_pylist(), votes["chunk"].to_pylist(), strict=True):
        chunks.setdefault(id_, set()).add(chunk)
    return {id_: sorted(of) for id_, of in chunks.items()}


def _name_row(id_: bytes, type_: str, entry: Entry) -> dict[str, object]:
    return {
        "entity_id": id_,
        "kind": "entity",
        "type": type_,
        "name": shown_name(entry.name),
        "mentions": 0,
        "own": 0,
        "documents": 0,
        "is_canonical": True,
        "same_as": entry.iri,
        # Also where other rules say how all of the texts' names are the entity's.
        "rule": CATALOGUE,
        "own_type": type_,
    }


def _no_rows(_: object, plan: Mapping[str, int]) -> Iterator[tuple[int, bytes]]:
    """For each part of the ids no row, so that every file is written."""
    for part in range(plan[SIZE_TABLE]):
        yield part, encode(DECISION_SCHEMA.empty_table())


def _write_rows(
    part: tuple[int, Iterable[bytes]],
    folder: str,
    to_bytes: Callable[[pa.Table], bytes],
    plan: Mapping[str, int],
) -> dict[str, int]:
    """Writes one file of why; an id stands in one of them."""
    rows = decode_all(part[1])
    assert rows is not None  # a group has a part
    rows = rows.sort_by([("old_id", "ascending"), ("document_id", "ascending")])
    path = join(folder, LINKS_FOLDER, part_name(part[0], plan[SIZE_TABLE]))
    replace(path, to_bytes(rows))
    return {}
