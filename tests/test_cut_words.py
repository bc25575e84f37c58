"""Words that a line's end cuts in two: read as one, and placed in the text as it was."""

import json

import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from helpers.corpora import extract, run, write_corpus
from helpers.extraction_folders import Doc, write_folder
from helpers.output_folders import read_manifest, table_rows
from helpers.texts import TEXT
from pfn_kg.pfn.inference.cut_words import join_cut_words, original_columns
from pfn_kg.pfn.inference.head_columns import HeadColumns
from pfn_kg.pfn.inference.sentences import split_sentences
from pfn_kg.pipeline.build_phase import BuildOptions, run_build
from pfn_kg.pipeline.cli import main
from pfn_kg.schemas.extraction import JOINED_WORDS, with_counters
from pfn_kg.schemas.records import DocumentHeads, HeadTriple, Mention

CUT = st.lists(
    TEXT
    | st.sampled_from(
        ["Copen-\nhagen", "Anglo-\nSaxon", "a\u00ad\r\nB", "x- \n\t1", "-\n", "Co\u2010\npen-\nha"]
    ),
    max_size=6,
).map("".join)


@pytest.mark.parametrize(
    ("text", "joined"),
    [
        ("Copen-\nhagen", "Copenhagen"),
        ("Copen- \r\n  hagen", "Copenhagen"),
        ("Copen\u00ad\nhagen", "Copenhagen"),
        ("Copen\u2010\nhagen", "Copenhagen"),
        ("a Co-\npen-\nhagen b", "a Copenhagen b"),
        ("Anglo-\nSaxon", "Anglo-Saxon"),
        ("Covid-\n19", "Covid-19"),
        ("Mc\u00ad\nDonald", "McDonald"),
        # No cut word.
        ("10-\nyear", "10-\nyear"),
        ("a -\nb", "a -\nb"),
        ("Copen-\n\nhagen", "Copen-\n\nhagen"),
        ("Copen-hagen", "Copen-hagen"),
        ("end-\n", "end-\n"),
    ],
)
def test_words(text, joined):
    assert join_cut_words(text).text == joined
    assert join_cut_words(joined).text == joined


@given(CUT)
@example("Copen-\nhagen")
def test_each_character_comes_from_its_place(text):
    joined = join_cut_words(text)
    begins = [joined.begin(i) for i in range(len(joined.text))]
    assert "".join(text[begin] for begin in begins) == joined.text
    assert begins == sorted(set(begins))
    assert [joined.end(i + 1) for i in range(len(begins))] == [begin + 1 for begin in begins]
    # What is missing is hyphens and white space.
    left_out = set(range(len(text))) - set(begins)
    assert all(text[i] in "-\u2010\u00ad" or text[i].isspace() for i in left_out)


@given(CUT, st.data())
def test_what_the_model_says_is_placed_in_the_text(text, data):
    joined = join_cut_words(text)
    spans = [
        sorted(
            (
                data.draw(st.integers(0, len(joined.text))),
                data.draw(st.integers(0, len(joined.text))),
            )
        )
        for _ in range(3)
    ]
    spans = [(begin, end) for begin, end in spans if begin < end]
    heads = DocumentHeads(
        [Mention(b, e, joined.text[b:e], "PER", 0.5) for b, e in spans],
        [HeadTriple(b, "knows", b, 0.5) for b, _ in spans],
        [HeadTriple(e, "knows", e, 0.5) for _, e in spans],
        1,
        0,
        {},
    )
    columns = original_columns(HeadColumns.of([heads, heads]), [joined, None])
    found, unmoved = columns.records([text, joined.text])
    assert unmoved == HeadColumns.of([heads]).records([joined.text])[0]
    for (begin, end), mention, head, tail in zip(
        spans, found.mentions, found.head_triples, found.tail_triples, strict=True
    ):
        assert text[mention.begin : mention.end] == mention.text
        kept = [joined.begin(i) for i in range(begin, end)]
        assert "".join(text[i] for i in kept) == joined.text[begin:end]
        assert (mention.begin, mention.end) == (kept[0], kept[-1] + 1)
        assert (head.subject, head.object) == (mention.begin,) * 2
        assert (tail.subject, tail.object) == (mention.end,) * 2
    sentences = split_sentences(joined.text)
    end_before = 0
    for sentence, original in zip(sentences, joined.original_sentences(sentences), strict=True):
        assert end_before <= original.begin < original.end <= len(text)
        assert text[original.begin] == joined.text[sentence.begin]
        assert text[original.end - 1] == joined.text[sentence.end - 1]
        end_before = original.end


def extracted(folder):
    return [
        row
        for file in sorted((folder / "extractions").glob("*.parquet"))
        for row in pq.read_table(file).to_pylist()
    ]


def test_a_cut_text_reads_as_a_whole_one(tmp_path, tiny_model):
    whole = "Ada Lovelace was born in London. She knew Charles Babbage."
    cut = "Ada Love-\nlace was born in Lon\u00ad\ndon. She knew Charles Bab-\r\n bage."
    floors = ("--entity-floor", "0", "--relation-floor", "0")
    found = {}
    for name, text, more in (
        ("whole", whole, []),
        ("cut", cut, []),
        ("joined", cut, ["--dehyphenate"]),
        ("in vain", whole, ["--dehyphenate"]),
    ):
        corpus = write_corpus(tmp_path / name / "a.parquet", [text])
        assert extract(corpus, tmp_path / name / "out", tiny_model, *floors, *more) == 0
        (found[name],) = extracted(tmp_path / name / "out")
    texts = {
        name: [row["text"][m["begin"] : m["end"]] for m in row["mentions"]]
        for name, row in found.items()
    }
    assert texts["whole"]
    assert texts["in vain"] == texts["whole"]
    assert [join_cut_words(text).text for text in texts["joined"]] == texts["whole"]
    assert texts["cut"] != texts["joined"]
    scores = {
        name: [(m["type"], m["score"], m["sentence"]) for m in row["mentions"]]
        for name, row in found.items()
    }
    assert scores["joined"] == scores["whole"]
    for triples in ("head_triples", "tail_triples"):
        assert len(found["joined"][triples] or ()) == len(found["whole"][triples] or ())
    begins = {m["begin"] for m in found["joined"]["mentions"]}
    accepted = [t for t in found["joined"]["head_triples"] if t["subject"] in begins]
    assert accepted or not found["joined"]["head_triples"]
    assert found["joined"]["text"] == cut
    manifest = read_manifest(tmp_path / "joined" / "out")
    assert manifest["extract"]["counts"][JOINED_WORDS] == 3
    assert json.dumps(manifest["configuration"]).count('"dehyphenate": true') == 1


def test_names_are_whole_and_offsets_are_those_of_the_text(tmp_path):
    text = "Ada was born in Lon-\ndon. Bob was born in London."
    doc = Doc("a", text, (("Lon-\ndon", "LOC", 0.9), ("London", "LOC", 0.9), ("Ada", "PER", 0.9)))
    for joins, names in ((1, [["Ada", []], ["London", []]]), (0, None)):
        folder = tmp_path / f"run{joins}"
        write_folder(folder, [doc])
        for path in (folder / "extractions").glob("*.parquet"):
            table = pq.read_table(path)
            counters = {JOINED_WORDS: 1} if joins else {}
            schema = with_counters(table.schema, counters)
            pq.write_table(table.replace_schema_metadata(schema.metadata), path)
        run_build(str(folder), BuildOptions())
        found = sorted([row["name"], row["aliases"]] for row in table_rows(folder, "entities"))
        assert found == (names or [["Ada", []], ["Lon- don", []], ["London", []]])
        spelt = [row["text"] for row in table_rows(folder, "mentions") if row["type"] == "LOC"]
        assert sorted(spelt) == ["Lon-\ndon", "London"]
        for row in table_rows(folder, "mentions"):
            assert text[row["begin"] : row["end"]] == row["text"]


def test_an_update_reads_as_the_run_did(tmp_path, tiny_model, capsys):
    corpus = write_corpus(tmp_path / "a.parquet")
    assert run(corpus, tmp_path / "out", tiny_model) == 0
    into = [str(corpus), "--into", str(tmp_path / "out")]

    assert main(["extract", *into, "--dehyphenate"]) == 2
    assert "--dehyphenate: True, but the graph in" in capsys.readouterr().err


def test_mentions_that_are_too_long_are_left_out_and_counted(tiny_extractor, monkeypatch):
    from pfn_kg.pfn.inference import head_reader

    text = "Ada Lovelace was born in London. She knew Charles Babbage."

    def read():
        sentences = split_sentences(text)
        (heads,) = tiny_extractor.predict_documents(
            [text], [sentences], entity_floor=0.0, relation_floor=0.0
        )
        return heads

    before = read()
    assert before.long_mentions == 0
    lengths = {m.end - m.begin for m in before.mentions}
    assert max(lengths) > 12 >= min(lengths)
    monkeypatch.setattr(head_reader, "MENTION_CHARACTERS", 12)
    after = read()
    assert after.mentions == [m for m in before.mentions if m.end - m.begin <= 12]
    assert after.long_mentions == len(before.mentions) - len(after.mentions) > 0
