"""Mention replacement: other names, the same annotation."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.training_data import DOCUMENT, options
from pfn_kg.pfn.readers import read
from pfn_kg.pfn.readers.records import AnnotatedDocument, Reading
from pfn_kg.pfn.training.mention_replacement import MentionReplacement
from pfn_kg.pfn.training.windows import WindowBatches, WindowDataset
from pfn_kg.pipeline.cli import main

pytestmark = pytest.mark.quick

WORDS = st.sampled_from(["a", "Bo", "Cé", "日本", "😀", "-", "(", "e\u0301"])


@st.composite
def readings(draw):
    """Documents whose entities have mentions anywhere, also over each other and in two entities."""
    reading = Reading()
    for number in range(draw(st.integers(1, 4))):
        begin = len(reading)
        places = []
        for place in range(draw(st.integers(0, 4))):
            tokens = draw(st.lists(WORDS, min_size=1, max_size=9))
            spans = st.tuples(st.integers(0, len(tokens) - 1), st.integers(1, 3))
            entities = [
                (b, min(b + length, len(tokens)), draw(st.sampled_from("XY")))
                for b, length in draw(st.lists(spans, max_size=4))
            ]
            index = st.integers(0, len(entities) - 1)
            triples = (
                draw(st.lists(st.tuples(index, st.just("r"), index), max_size=3))
                if entities
                else []
            )
            kept = reading.add(str(number), place, tokens, entities, triples)
            places += [(place, i) for i in set(kept)]
        clusters = draw(st.lists(st.lists(st.sampled_from(places)), max_size=5)) if places else []
        reading.documents.append(AnnotatedDocument(begin, len(reading), clusters, []))
    return reading


def name(sentence, index):
    begin, end, _ = sentence.entities[index]
    return tuple(sentence.tokens[begin:end])


def outside(sentence):
    """The tokens that are in no entity."""
    covered = {i for begin, end, _ in sentence.entities for i in range(begin, end)}
    return [token for i, token in enumerate(sentence.tokens) if i not in covered]


@given(readings(), st.sampled_from([0, 0.5, 1]), st.integers(0, 99))
def test_names_change_and_the_annotation_stays(reading, rate, seed):
    replacement = MentionReplacement(reading, rate)
    found = replacement.replaced(random.Random(seed))
    assert found == replacement.replaced(random.Random(seed))
    assert found.documents == reading.documents
    assert len(found) == len(reading)
    if not rate:
        assert found == reading
    for new, old in zip(found, reading, strict=True):
        assert new[:2] == old[:2]
        assert new.triples == old.triples
        assert [type_ for *_, type_ in new.entities] == [type_ for *_, type_ in old.entities]
        assert outside(new) == outside(old)
        for token, (begin, end) in zip(new.tokens, new.token_offsets, strict=True):
            assert new.text[begin:end] == token
    known = {
        (type_, name(sentence, i))
        for sentence in reading
        for i, (*_, type_) in enumerate(sentence.entities)
    }
    for document in found.documents:
        for cluster in document.clusters:
            names = {}
            for place, index in cluster:
                new, old = found[document.begin + place], reading[document.begin + place]
                assert (new.entities[index][2], name(new, index)) in known
                # What had one name has one name.
                assert names.setdefault(name(old, index), name(new, index)) == name(new, index)


def two_documents(tmp_path):
    other = json.loads(
        json.dumps(DOCUMENT).replace("Smith", "Li").replace("Anna", "Mei").replace("Bell", "Wu")
    )
    path = tmp_path / "train.json"
    path.write_text(json.dumps([DOCUMENT, other | {"title": "Other"}]))
    return path


def test_a_name_comes_from_another_document(tmp_path):
    reading = read(two_documents(tmp_path), "docred")
    found = MentionReplacement(reading, 1).replaced(random.Random(0))
    people = [
        {
            name(sentences[document.begin + place], index)
            for cluster in document.clusters
            for place, index in cluster
            if sentences[document.begin + place].entities[index][2] == "PER"
        }
        for sentences in (reading, found)
        for document in sentences.documents
    ]
    assert people[0]
    assert people[2] <= people[1]
    assert people[3] <= people[0]


def test_each_epoch_draws_anew(tmp_path, random_extractor):
    reading = read(two_documents(tmp_path), "docred")
    inputs = random_extractor().inputs
    inputs.config.entity_types = sorted({t for s in reading for *_, t in s.entities})
    inputs.config.relation_types = sorted({r for d in reading.documents for _, r, _ in d.facts})
    epoch = 0
    data = WindowDataset(reading, inputs, mention_replacement=0.5)
    batches = WindowBatches(
        data, window_tokens=60, batch_size=4, seed=1, epoch=lambda: epoch, sentence_pieces=40
    )

    def texts():
        return {
            tuple(data[key].window.pieces) for batch in batches for key in batch if not key.merged
        }

    seen = set()
    for epoch in range(8):  # noqa: B007 - the batches look at it
        seen |= texts()
    epoch = 0
    assert texts() < seen
    first = texts()
    assert first == texts()


def test_it_takes_windows(tmp_path, capsys):
    path = two_documents(tmp_path)
    assert main(["train", *options(path, tmp_path / "out", **{"mention-replacement": 0.5})]) == 2
    assert "--mention-replacement: needs --window-tokens" in capsys.readouterr().err


@pytest.mark.parametrize("rate", ["-0.1", "1.1", "many"])
def test_a_rate_is_a_part(tmp_path, capsys, rate):
    path = two_documents(tmp_path)
    more = {"mention-replacement": rate, "window-tokens": 60}
    assert main(["train", *options(path, tmp_path / "out", **more)]) == 2
    assert "mention-replacement" in capsys.readouterr().err
