"""Documents that are annotated in part: unknown labels are no examples of absent ones."""

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers.examples import examples
from helpers.training_data import options
from pfn_kg import Extractor
from pfn_kg.pfn.evaluation.annotated_texts import annotated_texts
from pfn_kg.pfn.evaluation.predictions import Predictions
from pfn_kg.pfn.readers import read
from pfn_kg.pfn.readers.records import Annotated, AnnotatedDocument, Reading
from pfn_kg.pfn.training.choose_thresholds import judge_written_facts
from pfn_kg.pfn.training.gold_batches import collate_gold
from pfn_kg.pfn.training.gold_cells import KnownLabels
from pfn_kg.pfn.training.unrelated_parts import unrelated_parts
from pfn_kg.pfn.training.windows import WindowDataset, document_cells, join_cells
from pfn_kg.pipeline.cli import main
from pfn_kg.schemas.records import DocumentHeads, HeadTriple, Mention

TOKENS = ["Anna", "Bell", "of", "London", "met", "John", "Smith", "."]


def document(**annotated):
    """Two like sentences: two people and a place in each; Anna Bell is of London."""
    mentions = [([0, 2], "A"), ([3, 4], "B"), ([5, 7], "A")]
    return {
        "title": "Meeting",
        "sents": [TOKENS, TOKENS],
        "vertexSet": [
            [{"sent_id": s, "pos": pos, "type": type_} for s in (0, 1)] for pos, type_ in mentions
        ],
        "labels": [{"h": 0, "t": 1, "r": "r"}],
        **annotated,
    }


def reading_of(tmp_path, *documents):
    path = tmp_path / "data.json"
    path.write_text(json.dumps(documents))
    return read(path, "docred")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, Annotated()),
        ({"annotated_relations": []}, Annotated(None, frozenset())),
        ({"annotated_entity_types": ["A"]}, Annotated(frozenset({"A"}))),
        (
            {"annotated_relations": ["r"], "annotated_pairs": "mentions"},
            Annotated(None, frozenset({"r"}), True),
        ),
    ],
)
def test_the_reader_knows_which_labels_were_annotated(tmp_path, fields, expected):
    (found,) = reading_of(tmp_path, document(**fields)).documents
    assert found.annotated == expected


def test_relations_are_named_as_everywhere(tmp_path):
    (tmp_path / "rel_info.json").write_text(json.dumps({"P19": "place of birth"}))
    (found,) = reading_of(tmp_path, document(annotated_relations=["P19"])).documents
    assert found.annotated.relations == {"place_of_birth"}


def test_another_word_for_pairs_is_refused(tmp_path, capsys):
    path = tmp_path / "data.json"
    path.write_text(json.dumps([document(annotated_pairs="some")]))
    assert main(["train", *options(path, tmp_path / "out")]) == 2
    assert f"{path}: record 1: field annotated_pairs" in capsys.readouterr().err


def test_labels_that_were_not_annotated_are_unknown(tmp_path, random_extractor):
    inputs = random_extractor().inputs
    types = inputs.config.entity_types
    reading = reading_of(
        tmp_path, document(annotated_entity_types=["A"], annotated_relations=["s"])
    )
    (cells,) = document_cells(reading, inputs)
    window = join_cells(cells, 0, 2, encoder=inputs)
    assert window.known == KnownLabels(frozenset({0}), frozenset({1}))
    # What is named counts all the same: B's mentions, and the facts of r.
    assert {label for _, _, label in window.entities} == {0, 1}
    assert {label for _, _, label in window.relations} == {0}
    tensors = collate_gold([window], inputs)
    assert tensors["entity_known"].tolist() == [[name == "A" for name in types]]
    assert tensors["relation_known"].tolist() == [[False, True]]
    whole = document_cells(reading_of(tmp_path, document()), inputs)[0].sentences[0][0]
    assert "relation_known" not in collate_gold([whole], inputs)
    both = collate_gold([whole, window], inputs)
    assert both["relation_known"].tolist() == [[True, True], [False, True]]


def test_pairs_of_mentions_alone(tmp_path, random_extractor):
    inputs = random_extractor().inputs
    reading = reading_of(tmp_path, document(annotated_relations=["r"], annotated_pairs="mentions"))
    (cells,) = document_cells(reading, inputs)
    window = join_cells(cells, 0, 2, encoder=inputs)
    assert window.known.relations == frozenset()
    heads = {row for row, _, _ in window.entities}
    pairs = {(row, column) for row, column, _ in window.relations}
    assert pairs == {(i, j) for i in heads for j in heads if i != j}
    # Anna Bell is of London, in any of the two sentences each; nobody else is.
    assert sorted(window.relations.values()) == [0.0] * 26 + [1.0] * 4
    assert {label for _, _, label in window.relations} == {0}


def loss_of(extractor, window):
    extractor.model.eval()
    return extractor.model(**collate_gold([window], extractor.inputs)).loss


@pytest.mark.parametrize("sentences", [1, 2], ids=["blocks", "windows"])
def test_unknown_labels_have_no_gradient(tmp_path, random_extractor, sentences):
    extractor = random_extractor(seed=3)
    fields = {"annotated_entity_types": ["A", "B"], "annotated_relations": ["r"]}
    reading = reading_of(tmp_path, document(**fields))
    (cells,) = document_cells(reading, extractor.inputs)
    window = (
        cells.sentences[0][0]
        if sentences == 1
        else join_cells(cells, 0, 2, encoder=extractor.inputs)
    )
    loss_of(extractor, window).backward()
    ner, re = (unit.label.bias.grad for unit in (extractor.model.ner, extractor.model.re))
    assert ner.ne(0).tolist() == [True, True, False]
    assert re.ne(0).tolist() == [True, False]
    whole = window._replace(known=KnownLabels())
    with torch.no_grad():
        assert loss_of(extractor, whole) > loss_of(extractor, window)


def test_it_needs_windows(tmp_path, capsys):
    path = tmp_path / "data.json"
    path.write_text(json.dumps([document(annotated_relations=[])]))
    assert main(["train", *options(path, tmp_path / "out")]) == 2
    assert "need --window-tokens" in capsys.readouterr().err
    assert main(["train", *options(path, tmp_path / "out", **{"unrelated-parts": 1})]) == 2


def test_a_model_does_not_unlearn_what_is_unknown(tmp_path):
    """Whole documents teach the relation r; many more, without its facts, don't deny it."""
    whole = document()
    silent = {key: value for key, value in document().items() if key != "labels"}
    path, dev = tmp_path / "train.json", tmp_path / "dev.json"
    path.write_text(json.dumps([whole] * 4 + [silent | {"annotated_relations": []}] * 16))
    dev.write_text(json.dumps([whole]))
    more = {"epochs": 30, "patience": 30, "window-tokens": 60, "partial-share": 4}
    assert main(["train", *options(path, tmp_path / "out", dev=dev, **more)]) == 0
    extractor = Extractor.from_pretrained(tmp_path / "out" / "model")
    (found,) = extractor.extract(["Anna Bell of London met John Smith."])
    said = {(found.mentions[t.subject].text, found.mentions[t.object].text) for t in found.triples}
    assert said == {("Anna Bell", "London")}


def test_each_epoch_draws_its_share_of_partial_documents(tmp_path, random_extractor):
    import random

    whole, partial = document(), document(annotated_relations=[])
    reading = reading_of(tmp_path, *[whole] * 3, *[partial] * 10)
    dataset = WindowDataset(reading, random_extractor().inputs, partial=2)
    drawn = set()
    for seed in range(20):
        dataset.begin_epoch(random.Random(seed))
        known = [d.sentences[0][0].known.relations for d in dataset.documents]
        # Two sentences a document: twice the sentences of the whole ones are those of six.
        assert known.count(None) == 3
        assert known.count(frozenset()) == 6
        drawn |= {id(d) for d in dataset.documents[3:]}
    assert len(drawn) == 10
    assert len(WindowDataset(reading, random_extractor().inputs, partial=0).documents) == 3


@st.composite
def readings(draw):
    """Documents whose sentences are told apart by their texts."""
    reading = Reading()
    for number in range(draw(st.integers(2, 5))):
        begin = len(reading)
        sentences = draw(st.integers(1, 4))
        for place in range(sentences):
            entities = [(0, 1, "A"), (1, 2, "B")]
            reading.add(str(number), place, [f"d{number}", f"s{place}"], entities, [])
        clusters = [[(place, i)] for place in range(sentences) for i in (0, 1)]
        pairs = st.tuples(
            st.integers(0, len(clusters) - 1), st.just("r"), st.integers(0, len(clusters) - 1)
        )
        facts = draw(st.lists(pairs, max_size=5, unique=True))
        reading.documents.append(AnnotatedDocument(begin, len(reading), clusters, facts))
    return reading


@examples(60)
@given(reading=readings(), sentences=st.integers(1, 30), seed=st.integers(0, 1000))
def test_unrelated_parts_keep_their_facts_and_get_no_others(reading, sentences, seed):
    import random

    mixed = unrelated_parts(reading, sentences, random.Random(seed))
    assert sentences <= len(mixed)
    assert mixed.documents[-1].end == len(mixed)
    facts = {
        (d.begin + d.clusters[s][0][0], d.begin + d.clusters[o][0][0])
        for d in reading.documents
        for s, _, o in d.facts
    }
    expected_by_text = {(*(reading[place].text for place in pair),) for pair in facts}
    for new in mixed.documents:
        inside = mixed[new.begin : new.end]
        texts = [sentence.text for sentence in inside]
        # At least two documents, and each sentence's mentions once.
        assert len({sentence.document_id for sentence in inside}) >= 2
        assert sorted(m for cluster in new.clusters for m in cluster) == [
            (place, i) for place in range(len(inside)) for i in (0, 1)
        ]
        stated = [
            (texts[new.clusters[s][0][0]], texts[new.clusters[o][0][0]]) for s, _, o in new.facts
        ]
        assert set(stated) <= expected_by_text
        # Every fact whose two sentences are in the document of parts is kept.
        there = {pair for pair in expected_by_text if set(pair) <= set(texts)}
        assert there == set(stated)


@pytest.mark.parametrize("marked", [[False, False, True], [True, True, True]])
def test_facts_are_calibrated_on_documents_as_they_are_written(tmp_path, marked):
    documents = [document(unrelated_parts=is_made) for is_made in marked]
    dev = reading_of(tmp_path, *documents)
    assert [d.unrelated_parts for d in dev.documents] == marked
    texts = annotated_texts(dev)
    # In each document a right fact and a wrong one, with scores of its own.
    found = []
    for number, text in enumerate(texts):
        mentions = [Mention(b, e, text.text[b:e], t, 0.9) for b, e, t in sorted(text.entities)]
        anna, london, john = (mention.begin for mention in mentions[:3])
        triples = [
            HeadTriple(anna, "r", london, 0.9 - number / 10),
            HeadTriple(anna, "r", john, 0.6 - number / 10),
        ]
        found.append(DocumentHeads(mentions, triples, None, 1, 0, {}))
    scores, right = judge_written_facts(Predictions([], found, texts), dev, (0.5, 0.1))
    # Where all are made, they are better than none.
    seen = [n for n in range(3) if all(marked) or not marked[n]]
    assert scores == pytest.approx([s - n / 10 for n in seen for s in (0.9, 0.6)])
    assert right == [True, False] * len(seen)
