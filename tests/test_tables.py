"""Parquet files of tables: the bytes follow from the rows alone."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfn_kg.schemas.shuffled_rows import shuffled_schema
from pfn_kg.schemas.tables import TABLE_SCHEMAS
from pfn_kg.sinks.tables import parquet_bytes
from pfn_kg.transforms.plumbing.ids import content_id, group_ids, id_array, shard_of, to_hex
from pfn_kg.transforms.plumbing.shards import decode, encode, split

pytestmark = pytest.mark.quick


@given(st.lists(st.tuples(st.text(), st.floats(width=32, allow_nan=False))), st.integers(0, 9))
def test_bytes_follow_from_rows(rows, cut):
    schema = pa.schema({"name": pa.string(), "score": pa.float32()})
    table = pa.Table.from_pylist([dict(zip(schema.names, r, strict=True)) for r in rows], schema)
    pieces = pa.concat_tables([table.slice(0, cut), table.slice(cut)])
    data = parquet_bytes(table)
    assert parquet_bytes(pieces) == data
    assert pq.read_table(pa.BufferReader(data)).equals(table)


@given(st.lists(st.text(max_size=3), unique=True, max_size=40), st.integers(1, 5))
def test_shards_hold_every_row_once_in_the_order_of_ids(names, shards):
    ids = id_array(content_id("x", name) for name in names)
    table = pa.table({"id": to_hex(ids), "name": pa.array(names, pa.string())})
    parts = dict(split(table, shard_of(ids, shards), shards))
    found = [decode(parts[shard]).sort_by("id") for shard in sorted(parts)]
    rows = pa.concat_tables(found) if found else table
    assert rows.equals(table.sort_by("id"))
    assert decode(encode(table)).equals(table)
    order, group, first = group_ids(ids)
    assert table.take(pa.array(order)).equals(table.sort_by("id"))
    assert group.tolist() == first.tolist() == list(range(len(names)))


@pytest.mark.parametrize("rows", [0, 1, 7])
def test_rows_of_known_schemas_travel_without_their_schema(rows):
    for table in (*TABLE_SCHEMAS, "unknown"):
        schema = pa.schema({"x": pa.int64()})
        if table != "unknown":
            schema = shuffled_schema(table)
        columns = [pa.nulls(rows, field.type) for field in schema]
        sent = pa.table(columns, schema=schema)
        sent = pa.concat_tables([sent, sent])
        assert decode(encode(sent)).equals(sent)
        if table != "unknown" and rows == 1:
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, schema) as writer:
                writer.write_table(sent)
            # A third of what the plain stream takes, and less than its schema does.
            assert 3 * len(encode(sent)) < sink.getvalue().size


def test_rows_of_another_version_are_refused():
    with pytest.raises(ValueError, match="unknown schema; do all workers have the same pfn-kg"):
        decode(b"abcd" + bytes(8) + pa.compress(b"", codec="lz4_raw", asbytes=True))
