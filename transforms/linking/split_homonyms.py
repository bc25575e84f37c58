"""Names that are of several things, told apart in all documents: from chunks to links.

```
chunks -> names of documents with what they say of them, by id -> senses -> links by chunk
```
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import apache_beam as beam
import pyarrow as pa

from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.schemas.link_options import HomonymPolicy
from pfn_kg.schemas.shuffled_rows import ID_TYPE, Link, Move
from pfn_kg.transforms.corrections.find_plan import REFERENCES
from pfn_kg.transforms.documents.deduplicate import Loser
from pfn_kg.transforms.extraction.columns import ChunkFile
from pfn_kg.transforms.facts.chunk_rows import ChunkRows, rows_of_chunk
from pfn_kg.transforms.facts.fact_options import FactOptions
from pfn_kg.transforms.facts.kept_rows import KeptRows
from pfn_kg.transforms.facts.settled_entities import HOMONYMS
from pfn_kg.transforms.graph.make_rows import ReadChunk, moves_of_chunk, of_chunk
from pfn_kg.transforms.linking.homonyms import Occurrence, Sense, senses
from pfn_kg.transforms.merging.merge_options import SIZE_TABLE
from pfn_kg.transforms.plumbing.files import join, replace
from pfn_kg.transforms.plumbing.ids import from_arrow, shard_of
from pfn_kg.transforms.plumbing.shards import decode_all, encode, split
from pfn_kg.transforms.tables.parts import part_name

#: The folder of the files that say which names are of several things; see SENSE_SCHEMA.
HOMONYMS_FOLDER = "homonyms"

#: One row for each sense of a name whose facts contradict.
SENSE_SCHEMA = pa.schema(
    {
        "old_id": pa.string(),  # of the entity by name
        "entity_id": pa.string(),  # of the entity that the documents' mentions are of
        "type": pa.string(),
        "claims": pa.list_(pa.struct({"relation": pa.string(), "object": pa.string()})),
        "documents": pa.int64(),
        "document_ids": pa.list_(pa.string()),  # the first ones
        "decision": pa.string(),  # main, split, or doubtful: they contradict and were left together
    }
)

#: A name in a document.
CONTEXT_SCHEMA = pa.schema(
    {
        "entity_id": ID_TYPE,
        "type": pa.string(),
        "chunk": pa.int64(),
        "document_id": pa.string(),
        "claims": pa.list_(pa.struct({"relation": pa.string(), "object": pa.string()})),
        "partners": pa.list_(pa.uint64()),
    }
)

# Other names of a document that are compared: those of the lowest hashes, which are the same ones
# in all documents, so that shares of them are shares of all.
_MOST_PARTNERS = 32
_LISTED_DOCUMENTS = 20


class HomonymOptions(NamedTuple):
    """What becomes of names whose facts contradict.

    Attributes:
        policy: `flag` says so, `split` also tells apart those whose contexts differ.
        known: ids that corrections speak of, by name alone: people have said what these names are.
    """

    policy: HomonymPolicy
    known: frozenset[bytes] = frozenset()


class Split(NamedTuple):
    """The output of `SplitHomonyms`.

    Attributes:
        links: (number of the chunk, list of `Link`).
        counts: dictionaries.
    """

    links: beam.PCollection
    counts: beam.PCollection


class SplitHomonyms(beam.PTransform):
    """From `ChunkFile` to `Split`; writes which names are of several things.

    Args:
        homonyms: what becomes of them.
        label_schema: of the graph; relations with one object tell.
        options: thresholds and policies.
        folder: of the graph.
        to_bytes: turns a table into the bytes of a file.
        beside: side inputs, as `pfn_kg.transforms.graph.make_rows.MakeRows` takes them: `losers`,
            `plan`, and where they are `moves` and `links`.
        kept: where what documents say of names is kept for later builds, if it is.
    """

    def __init__(
        self,
        homonyms: HomonymOptions,
        label_schema: LabelSchema,
        options: FactOptions,
        *,
        folder: str,
        to_bytes: Callable[[pa.Table], bytes],
        beside: Mapping[str, Any],
        kept: KeptRows | None = None,
    ):
        super().__init__()
        self._homonyms = homonyms
        self._read = _ContextsOfChunk(label_schema, options, kept)
        self._write = folder, to_bytes
        self._beside = beside

    def expand(self, chunks: beam.PCollection) -> Split:
        """Applies the transform."""
        plan = self._beside["plan"]
        # What corrections speak of may have moved, or be linked.
        settling = {n: of for n, of in self._beside.items() if n in ("moves", "links")}
        contexts = chunks | "Contexts" >> beam.ParDo(self._read, **self._beside).with_output_types(
            tuple[int, bytes]
        )
        nothing = (
            chunks.pipeline
            | "OnceForHomonyms" >> beam.Create([None])
            | "NoContexts" >> beam.FlatMap(_nothing, plan).with_output_types(tuple[int, bytes])
        )
        found = (
            (contexts, nothing)
            | "AllContexts" >> beam.Flatten()
            | "GroupContexts" >> beam.GroupByKey()
            | "Senses"
            >> beam.ParDo(
                _Senses(self._homonyms, *self._write),
                plan,
                **(settling if self._homonyms.known else {}),
            ).with_outputs(_Senses.COUNTS, main="links")
        )
        links = found["links"] | "SplitTypes" >> beam.Map(_same).with_output_types(tuple[int, Any])
        return Split(links, found[_Senses.COUNTS])


def _same(element: Any) -> Any:
    return element


def _nothing(_: object, plan: Mapping[str, int]) -> Iterator[tuple[int, bytes]]:
    """For each part of the ids no row, so that every file is written."""
    for part in range(plan[SIZE_TABLE]):
        yield part, encode(CONTEXT_SCHEMA.empty_table())


class _ContextsOfChunk(ReadChunk):
    """Yields the contexts of the entities of chunks, by part of their ids."""

    def process(
        self,
        chunk: ChunkFile,
        losers: Mapping[int, Iterable[list[Loser]]],
        plan: dict[str, int],
        moves: Mapping[int, Iterable[list[Move]]] | None = None,
        links: Mapping[int, Iterable[list[Link]]] | None = None,
    ) -> Iterator[tuple[int, bytes]]:
        layer = of_chunk(links, chunk)
        # All that the contexts depend on beside the file.
        beside: dict[str, Any] = {
            "losers": of_chunk(losers, chunk),
            "moves": moves_of_chunk(moves, chunk),
            "links": (layer,) if layer else (),
        }

        def make() -> dict[str, pa.Table]:
            rows, dehyphenate = self._read(chunk)
            made = rows_of_chunk(
                rows,
                model_hash=chunk.model_hash,
                label_schema=self._label_schema,
                options=self._options._replace(sentences=False),
                dehyphenate=dehyphenate,
                **beside,
            )
            return {"contexts": contexts_of(made, self._label_schema)}

        contexts = self._tables("contexts", chunk, beside, make)["contexts"]
        number = pa.array([chunk.number] * len(contexts), pa.int64())
        contexts = contexts.append_column("chunk", number).select(CONTEXT_SCHEMA.names)
        yield from self._hold({"contexts": contexts.cast(CONTEXT_SCHEMA)}, plan)

    def _cut(self, tables: Mapping[str, pa.Table]) -> Iterator[tuple[int, bytes]]:
        shards = self._plan[SIZE_TABLE]
        for rows in tables.values():
            yield from split(rows, shard_of(from_arrow(rows["entity_id"]), shards), shards)


def contexts_of(made: ChunkRows, label_schema: LabelSchema) -> pa.Table:
    """The entities in the documents of a chunk that relations with one object may tell apart.

    Args:
        made: the rows of the chunk.
        label_schema: whose relations with one object tell, by objects that are values.

    Returns:
        Rows of CONTEXT_SCHEMA, without the chunk.
    """
    telling = {r.name for r in label_schema.relations if r.max_objects == 1}
    subjects = {
        pair.subject for r in label_schema.relations if r.name in telling for pair in r.arguments
    }
    names = made.tables["entities"].select(["entity_id", "kind", "type", "value"]).to_pylist()
    values = {row["entity_id"]: row["value"] for row in names if row["kind"] == "value"}
    types = {row["entity_id"]: row["type"] for row in names if row["kind"] == "entity"}
    columns = ("document_id", "relation", "subject_entity_id", "object_entity_id")
    claims: dict[tuple[str, bytes], set[tuple[str, str]]] = {}
    triples = (made.tables["triples"][name].to_pylist() for name in columns)
    for document_id, relation, subject, object_ in zip(*triples, strict=True):
        # Two names of one place or person would seem to contradict each other.
        if relation in telling and values.get(object_) is not None:
            claims.setdefault((document_id, subject), set()).add((relation, values[object_]))
    mentions = (made.tables["mentions"][name].to_pylist() for name in ("document_id", "entity_id"))
    of_document: dict[str, set[bytes]] = {}
    for document_id, id_ in zip(*mentions, strict=True):
        if id_ in types:
            of_document.setdefault(document_id, set()).add(id_)
    rows = []
    for document_id, ids in sorted(of_document.items()):
        hashes = {id_: int.from_bytes(id_[:8], "big") for id_ in sorted(ids)}
        lowest = sorted(hashes.values())[: _MOST_PARTNERS + 1]
        for id_, own in hashes.items():
            said = claims.get((document_id, id_), set())
            if types[id_] in subjects or not subjects or said:
                rows.append(
                    {
                        "entity_id": id_,
                        "type": types[id_],
                        "document_id": document_id,
                        "claims": [{"relation": r, "object": v} for r, v in sorted(said)],
                        "partners": [one for one in lowest if one != own][:_MOST_PARTNERS],
                    }
                )
    schema = CONTEXT_SCHEMA.remove(CONTEXT_SCHEMA.get_field_index("chunk"))
    return pa.Table.from_pylist(rows, schema)


class _Senses(beam.DoFn):
    """Tells the senses of the names of one part of the ids; yields links by chunk."""

    COUNTS = "counts"

    def __init__(
        self, homonyms: HomonymOptions, folder: str, to_bytes: Callable[[pa.Table], bytes]
    ):
        self._homonyms = homonyms
        self._folder, self._to_bytes = folder, to_bytes

    def process(
        self,
        group: tuple[int, Iterable[bytes]],
        plan: Mapping[str, int],
        moves: Mapping[int, Iterable[list[Move]]] | None = None,
        links: Mapping[int, Iterable[list[Link]]] | None = None,
    ) -> Iterator[Any]:
        part, parts = group
        known = self._homonyms.known
        for layer in (moves, links):
            found = [] if layer is None else [one for some in layer[REFERENCES] for one in some]
            known |= {one.heir for one in found if one.old in known}
        contexts = decode_all(parts)
        assert contexts is not None  # a group has a part
        split: dict[int, list[Link]] = {}
        rows: list[dict[str, object]] = []
        counts: Counter[str] = Counter()
        for old, type_, occurrences in _by_entity(contexts):
            told = senses(occurrences)
            if len(told) < 2 and not any(sense.errs for sense in told):
                continue
            splits = self._homonyms.policy == "split" and old not in known
            rows += sense_rows(old, type_, told, splits=splits)
            counts["homonyms.contradictions"] += 1
            if splits and len(told) > 1:
                counts["homonyms.split"] += 1
                for sense in told[1:]:
                    for one in sense.occurrences:
                        link = Link(old, sense.heir(old), HOMONYMS, type_, one.document_id)
                        split.setdefault(one.chunk, []).append(link)
        path = join(self._folder, HOMONYMS_FOLDER, part_name(part, plan[SIZE_TABLE]))
        replace(path, self._to_bytes(pa.Table.from_pylist(rows, SENSE_SCHEMA)))
        yield from sorted(split.items())
        yield beam.pvalue.TaggedOutput(self.COUNTS, dict(counts))


def _by_entity(contexts: pa.Table) -> Iterator[tuple[bytes, str, list[Occurrence]]]:
    found: dict[bytes, list[Occurrence]] = {}
    types: dict[bytes, str] = {}
    for row in contexts.to_pylist():
        claims = frozenset((claim["relation"], claim["object"]) for claim in row["claims"])
        one = Occurrence(row["chunk"], row["document_id"], claims, frozenset(row["partners"]))
        found.setdefault(row["entity_id"], []).append(one)
        types[row["entity_id"]] = row["type"]
    for id_ in sorted(found):
        yield id_, types[id_], found[id_]


def sense_rows(
    old: bytes, type_: str, told: list[Sense], *, splits: bool
) -> Iterator[dict[str, object]]:
    """The rows of SENSE_SCHEMA of one name.

    Args:
        old: id of its entity.
        type_: of that entity.
        told: its senses, the main one first.
        splits: whether they are told apart.
    """
    for number, sense in enumerate(told):
        goes = splits and number > 0
        decision = "split" if goes else "main" if splits and not sense.errs else "doubtful"
        yield {
            "old_id": old.hex(),
            "entity_id": (sense.heir(old) if goes else old).hex(),
            "type": type_,
            "claims": [{"relation": r, "object": v} for r, v in sense.claims],
            "documents": len(sense.occurrences),
            "document_ids": [one.document_id for one in sense.occurrences][:_LISTED_DOCUMENTS],
            "decision": decision,
        }
