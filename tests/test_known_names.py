"""Names that everybody knows: which name is of which thing, by type and by relation."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.corrected_graphs import corrected_graph
from helpers.examples import examples
from helpers.extraction_folders import Doc, row
from pfn_kg.pipeline.correction_inputs import apart_entities, released_names
from pfn_kg.schemas.corrections import parse_correction
from pfn_kg.schemas.extraction import EXTRACTION_SCHEMA
from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.schemas.rules import NameRules
from pfn_kg.transforms.facts.chunk_rows import rows_of_chunk
from pfn_kg.transforms.facts.fact_options import FactOptions
from pfn_kg.transforms.merging.alias_table import KEY_SCHEMA, AliasTable, expand_keys, released_by
from pfn_kg.transforms.names.entity_keys import EntityKeys
from pfn_kg.transforms.names.known_names import _known, _rows, known_name
from pfn_kg.transforms.tables.aggregate import aggregate_entities

pytestmark = pytest.mark.quick

SCHEMA = LabelSchema.from_dict(
    {
        "entity_types": [{"name": n} for n in ("PER", "ORG", "LOC", "MISC")],
        "relations": [
            {
                "name": "citizen of",
                "arguments": [
                    {"subject": "PER", "object": "LOC", "count": 98},
                    {"subject": "PER", "object": "MISC", "count": 2},
                ],
            },
            {
                "name": "speaks",
                "arguments": [
                    {"subject": "PER", "object": "MISC", "count": 60},
                    {"subject": "PER", "object": "LOC", "count": 40},
                ],
            },
        ],
    }
)
KEYS = EntityKeys.of(SCHEMA, NameRules())
# Without the rule that sends US to the United States inside a document.
OPTIONS = FactOptions(0.5, 0.5, names=NameRules(initials=False))


def entities(docs, options=OPTIONS, *, in_chunks_of=10):
    """The rows of the table of entities, by name and type, and the counts of all chunks."""
    names, counts = [], []
    for begin in range(0, len(docs), in_chunks_of):
        rows = [row(doc, "corpus", n) for n, doc in enumerate(docs[begin : begin + in_chunks_of])]
        chunk = pa.Table.from_pylist(rows, EXTRACTION_SCHEMA)
        made = rows_of_chunk(chunk, model_hash="m", losers=[], label_schema=SCHEMA, options=options)
        names.append(made.tables["entities"])
        counts.append(made.counts)
    table = aggregate_entities(pa.concat_tables(names), "https://x/").to_pylist()
    return {(e["name"], e["type"]): e for e in table}, sum(counts[1:], counts[0])


def doc(id_, *mentions, triples=()):
    text = "; ".join(name for name, _ in mentions) + "."
    found, seen = [], {}
    for name, type_ in mentions:
        found.append((name, type_, 0.9, seen.get(name, 0)))
        seen[name] = seen.get(name, 0) + 1
    return Doc(id_, text, tuple(found), triples)


def test_the_tables_are_whole():
    cells = [cells for table in ("places.tsv", "others.tsv") for cells in _rows(table)]
    assert {len(row) for row in cells} == {5}
    assert len(cells) > 250
    spelt = [n for _, name, *rest in cells for n in (name, *";".join(rest).split(";")) if n]
    assert [n for n in spelt if n != n.strip()] == []
    twice = {n for n in spelt if spelt.count(n) > 1}
    assert not twice
    codes = [code for code, *_ in cells if code]
    assert len(set(codes)) == len(codes)
    assert {code for code, _ in _rows("territories.tsv")} <= set(codes)


def test_what_a_name_leads_to_leads_nowhere():
    for kind in ("place", "organization", "other", None):
        for name in _known().values():
            assert known_name(name.key, kind, NameRules()) is None


@pytest.mark.parametrize(
    ("key", "kind", "name"),
    [
        ("u.s.", "place", "United States"),
        ("usa", "organization", "United States"),
        ("american", "place", "United States"),
        ("american", None, None),
        ("american", "person", None),
        ("america", "organization", None),  # a band
        ("vereinigte staaten", "place", "United States"),
        ("frankreich", "organization", None),
        ("holland", "place", "Netherlands"),
        ("dutch", "place", "Netherlands"),
        ("english", "place", "England"),
        ("eu", "organization", "European Union"),
        ("second world war", "other", "World War II"),
        ("island", "place", None),  # Iceland in German
        ("congolese", "place", None),  # of two countries
        ("grimsby", "place", None),
        ("united states", "place", None),
    ],
)
def test_what_is_known_of_a_name(key, kind, name):
    known = known_name(key, kind, NameRules())
    assert (known and known.name) == name
    off = NameRules(known_names=False, demonyms=False)
    assert known_name(key, kind, off) is None


US = [
    doc("a", ("the United States", "LOC"), ("US", "LOC"), ("American", "LOC")),
    doc("b", ("U.S.", "LOC"), ("Americans", "LOC"), ("USA", "LOC"), ("United States", "LOC")),
    doc("c", ("American", "MISC"), ("Vereinigte Staaten", "LOC"), ("United States", "LOC")),
    doc(
        "d", ("Ada", "PER"), ("American", "MISC"), triples=(("Ada", "citizen of", "American", 0.9),)
    ),
    doc("e", ("Bea", "PER"), ("American", "MISC"), triples=(("Bea", "speaks", "American", 0.9),)),
]


def test_one_country_is_one_entity_and_its_people_are_another():
    found, counts = entities(US)
    assert set(found) == {
        ("United States", "LOC"),
        ("American", "MISC"),
        ("Ada", "PER"),
        ("Bea", "PER"),
    }
    country = found["United States", "LOC"]
    assert country["mentions"] == 10
    assert set(country["aliases"]) == {
        *("the United States", "US", "U.S.", "USA", "American", "Americans"),
        "Vereinigte Staaten",
    }
    assert {(j["name"], j["type"], j["rule"]) for j in country["joined_by"]} == {
        ("US", "LOC", "known_names"),
        ("U.S.", "LOC", "known_names"),
        ("USA", "LOC", "known_names"),
        ("Vereinigte Staaten", "LOC", "known_names"),
        ("American", "LOC", "demonyms"),
        ("Americans", "LOC", "demonyms"),
        # Only where a relation wants a place.
        ("American", "MISC", "demonyms"),
    }
    assert found["American", "MISC"]["mentions"] == 2
    assert found["American", "MISC"]["joined_by"] == []
    assert (counts["known_names"], counts["demonyms"]) == (4, 3)
    assert counts["demonyms.by_relation"] == 1


def test_a_country_that_no_text_names_in_full_has_its_name():
    found, _ = entities([doc("a", ("Swedish", "LOC"), ("Deutschland", "LOC"))])
    sweden, germany = found["Sweden", "LOC"], found["Deutschland", "LOC"]
    assert (sweden["aliases"], sweden["mentions"]) == (["Swedish"], 1)
    assert germany["entity_id"] == KEYS.id("Germany", "LOC").hex()
    # A name that no text has is no alias.
    found, _ = entities([doc("a", ("Sweden", "LOC"), ("Swedish", "LOC"))])
    assert found["Sweden", "LOC"]["aliases"] == ["Swedish"]


def test_each_switch():
    for off, gone in (
        ("demonyms", {("American", "LOC"), ("Americans", "LOC")}),
        ("known_names", {("US", "LOC"), ("U.S.", "LOC"), ("USA", "LOC")}),
    ):
        found, counts = entities(
            US, OPTIONS._replace(names=NameRules(**{off: False, "initials": False}))
        )
        assert gone <= set(found)
        assert off not in counts


@given(st.permutations(range(len(US))), st.integers(1, 5))
@examples(15)
def test_order_and_chunks_change_nothing(order, size):
    assert entities([US[n] for n in order], in_chunks_of=size) == entities(US)


def apart(*pairs):
    return [
        parse_correction(
            {"kind": "keep_apart", "name": a, "type": "LOC", "other_name": b, "other_type": "LOC"}
        )
        for a, b in pairs
    ]


def test_who_says_that_two_are_never_the_same_is_heard():
    corrections = apart(("U.S.", "US"), ("American", "United States"))
    released = released_names(corrections, label_schema=SCHEMA, names=NameRules(), aliases=None)
    assert released == {KEYS.id("US", "LOC"), KEYS.id("American", "LOC")}
    graph = corrected_graph(
        US, corrections, options=OPTIONS._replace(released=released), label_schema=SCHEMA
    )
    assert {("US", "LOC"), ("American", "LOC"), ("United States", "LOC")} <= set(graph.entities())
    assert [o["is_applied"] for o in graph.outcomes] == [True, True]
    keys = KEYS._replace(released=released)
    both = apart_entities(corrections, keys=keys, aliases=None)
    assert both.others[KEYS.id("US", "LOC")] == {KEYS.id("United States", "LOC")}


def test_the_alias_table_goes_before_what_everybody_knows():
    rows = [("US", "LOC", "Uncle Sam", None), ("Uncle Sam", "LOC", "Uncle Sam", None)]
    rows += [("Dutch", "LOC", "Holland", None), ("Holland", "LOC", "Holland", None)]
    columns = [pa.array(c, pa.string()) for c in zip(*rows, strict=True)]
    table = AliasTable(pa.table({}), pa.table(columns, schema=KEY_SCHEMA)).keys
    released = released_by(table, KEYS)
    assert released == {KEYS.id("US", "LOC")}
    joins = {
        (row["entity_id"], row["heir_id"])
        for row in expand_keys(table, KEYS._replace(released=released)).to_pylist()
    }
    # US alone is Uncle Sam; whatever is of the Netherlands is called Holland.
    assert (KEYS.id("US", "LOC"), KEYS.id("Uncle Sam", "LOC")) in joins
    assert (KEYS.id("Netherlands", "LOC"), KEYS.id("Holland", "LOC")) in joins
