"""Predictions for people: colours in a terminal, and a page of HTML."""

import re
import sys
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.golden import check_golden
from helpers.terminals import Terminal
from pfn_kg.pipeline.cli import main
from pfn_kg.pipeline.inspect.prediction_html import prediction_page
from pfn_kg.pipeline.inspect.prediction_text import prediction_lines
from pfn_kg.pipeline.inspect.segments import hues_of, segments
from pfn_kg.schemas.characters import xml_text
from pfn_kg.schemas.records import DocumentExtraction, Mention, Sentence, Triple

pytestmark = pytest.mark.quick

TEXT = 'The University of <b>"Oslo" & Co</b> lies\nin Norway.\x1b[2J'


@given(st.sets(st.text(max_size=5), max_size=12))
def test_types_have_colours_of_their_own(types):
    hues = hues_of(types, 12)
    assert set(hues) == types
    assert len(set(hues.values())) == len(types)
    assert set(hues.values()) <= set(range(12))


def test_more_types_than_colours():
    assert len(hues_of(map(str, range(9)), 6)) == 9


def found_in(text, *spans, triples=()):
    mentions = [Mention(b, e, text[b:e], type_, 0.9) for b, e, type_ in spans]
    return DocumentExtraction([Sentence(0, 0, len(text))], mentions, list(triples))


UNIVERSITY, OSLO, NORWAY = (4, 36), (22, 26), (45, 51)
FOUND = found_in(
    TEXT,
    (*UNIVERSITY, "ORG"),
    (*OSLO, "LOC"),
    (*NORWAY, "LOC"),
    triples=[Triple(1, "country", 2, 0.93), Triple(0, "located in", 2, 0.5)],
)


@st.composite
def predictions(draw):
    text = draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
    borders = st.integers(0, len(text))
    spans = draw(st.lists(st.tuples(borders, borders, st.sampled_from(["A", "<B>"])), max_size=6))
    return text, found_in(text, *[(b, e, t) for b, e, t in spans if b < e])


@given(predictions())
def test_segments_are_the_text(prediction):
    text, found = prediction
    parts = segments(text, found.mentions)
    assert "".join(text[p.begin : p.end] for p in parts) == text
    assert all(p.begin < p.end for p in parts)
    for part in parts:
        covering = {
            i for i, m in enumerate(found.mentions) if m.begin <= part.begin and part.end <= m.end
        }
        assert set(part.inside) == covering
        assert len(part.inside) == len(covering)
        lengths = [found.mentions[i].end - found.mentions[i].begin for i in part.inside]
        assert lengths == sorted(lengths, reverse=True)


def page_of(*predictions):
    return prediction_page([text for text, _ in predictions], [found for _, found in predictions])


def body_of(page):
    return ET.fromstring(page.partition("<body>")[2].partition("</body>")[0].join(["<a>", "</a>"]))


@given(predictions())
def test_a_page_has_the_text_and_its_mentions(prediction):
    text, found = prediction
    paragraph = body_of(page_of(prediction)).find(".//p[@class='text']")
    labels = [b.text for b in paragraph.iter("b")]
    assert sorted(labels) == sorted(m.type for m in found.mentions)
    marks = []

    def walk(node):
        shown = "" if node.tag == "b" else node.text or ""
        for child in node:
            shown += walk(child) + (child.tail or "")
        if node.tag == "mark":
            marks.append(shown)
        return shown

    # A parser of XML makes line breaks one character.
    expected = xml_text(text).replace("\r\n", "\n").replace("\r", "\n")
    assert walk(paragraph) == expected
    # A mention that overlaps another one is in several marks.
    assert len(marks) >= len(found.mentions)


def test_a_page(tmp_path):
    page = page_of((TEXT, FOUND), ("Nothing.", found_in("Nothing.")))
    check_golden("predict.html", page)
    assert '<b>"Oslo"' not in page
    assert "<script" not in page
    assert not re.search(r"(src|href)=|url\(|https?:", page)


def plain(line):
    return "".join(part if isinstance(part, str) else part.text for part in line)


def test_a_terminal():
    lines = list(prediction_lines(TEXT, FOUND))
    assert [plain(line) for line in lines] == [
        'The University of <b>"Oslo[LOC]" & Co</b>[ORG] lies',
        "in Norway[LOC].\\x1b[2J",
        "",
        "0.93  Oslo (LOC)                              country     Norway (LOC)",
        '0.50  University of <b>"Oslo" & Co</b> (ORG)  located in  Norway (LOC)',
    ]
    styles = {part.text: part.style for line in lines for part in line if not isinstance(part, str)}
    assert styles["Oslo"] == styles["Norway"] != styles['University of <b>"']
    assert styles[" lies"] == ""
    [nothing] = list(prediction_lines("x", found_in("x")))[2:]
    assert nothing == ["no mentions and no triples"]


def test_the_command(tiny_model, tmp_path, capsys, monkeypatch):
    text = "She met Ada Lovelace in London. <i>Rome</i> is old."
    page = tmp_path / "p.html"
    call = ["predict", "--model", str(tiny_model), text, "Oslo."]
    assert main([*call, "--html", str(page)]) == 0
    plain = capsys.readouterr().out
    assert "\x1b" not in plain
    written = page.read_text(encoding="utf-8")
    assert "&lt;i&gt;" in written
    assert "<i>" not in written
    assert len(body_of(written).findall("section")) == 2
    assert [p.name for p in tmp_path.iterdir()] == ["p.html"]
    assert main(call) == 0
    assert capsys.readouterr().out == plain
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    assert main(call) == 0
    coloured = terminal.getvalue()
    assert "\x1b[1;" in coloured
    assert "Ada Lovelace[PER]" in re.sub(r"\x1b\[[\d;]*m", "", coloured)


@pytest.mark.parametrize("place", ["nowhere/p.html", "."])
def test_a_page_that_cannot_be_written(tiny_model, tmp_path, capsys, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    assert main(["predict", "--model", str(tiny_model), "x", "--html", place]) == 2
    assert capsys.readouterr().err.startswith(f"pfn-kg: --html: {place}")
