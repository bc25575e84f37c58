"""Names of a corpus looked up in an alias table, by `JoinAliases` alone."""

import apache_beam as beam
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.eager import eager
from helpers.examples import examples
from helpers.extraction_folders import LABEL_SCHEMA
from pfn_kg.schemas.rules import NameRules, NearNameOptions
from pfn_kg.schemas.shuffled_rows import CHUNK_NAME_SCHEMA
from pfn_kg.transforms.merging.alias_table import KEY_SCHEMA, expand_keys, read_alias_table
from pfn_kg.transforms.merging.join_aliases import JoinAliases
from pfn_kg.transforms.merging.merge_options import MergeOptions
from pfn_kg.transforms.names.entity_keys import EntityKeys
from pfn_kg.transforms.plumbing.shards import decode, encode

pytestmark = pytest.mark.quick

KEYS = EntityKeys.of(LABEL_SCHEMA, NameRules())
PLAN = {"entities": 1}


def names_of(*mentioned):
    """Rows of names: (name, type, number of the chunk)."""
    rows = [
        {
            "entity_id": KEYS.id(name, type_),
            "kind": "entity",
            "type": type_,
            "name": name,
            "mentions": 1,
            "own": 1,
            "documents": 1,
            "is_canonical": False,
            "chunk": chunk,
        }
        for name, type_, chunk in mentioned
    ]
    return pa.Table.from_pylist(rows, CHUNK_NAME_SCHEMA)


def aliases_of(*said):
    """Rows of an alias table by id: (alias, type or None, canonical name, IRI)."""
    columns = zip(*said, strict=True) if said else [()] * 4
    arrays = [pa.array(c, pa.string()) for c in columns]
    return expand_keys(pa.table(arrays, schema=KEY_SCHEMA), KEYS)


def joined(names, *aliases, near_names=None):
    """The outputs, rows by name where they are rows."""
    options = MergeOptions(KEYS, near_names=near_names)
    out = eager(
        lambda groups: (
            groups
            | beam.ParDo(
                JoinAliases(options),
                beam.pvalue.AsSingleton(
                    groups.pipeline | "Plan" >> beam.Create([PLAN], reshuffle=False)
                ),
            ).with_outputs(JoinAliases.NAMES, JoinAliases.BLOCKS, JoinAliases.COUNTS, main="moves")
        ),
        [(0, {"names": [encode(part) for part in names], "aliases": list(map(encode, aliases))})],
    )
    moves = {(n, m.old, m.heir) for n, of_chunk in out["moves"] for m in of_chunk}
    given_names = [row for _, data in out["names"] for row in decode(data).to_pylist()]
    blocks = [row for _, data in out["blocks"] for row in decode(data).to_pylist()]
    return moves, given_names, blocks, out["counts"]


def test_a_name_goes_where_the_table_says():
    oslo, old = KEYS.id("Oslo", "LOC"), KEYS.id("Christiania", "LOC")
    aliases = aliases_of(
        ("Christiania", "LOC", "Oslo", "https://example.org/oslo"),
        ("Oslo", "LOC", "Oslo", "https://example.org/oslo"),
        ("Bergen", "LOC", "Bergen", None),
    )
    names = names_of(
        ("Christiania", "LOC", 3), ("CHRISTIANIA", "LOC", 5), ("Christiania", "PER", 5)
    )
    moves, given_names, blocks, counts = joined([names], aliases)
    # Each chunk that mentions the name is told; a person of that name stays.
    assert moves == {(3, old, oslo), (5, old, oslo)}
    assert counts == [{"merged.aliases": 1}]
    (row,) = given_names
    assert (row["entity_id"], row["name"], row["type"]) == (oslo, "Oslo", "LOC")
    assert (row["same_as"], row["is_canonical"], row["mentions"]) == (
        "https://example.org/oslo",
        True,
        0,
    )
    assert blocks == []


def test_a_row_without_a_type_speaks_of_all_types_of_entities():
    aliases = aliases_of(("Christiania", None, "Oslo", None))
    names = names_of(("Christiania", "LOC", 0), ("Christiania", "PER", 0))
    moves, *_ = joined([names], aliases)
    assert moves == {
        (0, KEYS.id("Christiania", type_), KEYS.id("Oslo", type_)) for type_ in ("LOC", "PER")
    }


def test_names_that_are_to_be_compared_have_both_spellings():
    aliases = aliases_of(("Old Christiania Town", "LOC", "Oslo City Centre", None))
    names = names_of(("Old Christiania Town", "LOC", 0), ("New Haven Harbour", "LOC", 0))
    _, _, blocks, _ = joined([names], aliases, near_names=NearNameOptions(similarity=0.9))
    heir = KEYS.id("Oslo City Centre", "LOC")
    keys = {(row["entity_id"], row["key"]) for row in blocks}
    assert keys == {
        (heir, "old christiania town"),
        (heir, "oslo city centre"),
        (KEYS.id("New Haven Harbour", "LOC"), "new haven harbour"),
    }
    is_fixed = {row["entity_id"]: row["is_fixed"] for row in blocks}
    assert is_fixed[heir]
    assert not is_fixed[KEYS.id("New Haven Harbour", "LOC")]


WORDS = ["Ada", "Bea", "Cleo", "Dora"]


@given(
    st.lists(
        st.tuples(st.sampled_from(WORDS), st.sampled_from(["PER", "LOC"]), st.integers(0, 2)),
        min_size=1,
        max_size=6,
    ),
    st.lists(st.tuples(st.sampled_from(WORDS), st.sampled_from(WORDS)), max_size=3),
    st.randoms(),
)
@examples(10)
def test_order_and_pieces_change_nothing(mentioned, pairs, rng):
    said = [(alias, None, name, None) for alias, name in pairs]
    names, aliases = names_of(*mentioned), aliases_of(*said)
    moves, given_names, _, counts = joined([names], aliases)
    shuffled = list(mentioned)
    rng.shuffle(shuffled)
    rng.shuffle(said)
    border = rng.randint(0, len(shuffled))
    pieces = [names_of(*shuffled[:border]), names_of(*shuffled[border:])]
    again = joined(pieces, *(aliases_of(row) for row in said))
    assert (again[0], again[3]) == (moves, counts)
    assert sorted(map(str, again[1])) == sorted(map(str, given_names))
    # Only what is mentioned moves, and to what the table says.
    allowed = {
        (chunk, KEYS.id(name, type_), KEYS.id(to, type_))
        for name, type_, chunk in mentioned
        for alias, to in pairs
        if alias == name
    }
    assert moves <= allowed


def test_the_table_of_a_file_is_the_one_that_is_joined(tmp_path):
    path = tmp_path / "aliases.csv"
    path.write_text("alias,canonical_name,type\nChristiania,Oslo,LOC\n")
    table = read_alias_table(str(path), LABEL_SCHEMA, NameRules())
    moves, *_ = joined([names_of(("Christiania", "LOC", 0))], expand_keys(table.keys, KEYS))
    assert moves == {(0, KEYS.id("Christiania", "LOC"), KEYS.id("Oslo", "LOC"))}
