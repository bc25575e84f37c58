"""What writers do side by side and again, as far as it needs no server."""

import types
from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from neo4j.exceptions import ClientError, ServiceUnavailable

from helpers.extraction_folders import LABEL_SCHEMA
from pfn_kg.schemas.tables import TABLE_SCHEMAS
from pfn_kg.sinks.interface import Rows
from pfn_kg.sinks.neo4j import connection
from pfn_kg.sinks.neo4j.bulk_import import ARRAY_DELIMITER, Neo4jImportSink
from pfn_kg.sinks.neo4j.statements import merge_nodes, merge_relationships
from pfn_kg.sinks.neo4j.writer import _rounds

pytestmark = pytest.mark.quick

IDS = st.integers(0, 30).map("n{}".format)


@given(st.lists(IDS, max_size=20), st.lists(st.tuples(IDS, IDS), max_size=40), st.integers(1, 8))
def test_what_is_written_side_by_side_shares_no_node(nodes, pairs, groups):
    """Two transactions that lock one node would wait for each other, and may never end."""
    merges = [
        merge_nodes("Entity", pa.table({"id": pa.array(nodes, pa.string())})),
        merge_relationships(
            "KNOWS",
            pa.table(
                {
                    "start": pa.array([a for a, _ in pairs], pa.string()),
                    "end": pa.array([b for _, b in pairs], pa.string()),
                }
            ),
            ends=("Entity", "Entity"),
        ),
    ]
    written = Counter()
    nodes_are_there = True
    for number, round_ in enumerate(_rounds(merges, groups)):
        locked = []
        for cell in round_:
            ends = set()
            for merge in cell:
                rows = list(zip(*(c.to_pylist() for c in merge.rows.columns), strict=True))
                written.update(rows)
                ends.update(id_ for row in rows for id_ in row)
                nodes_are_there &= merge.missing is not None or number == 0
            locked.append(ends)
        assert sum(map(len, locked)) == len(set().union(*locked))
    assert written == Counter([(id_,) for id_ in nodes]) + Counter(pairs)
    # Relationships are merged between nodes, which are all of the first round.
    assert nodes_are_there


@pytest.fixture
def clock(monkeypatch):
    """The time of `connection` passes only where it sleeps; gives the delays."""
    delays = []
    monkeypatch.setattr(
        connection,
        "time",
        types.SimpleNamespace(monotonic=lambda: sum(delays), sleep=delays.append),
    )
    return delays


def test_delays_double_up_to_a_bound_and_the_end_is_kept(clock):
    def work():
        raise ServiceUnavailable("away")

    with pytest.raises(ServiceUnavailable):
        connection._with_retries(work)
    planned = [1.0, 2.0, 4.0, 8.0, *[15.0] * (len(clock) - 4)]
    assert len(clock) >= 9
    # Each is random within a fifth, so that many loaders do not come back at once.
    assert all(0.8 * d <= delay <= 1.2 * d for d, delay in zip(planned, clock, strict=True))
    assert connection.RETRY_SECONDS - 15 <= sum(clock) <= 1.2 * connection.RETRY_SECONDS


def test_only_what_may_pass_is_tried_again(clock):
    answers = [ServiceUnavailable("away"), ServiceUnavailable("away"), "done"]

    def work():
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert connection._with_retries(work) == "done"
    assert len(clock) == 2
    answers[:] = [ClientError("wrong"), "never"]
    with pytest.raises(ClientError):
        connection._with_retries(work)
    assert answers == ["never"]


def test_a_separator_inside_an_item_of_a_list_becomes_a_space():
    row = {
        "entity_id": "0a",
        "kind": "entity",
        "name": "Ada",
        "type": "PER",
        "aliases": [f"a{ARRAY_DELIMITER}b", "c"],
        "mentions": 1,
        "documents": 1,
    }
    table = pa.Table.from_pylist([row], TABLE_SCHEMAS["entities"])
    sink = Neo4jImportSink(LABEL_SCHEMA, graph="g", version="v")
    data = sink.write(Rows("entities", 0, 1, table)).files["entities-00000-of-00001.csv"]
    assert data.decode().split('","')[2].split(ARRAY_DELIMITER) == ["a b", "c"]
