"""Rows find what they refer to in another table, whatever the files."""

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from apache_beam.testing.util import assert_that
from hypothesis import given
from hypothesis import strategies as st

from helpers.examples import examples
from pfn_kg.pipeline.options import pipeline_options
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.tables import TABLE_SCHEMAS
from pfn_kg.transforms.plumbing.ids import content_id, id_array, shard_of, shard_of_hex
from pfn_kg.transforms.plumbing.shards import decode
from pfn_kg.transforms.tables.look_up import LookUp, Question, scatter
from pfn_kg.transforms.tables.parts import find_parts, part_name, read_part

pytestmark = pytest.mark.quick

QUESTION = Question(
    "relations",
    ("subject_id", "object_id"),
    "entities",
    "entity_id",
    ("value",),
    pc.field("kind") == "value",
)


def some_id(number):
    return content_id("thing", str(number)).hex()


def write(folder, table, rows, files, id_column):
    schema = TABLE_SCHEMAS[table]
    (folder / table).mkdir(parents=True)
    rows = sorted(rows, key=lambda row: row[id_column])
    ids = id_array(bytes.fromhex(row[id_column]) for row in rows)
    shards = shard_of(ids, files).tolist()
    for number in range(files):
        part = [row for row, shard in zip(rows, shards, strict=True) if shard == number]
        full = [dict.fromkeys(schema.names) | row for row in part]
        pq.write_table(
            pa.Table.from_pylist(full, schema), folder / table / part_name(number, files)
        )


@given(st.lists(st.integers(0, 10**9), max_size=20), st.integers(1, 7))
def test_shard_of_hexadecimal_ids(numbers, shards):
    ids = [content_id("thing", str(number)) for number in numbers]
    column = pa.chunked_array([pa.array([i.hex() for i in ids], pa.string())])
    expected = shard_of(id_array(ids), shards) if ids else []
    assert shard_of_hex(column, shards).tolist() == list(expected)


@examples(6)
@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=12),
    st.integers(1, 3),
    st.integers(1, 3),
)
def test_look_up_is_a_join(tmp_path_factory, ends, files, other_files):
    folder = tmp_path_factory.mktemp("graph")
    # Of the numbers up to 12 the last two are no entity at all.
    entities = [
        {
            "entity_id": some_id(n),
            "kind": "value" if n % 2 else "entity",
            "value": f"v{n}" if n % 2 else None,
        }
        for n in range(11)
    ]
    relations = [
        {"relation_id": some_id(f"r{i}"), "subject_id": some_id(s), "object_id": some_id(o)}
        for i, (s, o) in enumerate(ends)
    ]
    write(folder, "entities", entities, other_files, "entity_id")
    write(folder, "relations", relations, files, "relation_id")
    parts = find_parts(str(folder), ["entities", "relations"])
    expected = {e["entity_id"]: e["value"] for e in entities}

    def check(found):
        for part in parts[other_files:]:
            rows = read_part(part)
            answers = [decode(data) for (table, n), data in found if n == part.number]
            assert {table for (table, _), _ in found} <= {"relations"}
            for key, column in enumerate(QUESTION.keys):
                got = [None] * len(rows)
                if answers:
                    got = scatter(
                        len(rows), pa.concat_tables(answers), key=key, column="value"
                    ).to_pylist()
                assert got == [expected.get(id_) for id_ in rows[column].to_pylist()]

    with beam.Pipeline(options=pipeline_options([])) as pipeline:
        assert_that(pipeline | beam.Create(parts) | LookUp(QUESTION), check)


def test_a_missing_file_is_named(tmp_path):
    write(tmp_path, "entities", [{"entity_id": some_id(1), "kind": "value"}], 3, "entity_id")
    (tmp_path / "entities" / part_name(1, 3)).unlink()
    with pytest.raises(ConfigurationError, match=r"part-00001-of-00003\.parquet: missing"):
        find_parts(str(tmp_path), ["entities"])
    with pytest.raises(ConfigurationError, match="relations: no such table"):
        find_parts(str(tmp_path), ["relations"])


def test_a_corrupt_file_and_a_missing_column_are_named(tmp_path):
    write(tmp_path, "entities", [{"entity_id": some_id(1), "kind": "value"}], 1, "entity_id")
    (part,) = find_parts(str(tmp_path), ["entities"])
    table = pq.read_table(part.path)
    pq.write_table(table.drop_columns(["kind"]), part.path)
    with pytest.raises(ConfigurationError, match=r"of-00001\.parquet: it has no column 'kind'"):
        read_part(part)
    with open(part.path, "wb") as file:
        file.write(b"no parquet")
    with pytest.raises(ConfigurationError, match=r"part-00000-of-00001\.parquet: not a readable"):
        read_part(part)
