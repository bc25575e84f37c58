"""What corrections teach: training data, and how often the model is right."""

import json

import orjson
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.corrected_graphs import corrected_graph
from helpers.extraction_folders import DOCS, LABEL_SCHEMA, Doc, write_folder
from pfn_kg.pfn.readers.docred import read_docred
from pfn_kg.pipeline.build_phase import run_build
from pfn_kg.pipeline.cli import main
from pfn_kg.pipeline.correction_files import append
from pfn_kg.pipeline.correction_precision import Precision, precision_line, precision_record
from pfn_kg.pipeline.correction_training import lessons_of
from pfn_kg.schemas.build_options import BuildOptions
from pfn_kg.schemas.corrections import AddFact, ChangeFact, ConfirmFact, RejectFact
from pfn_kg.transforms.corrections.evidence import EVIDENCE_SCHEMA, MOST_PIECES, best_evidence
from pfn_kg.transforms.corrections.outcomes import OUTCOME_SCHEMA

BORN = {
    "subject": "Ada Lovelace",
    "subject_type": "PER",
    "relation": "place of birth",
    "object": "London",
    "object_type": "LOC",
}


def lessons(*corrections, docs=None):
    made = corrected_graph([DOCS[0]] if docs is None else docs, corrections)
    evidence = pa.Table.from_pylist(made.evidence, EVIDENCE_SCHEMA)
    return lessons_of(evidence, LABEL_SCHEMA)


def told(record):
    """A record in words."""

    def words(cluster):
        [mention] = record["vertexSet"][cluster]
        return " ".join(record["sents"][mention["sent_id"]][slice(*mention["pos"])])

    return [(words(label["h"]), label["r"], words(label["t"])) for label in record["labels"]]


@pytest.mark.quick
def test_confirmed_and_rejected_facts():
    made = lessons(
        ConfirmFact(**BORN),
        RejectFact(**BORN | {"relation": "date of birth", "object": "1815", "object_type": "TIME"}),
    )
    date, birth = sorted(made.records, key=lambda r: r["annotated_relations"])
    assert told(birth) == [("Ada Lovelace", "place of birth", "London")]
    assert told(date) == []
    assert date["annotated_relations"] == ["date of birth"]
    assert {r["annotated_pairs"] for r in made.records} == {"mentions"}
    assert birth["sents"] == [["Ada", "Lovelace", "was", "born", "in", "London", "in", "1815", "."]]
    assert made.counts == {"right": 1, "wrong": 1}


@pytest.mark.quick
def test_a_changed_fact_teaches_both():
    [record] = lessons(ChangeFact(**BORN, new_relation="spouse")).records
    # A symmetric relation holds both ways.
    assert told(record) == [
        ("Ada Lovelace", "spouse", "London"),
        ("London", "spouse", "Ada Lovelace"),
    ]
    assert record["annotated_relations"] == ["place of birth", "spouse"]


@pytest.mark.quick
def test_an_added_fact_across_sentences():
    place = {"document_id": "a", "subject_begin": 0, "subject_end": 12}
    place |= {"object_begin": 53, "object_end": 59}
    [record] = lessons(AddFact(**BORN | {"relation": "spouse"}, **place)).records
    assert [len(sentence) for sentence in record["sents"]] == [9, 5]
    assert told(record)[0] == ("Ada Lovelace", "spouse", "London")


@pytest.mark.quick
def test_a_mention_that_ends_inside_a_word_is_left_out():
    docs = [
        Doc(
            "x",
            "Ada Lovelace was born in Londoners.",
            (("Ada Lovelace", "PER", 0.9), ("London", "LOC", 0.9)),
            (("Ada Lovelace", "place of birth", "London", 0.9),),
        )
    ]
    made = lessons(ConfirmFact(**BORN), docs=docs)
    assert (made.records, made.counts) == ([], {"left_out": 1})


@pytest.mark.quick
def test_many_pieces_of_one_correction_are_cut_to_the_best():
    made = corrected_graph([DOCS[0]], [ConfirmFact(**BORN)])
    [row] = made.evidence
    rows = [row | {"score": 0.5 + i / 100, "document_id": f"d{i}"} for i in range(30)]
    best = best_evidence([pa.Table.from_pylist(rows[i::3], EVIDENCE_SCHEMA) for i in range(3)])
    assert best["document_id"].to_pylist() == [f"d{i}" for i in range(29, 29 - MOST_PIECES, -1)]


def test_training_reads_what_the_command_writes(tmp_path, capsys, tiny_model):
    folder = write_folder(tmp_path / "graph", DOCS)
    path = str(tmp_path / "c.jsonl")
    assert main(["corrections", folder]) == 2  # not built
    run_build(folder)
    assert main(["corrections", folder, "--to", "training", "--output", "x"]) == 2
    assert "its graph has no corrections" in capsys.readouterr().err
    append(path, ConfirmFact(**BORN))
    append(
        path,
        RejectFact(**BORN | {"relation": "date of birth", "object": "1815", "object_type": "TIME"}),
    )
    append(path, RejectFact(**BORN | {"subject": "Nobody"}))
    run_build(folder, BuildOptions(corrections=path))
    output = tmp_path / "lessons.json"
    assert main(["corrections", folder, "--to", "training", "--output", str(output)]) == 0
    assert capsys.readouterr().out == f"{output}: 4 records with 2 right and 2 wrong facts\n"
    reading = read_docred(output)
    assert len(reading.documents) == 4
    assert all(d.annotated.between_mentions for d in reading.documents)
    assert sum(len(d.facts) for d in reading.documents) == 2
    assert main(["corrections", folder]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "2 of 3 corrections apply",
        "  confirm: 1 of 1",
        "  reject: 1 of 2",
        "  row 3 (reject): no triple says it",
        "of 2 facts judged at 0.8 and more, 50 % right, 9 to 91",
        "  date of birth: 0 of 1, 0 % right, 0 to 79",
        "  place of birth: 1 of 1, 100 % right, 21 to 100",
        "  0.8 to 0.9: 0 of 1, 0 % right, 0 to 79",
        "  0.9 to 1: 1 of 1, 100 % right, 21 to 100",
    ]
    assert main(["corrections", folder, "--output", "x"]) == 2
    assert main(["corrections", folder, "--to", "training"]) == 2
    assert json.loads(output.read_bytes()) == orjson.loads(output.read_bytes())


@pytest.mark.quick
def test_precision_in_one_line():
    rows = [
        dict.fromkeys(OUTCOME_SCHEMA.names)
        | {"relation": "r", "is_right": number < 104, "confidence": 0.5 + number / 400}
        for number in range(120)
    ]
    rows.append(dict.fromkeys(OUTCOME_SCHEMA.names))  # judges nothing
    record = precision_record(pa.Table.from_pylist(rows, OUTCOME_SCHEMA))
    assert precision_line(record) == "of 120 facts judged at 0.5 and more, 87 % right, 79 to 92"
    assert sum(band["judged"] for band in record["by_confidence"]) == 120
    assert record["by_relation"]["r"] == record["all"]
    assert precision_record(OUTCOME_SCHEMA.empty_table()) == {}
    assert precision_line({}) is None


@pytest.mark.quick
@given(st.integers(1, 5000), st.data())
def test_the_interval_is_wilsons(judged, data):
    stats = pytest.importorskip("scipy.stats")
    right = data.draw(st.integers(0, judged))
    expected = stats.binomtest(right, judged).proportion_ci(method="wilson")
    assert Precision.of(right, judged)[2:] == pytest.approx(
        (right / judged, expected.low, expected.high), abs=6e-5
    )
