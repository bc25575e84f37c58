"""Rows on their way to the files of a graph: held, cut by file, planned, counted."""

import itertools
import pickle

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.eager import eager
from helpers.examples import examples
from pfn_kg.schemas.shuffled_rows import shuffled_schema
from pfn_kg.transforms.graph.table_shards import BOUNDED_BY, empty_shards, plan_shards, shards_of
from pfn_kg.transforms.plumbing import held_rows
from pfn_kg.transforms.plumbing.held_rows import HeldRows, at_end_of_bundle
from pfn_kg.transforms.plumbing.ids import (
    content_id,
    group_ids,
    id_array,
    id_order,
    shard_of,
    shard_of_hex,
    sort_keys,
)
from pfn_kg.transforms.plumbing.shards import ShuffledRows, decode, split
from pfn_kg.transforms.tables.parts import TablePart
from pfn_kg.transforms.tables.sentence_contents import with_contents

pytestmark = pytest.mark.quick


# Some begin alike, so that their last bytes tell them apart, and some are equal.
_ALIKE = st.builds(
    lambda begin, end: begin + end,
    st.sampled_from([bytes(8), b"\xff" * 8, b"12345678"]),
    st.sampled_from([bytes(4), b"\x01\x00\x00\x00", b"\xff" * 4]),
)


@given(st.lists(st.one_of(_ALIKE, st.binary(min_size=12, max_size=12)), max_size=30))
def test_ids_are_sorted_as_their_bytes_are(ids):
    matrix = id_array(ids)
    expected = sorted(range(len(ids)), key=lambda row: ids[row])
    assert id_order(matrix).tolist() == expected == np.lexsort(sort_keys(matrix)).tolist()
    order, group, first = group_ids(matrix)
    assert order.tolist() == expected
    assert [ids[order[row]] for row in first] == sorted(set(ids))
    assert [sorted(set(ids))[number] for number in group] == sorted(ids)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.lists(st.integers(0, 9), max_size=4))))
@examples(50)
def test_held_rows_keep_their_order(added):
    held = HeldRows()
    for name, numbers in added:
        held.add({name: pa.table({"n": pa.array(numbers, pa.int64())})})
    expected = {
        name: [n for other, numbers in added if other == name for n in numbers] for name in "ab"
    }
    assert {name: rows["n"].to_pylist() for name, rows in held.take().items()} == {
        name: numbers for name, numbers in expected.items() if numbers
    }
    assert held.take() == {}
    assert not held.is_full


def test_rows_are_taken_when_there_are_many(monkeypatch):
    monkeypatch.setattr(held_rows, "MOST_BYTES", 32)
    held = HeldRows()
    three = pa.table({"n": pa.array([1, 2, 3], pa.int64())})
    held.add({"a": three})
    assert not held.is_full
    held.add({"b": three.slice(0, 1)})
    assert held.is_full
    held.take()
    assert not held.is_full


class _Sums(beam.DoFn):
    """Holds numbers; at the end of a bundle gives their sum, and their count on an output."""

    def start_bundle(self):
        self._numbers = []

    def process(self, number):
        self._numbers.append(number)

    def finish_bundle(self):
        of_bundle = [sum(self._numbers), beam.pvalue.TaggedOutput("counts", len(self._numbers))]
        yield from at_end_of_bundle(of_bundle)


def test_what_is_held_leaves_at_the_end_of_a_bundle():
    out = eager(beam.ParDo(_Sums()).with_outputs("counts", main="sums"), [1, 2, 3, 4])
    assert sum(out["sums"]) == 10
    assert sum(out["counts"]) == 4


TABLES = sorted(BOUNDED_BY)


@given(
    st.dictionaries(st.sampled_from(sorted(set(BOUNDED_BY.values()))), st.integers(0, 10**6)),
    st.sets(st.sampled_from(TABLES)),
    st.integers(1, 10**5),
)
def test_files_are_enough_and_no_more(sizes, tables, shard_rows):
    plan = plan_shards(sizes, sorted(tables), shard_rows)
    assert plan.keys() == tables
    for table, files in plan.items():
        rows = sizes.get(BOUNDED_BY[table], 0)
        assert files * shard_rows >= rows
        assert files == 1 or (files - 1) * shard_rows < rows


def made_up(table, count):
    """Rows of a table, all different; a column that says nothing about the file is null."""
    schema = shuffled_schema(table)
    columns = {}
    for field in schema:
        if pa.types.is_fixed_size_binary(field.type):
            values = [content_id(field.name, str(n)) for n in range(count)]
        elif field.name in ("document_id", "source_file"):
            values = [f"{field.name} {n}" for n in range(count)]
        elif field.name == "source_row":
            values = list(range(count))
        else:
            values = [None] * count
        columns[field.name] = pa.array(values, field.type)
    return pa.table(columns, schema)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("shards", [1, 2, 7])
def test_a_row_has_one_file_whatever_comes_with_it(table, shards):
    rows = made_up(table, 60)
    numbers = shards_of(table, rows, shards)
    assert set(numbers.tolist()) == set(range(shards))
    for begin, end in ((0, 1), (13, 40), (59, 60), (5, 5)):
        assert shards_of(table, rows.slice(begin, end - begin), shards).tolist() == (
            numbers[begin:end].tolist()
        )
    pieces = dict(split(rows, numbers, shards))
    assert sum(len(decode(data)) for data in pieces.values()) == len(rows)
    for number, data in pieces.items():
        # Rows of one file stay in their order.
        kept = rows.filter(pa.array(numbers == number))
        assert decode(data).equals(kept.combine_chunks())


def test_planned_files_without_rows_are_written_too():
    plan = {"entities": 3, "relations": 1, "rejected": 2}
    written = [TablePart("entities", 1, 3, ""), TablePart("rejected", 0, 2, "")]
    empty = dict(
        eager(
            lambda plans: (
                plans
                | beam.FlatMap(
                    empty_shards,
                    beam.pvalue.AsIter(plans.pipeline | beam.Create(written, reshuffle=False)),
                )
            ),
            [plan],
        )
    )
    assert sorted(empty) == [("entities", 0), ("entities", 2), ("rejected", 1), ("relations", 0)]
    for (table, _), (data,) in empty.items():
        assert data.table.schema == shuffled_schema(table)
        assert len(data.table) == 0


@pytest.mark.parametrize("table", TABLES)
def test_rows_that_leave_the_process_are_those_that_come(table):
    rows = made_up(table, 60).slice(7, 20)
    sent = pickle.dumps(ShuffledRows(rows))
    assert pickle.loads(sent).table.equals(rows.combine_chunks())
    # Not the sixty of which they are a slice.
    assert len(sent) < len(pickle.dumps(ShuffledRows(made_up(table, 60))))


ENTITIES = ["e1", "e2", "e3"]
# Of each mention its sentence and its entity; of each triple its first and its last sentence.
SENTENCES = 4
MENTIONS = st.lists(st.tuples(st.integers(0, SENTENCES - 1), st.sampled_from(ENTITIES)), max_size=9)
TRIPLES = st.lists(
    st.tuples(st.integers(0, SENTENCES - 1), st.integers(0, SENTENCES - 1)).map(sorted), max_size=6
)


def cut(table, borders):
    """A table as Arrow IPC bytes, in pieces that begin at some rows."""
    places = sorted({0, len(table), *(border % (len(table) + 1) for border in borders)})
    pieces = [table.slice(b, e - b) for b, e in itertools.pairwise(places)]
    return [next(data for _, data in split(p, np.zeros(len(p)), 1)) for p in pieces if len(p)]


@given(MENTIONS, TRIPLES, st.lists(st.integers(0, 20), max_size=3), st.randoms())
@examples(50)
def test_contents_of_sentences(mentions, triples, borders, rng):
    """As counted one by one, in whatever pieces and order the rows come."""
    # Two documents of two sentences each; offsets of both begin at 0.
    places = [("d1", 0), ("d1", 1), ("d2", 0), ("d2", 1)]
    triples = [(b, e) for b, e in triples if places[b][0] == places[e][0]]
    sentences = pa.table(
        {
            "document_id": [document for document, _ in places],
            "sentence_index": [index for _, index in places],
            "begin": [10 * index for _, index in places],
            "end": [10 * index + 9 for _, index in places],
        }
    )
    mentioned = [(*places[s], entity) for s, entity in mentions]
    said = [
        (places[b][0], 10 * places[b][1], 10 * places[e][1] + 9, f"t{n}", f"r{n}", 0.5)
        for n, (b, e) in enumerate(triples)
    ]
    rng.shuffle(mentioned)
    rng.shuffle(said)
    mention_rows = pa.table(
        [
            pa.array([m[0] for m in mentioned], pa.string()),
            pa.array([m[1] for m in mentioned], pa.int64()),
            pa.array([m[2] for m in mentioned], pa.string()),
            pa.array(["entity"] * len(mentioned), pa.string()),
        ],
        names=["document_id", "sentence_index", "entity_id", "kind"],
    )
    names = ("document_id", "evidence_begin", "evidence_end", "triple_id", "relation_id", "score")
    types = (pa.string(), pa.int64(), pa.int64(), pa.string(), pa.string(), pa.float32())
    triple_rows = pa.table(
        [pa.array([t[i] for t in said], type_) for i, type_ in enumerate(types)], names=names
    )
    rows = with_contents(sentences, cut(mention_rows, borders), cut(triple_rows, borders))
    for number, row in enumerate(rows.to_pylist()):
        of_sentence = [entity for s, entity in mentions if s == number]
        assert row["mentions"] == [
            {"entity_id": entity, "kind": "entity", "count": of_sentence.count(entity)}
            for entity in sorted(set(of_sentence))
        ]
        assert row["evidence"] == [
            {"triple_id": f"t{n}", "relation_id": f"r{n}", "score": 0.5}
            for n, (b, e) in enumerate(triples)
            if b <= number <= e
        ]


def test_contents_of_a_sentence_that_is_not_there():
    sentences = pa.table({"document_id": ["d"], "sentence_index": [0], "begin": [0], "end": [9]})
    stray = pa.table(
        {"document_id": ["d"], "sentence_index": [1], "entity_id": ["e"], "kind": ["entity"]}
    )
    with pytest.raises(ValueError, match="name a sentence that `sentences` has not"):
        with_contents(sentences, cut(stray, ()), ())


@given(st.lists(st.binary(min_size=12, max_size=12)), st.integers(1, 300))
def test_files_are_ranges_of_ids(ids, shards):
    numbers = shard_of(id_array(sorted(ids)), shards)
    assert numbers.tolist() == sorted(numbers.tolist())
    assert all(0 <= number < shards for number in numbers.tolist())
    spelt = pa.chunked_array([pa.array([id_.hex() for id_ in sorted(ids)], pa.string())])
    assert shard_of_hex(spelt, shards).tolist() == numbers.tolist()
