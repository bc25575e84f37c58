"""Names of several things: which documents are told apart, and which are only flagged."""

import random

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.catalogues import entry, write_catalogue
from helpers.extraction_folders import LABEL_SCHEMA, Doc, write_folder
from helpers.output_folders import files, graph_folder, table_rows
from pfn_kg.pipeline.build_phase import BuildOptions, run_build
from pfn_kg.pipeline.cli import main
from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.schemas.link_options import LinkOptions
from pfn_kg.transforms.linking.homonyms import Occurrence, contradict, senses

SCHEMA = LabelSchema.from_dict(
    LABEL_SCHEMA.to_dict()
    | {
        "relations": [
            relation | ({"max_objects": 1} if relation["name"] == "date of birth" else {})
            for relation in LABEL_SCHEMA.to_dict()["relations"]
        ]
    }
)


def doc(id_, born, *others, name="John Smith"):
    """A document on someone who was born once, with other people and places."""
    mentions = [(name, "PER", 0.9)]
    text = f"{name} was born"
    triples = []
    if born:
        text += f" in {born}"
        mentions.append((born, "TIME", 0.9))
        triples.append((name, "date of birth", born, 0.9))
    text += ", with " + ", ".join(others) + "."
    mentions += [(other, "LOC", 0.9) for other in others]
    return Doc(id_, text, tuple(mentions), tuple(triples))


DOCS = [
    doc("a", "1815", "Oslo", "Bergen", "Hamar"),
    doc("b", "10 December 1815", "Oslo", "Bergen"),
    doc("c", "1901", "Quito", "Lima"),
    doc("d", "", "Quito", "Cuzco"),
    doc("e", "", "Rome"),
]


def people(folder):
    """The documents of each entity that is a person."""
    mentions = [m for m in table_rows(folder, "mentions") if m["type"] == "PER"]
    found = {}
    for m in mentions:
        found.setdefault(m["entity_id"], set()).add(m["document_id"])
    return sorted(map(sorted, found.values()))


def told(folder):
    rows = []
    for path in sorted((graph_folder(folder) / "homonyms").iterdir()):
        rows += pq.read_table(path).to_pylist()
    return rows


def test_two_people_of_one_name(tmp_path, capsys):
    folder = write_folder(tmp_path / "run", DOCS, label_schema=SCHEMA)
    run_build(folder)
    assert people(folder) == [["a", "b", "c", "d", "e"]]
    before = files(folder, but=("extractions", "lists", "redirects"))
    counts = run_build(folder, BuildOptions(homonyms="split"))
    # A document without a date goes where its other names lead, else to the one of most documents.
    assert people(folder) == [["a", "b", "e"], ["c", "d"]]
    assert counts["homonyms.split"] == 1
    rows = told(folder)
    assert [(r["decision"], r["documents"]) for r in rows] == [("main", 3), ("split", 2)]
    assert rows[1]["claims"] == [{"relation": "date of birth", "object": "1901"}]
    assert {r["entity_id"] for r in rows} == {
        e["entity_id"] for e in table_rows(folder, "entities") if e["type"] == "PER"
    }
    names = {e["entity_id"]: e["joined_by"] for e in table_rows(folder, "entities")}
    assert names[rows[0]["entity_id"]] == []
    assert names[rows[1]["entity_id"]] == [
        {"name": "John Smith", "type": "PER", "rule": "homonyms"}
    ]
    assert main(["verify", folder]) == 0
    capsys.readouterr()
    for id_ in {r["entity_id"] for r in rows}:
        assert main(["show", folder, id_]) == 0
        assert (
            "one of several of this name: date of birth 1815, date of birth 1815-12-10 "
            "(3 documents); date of birth 1901 (2 documents)\n"
        ) in capsys.readouterr().out
    # No subject has two dates of birth any more.
    born = [r["subject_id"] for r in table_rows(folder, "relations") if "birth" in r["predicate"]]
    assert len(set(born)) == 2
    run_build(folder)
    assert files(folder, but=("extractions", "lists", "redirects")) == before


def test_a_flag_changes_no_entity(tmp_path, capsys):
    folder = write_folder(tmp_path / "run", DOCS, label_schema=SCHEMA)
    counts = run_build(folder, BuildOptions(homonyms="flag"))
    assert people(folder) == [["a", "b", "c", "d", "e"]]
    assert counts["homonyms.contradictions"] == 1
    assert "homonyms.split" not in counts
    assert {r["decision"] for r in told(folder)} == {"doubtful"}
    assert main(["show", folder, "John Smith"]) == 0
    assert "its documents contradict: date of birth 1815, " in capsys.readouterr().out


def test_an_error_of_one_document_splits_nobody(tmp_path):
    docs = [doc("a", "1815", "Oslo", "Bergen"), doc("b", "1901", "Oslo", "Hamar")]
    folder = write_folder(tmp_path / "run", docs, label_schema=SCHEMA)
    run_build(folder, BuildOptions(homonyms="split"))
    assert people(folder) == [["a", "b"]]
    (row,) = told(folder)
    assert (row["decision"], row["documents"]) == ("doubtful", 2)


def test_corrections_win(tmp_path):
    path = tmp_path / "corrections.jsonl"
    path.write_text('{"kind": "rename", "name": "John Smith", "type": "PER", "new_name": "Jack"}\n')
    folder = write_folder(tmp_path / "run", DOCS, label_schema=SCHEMA)
    run_build(folder, BuildOptions(homonyms="split", corrections=str(path)))
    assert people(folder) == [["a", "b", "c", "d", "e"]]


def test_corrections_win_wherever_the_name_has_gone(tmp_path):
    table, path = tmp_path / "aliases.csv", tmp_path / "corrections.jsonl"
    table.write_text("alias,type,canonical_name\nJohn Smith,PER,Jack Smythe\n")
    path.write_text('{"kind": "rename", "name": "John Smith", "type": "PER", "new_name": "Jack"}\n')
    smith = entry("smith", "Jack Smythe", type="PER", popularity=9)
    link = LinkOptions(path=write_catalogue(tmp_path / "c.parquet", smith), confidence=0.1)
    folder = write_folder(tmp_path / "run", DOCS, label_schema=SCHEMA)
    options = BuildOptions(homonyms="split", aliases=str(table), rdf=None)
    for one in (options, options.changed(catalogue=link)):
        run_build(folder, one)
        assert people(folder) == [["a", "b", "e"], ["c", "d"]]
        run_build(folder, one.changed(corrections=str(path)))
        assert people(folder) == [["a", "b", "c", "d", "e"]]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ({"1815"}, {"1815-12-10"}, False),
        ({"1815-12-10"}, {"1815-12-11"}, True),
        ({"1815"}, {"1901"}, True),
        ({"181"}, {"1815"}, True),
        ({"1815", "1901"}, {"1901"}, False),
    ],
)
def test_a_year_and_a_day_in_it_agree(one, other, expected):
    left, right = ({("born", value) for value in values} for values in (one, other))
    assert contradict(left, right) is expected
    assert contradict(right, left) is expected
    assert not contradict(left, {("died", "1900")})


CLAIMS = st.frozensets(
    st.tuples(
        st.sampled_from(["born", "died"]), st.sampled_from(["1815", "1815-12-10", "1901", "1950"])
    ),
    max_size=2,
)


@given(
    found=st.lists(
        st.tuples(CLAIMS, st.frozensets(st.integers(0, 12), max_size=5)), min_size=1, max_size=9
    ),
    seed=st.integers(0, 99),
)
def test_senses_do_not_depend_on_order(found, seed):
    documents = [Occurrence(i % 3, f"d{i}", *one) for i, one in enumerate(found)]
    mixed = list(documents)
    random.Random(seed).shuffle(mixed)
    result = senses(documents)
    assert result == senses(mixed)
    # Each document is of one sense.
    assert sorted(o for sense in result for o in sense.occurrences) == sorted(documents)
    # Senses are told apart by what they say, so their ids differ.
    heirs = [sense.heir(b"x" * 12) for sense in result if sense.claims]
    assert len(heirs) == len(set(heirs)) >= len(result) - 1
