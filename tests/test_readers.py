import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfn_kg.pfn.readers import FORMATS, read
from pfn_kg.pfn.readers.detokenisation import detokenise
from pfn_kg.schemas.errors import ConfigurationError

pytestmark = pytest.mark.quick


@pytest.fixture
def write(tmp_path):
    def write(records, name="data.json", lines=False):
        path = tmp_path / name
        text = "\n".join(map(json.dumps, records)) if lines else json.dumps(records)
        path.write_text(text, encoding="utf-8")
        return path

    return write


def spans(sentence):
    """The entities as text and type."""
    return [
        (sentence.text[sentence.token_offsets[b][0] : sentence.token_offsets[e - 1][1]], type_)
        for b, e, type_ in sentence.entities
    ]


def named(sentence):
    """The triples by the text of their arguments."""
    texts = [text for text, _ in spans(sentence)]
    return [(texts[s], relation, texts[o]) for s, relation, o in sentence.triples]


def docred_document():
    return {
        "title": "Ada",
        "sents": [
            ["Ada", "Lovelace", "(", "née", "Byron", ")", "was", "born", "in", "London", "."],
            ["Lovelace", "'s", "father", "was", "Lord", "Byron", "."],
        ],
        "vertexSet": [
            [
                {"name": "Ada Lovelace", "sent_id": 0, "pos": [0, 2], "type": "PER"},
                {"name": "Ada Lovelace", "sent_id": 0, "pos": [0, 2], "type": "PER"},
                {"name": "Byron", "sent_id": 0, "pos": [4, 5], "type": "PER"},
                {"name": "Lovelace", "sent_id": 1, "pos": [0, 1], "type": "PER"},
            ],
            [{"name": "London", "sent_id": 0, "pos": [9, 10], "type": "LOC"}],
            [{"name": "Lord Byron", "sent_id": 1, "pos": [4, 6], "type": "PER"}],
        ],
        "labels": [
            {"h": 0, "t": 1, "r": "P19", "evidence": [0]},
            {"h": 0, "t": 1, "r": "P19", "evidence": [0]},
            {"h": 0, "t": 2, "r": "P22", "evidence": [1]},
            {"h": 2, "t": 1, "r": "P937", "evidence": [0, 1]},
        ],
    }


def test_docred_pairs_the_mentions_of_each_sentence(write):
    path = write([docred_document()])
    write({"P19": "place of birth", "P22": "father"}, "rel_info.json")
    reading = read(path, "docred")
    first, second = reading
    assert first.text == "Ada Lovelace (née Byron) was born in London."
    assert spans(first) == [("Ada Lovelace", "PER"), ("Byron", "PER"), ("London", "LOC")]
    assert named(first) == [
        ("Ada Lovelace", "place_of_birth", "London"),
        ("Byron", "place_of_birth", "London"),
    ]
    assert (second.document_id, second.sentence_index) == ("Ada", 1)
    assert second.text == "Lovelace's father was Lord Byron."
    assert named(second) == [("Lovelace", "father", "Lord Byron")]
    assert reading.skipped == {"fact without both arguments in one sentence": 1}


def test_docred_no_mention_is_its_own_object(write):
    document = docred_document()
    del document["vertexSet"][0][0]  # one of two equal mentions
    # Of an entity with two mentions in a sentence each may be the object of the other.
    document["labels"] = [{"h": 0, "t": 0, "r": "P1"}, {"h": 1, "t": 1, "r": "P1"}]
    reading = read(write([document]), "docred")
    assert [named(sentence) for sentence in reading] == [
        [("Ada Lovelace", "P1", "Byron"), ("Byron", "P1", "Ada Lovelace")],
        [],
    ]
    assert reading.skipped == {"fact without both arguments in one sentence": 1}


@pytest.mark.parametrize("type_", ["PER", "ORG"])
def test_docred_a_mention_that_is_given_twice_is_not_its_own_object(write, type_):
    document = docred_document()
    twice = [{"sent_id": 1, "pos": [0, 1], "type": "PER"}]
    document["vertexSet"] = [[*twice, twice[0] | {"type": type_}]]
    document["labels"] = [{"h": 0, "t": 0, "r": "P1"}]
    reading = read(write([document]), "docred")
    assert [named(sentence) for sentence in reading] == [[], []]
    assert reading.skipped == {"fact without both arguments in one sentence": 1}
    # Nor is a mention counted twice.
    assert reading.documents[0].clusters == [list(dict.fromkeys(reading.documents[0].clusters[0]))]
    # Two entities with one mention may be related; the data says so.
    document["vertexSet"].append(twice)
    document["labels"] = [{"h": 0, "t": 1, "r": "P1"}]
    assert ("Lovelace", "P1", "Lovelace") in named(read(write([document]), "docred")[1])


def test_docred_without_names_keeps_the_property_ids(write):
    sentences = read(write([docred_document()]), "docred")
    assert {relation for s in sentences for _, relation, _ in s.triples} == {"P19", "P22"}


def test_spert(write):
    record = {
        "tokens": ["Booth", "shot", "Lincoln", "."],
        "entities": [
            {"type": "Peop", "start": 0, "end": 1},
            {"type": "Peop", "start": 2, "end": 3},
            {"type": "Peop", "start": 0, "end": 1},
        ],
        "relations": [
            {"type": "Kill", "head": 0, "tail": 1},
            {"type": "Kill", "head": 2, "tail": 1},
        ],
        "orig_id": 7,
    }
    (sentence,) = read(write([record]), "spert")
    assert sentence.document_id == "7"
    assert spans(sentence) == [("Booth", "Peop"), ("Lincoln", "Peop")]
    assert named(sentence) == [("Booth", "Kill", "Lincoln")]


def dygie_document():
    return {
        "doc_key": "d1",
        "sentences": [["Hello", "."], ["Ada", "Lovelace", "left", "London"]],
        "ner": [[], [[2, 3, "PER"], [5, 5, "GPE"], [5, 5, "LOC"]]],
        "relations": [[], [[2, 3, 5, 5, "PHYS"], [2, 2, 5, 5, "PHYS"]]],
    }


def test_dygie_offsets_count_through_the_document_and_ends_are_inclusive(write):
    reading = read(write([dygie_document()], "data.jsonl", lines=True), "dygie")
    assert [s.sentence_index for s in reading] == [0, 1]
    assert spans(reading[1]) == [("Ada Lovelace", "PER"), ("London", "GPE"), ("London", "LOC")]
    assert reading[1].triples == [(0, "PHYS", 1), (0, "PHYS", 2)]
    assert reading.skipped == {"relation between spans that are no mentions": 1}


def test_triple_list_takes_the_first_occurrence(write):
    record = {
        "text": "In New York , New  York has York .",
        "triple_list": [["New York", "contains", "York"], ["York", "in", "Paris"]],
    }
    (sentence,) = reading = read(write([record]), "triple-list")
    assert sentence.text == record["text"]
    assert sentence.entities == [(1, 3, "None"), (2, 3, "None")]
    assert sentence.triples == [(0, "contains", 1)]
    assert reading.skipped == {"triple with an argument that is not in the text": 1}


def test_a_mention_may_relate_to_itself(write):
    record = {"text": "12 follows 12", "triple_list": [["12", "follows", "12"]]}
    (sentence,) = read(write([record]), "triple-list")
    assert sentence.triples == [(0, "follows", 0)]


def changed(record, keys, value):
    inner = record
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    return record


@pytest.mark.parametrize(
    ("format", "record", "message"),
    [
        ("spert", {"tokens": ["a"], "entities": []}, "field relations: Field required"),
        ("spert", {"tokens": [1], "entities": [], "relations": []}, "field tokens.0: "),
        (
            "spert",
            {"tokens": ["a"], "relations": [], "entities": [{"type": "X", "start": 0, "end": 2}]},
            "field entities.0: [0, 2) is not a span of 1 tokens",
        ),
        (
            "spert",
            {"tokens": ["a"], "entities": [], "relations": [{"type": "r", "head": 0, "tail": 0}]},
            "field relations.0.head: no entity 0",
        ),
        (
            "docred",
            changed(docred_document(), ["vertexSet", 1, 0, "pos"], [9, 12]),
            "field vertexSet.1.0.pos: [9, 12] is not a span of a sentence of 11 tokens",
        ),
        (
            "docred",
            changed(docred_document(), ["vertexSet", 1, 0, "sent_id"], 2),
            "field vertexSet.1.0.sent_id: no sentence 2",
        ),
        (
            "docred",
            changed(docred_document(), ["labels", 0, "t"], 3),
            "field labels.0.t: no entity 3",
        ),
        ("dygie", changed(dygie_document(), ["ner"], [[]]), "field ner: has not one list"),
        (
            "dygie",
            changed(dygie_document(), ["ner", 1, 0], [1, 3, "PER"]),
            "field ner.1: [1, 3] is not a span of the sentence's tokens 2 to 5",
        ),
        ("triple-list", {"text": "a", "triple_list": [["a", "r"]]}, "field triple_list.0.2: "),
    ],
)
def test_a_wrong_record_is_named(write, format, record, message):
    path = write([record])
    with pytest.raises(ConfigurationError) as error:
        read(path, format)
    assert str(error.value).startswith(f"{path}: record 1: {message}")


def test_a_wrong_file_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"missing\.json: No such file"):
        read(tmp_path / "missing.json", "spert")
    (tmp_path / "cut.json").write_text('[{"tokens": ["a"')
    with pytest.raises(ConfigurationError, match=r"cut\.json: not JSON"):
        read(tmp_path / "cut.json", "spert")
    with pytest.raises(ConfigurationError, match="format: 'conll' is not one of docred, spert"):
        read(tmp_path / "cut.json", "conll")


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        ('He said , " no . "', 'He said, "no."'),
        ("Saint - Malo ( 1927 – 2006 )", "Saint-Malo (1927–2006)"),
        ("the bands ' ' new ' songs", "the bands' 'new' songs"),
        ("It did n't cost US$ 300 / £ 5", "It didn't cost US$300/£5"),
    ],
)
def test_detokenised_text_reads_like_text(tokens, text):
    assert detokenise(tokens.split())[0] == text


@given(st.lists(st.text(min_size=1) | st.sampled_from([*"\"'([–-/.,$\xa0", "'s", "n't"])))
def test_detokenised_tokens_stand_where_the_offsets_say(tokens):
    text, offsets = detokenise(tokens)
    assert [text[begin:end] for begin, end in offsets] == tokens
    begins = [begin for begin, _ in offsets]
    ends = [end for _, end in offsets]
    gaps = [text[end:begin] for end, begin in zip([0, *ends], [*begins, len(text)], strict=True)]
    assert set(gaps) <= {"", " "}


COUNTS = {
    ("redocred/train.json", "docred"): (5823, 18997, 14640),
    ("redocred/dev.json", "docred"): (644, 2036, 1504),
    ("redocred/test.json", "docred"): (835, 2568, 1953),
    ("conll04/train_triples.json", "spert"): (922, 3377, 1283),
    ("scierc/test_triples.json", "spert"): (551, 1685, 974),
    ("webnlg_partial/test_triples.json", "triple-list"): (703, 2187, 1581),
    ("webnlg_exact/test_triples.json", "triple-list"): (703, 2292, 1607),
}


@pytest.mark.skipif("PFN_KG_DATASETS" not in os.environ, reason="PFN_KG_DATASETS is not set")
@pytest.mark.parametrize(("file", "format"), COUNTS)
def test_real_files(file, format):
    sentences = read(Path(os.environ["PFN_KG_DATASETS"]) / file, format)
    entities = sum(len(s.entities) for s in sentences)
    triples = sum(len(s.triples) for s in sentences)
    assert (len(sentences), entities, triples) == COUNTS[file, format]
    for s in sentences:
        assert [s.text[begin:end] for begin, end in s.token_offsets] == s.tokens


def test_formats_are_those_of_the_command_line():
    assert list(FORMATS) == ["docred", "spert", "dygie", "triple-list"]
