"""What Neo4j refuses is on disk once it is much."""

import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfn_kg.sinks.interface import RejectedRow
from pfn_kg.sinks.neo4j.refused import Refused, RefusedRows

pytestmark = pytest.mark.quick

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(st.lists(st.tuples(texts, texts), max_size=20), st.integers(1, 100))
def test_all_of_them_are_given_in_their_order(found, most_bytes):
    rows = RefusedRows(most_bytes)
    for place, (error, payload) in enumerate(found):
        rows.extend([Refused(RejectedRow(error, payload), (str(place), "", "", ""))])
    assert list(rows) == [RejectedRow(*row) for row in found]
    assert len(rows) == len(found)
    assert [identity[0] for identity in rows.identities] == list(map(str, range(len(found))))


def test_several_threads_collect():
    rows = RefusedRows(1000)

    def collect(thread):
        for number in range(200):
            rows.extend([Refused(RejectedRow("e", f"{thread} {number}"), ("", "", "", ""))])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(collect, range(8)))
    assert len(rows) == 1600
    assert {row.payload for row in rows} == {f"{t} {n}" for t in range(8) for n in range(200)}


def test_memory_does_not_grow_with_them():
    rows, payload, identity = RefusedRows(1 << 20), "x" * 10_000, ("", "", "", "")
    tracemalloc.start()
    try:
        for _ in range(3000):  # 30 MB
            rows.extend([Refused(RejectedRow("refused", payload), identity)])
        assert sum(len(row.payload) for row in rows) == 30_000_000
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
