"""Distillation: texts without annotation, labelled by models that read them."""

import json
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, example, given

from helpers.examples import examples
from helpers.texts import TEXT
from helpers.training_data import DOCUMENT, options
from pfn_kg import Extractor
from pfn_kg.pfn.inference.sentences import split_sentences
from pfn_kg.pfn.training.distillation import taught_documents
from pfn_kg.pfn.training.save_checkpoint import save_checkpoint
from pfn_kg.pfn.training.windows import join_cells
from pfn_kg.pipeline.cli import main
from pfn_kg.schemas.errors import ConfigurationError


@pytest.fixture(scope="module")
def teachers(random_extractor, tmp_path_factory):
    """Two models with random weights, one of which is calibrated."""
    folder = tmp_path_factory.mktemp("teachers")
    for seed, name in enumerate(("one", "two")):
        extractor = random_extractor(seed, window_tokens=60, flat_entities=True, calibration={})
        if seed:
            extractor.config.calibration = {"entity": {"low": 0.1, "high": 1.0, "bias": 0.0}}
        save_checkpoint(extractor, folder / name)
    return [str(folder / name) for name in ("one", "two")]


def knowing(extractor, types, relations):
    """An extractor that has these of its labels alone, the first ones."""
    for unit, names in ((extractor.model.ner, types), (extractor.model.re, relations)):
        for parameter in (unit.label.weight, unit.label.bias):
            parameter.data = parameter.data[: len(names)]
    extractor.config.entity_types, extractor.config.relation_types = types, relations
    return extractor


def said(name, text):
    """What a model says of a text before it chooses: scores by places in the text and label."""
    extractor = Extractor.from_pretrained(name, device="cpu")
    config = extractor.config
    config.calibration, config.flat_entities = None, False
    (heads,) = extractor.predict_documents(
        [text], [split_sentences(text)], entity_floor=0.02, relation_floor=0.02
    )
    entities = {(m.begin, m.end, config.entity_types.index(m.type)): m for m in heads.mentions}
    relations = {
        (t.subject, t.object, config.relation_types.index(t.relation)): t
        for t in heads.head_triples
    }
    return [{place: f.score for place, f in of.items()} for of in (entities, relations)]


def targets(document, text, inputs):
    """The targets of a document of sentences that fit in windows, as `said`."""
    begins = [s.begin for s in split_sentences(text) if inputs.encode([text[s.begin : s.end]])[0]]
    joined = join_cells(document, 0, len(document.sentences), encoder=inputs)
    words = [
        (begin + b, begin + e)
        for begin, (cells,) in zip(begins, document.sentences, strict=True)
        for b, e in cells.window.words
    ]
    at = dict(zip(inputs.rows(joined.window), words, strict=True))
    return [
        {(at[b][0], at[e][1], label): t for (b, e, label), t in joined.entities.items()},
        {(at[s][0], at[o][0], label): t for (s, o, label), t in joined.relations.items()},
    ]


@examples(30)
@given(TEXT)
@example("Anna Bell was born in London. NATO. Müller-Lüdenscheidt was born in the London.")
def test_targets_are_the_mean_of_what_teachers_say(teachers, text):
    inputs = Extractor.from_pretrained(teachers[0], device="cpu").inputs
    (document,) = taught_documents([text], teachers, encoder=inputs)
    assume(document.sentences and all(len(windows) == 1 for windows in document.sentences))
    for found, *of_teachers in zip(
        targets(document, text, inputs), *(said(name, text) for name in teachers), strict=True
    ):
        expected = Counter()
        for scores in of_teachers:
            expected.update({place: score / 2 for place, score in scores.items()})
        assert found == pytest.approx(dict(expected))


def test_teachers_may_read_at_another_precision(teachers):
    inputs = Extractor.from_pretrained(teachers[0], device="cpu").inputs
    text = "Anna Bell was born in London."
    exact, rounded = (
        targets(
            *taught_documents([text], teachers, encoder=inputs, precision=precision), text, inputs
        )
        for precision in ("fp32", "bf16")
    )
    assert exact != rounded
    for found, expected in zip(rounded, exact, strict=True):
        sure = {place: score for place, score in expected.items() if score > 0.1}
        assert {place: found.get(place, 0) for place in sure} == pytest.approx(sure, abs=0.05)


def test_a_long_sentence_is_placed_in_each_of_its_windows(teachers, tmp_path):
    extractor = Extractor.from_pretrained(teachers[0], device="cpu")
    extractor.config.window_pieces, extractor.config.window_overlap = 20, 10
    save_checkpoint(extractor, tmp_path)
    inputs = Extractor.from_pretrained(tmp_path, device="cpu").inputs
    text = "Anna Bell saw London and " * 8 + "NATO."
    (document,) = taught_documents([text], [str(tmp_path)], encoder=inputs)
    (windows,) = document.sentences
    assert len(windows) > 2
    entities, relations = said(tmp_path, text)
    for cells in windows:
        words = cells.window.words
        found = {
            (words[b][0], words[e][1], label): t for (b, e, label), t in cells.entities.items()
        }
        assert found
        inside = range(words[0][0], words[-1][1] + 1)
        assert found == {
            place: score
            for place, score in entities.items()
            if place[0] in inside and place[1] in inside
        }
        for (s, o, label), target in cells.relations.items():
            assert relations[words[s][0], words[o][0], label] == target
    assert not document.across


def test_what_the_tail_table_says_is_placed_where_words_end(random_extractor, tmp_path):
    extractor = random_extractor(5, tail_table=True, window_tokens=60)
    save_checkpoint(extractor, tmp_path)
    text = "Anna Bell was born in London. She left London for Acme Corp."
    (document,) = taught_documents([text], [str(tmp_path)], encoder=extractor.inputs)
    joined = join_cells(document, 0, 2, encoder=extractor.inputs)
    sentences = split_sentences(text)
    ends = [
        sentence.begin + end
        for sentence, (cells,) in zip(sentences, document.sentences, strict=True)
        for _, end in cells.window.words
    ]
    at = dict(zip(extractor.inputs.rows(joined.window), ends, strict=True))
    (heads,) = extractor.predict_documents(
        [text], [sentences], entity_floor=0.02, relation_floor=0.02
    )
    labels = extractor.config.relation_types
    said = {(t.subject, t.object, labels.index(t.relation)): t.score for t in heads.tail_triples}
    assert {(at[s], at[o], label) for s, o, label in joined.tails} == said.keys()
    assert any(s < sentences[1].begin < o for s, o, _ in said)
    for (s, o, label), target in joined.tails.items():
        assert target == pytest.approx(said[at[s], at[o], label])


def test_a_teacher_must_know_each_label(random_extractor, tmp_path):
    save_checkpoint(knowing(random_extractor(), ["A", "B", "C"], ["r"]), tmp_path)
    with pytest.raises(ConfigurationError, match="none has the label 's', which `train` has"):
        taught_documents(["Anna."], [str(tmp_path)], encoder=random_extractor().inputs)


def test_what_a_teacher_says_of_other_labels_is_left_out(random_extractor, tmp_path):
    extractor = random_extractor(3)
    save_checkpoint(extractor, tmp_path)
    text = "Anna Bell was born in London."
    entities, relations = said(tmp_path, text)
    student = knowing(random_extractor(4), ["A", "B"], ["r"]).inputs
    (document,) = taught_documents([text], [str(tmp_path)], encoder=student)
    found = targets(document, text, student)
    for of, scores, kept in zip(found, (entities, relations), (2, 1), strict=True):
        assert len(of) < len(scores)
        assert of == {place: score for place, score in scores.items() if place[2] < kept}


def test_a_label_of_one_teacher_is_the_mean_of_those_who_know_it(random_extractor, tmp_path):
    extractor = random_extractor(3)
    save_checkpoint(extractor, tmp_path / "knows")
    save_checkpoint(knowing(random_extractor(4), ["A"], ["r"]), tmp_path / "knows-less")
    text = "Anna Bell was born in London."
    names = [str(tmp_path / name) for name in ("knows", "knows-less")]
    (document,) = taught_documents([text], names, encoder=extractor.inputs)
    entities, _ = targets(document, text, extractor.inputs)
    scores = said(names[0], text)[0]
    assert {p: t for p, t in entities.items() if p[2]} == {p: s for p, s in scores.items() if p[2]}


# The student is trained on the annotation of this, and on the text of the other document.
SEEN = DOCUMENT | {
    "sents": [
        ["In", "Paris", "they", "met", "Mary", "Jones", "."],
        ["Acme", "hired", "Peter", "."],
        ["Rome", "became", "the", "capital", "of", "Italy", "."],
    ],
    "vertexSet": [
        [{"name": "Paris", "sent_id": 0, "pos": [1, 2], "type": "LOC"}],
        [{"name": "Mary Jones", "sent_id": 0, "pos": [4, 6], "type": "PER"}],
        [{"name": "Acme", "sent_id": 1, "pos": [0, 1], "type": "ORG"}],
        [{"name": "Peter", "sent_id": 1, "pos": [2, 3], "type": "PER"}],
        [{"name": "Rome", "sent_id": 2, "pos": [0, 1], "type": "LOC"}],
        [{"name": "Italy", "sent_id": 2, "pos": [5, 6], "type": "LOC"}],
    ],
    "labels": [
        {"h": 1, "t": 0, "r": "born_in", "evidence": []},
        {"h": 3, "t": 2, "r": "works_for", "evidence": []},
        {"h": 4, "t": 5, "r": "capital_of", "evidence": []},
    ],
}


@pytest.mark.parametrize("window_tokens", [0, 60])
def test_a_student_learns_what_only_its_teacher_was_shown(tmp_path, window_tokens):
    dev = tmp_path / "dev.json"
    dev.write_text(json.dumps([DOCUMENT]))

    def train(name, document, *more):
        data = tmp_path / f"{name}.json"
        data.write_text(json.dumps([document] * 10))
        changes = {"epochs": 15, "patience": 15, "train": data, "window-tokens": window_tokens}
        assert main(["train", *options(dev, tmp_path / name, **changes), *more]) == 0
        return json.loads((tmp_path / name / "metrics.json").read_text())

    train("teacher", DOCUMENT)
    text = " ".join(" ".join(sentence) for sentence in DOCUMENT["sents"])
    corpus = tmp_path / "corpus.parquet"
    pq.write_table(pa.table({"text": [text.replace(" .", "."), None, ""] * 10}), corpus)
    teacher = str(tmp_path / "teacher" / "model")
    metrics = train("student", SEEN, "--unlabelled", str(corpus), "--teacher", teacher)
    assert metrics["unlabelled"] == 10
    assert metrics["dev"]["entity"]["f1"] > 0.9
    assert metrics["dev"]["triple"]["f1"] == 1


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--unlabelled", "CORPUS"], "--teacher: is missing; --unlabelled needs it"),
        (["--teacher", "M"], "--unlabelled: is missing; --teacher needs it"),
        (["--unlabelled", "nowhere", "--teacher", "M"], "--unlabelled: there is no file nowhere"),
        (["--unlabelled", "DATA", "--teacher", "M"], "one.json can't be read: "),
        (["--unlabelled", "OTHER", "--teacher", "M"], "other.parquet has no column 'text'"),
        (["--unlabelled", "EMPTY", "--teacher", "M"], "empty.parquet has no text"),
        (
            ["--unlabelled", "CORPUS", "--teacher", "M"],
            "--teacher: M is neither a folder nor a shipped model",
        ),
    ],
)
def test_wrong_texts_and_teachers(tmp_path, capsys, more, message):
    (tmp_path / "one.json").write_text(json.dumps([DOCUMENT]))
    for name, table in {
        "corpus": {"text": ["Anna."]},
        "other": {"body": ["Anna."]},
        "empty": {"text": [None, " "]},
    }.items():
        pq.write_table(pa.table(table), tmp_path / f"{name}.parquet")
    files = {
        name.upper(): str(tmp_path / f"{name}.parquet") for name in ("corpus", "other", "empty")
    }
    files["DATA"] = str(tmp_path / "one.json")
    given = options(tmp_path / "one.json", tmp_path / "model")
    assert main(["train", *given, *(files.get(part, part) for part in more)]) == 2
    assert message in capsys.readouterr().err
