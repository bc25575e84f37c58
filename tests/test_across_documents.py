"""Entities that are one by what several documents say: abbreviations, middle names, types."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.extraction_folders import Doc, write_folder
from helpers.output_folders import table_rows
from pfn_kg.pipeline.build_phase import run_build
from pfn_kg.schemas.build_options import BuildOptions
from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.schemas.rules import NameRules
from pfn_kg.transforms.merging.name_blocks import (
    Compared,
    are_compatible,
    compared,
    middle_block,
    middle_names,
    type_votes,
)

pytestmark = pytest.mark.quick

SCHEMA = LabelSchema.from_dict(
    {
        "entity_types": [{"name": n} for n in ("PER", "ORG", "MISC")],
        "relations": [{"name": "employer"}, {"name": "maker"}],
    }
)
ON = {"abbreviations": True, "middle_names": True, "type_votes": True}


@pytest.mark.parametrize(
    ("one", "other", "compatible"),
    [
        ("george w. bush", "george bush", True),
        ("george walker bush", "george w. bush", True),
        ("g. w. bush", "george walker bush", True),
        ("g. bush", "george bush", True),
        ("g.w. bush", "george w. bush", True),
        ("george h. w. bush", "george w. bush", True),
        ("george h. bush", "george w. bush", False),
        ("george bush", "gerald bush", False),
        ("george bush", "george busch", False),
        ("martin king jr.", "martin king", False),
        ("bush", "george bush", False),
    ],
)
def test_names_that_differ_in_middle_names_alone(one, other, compatible):
    assert are_compatible(one, other) is are_compatible(other, one) is compatible
    if compatible:
        assert middle_block(one) == middle_block(other)


def entity(name, mentions=1, facts=b"f", type_="PER"):
    facts = frozenset(bytes([fact]) for fact in facts)
    return Compared(f"{name} {type_}".encode(), type_, name, mentions, facts)


def moved(moves):
    return {(m.old.decode(), m.heir.decode()) for m in moves}


def test_people_are_one_if_a_fact_agrees():
    bush = [entity("george w. bush", 3), entity("george bush"), entity("george h. bush", 2, b"g")]
    assert moved(middle_names(bush)) == {("george bush PER", "george w. bush PER")}
    # George may be either, so he is neither.
    both = [*bush[:1], entity("george bush", 1, b"fg"), bush[2]]
    assert moved(middle_names(both)) == set()
    assert moved(middle_names([entity("a b", 1, b"f"), entity("a c. b", 1, b"g")])) == set()


def test_types_by_a_clear_majority_that_shares_facts():
    org = entity("nokia", 6, b"fg", "ORG")
    assert moved(type_votes([org, entity("nokia", 2, b"f", "MISC")])) == {
        ("nokia MISC", "nokia ORG")
    }
    assert moved(type_votes([org, entity("nokia", 3, b"f", "MISC")])) == set()
    assert moved(type_votes([org, entity("nokia", 1, b"h", "MISC")])) == set()


ROWS = st.lists(
    st.tuples(
        st.sampled_from([b"1", b"2", b"3", b"4"]),
        st.sampled_from(["PER", "ORG"]),
        st.sampled_from(["ada b. c", "ada c", "a. d. c", "ada b. d. c"]),
        st.integers(1, 9),
        st.lists(st.sampled_from([b"f", b"g"]), max_size=2),
    ),
    max_size=8,
)


@given(ROWS, st.randoms())
def test_order_is_of_no_account_and_no_heir_moves(rows, rng):
    entities = compared(rows)
    shuffled = list(rows)
    rng.shuffle(shuffled)
    for decide in (type_votes, middle_names):
        moves = list(decide(entities))
        assert moves == list(decide(compared(shuffled)))
        olds = {m.old for m in moves}
        assert len(olds) == len(moves)
        assert not olds & {m.heir for m in moves}


def doc(id_, text, *mentions, triples=()):
    return Doc(id_, text, tuple((*m[:2], 0.9, *m[2:]) for m in mentions), triples)


def built(tmp_path, docs, rules, **options):
    folder = write_folder(tmp_path, docs, label_schema=SCHEMA)
    counts = run_build(folder, BuildOptions(rdf=None, names=NameRules(**rules), **options))
    return {(e["name"], e["type"]): e for e in table_rows(tmp_path, "entities")}, counts


UNION = ("Grimsby Trawler Union", "ORG")
GTU = [
    doc("a", "Grimsby Trawler Union (GTU) met.", UNION, ("GTU", "ORG")),
    doc("b", "The GTU met again.", ("GTU", "ORG")),
    doc("c", "GTU and Gtu.", ("GTU", "MISC")),
]


def test_an_abbreviation_that_one_document_introduces(tmp_path):
    found, counts = built(tmp_path / "on", GTU, ON)
    assert set(found) == {UNION, ("GTU", "MISC")}
    union = found[UNION]
    assert (union["mentions"], union["documents"]) == (3, 2)
    assert {(j["name"], j["rule"]) for j in union["joined_by"]} == {
        ("GTU", "bracketed"),
        ("GTU", "abbreviations"),
    }
    assert counts["merged.abbreviations"] == 1
    [redirect] = table_rows(tmp_path / "on", "redirects")
    assert redirect["entity_id"] == union["entity_id"]
    off, counts = built(tmp_path / "off", GTU, {})
    assert set(off) == {UNION, ("GTU", "ORG"), ("GTU", "MISC")}
    assert "merged.abbreviations" not in counts


def test_an_abbreviation_of_two_things_stays(tmp_path):
    other = doc("d", "Good Times United (GTU) won.", ("Good Times United", "ORG"), ("GTU", "ORG"))
    found, _ = built(tmp_path, [*GTU, other], ON)
    assert found["GTU", "ORG"]["documents"] == 1


def test_who_says_never_the_same_is_heard(tmp_path):
    corrections = tmp_path / "c.csv"
    corrections.write_text(
        "kind,name,type,other_name,other_type\nkeep_apart,GTU,ORG,Grimsby Trawler Union,ORG\n"
    )
    found, _ = built(tmp_path / "run", GTU, ON, corrections=str(corrections))
    assert found["GTU", "ORG"]["documents"] == 1


def test_known_names_that_are_kept_apart(tmp_path):
    docs = [doc("a", "USA and UK.", ("USA", "ORG"), ("UK", "ORG")), doc("b", "US.", ("US", "ORG"))]
    found, counts = built(tmp_path / "one", docs, {})
    assert {(e["name"], e["mentions"]) for e in found.values()} == {
        ("United States", 2),
        ("United Kingdom", 1),
    }
    assert counts["known_names"] == 3
    corrections = tmp_path / "c.csv"
    corrections.write_text("kind,name,type,other_name,other_type\nkeep_apart,USA,ORG,US,ORG\n")
    found, counts = built(tmp_path / "two", docs, {}, corrections=str(corrections))
    assert {(e["name"], e["mentions"]) for e in found.values()} == {
        ("United States", 1),
        ("US", 1),
        ("United Kingdom", 1),
    }
    assert counts["corrections_applied"] == 1


def test_the_alias_table_goes_first(tmp_path):
    aliases = tmp_path / "a.csv"
    aliases.write_text("alias,canonical_name,type\nGTU,Gas To You,ORG\n")
    found, counts = built(tmp_path / "run", GTU, ON, aliases=str(aliases))
    assert found["Gas To You", "ORG"]["mentions"] == 1
    assert "merged.abbreviations" not in counts


MADE = [
    doc(
        str(n),
        "Ada B. Cook of Nokia.",
        ("Ada B. Cook", "PER"),
        ("Nokia", "ORG"),
        triples=(("Ada B. Cook", "employer", "Nokia", 0.9),),
    )
    for n in range(3)
] + [
    doc(
        "x",
        "Ada Cook of Nokia.",
        ("Ada Cook", "PER"),
        ("Nokia", "ORG"),
        triples=(("Ada Cook", "employer", "Nokia", 0.9),),
    ),
    doc(
        "y",
        "Ada B. Cook of Nokia.",
        ("Ada B. Cook", "MISC"),
        ("Nokia", "ORG"),
        triples=(("Ada B. Cook", "employer", "Nokia", 0.9),),
    ),
]


def test_middle_names_go_before_votes_and_both_change_the_mentions(tmp_path):
    found, counts = built(tmp_path / "votes", MADE, {"type_votes": True})
    assert set(found) == {("Ada B. Cook", "PER"), ("Ada Cook", "PER"), ("Nokia", "ORG")}
    assert found["Ada B. Cook", "PER"]["joined_by"] == [
        {"name": "Ada B. Cook", "type": "MISC", "rule": "type_votes"}
    ]
    types = {m["text"]: m["type"] for m in table_rows(tmp_path / "votes", "mentions")}
    assert types["Ada B. Cook"] == "PER"
    assert counts["merged.type_votes"] == 1
    found, counts = built(tmp_path / "both", MADE, ON)
    assert found["Ada B. Cook", "PER"]["aliases"] == ["Ada Cook"]
    assert counts["merged.middle_names"] == 1
    # An id takes part in the claims of one rule alone.
    assert ("Ada B. Cook", "MISC") in found


@pytest.mark.parametrize("size", [1, 3])
def test_chunks_and_their_order_change_nothing(tmp_path, size):
    docs = [*GTU, *MADE]
    tables = []
    for name, options in (("a", {}), ("b", {"chunk_documents": size, "reverse": True})):
        folder = write_folder(tmp_path / name, docs, label_schema=SCHEMA, **options)
        run_build(folder, BuildOptions(rdf=None, names=NameRules(**ON)))
        tables.append(
            [
                sorted(table_rows(tmp_path / name, table), key=repr)
                for table in ("entities", "mentions", "relations", "redirects")
            ]
        )
    assert tables[0] == tables[1]
