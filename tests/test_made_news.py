"""News items made by rule."""

import json
import random
import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from helpers.made_documents import (
    FOLDER,
    assert_mentions_are_words,
    assert_writes,
    load_script,
    training_document,
)

pytestmark = pytest.mark.quick

WORDING = yaml.safe_load((FOLDER / "made_news.yaml").read_text("utf-8"))
LABELS = yaml.safe_load((FOLDER / "redocred_schema.yaml").read_text("utf-8"))


@pytest.fixture(scope="module")
def script():
    return load_script("made_news")


@pytest.fixture(scope="module")
def documents(script):
    """A document for each place that names are drawn from, and one with people."""
    made = []
    for kind, places in script._FROM_FACTS.items():
        for relation, end in places:
            names = [(f"Name {kind}", script._TYPES[kind]), (f"Other {kind}", "MISC")]
            document = training_document(kind, names, relation)
            document["labels"][0] |= {"h": end == "t", "t": end == "h"}
            made.append(document)
    people = [[{"name": "Ann Bo", "type": "PER", "sent_id": 0, "pos": [0, 2]}]]
    made.append({"title": "p", "sents": [["Ann", "Bo"]], "vertexSet": people, "labels": []})
    return made


@pytest.fixture(scope="module")
def parts(script, documents):
    """Sentences and names."""
    return script.read_sentences(WORDING), script.Names(documents, WORDING)


@given(seed=st.integers(0, 10_000))
def test_items_are_what_they_say(script, parts, seed):
    item = script.made_item(*parts, random.Random(seed))
    assert_mentions_are_words(item)
    stated = [(label["h"], label["r"], label["t"]) for label in item["labels"]]
    assert len(set(stated)) == len(stated)
    assert {relation for _, relation, _ in stated} <= set(item["annotated_relations"])
    for subject, relation, object_ in stated:
        if relation in script._SYMMETRIC:
            assert (object_, relation, subject) in stated
        if relation in script._INVERSE:
            assert (object_, script._INVERSE[relation], subject) in stated


def test_sentences_name_slots_and_relations_that_there_are(script):
    known = {
        match for row in LABELS["relations"] for match in re.findall(r"\bP\d+\b", json.dumps(row))
    }
    slots = set("".join(script._FROM_FACTS)) | set(script._PEOPLE) | set("wjxz")
    for rows in script.read_sentences(WORDING).values():
        for sentence in rows:
            assert sentence.slots <= slots, sentence
            for subject, relation, object_ in sentence.facts:
                assert {subject, object_} <= slots, sentence
                assert relation in known, sentence
                # The pronoun of a sentence stands for one person.
                missing = {subject, object_} - sentence.slots
                assert len(missing) <= 1, sentence


def test_a_pronoun_has_one_person_before_it(script, parts):
    for seed in range(300):
        item = script.made_item(*parts, random.Random(seed))
        for place, sentence in enumerate(item["sents"]):
            if sentence[0] in ("He", "She", "His"):
                before = [
                    mentions
                    for mentions in item["vertexSet"]
                    if any(m["sent_id"] == place - 1 and m["type"] == "PER" for m in mentions)
                ]
                assert len(before) == 1, item["sents"]


def test_the_script_writes_data_that_the_reader_takes(script, documents, tmp_path):
    assert_writes(script, documents, tmp_path, "news")
