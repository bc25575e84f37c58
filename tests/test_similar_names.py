"""Names that an encoder and the graph take for one thing, and pairs that people decide."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.extraction_folders import Doc, write_folder
from helpers.output_folders import graph_files, table_rows
from pfn_kg.pipeline.build_phase import run_build
from pfn_kg.pipeline.correction_files import read_corrections
from pfn_kg.schemas.build_options import BuildOptions
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.schemas.rules import NameRules
from pfn_kg.transforms.merging.doubtful_names import DOUBTFUL_FILE, DoubtfulName, write_doubtful
from pfn_kg.transforms.merging.similar_name_heirs import describe
from pfn_kg.transforms.merging.similar_names import (
    DOUBTFUL,
    JOINED,
    Described,
    Evidence,
    evidence,
    may_be_one,
    score,
)
from pfn_kg.transforms.names.entity_keys import EntityKeys

SCHEMA = LabelSchema.from_dict(
    {
        "entity_types": [{"name": n} for n in ("PER", "ORG", "MISC")],
        "relations": [{"name": "employer"}, {"name": "maker"}],
    }
)
KEYS = EntityKeys.of(SCHEMA, NameRules(similar_names=True))


def entity(name, facts=b"", partners=(), vector=b"\x01\x02", context=b"", type_="ORG", seen_in=b""):
    facts = frozenset(bytes([fact]) for fact in facts)
    partners = frozenset(partners)
    return Described(
        name.encode(), type_, name, name, 1, vector, context, facts, partners, frozenset(seen_in)
    )


ENTITIES = st.builds(
    entity,
    st.sampled_from(["grimsby trawlers", "trawlers of grimsby", "hull 7", "hull 8", "hull", "a"]),
    st.binary(max_size=3),
    st.sets(st.sampled_from(["hull", "ada", "a"])),
    st.sampled_from([b"\x01\x02", b"\x02\x01", b"\xff\x01", b"\x00\x00"]),
    st.sampled_from([b"", b"\x01\x01", b"\x01\xff"]),
    st.sampled_from(["ORG", "MISC"]),
    st.sets(st.sampled_from([b"d", b"e"])),
)


@given(ENTITIES, ENTITIES)
def test_evidence_is_the_same_from_both_ends(one, other):
    said = evidence(one, other)
    assert said == evidence(other, one)
    if said is not None:
        assert all(-1 - 1e-9 <= value <= 1 + 1e-9 for value in said)
        assert 0 < score(said) < 1
        # What is left out as hopeless is so.
        assert may_be_one(one, other) or score(said) < DOUBTFUL
    assert may_be_one(one, other) == may_be_one(other, one)


def test_numbers_and_facts_between_two_names_rule_them_out():
    assert evidence(entity("boeing 737"), entity("boeing 747")) is None
    assert evidence(entity("hull", partners=["port of hull"]), entity("port of hull")) is None
    said = evidence(entity("hull", b"ab", ["x"]), entity("hulls", b"b", ["x", "y"]))
    assert (said.facts, said.partners, said.same_type) == (0.5, 0.5, 1)
    assert said.names == pytest.approx(1)
    assert said.contexts == 0
    assert 0 < said.letters < 1


def test_alike_names_score_higher():
    least = Evidence(0.5, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0)
    best = Evidence(1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0)
    assert score(least) < DOUBTFUL < JOINED < score(best)


ROWS = [
    {
        "entity_id": id_,
        "type": "ORG",
        "name": name,
        "rule": rule,
        "mentions": mentions,
        "chunk": chunk,
        "facts": facts,
        "partners": partners,
        "seen_in": [f"{chunk}".encode()],
    }
    for id_, name, rule, mentions, chunk, facts, partners in (
        (b"1", "Grimsby Trawlers", None, 2, 0, [b"f"], ["Hull"]),
        (b"1", "GRIMSBY TRAWLERS", None, 1, 0, None, None),
        (b"1", "GRIMSBY TRAWLERS", None, 2, 1, [b"g"], ["Ada Cook", "Hull"]),
        (b"1", "GT", "bracketed", 9, 1, None, None),
        (b"2", "Nokia", None, 1, 1, None, None),
        (b"3", "Said by a correction", None, 0, -1, None, None),
    )
]


@settings(max_examples=2, deadline=None)
@given(st.permutations(ROWS))
def test_entities_are_described_alike_in_any_order(rows):
    trawlers, nokia = found = describe(rows, KEYS)
    assert found == describe(ROWS, KEYS)
    assert (trawlers.name, trawlers.key, trawlers.count) == (
        "GRIMSBY TRAWLERS",
        "grimsby trawlers",
        3,
    )
    assert trawlers.facts == {b"f", b"g"}
    assert trawlers.partners == {"hull", "ada cook"}
    assert trawlers.seen_in == {b"0", b"1"}
    assert len(trawlers.vector) == len(trawlers.context) > 0
    assert (nokia.context, nokia.partners) == (b"", frozenset())


OFTEN, SELDOM = "Grimsby Trawlers Association", "Grimsby Trawlers Associations"


def doc(id_, *names, person=None):
    text = "".join(f"{name} met. " for name in names) + (f"{person} came." if person else "")
    mentions = tuple((name, "ORG", 0.9) for name in names)
    if person is None:
        return Doc(id_, text, mentions)
    triples = tuple((person, "employer", name, 0.9) for name in names)
    return Doc(id_, text, (*mentions, (person, "PER", 0.9)), triples)


# Two spellings of one name, two names that are alike, and strangers.
DOCS = [
    doc("a", SELDOM, OFTEN),
    doc("b", OFTEN, "Hull Shipping Company"),
    doc("c", "Lunar Observatory Hull", "Lunar Observatory of Hull", person="Ivan Petrov"),
    doc("d", "Institute of Astronomy", person="Ada Cook"),
]
PAIR = {(OFTEN, "ORG"), (SELDOM, "ORG")}


def built(folder, docs=DOCS, beam=(), chunk_documents=2, reverse=False, similar=True, **options):
    write_folder(folder, docs, chunk_documents, SCHEMA, reverse)
    names = NameRules(similar_names=similar)
    counts = run_build(str(folder), BuildOptions(rdf=None, names=names, **options), beam)
    return {(e["name"], e["type"]): e for e in table_rows(folder, "entities")}, counts


def doubtful(folder):
    [path] = folder.rglob(DOUBTFUL_FILE)
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_similar_names_are_one_whoever_runs_it_and_can_be_undone(tmp_path):
    found, counts = built(tmp_path / "on")
    [kept] = PAIR & set(found)
    assert kept == (OFTEN, "ORG")
    assert found[kept]["joined_by"] == [{"name": SELDOM, "type": "ORG", "rule": "similar_names"}]
    assert counts["merged.similar_names"] == 1
    assert ("Institute of Astronomy", "ORG") in found
    assert len(table_rows(tmp_path / "on", "redirects")) == 1
    [asked] = doubtful(tmp_path / "on")
    assert {asked["name"], asked["other_name"]} == {
        "Lunar Observatory Hull",
        "Lunar Observatory of Hull",
    }
    assert counts["similar_names_doubtful"] == 1
    built(tmp_path / "beam", beam=["--runner=FnApiRunner"])
    assert graph_files(tmp_path / "beam") == graph_files(tmp_path / "on")
    again, _ = built(tmp_path / "again", chunk_documents=1, reverse=True)
    assert again == found
    assert doubtful(tmp_path / "again") == doubtful(tmp_path / "on")
    off, counts = built(tmp_path / "off", similar=False)
    assert set(off) > PAIR
    assert "merged.similar_names" not in counts
    assert not list((tmp_path / "off").rglob(DOUBTFUL_FILE))


def test_corrections_win(tmp_path):
    apart = {"kind": "keep_apart"}
    for prefix, (name, type_) in zip(("", "other_"), sorted(PAIR), strict=True):
        apart |= {f"{prefix}name": name, f"{prefix}type": type_}
    path = tmp_path / "c.jsonl"
    path.write_text(json.dumps(apart) + "\n")
    found, counts = built(tmp_path / "run", corrections=str(path))
    assert set(found) > PAIR
    assert not counts.get("merged.similar_names")
    # Nor are people asked again.
    named = {frozenset((row["name"], row["other_name"])) for row in doubtful(tmp_path / "run")}
    assert frozenset(name for name, _ in PAIR) not in named


def test_the_list_for_people_is_one_of_corrections(tmp_path):
    said = Evidence(0.9, 0.8, 0.1, 0.0, 0.5, 1.0, 1.0, 0.0, 1.0)
    often = entity("mumbai")._replace(count=5)
    pair = DoubtfulName.of(0.61, often, entity("bombay"), said)
    weaker = DoubtfulName.of(0.4, entity("x"), entity("y"), said)
    write_doubtful([weaker, pair], str(tmp_path))
    first, second = doubtful(tmp_path)
    assert first == {
        "kind": "undecided",
        "name": "bombay",
        "type": "ORG",
        "other_name": "mumbai",
        "other_type": "ORG",
        "note": "score 0.610: names 0.90, contexts 0.80, letters 0.10, facts 0.00, partners 0.50, "
        "contradiction 1.00, together 1.00, unknown 0.00",
    }
    assert second["note"].startswith("score 0.400")
    # No verdict is taken for granted, and a verdict makes a row a correction.
    path = tmp_path / DOUBTFUL_FILE
    with pytest.raises(ConfigurationError, match="row 1: 'undecided' is not one of"):
        read_corrections(str(path))
    decided = path.read_text(encoding="utf-8").replace("undecided", "merge", 1)
    path.write_text(decided.replace("undecided", "keep_apart"), encoding="utf-8")
    assert [c.kind for c in read_corrections(str(path))] == ["merge", "keep_apart"]
