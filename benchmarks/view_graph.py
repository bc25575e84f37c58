"""A large graph that is made up, as tables of a build; for `benchmarks.view`."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pfn_kg.pipeline.manifest import BuildRecord, Manifest, write_manifest
from pfn_kg.pipeline.manifest_lists import ChunkList
from pfn_kg.pipeline.snapshots import GRAPH_SCHEMA_FILE, SnapshotRecord, write_record
from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.schemas.tables import TABLE_SCHEMAS
from pfn_kg.transforms.tables.parts import part_name

SHARD_ROWS = 200_000
TYPES = ["PER", "ORG", "LOC", "MISC", "TIME"]
RELATIONS = [f"relation_{i}" for i in range(80)]
LABEL_SCHEMA = LabelSchema.from_dict(
    {
        "entity_types": [
            *({"name": name} for name in TYPES[:-1]),
            {"name": "TIME", "kind": "value", "datatype": "xsd:date"},
        ],
        "relations": [{"name": name} for name in RELATIONS],
    }
)
SYLLABLES = [
    "ka",
    "ro",
    "mi",
    "len",
    "sta",
    "ber",
    "gö",
    "lund",
    "wa",
    "tér",
    "ison",
    "ford",
    "ova",
    "na",
    "sé",
    "chi",
    "tan",
    "del",
    "mar",
    "quin",
]
SENTENCE = "In its report the committee said that {} was {} by {} in the year before. "
SNAPSHOT = "builds/20260102T030405-0123456789ab"


def ids(rng: np.random.Generator, count: int) -> pa.Array:
    """Sorted ids, as random as hashes are."""
    places = rng.integers(16, size=(count, 24), dtype=np.uint8)
    digits = np.frombuffer(b"0123456789abcdef", np.uint8)[places]
    offsets = pa.py_buffer(np.arange(0, 24 * count + 1, 24, dtype=np.int32))
    digits = np.sort(digits.view("S24").ravel())
    return pa.StringArray.from_buffers(count, offsets, pa.py_buffer(digits))


def skewed(rng: np.random.Generator, most: int, count: int) -> np.ndarray:
    """Numbers below `most`, of which few are frequent; which ones has nothing to do with order."""
    ranks = (most * rng.random(count) ** 3).astype(np.int64)
    return rng.permutation(most)[ranks]


def names(rng: np.random.Generator, count: int) -> list[str]:
    """Names of one to three words; most words are rare."""
    spelt = random.Random(int(rng.integers(1 << 30)))
    words = [
        "".join(spelt.choices(SYLLABLES, k=spelt.randint(2, 4))).capitalize()
        for _ in range(max(1000, count // 4))
    ]
    lengths = rng.integers(1, 4, count)
    places = iter(skewed(rng, len(words), int(lengths.sum())).tolist())
    return [" ".join(words[next(places)] for _ in range(length)) for length in lengths.tolist()]


class Tables:
    """The tables of a snapshot, written part by part."""

    def __init__(self, folder: Path):
        self.folder = folder

    def write(self, name: str, columns: dict[str, pa.Array]) -> None:
        """Writes a table; columns that are not given are null."""
        rows = len(next(iter(columns.values())))
        schema = TABLE_SCHEMAS[name]
        parts = max(1, -(-rows // SHARD_ROWS))
        (self.folder / name).mkdir(parents=True)
        for part in range(parts):
            begin, end = part * rows // parts, (part + 1) * rows // parts
            arrays = [
                columns[field.name].slice(begin, end - begin).cast(field.type)
                if field.name in columns
                else pa.nulls(end - begin, field.type)
                for field in schema
            ]
            path = self.folder / name / part_name(part, parts)
            pq.write_table(pa.table(arrays, schema=schema), path, compression="zstd")


def make_graph(folder: Path, entities: int, relations: int, seed: int = 0) -> None:
    """Writes a finished graph without its texts."""
    rng = np.random.default_rng(seed)
    documents = max(1, entities // 4)
    tables = Tables(folder / SNAPSHOT)
    entity_ids, document_ids = ids(rng, entities), ids(rng, documents)
    name = pa.array(names(rng, entities))
    type_ = rng.integers(len(TYPES), size=entities)
    is_value = type_ == len(TYPES) - 1
    year = pa.array([str(1000 + number % 1000) for number in range(entities)])
    name = pc.if_else(pa.array(is_value), year, name)
    type_names = pa.array(TYPES).take(pa.array(type_))
    subject = skewed(rng, entities, relations)
    object_ = skewed(rng, entities, relations)
    relation_ids = ids(rng, relations)
    predicate = pa.array(RELATIONS).take(pa.array(skewed(rng, len(RELATIONS), relations)))
    confidence = pa.array(rng.random(relations).astype(np.float32))
    # Every fifth fact has a second piece of evidence.
    of_fact = np.sort(np.concatenate([np.arange(relations), np.arange(0, relations, 5)]))
    evidence_count = pa.array(np.bincount(of_fact, minlength=relations))
    triples = len(of_fact)
    triple_ids = ids(rng, triples)
    # Triples are sorted by their own ids, which have nothing to do with those of their facts.
    order = rng.permutation(triples)
    first = np.concatenate([[0], np.cumsum(np.bincount(of_fact, minlength=relations))[:-1]])
    place = np.empty(triples, np.int64)
    place[order] = np.arange(triples)
    offsets = pa.array(np.concatenate([first, [triples]]).astype(np.int32))
    tables.write(
        "relations",
        {
            "relation_id": relation_ids,
            "subject_id": entity_ids.take(pa.array(subject)),
            "predicate": predicate,
            "object_id": entity_ids.take(pa.array(object_)),
            "confidence": confidence,
            "evidence_count": evidence_count,
            "document_count": evidence_count,
            "evidence": pa.ListArray.from_arrays(offsets, triple_ids.take(pa.array(place))),
        },
    )
    fact = of_fact[order]
    subjects, objects = name.take(pa.array(subject[fact])), name.take(pa.array(object_[fact]))
    relation = predicate.take(pa.array(fact))
    before, middle, after, end = SENTENCE.split("{}")
    texts = pc.binary_join_element_wise(before, subjects, middle, relation, after, objects, end, "")
    subject_end = pc.add(pc.utf8_length(subjects), len(before))
    object_begin = pc.add(pc.add(subject_end, pc.utf8_length(relation)), len(middle + after))
    document = skewed(rng, documents, triples)
    tables.write(
        "triples",
        {
            "triple_id": triple_ids,
            "document_id": document_ids.take(pa.array(document)),
            "evidence_begin": pa.array(np.zeros(triples, np.int32)),
            "evidence_end": pc.utf8_length(texts),
            "evidence_text": texts,
            "subject_mention_id": triple_ids,
            "relation": relation,
            "object_mention_id": triple_ids,
            "subject_text": subjects,
            "subject_type": type_names.take(pa.array(subject[fact])),
            "subject_begin": pa.array(np.full(triples, len(before), np.int32)),
            "subject_end": subject_end,
            "object_text": objects,
            "object_type": type_names.take(pa.array(object_[fact])),
            "object_begin": object_begin,
            "object_end": pc.add(object_begin, pc.utf8_length(objects)),
            "score": confidence.take(pa.array(fact)),
            "flags": pa.ListArray.from_arrays(
                pa.array(np.zeros(triples + 1, np.int32)), pa.array([], pa.string())
            ),
            "subject_entity_id": entity_ids.take(pa.array(subject[fact])),
            "object_entity_id": entity_ids.take(pa.array(object_[fact])),
            "relation_id": relation_ids.take(pa.array(fact)),
        },
    )
    # Each fact has a mention of its subject, and each entity is mentioned once more.
    of_mention = np.concatenate([np.arange(entities), subject])
    counts = pa.array(np.bincount(of_mention, minlength=entities))
    begin = rng.integers(0, 1000, len(of_mention))
    tables.write(
        "mentions",
        {
            "mention_id": ids(rng, len(of_mention)),
            "document_id": document_ids.take(pa.array(skewed(rng, documents, len(of_mention)))),
            "sentence_index": pa.array(np.zeros(len(of_mention), np.int32)),
            "begin": pa.array(begin),
            "end": pc.add(pa.array(begin), 6),
            "text": name.take(pa.array(of_mention)),
            "type": type_names.take(pa.array(of_mention)),
            "score": pa.array(rng.random(len(of_mention)).astype(np.float32)),
            "entity_id": entity_ids.take(pa.array(of_mention)),
        },
    )
    kinds = pa.array(["entity", "value"]).take(pa.array(is_value.astype(np.int8)))
    nothing = pa.nulls(entities, pa.string())
    tables.write(
        "entities",
        {
            "entity_id": entity_ids,
            "kind": kinds,
            "name": name,
            "type": type_names,
            "value": pc.if_else(pa.array(is_value), year, nothing),
            "aliases": pa.ListArray.from_arrays(
                pa.array(np.concatenate([[0], np.cumsum(~is_value)]).astype(np.int32)),
                pc.binary_join_element_wise("The", name.filter(pa.array(~is_value)), " "),
            ),
            "mentions": counts,
            "documents": counts,
        },
    )
    tables.write(
        "documents",
        {
            "document_id": document_ids,
            "title": pc.binary_join_element_wise("Report on", name.slice(0, documents), " "),
            "metadata": pa.array(
                [f'{{"date": "{1990 + n % 30}-01-01"}}' for n in range(documents)]
            ),
            "content_hash": document_ids,
            "source_file": pa.array(["corpus.parquet"] * documents),
            "source_row": pa.array(np.arange(documents)),
            "characters": pa.array(np.full(documents, 1006)),
            "sentences": pa.array(np.full(documents, 10)),
            "model_hash": pa.array(["made up"] * documents),
        },
    )
    for empty in ("redirects", "rejected"):
        schema = TABLE_SCHEMAS[empty]
        tables.write(empty, {field.name: pa.array([], field.type) for field in schema})
    (folder / SNAPSHOT / GRAPH_SCHEMA_FILE).write_text(LABEL_SCHEMA.to_yaml(), encoding="utf-8")
    build = BuildRecord(options={}, seconds=0.0, counts={})
    record = SnapshotRecord(path=SNAPSHOT, extraction="", build=build)
    write_record(str(folder), record)
    manifest = Manifest(
        run_id="made-up", state="done", chunks=ChunkList.of(()), graph=SNAPSHOT, build=build
    )
    write_manifest(str(folder), manifest)
