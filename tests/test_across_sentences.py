"""Pairs across sentences beside those inside one: their threshold, their rule, their figures."""

import json
from bisect import bisect_right
from itertools import pairwise, starmap

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.extraction_folders import Doc, row, write_folder
from helpers.output_folders import table_rows
from helpers.training_data import DOCUMENT
from pfn_kg.pfn.evaluation.fact_evidence import by_evidence
from pfn_kg.pfn.inference.across_sentences import heads_by_place
from pfn_kg.pipeline.build_phase import BuildOptions, run_build
from pfn_kg.pipeline.cli import main
from pfn_kg.pipeline.commands.run import with_floors
from pfn_kg.schemas.build_options import PolicyOptions
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.extract_options import ExtractOptions
from pfn_kg.schemas.extraction import EXTRACTION_SCHEMA
from pfn_kg.schemas.records import DocumentHeads, HeadTriple, Sentence
from pfn_kg.schemas.rules import Rules
from pfn_kg.transforms.facts.across_sentences import heads_across, is_rival_across, tails_across
from pfn_kg.transforms.facts.chunk_documents import ChunkDocuments

pytestmark = pytest.mark.quick

NAMES = (("Maria", "PER", 0.9), ("Lisbon", "LOC", 0.9), ("Lena", "PER", 0.9), ("Oslo", "LOC", 0.9))
TEXT = "Maria was born in Lisbon. Lena was born in Oslo."
MARIA, LENA = ("Maria", "place of birth", "Lisbon"), ("Lena", "place of birth", "Oslo")
CROSSED = ("Lena", "place of birth", "Lisbon")


def build(tmp_path, docs, **options):
    """Facts by subject, relation and object with their triples, and the counts."""
    folder = write_folder(tmp_path / f"run{len(list(tmp_path.iterdir()))}", docs)
    counts = run_build(folder, BuildOptions(rdf=None, sentences=True, **options))
    sentences = table_rows(folder, "sentences")
    triples = table_rows(folder, "triples")
    for t in triples:
        held = [
            s
            for s in sentences
            if s["document_id"] == t["document_id"]
            and t["evidence_begin"] <= s["begin"]
            and s["end"] <= t["evidence_end"]
        ]
        assert t["evidence_sentences"] == len(held)
    return {(t["subject_text"], t["relation"], t["object_text"]): t for t in triples}, counts


def people(*triples, id_="1", text=TEXT):
    return Doc(id_, text, NAMES, triples)


def test_a_threshold_of_pairs_across(tmp_path):
    doc = people((*MARIA, 0.6), (*LENA, 0.6), (*CROSSED, 0.7))
    found, _ = build(tmp_path, [doc])
    assert {fact: t["evidence_sentences"] for fact, t in found.items()} == {
        MARIA: 1,
        LENA: 1,
        CROSSED: 2,
    }
    found, _ = build(tmp_path, [doc], across_threshold=0.7)
    assert set(found) == {MARIA, LENA, CROSSED}
    found, _ = build(tmp_path, [doc], across_threshold=0.71)
    assert set(found) == {MARIA, LENA}
    found, _ = build(tmp_path, [doc], across_threshold=0.5, relation_threshold=0.65)
    assert set(found) == {CROSSED}
    with pytest.raises(ConfigurationError, match=r"across_threshold: 0\.05 is below 0\.1"):
        build(tmp_path, [doc], across_threshold=0.05)


def test_an_extraction_keeps_what_the_threshold_accepts(tmp_path):
    options = ExtractOptions.from_dict({"corpus": ["x"], "output": str(tmp_path), "model": "m"})
    lowered = with_floors(options, PolicyOptions(across_threshold=0.02, relation_threshold=0.3))
    assert (lowered.entity_floor, lowered.relation_floor) == (options.entity_floor, 0.02)
    assert with_floors(options, PolicyOptions(across_threshold=0.5)) == options


def test_a_fact_inside_a_sentence_beats_a_rival_across(tmp_path):
    docs = [people((*MARIA, 0.6), (*LENA, 0.6), (*CROSSED, 0.9))]
    found, counts = build(tmp_path, docs)
    assert {fact for fact, t in found.items() if "across_rival" in t["flags"]} == {CROSSED}
    assert counts["violations.across_rival"] == 1
    found, counts = build(tmp_path, docs, rules=Rules(across="drop"))
    assert set(found) == {MARIA, LENA}
    # Without the crossed fact Lena has one place of birth.
    assert not counts.get("violations.max_objects")
    found, counts = build(tmp_path, docs, rules=Rules(across="keep"))
    assert CROSSED in found
    assert "violations.across_rival" not in counts


def test_what_is_no_rival(tmp_path):
    spouse, other = ("Lena", "spouse", "Maria"), ("Lena", "spouse", "Oslo")
    docs = [
        # Nothing inside a sentence is said of Lena.
        people((*MARIA, 0.6), (*CROSSED, 0.6)),
        # In another document there is something.
        people((*LENA, 0.6), id_="2", text=TEXT + " Yes."),
        # A relation that may have several objects.
        people((*spouse, 0.6), (*other, 0.6), id_="3", text=TEXT + " No."),
    ]
    found, counts = build(tmp_path, docs, rules=Rules(across="drop"))
    assert set(found) == {MARIA, CROSSED, LENA, spouse, other}
    assert counts["violations.across_rival"] == 0


def test_a_fact_that_a_sentence_states_has_no_rival_elsewhere(tmp_path):
    # Lisbon inside the first sentence and across; Oslo inside the second.
    text = "Lena likes Lisbon. She, LENA, was born in Oslo."
    mentions = (*NAMES[1:], ("LENA", "PER", 0.9))
    born = "place of birth"
    triples = ((*CROSSED, 0.6), ("LENA", born, "Lisbon", 0.9), ("LENA", born, "Oslo", 0.6))
    docs = [Doc("1", text, mentions, triples)]
    found, counts = build(tmp_path, docs, rules=Rules(across="drop", evidence="all"))
    assert found["LENA", born, "Lisbon"]["evidence_sentences"] == 2
    assert len(found) == 3
    assert counts["violations.across_rival"] == 0
    # Without the sentence that states it, it is beaten.
    docs = [Doc("1", text, mentions, triples[1:])]
    found, counts = build(tmp_path, docs, rules=Rules(across="drop", evidence="all"))
    assert set(found) == {("LENA", born, "Oslo")}
    assert counts["violations.across_rival"] == 1


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans(), st.booleans()), max_size=12
    )
)
def test_rivals_against_a_slow_reading(rows):
    # Whether a relation has one object is the same for all triples of one subject and relation.
    one_object = {subject: single for subject, _, _, single in rows}
    columns = [np.array([r[n] for r in rows], dtype=np.int64) for n in range(2)]
    across = np.array([r[2] for r in rows], dtype=bool)
    concerned = np.array([one_object[r[0]] for r in rows], dtype=bool)
    found = is_rival_across(*columns, across=across, concerned=concerned).tolist()
    for (subject, object_, _, _), is_against in zip(rows, found, strict=True):
        inside = {o for s, o, crosses, _ in rows if s == subject and not crosses}
        assert is_against == bool(one_object[subject] and inside and object_ not in inside)


@given(st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=4), min_size=1, max_size=3))
def test_heads_and_ends_are_in_the_sentence_of_their_mention(lengths):
    """Sentences of these lengths follow each other with nothing between them."""
    rows = []
    for number, of_document in enumerate(lengths):
        ends = np.cumsum(of_document).tolist()
        bounds = zip([0, *ends], ends, strict=False)
        empty = row(Doc(str(number), "x" * ends[-1]), "x", number)
        rows.append({**empty, "sentences": [{"begin": b, "end": e} for b, e in bounds]})
    documents = ChunkDocuments(pa.Table.from_pylist(rows, EXTRACTION_SCHEMA))
    characters = [
        (number << 32 | offset, sentence)
        for number, of_document in enumerate(lengths)
        for offset, sentence in enumerate(
            s for s, length in enumerate(of_document) for _ in range(length)
        )
    ]
    pairs = [(a, b) for a in characters for b in characters if a[0] >> 32 == b[0] >> 32]
    expected = [a[1] != b[1] for a, b in pairs]
    subjects, objects = (np.array([p[n][0] for p in pairs], dtype=np.int64) for n in (0, 1))
    assert heads_across(documents, subjects, objects).tolist() == expected
    # One past a mention's last character.
    assert tails_across(documents, subjects + 1, objects + 1).tolist() == expected


def test_precision_by_evidence():
    groups = by_evidence([True, True, False, True], [True, False, False, True])
    assert groups == {
        "inside": {"facts": 3, "share": 0.75, "precision": pytest.approx(2 / 3)},
        "across": {"facts": 1, "share": 0.25, "precision": 0.0},
    }
    assert by_evidence([], [])["across"] == {"facts": 0, "share": 0.0, "precision": 0.0}


PLACES = st.integers(0, 11)
TRIPLES = st.lists(
    st.tuples(PLACES, st.sampled_from(["a", "b"]), PLACES, st.sampled_from([0.2, 0.4, 0.6])),
    max_size=8,
    unique_by=lambda t: t[:3],
)


@given(
    texts=st.lists(
        st.tuples(TRIPLES, st.sets(st.integers(1, 11)), st.none() | TRIPLES), max_size=4
    ),
    thresholds=st.tuples(*[st.sampled_from([0.1, 0.3, 0.5, 0.7])] * 2),
)
def test_what_is_accepted_by_place_against_a_slow_reading(texts, thresholds):
    inside, across = thresholds
    if any(tails is None for *_, tails in texts):
        texts = [(heads, cuts, None) for heads, cuts, _ in texts]
    cuts_of = [[0, *sorted(cuts), 12] for _, cuts, _ in texts]
    sentences = [[Sentence(n, b, e) for n, (b, e) in enumerate(pairwise(cuts))] for cuts in cuts_of]

    def number(cuts, character):
        return bisect_right(cuts, character)

    def kept(triples, cuts, last):
        return sorted(
            HeadTriple(subject + last, relation, object_ + last, score)
            for subject, relation, object_, score in triples
            if score >= (inside if number(cuts, subject) == number(cuts, object_) else across)
        )

    def document(heads, tails):
        in_order = sorted(heads, key=lambda t: (t[0], t[2], t[1]))
        ends = None
        if tails is not None:
            # One past the last character.
            ends = [HeadTriple(s + 1, r, o + 1, p) for s, r, o, p in tails]
        return DocumentHeads([], list(starmap(HeadTriple, in_order)), ends, 1, 0, {})

    found = heads_by_place(
        [document(heads, tails) for heads, _, tails in texts],
        ["x" * 12] * len(texts),
        sentences,
        inside_from=inside,
        across_from=across,
    )
    assert len(found) == len(texts)
    for ours, (heads, _, tails), cuts in zip(found, texts, cuts_of, strict=True):
        for triples, given_, last in ((ours.head_triples, heads, 0), (ours.tail_triples, tails, 1)):
            if given_ is None:
                assert triples is None
                continue
            rounded = sorted(t._replace(score=round(t.score, 3)) for t in triples)
            assert rounded == kept(given_, cuts, last)


TWO = "Anna Bell met John Smith. Paris is in France."


def test_predict_takes_it(tiny_model, tiny_extractor, capsys):
    low = {"entity_threshold": 0.1, "relation_threshold": 0.1, "window_tokens": 64}

    def places(extraction):
        first = extraction.sentences[0].end
        begins = [mention.begin for mention in extraction.mentions]
        return [
            (begins[t.subject] < first) == (begins[t.object] < first) for t in extraction.triples
        ]

    (all_,) = tiny_extractor.extract_documents([TWO], **low)
    assert set(places(all_)) == {True, False}
    (strict,) = tiny_extractor.extract_documents([TWO], **low, across_threshold=1.0)
    assert [t for t, inside in zip(all_.triples, places(all_), strict=True) if inside] == (
        strict.triples
    )
    # The lower one of the two decides what is read.
    (only,) = tiny_extractor.extract_documents(
        [TWO], **low | {"relation_threshold": 1.0}, across_threshold=0.1
    )
    assert [t for t, inside in zip(all_.triples, places(all_), strict=True) if not inside] == (
        only.triples
    )
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in low.items()]
    command = ["predict", "--model", str(tiny_model), "--json", TWO, *flags]
    counts = []
    for more in ([], ["--across-threshold", "1"]):
        assert main([*command, *more]) == 0
        counts.append(len(json.loads(capsys.readouterr().out)["triples"]))
    assert counts == [len(all_.triples), len(strict.triples)]


def test_evaluate_takes_it(tiny_model, tmp_path, capsys):
    path = tmp_path / "made_up.json"
    path.write_text(json.dumps([DOCUMENT]))
    command = ["evaluate", "--model", str(tiny_model), "--data", str(path), "--format", "docred"]
    command += [
        "--window-tokens=64",
        "--entity-threshold=0.1",
        "--relation-threshold=0.1",
        "--json",
    ]
    found = []
    for more in ([], ["--across-threshold", "0.1"], ["--across-threshold", "1"]):
        assert main([*command, *more]) == 0
        found.append(json.loads(capsys.readouterr().out))
    as_all, same, strict = found
    assert as_all == same
    assert as_all["fact_evidence"]["across"]["facts"]
    assert not strict["fact_evidence"]["across"]["facts"]
    assert strict["fact_evidence"]["inside"]["facts"] == as_all["fact_evidence"]["inside"]["facts"]
    assert (as_all["across_threshold"], strict["across_threshold"]) == (0.1, 1)
    # What scores mean does not depend on what is accepted.
    assert strict["calibration"]["triple"] == as_all["calibration"]["triple"]
    command = ["evaluate", "--data", str(path), "--format", "docred", "--across-threshold", "0.5"]
    assert main([*command[:1], "--robustness", *command[1:]]) == 2
    assert "--robustness: reads sentences alone" in capsys.readouterr().err
    spert = tmp_path / "spert.json"
    spert.write_text('[{"tokens": ["Ann"], "entities": [], "relations": []}]')
    command = ["evaluate", "--model", str(tiny_model), "--data", str(spert), "--format", "spert"]
    assert main([*command, "--across-threshold", "0.5"]) == 2
    assert "--across-threshold: spert has no documents, docred has" in capsys.readouterr().err
