"""`ExtractTexts` in pipelines: what the extractor says, one record a text, nothing lost."""

import json
import subprocess
import sys

import apache_beam as beam
import pytest
from apache_beam.ml.inference.base import PredictionResult

from helpers.corpora import ROOT, TEXTS
from helpers.memory_file_system import upload
from helpers.output_folders import files
from pfn_kg import ConfigurationError, ExtractedText, ExtractTexts, Mention, Sentence
from pfn_kg.pfn.inference.head_columns import HeadColumns
from pfn_kg.pipeline.cli import main
from pfn_kg.pipeline.options import pipeline_options
from pfn_kg.schemas.records import DocumentHeads, HeadTriple
from pfn_kg.transforms.extraction.split_chunks import SplitChunk
from pfn_kg.transforms.extraction.texts import _records
from pfn_kg.transforms.reading.chunks import Chunk, Document

TEXTS = [*TEXTS, "Anna Bell was born in London. " * 40, "the of in and"]
# The tiny model finds triples with low scores only.
THRESHOLDS = {"entity_threshold": 0.2, "relation_threshold": 0.2}


def extracted(elements, tmp_path, transform):
    """The records that a pipeline gives, by id, read back from a file as a user would."""
    with beam.Pipeline(options=pipeline_options([])) as pipeline:
        records = pipeline | beam.Create(elements, reshuffle=False) | transform
        _ = (
            records
            | "Types" >> beam.Map(lambda record: type(record).__name__)
            | "WriteTypes" >> beam.io.WriteToText(str(tmp_path / "types"), shard_name_template="")
        )
        _ = (
            records
            | beam.Map(lambda record: json.dumps(record.to_dict()))
            | beam.io.WriteToText(str(tmp_path / "records"), shard_name_template="")
        )
    assert set((tmp_path / "types").read_text().split()) <= {"ExtractedText"}
    return [json.loads(line) for line in (tmp_path / "records").read_text().splitlines()]


def key(record):
    return [(m["begin"], m["end"], m["type"]) for m in record["mentions"]], [
        (t["subject"], t["relation"], t["object"]) for t in record["triples"]
    ]


def test_a_record_is_what_the_extractor_says(tmp_path, tiny_model, tiny_extractor):
    pairs = [(f"d{i}", text) for i, text in enumerate(TEXTS)]
    transform = ExtractTexts(tiny_model, batch_characters=1, device="cpu", **THRESHOLDS)
    records = extracted(pairs, tmp_path, transform)
    assert [r["id"] for r in records] == [id_ for id_, _ in pairs]
    triples = 0
    for record, text in zip(records, TEXTS, strict=True):
        # A batch of its own: the same scores to the last digit.
        (alone,) = tiny_extractor.extract_documents([text], **THRESHOLDS)
        assert {k: record[k] for k in ("sentences", "mentions", "triples")} == alone.to_dict()
        assert record["text"] == text
        assert record["title"] is None
        assert record["errors"] == []
        for mention in record["mentions"]:
            assert text[mention["begin"] : mention["end"]] == mention["text"]
            sentence = record["sentences"][mention["sentence"]]
            assert sentence["begin"] <= mention["begin"] < mention["end"] <= sentence["end"]
        triples += len(record["triples"])
    assert triples > 5


def test_words_that_the_end_of_a_line_cuts(tmp_path, tiny_model, tiny_extractor):
    texts = [TEXTS[0], "She met Ada Love-\nlace in Lon-\ndon. She works for NATO."]
    transform = ExtractTexts(
        tiny_model, dehyphenate=True, batch_characters=1, device="cpu", **THRESHOLDS
    )
    records = extracted(list(enumerate(texts)), tmp_path, transform)
    for record, text in zip(records, texts, strict=True):
        (alone,) = tiny_extractor.extract_documents([text], dehyphenate=True, **THRESHOLDS)
        assert {k: record[k] for k in ("sentences", "mentions", "triples")} == alone.to_dict()
        assert record["text"] == text
        assert all(text[m["begin"] : m["end"]] == m["text"] for m in record["mentions"])
    assert any("-\n" in m["text"] for m in records[1]["mentions"])
    assert records[1]["sentences"][0]["end"] == texts[1].index(" She works")


@pytest.mark.parametrize("batch_characters", [150, 700, 200_000])
def test_batches_change_nothing(tmp_path, tiny_model, tiny_extractor, batch_characters):
    pairs = [(i, text) for i, text in enumerate(TEXTS)]
    transform = ExtractTexts(
        tiny_model, batch_characters=batch_characters, token_budget=64, device="cpu", **THRESHOLDS
    )
    records = extracted(pairs, tmp_path, transform)
    assert sorted(r["id"] for r in records) == [str(i) for i in range(len(TEXTS))]
    for record in records:
        text = TEXTS[int(record["id"])]
        (alone,) = tiny_extractor.extract_documents([text], **THRESHOLDS)
        alone = alone.to_dict()
        assert key(record) == key(alone)
        scores = [m["score"] for m in record["mentions"] + record["triples"]]
        expected = [m["score"] for m in alone["mentions"] + alone["triples"]]
        assert scores == pytest.approx(expected, abs=1e-4)


def test_nothing_is_lost(tmp_path, tiny_model):
    elements = [
        {"id": "good", "text": TEXTS[0], "title": "Curie", "other": 1},
        ("null", None),
        ("white", " \n"),
        (None, "A text without an id."),
        ("", "x"),
        {"id": 7, "text": 8.5, "title": None},
        (True, "x"),
    ]
    records = extracted(elements, tmp_path, ExtractTexts(tiny_model))
    said = [(r["id"], [e["error"] for e in r["errors"]]) for r in records]
    assert said == [
        ("good", []),
        ("null", ["the text is null"]),
        ("white", ["the text is empty or white space"]),
        (None, ["the id is null"]),
        (None, ["the id is empty"]),
        ("7", ["the text is of type float"]),
        (None, ["the id is of type bool"]),
    ]
    assert records[0]["title"] == "Curie"
    assert records[3]["errors"][0]["payload"] == "A text without an id."
    assert all(r["mentions"] == [] and r["text"] is None for r in records[1:])


def test_a_sentence_that_cannot_be_read(tiny_extractor):
    text = "Ada knew London. Poison here."
    document = Document(source_row=0, document_id="a", text=text)
    refused = Document(source_row=0, document_id="b")
    sentences = [Sentence(0, 0, 16), Sentence(1, 17, 29)]
    heads = DocumentHeads(
        [Mention(0, 3, "Ada", "PER", 0.9), Mention(9, 15, "London", "LOC", 0.8)],
        [HeadTriple(0, "knows", 9, 0.75), HeadTriple(9, "knows", 0, 0.4)],
        None,
        1,
        0,
        {1: ValueError("poison\nhere")},
    )
    split = SplitChunk(Chunk("", 0, 2, [refused, document]), [[], sentences], [None, None])
    other, record = _records(PredictionResult(split, HeadColumns.of([heads])), (0.5, 0.5), "all")
    assert other == ExtractedText("b", None, None, [], [], [], [])
    assert record.triples == [(0, "knows", 1, 0.75)]
    (error,) = record.errors
    assert error == ("extract", 1, "ValueError: poison here", "Poison here.")


def test_elements_of_no_known_shape(tmp_path, tiny_model):
    for element in ("a text alone", {"id": 1}, ("a", "b", "c")):
        with pytest.raises(Exception, match="ExtractTexts: "):
            extracted([element], tmp_path, ExtractTexts(tiny_model))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "/no/such/model"}, "is neither a folder nor a shipped model"),
        ({"head_policy": "first"}, "head_policy: 'first' is not one of all, best, longest"),
        ({"entity_threshold": 1.5}, r"entity_threshold: 1\.5 is not between 0 and 1"),
        ({"relation_threshold": -0.1}, r"relation_threshold: -0\.1 is not between 0 and 1"),
        ({"token_budget": 0}, "token_budget: 0 is not 1 or more"),
        ({"batch_characters": 0}, "batch_characters: 0 is not 1 or more"),
        ({"window_tokens": -1}, "is negative"),
        ({"precision": "fp8"}, "precision: 'fp8' is not one of auto, fp32, fp16, bf16"),
    ],
)
def test_wrong_options_are_refused_before_any_work(tiny_model, options, message):
    with pytest.raises(ConfigurationError, match=message) as error:
        ExtractTexts(**{"model": tiny_model} | options)
    assert "\n" not in str(error.value)


def test_a_model_on_another_file_system(tmp_path, tiny_model, memory):
    upload(files(tiny_model), "memory://bucket/model")
    pairs = [("a", TEXTS[1])]
    remote = extracted(pairs, tmp_path, ExtractTexts("memory://bucket/model", **THRESHOLDS))
    assert remote == extracted(pairs, tmp_path, ExtractTexts(tiny_model, **THRESHOLDS))
    assert remote[0]["mentions"]


def test_json_is_that_of_predict(tmp_path, tiny_model, capsys):
    (record,) = extracted([("a", TEXTS[1])], tmp_path, ExtractTexts(tiny_model))
    capsys.readouterr()
    assert main(["predict", TEXTS[1], "--model", str(tiny_model), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert {name: record[name] for name in said} == said


def test_the_example_program(tmp_path, tiny_model):
    lines = [{"id": f"d{i}", "text": text} for i, text in enumerate(TEXTS)]
    lines.append({"id": "nothing", "text": ""})
    source = tmp_path / "texts.jsonl"
    source.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    script = ROOT / "examples" / "beam_pipeline.py"
    output = tmp_path / "facts"
    done = subprocess.run(
        [sys.executable, script, source, "--output", output, "--model", tiny_model],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr

    def read(prefix):
        paths = sorted(tmp_path.glob(f"{prefix}-0*.jsonl"))
        return [json.loads(line) for path in paths for line in path.read_text().splitlines()]

    facts = read("facts")
    assert facts
    for fact in facts:
        text = TEXTS[int(fact["document"][1:])]
        words = [text[begin:end] for begin, end in fact["places"]]
        assert words == [fact["subject"], fact["object"]]
    assert read("facts-errors") == [
        {"document": "nothing", "sentence": None, "error": "the text is empty or white space"}
    ]
