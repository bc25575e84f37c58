"""Training texts made by rule, and the held-out forms that `benchmarks.restraint` measures with."""

import random

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import restraint
from helpers.corpora import ROOT
from helpers.made_documents import (
    FOLDER,
    assert_mentions_are_words,
    assert_writes,
    load_script,
    training_document,
)
from pfn_kg.pfn.readers.records import AnnotatedDocument, Reading
from pfn_kg.pfn.training.unrelated_parts import unrelated_parts

pytestmark = pytest.mark.quick

TRAINING = yaml.safe_load((FOLDER / "made_texts.yaml").read_text("utf-8"))
HELD_OUT = yaml.safe_load((ROOT / "benchmarks" / "restraint.yaml").read_text("utf-8"))


@pytest.fixture(scope="module")
def script():
    return load_script("made_texts")


@pytest.fixture(scope="module")
def documents():
    """Names for all relations: `Sub P19` is a subject of P19, `Ob P19` an object."""
    made = [
        training_document(
            relation, [(f"Sub {relation}", "PER"), (f"Ob {relation}", "LOC")], relation
        )
        for relation in TRAINING
    ]
    people = [[{"name": "Ann Bo", "type": "PER", "sent_id": 0, "pos": [0, 2]}]] * 2
    label = {"h": 0, "t": 1, "r": "P26", "evidence": [0]}
    made.append({"title": "x", "sents": [["Ann", "Bo"]], "vertexSet": people, "labels": [label]})
    return made


@given(seed=st.integers(0, 10_000))
def test_made_texts_are_what_they_say(script, documents, seed):
    text = script.made_text(TRAINING, script.Names(documents, TRAINING), random.Random(seed))
    assert_mentions_are_words(text)
    assert {label["r"] for label in text["labels"]} <= set(text["annotated_relations"])
    for label in text["labels"]:
        # A fact holds in its sentence, or across where a pronoun takes up the subject.
        subject, object_ = (text["vertexSet"][label[end]] for end in "ht")
        places = [{mention["sent_id"] for mention in end} for end in (subject, object_)]
        if not places[0] & places[1]:
            begins = {text["sents"][place][0] for place in places[0] | places[1]}
            assert begins & {"She", "He", "It", "The"}


def test_denied_sentences_have_no_facts(script, documents):
    names = script.Names(documents, TRAINING)
    for relation, of_relation in TRAINING.items():
        for kind in ("states", "denies"):
            for template in of_relation[kind]:
                text = script._Text()
                drawn = {s: names.draw(relation, s, random.Random(1)) for s in "so"}
                numbers = text.add(template, **drawn)
                assert set(numbers) == {"s", "o"}, template


def test_the_script_writes_data_that_the_reader_takes(script, documents, tmp_path):
    assert_writes(script, documents, tmp_path, "made")


def test_the_benchmark_measures_with_forms_that_were_not_trained():
    def skeleton(form):
        kept = form.replace("{s}", "X").replace("{o}", "X").lower()
        return "".join(c for c in kept if c.isalnum())

    trained = {
        skeleton(form)
        for of_relation in TRAINING.values()
        for kind in ("states", "denies", "follows")
        for form in of_relation.get(kind, ())
    }
    measured = {
        skeleton(form)
        for of_relation in HELD_OUT["relations"].values()
        for kind in ("states", "denies")
        for form in of_relation[kind]
    }
    assert not trained & measured


@given(seed=st.integers(0, 1000))
def test_lists_repeat_no_name(seed):
    for sentences in restraint.lists(HELD_OUT, 5, random.Random(seed)):
        assert len({each.relation for each in sentences}) == 1
        names = [name for each in sentences for name in (each.subject, each.object)]
        assert len(set(names)) == len(names)
        assert all(each.subject in each.text and each.object in each.text for each in sentences)


def test_a_triple_across_two_sentences_is_seen():
    class Extraction:
        """Says that both people were born in the second place."""

        class Mention:
            def __init__(self, text, part):
                self.begin = text.index(part)
                self.end = self.begin + len(part)

        class Triple:
            relation = "place_of_birth"
            object = 0

            def __init__(self, subject):
                self.subject = subject

        def __init__(self, text):
            self.mentions = [
                self.Mention(text, part) for part in ("Oslo", "Maria Holm", "Lena Berg")
            ]
            self.triples = [self.Triple(1), self.Triple(2)]

    class Reader:
        def extract_documents(self, texts):
            return map(Extraction, texts)

    drawn = [
        restraint.Statement(f"{who} was born in {where}.", who, "place_of_birth", where)
        for who, where in (("Maria Holm", "Lisbon"), ("Lena Berg", "Oslo"))
    ]
    said = restraint.measure_lists(Reader(), [drawn])
    assert said.endswith("1 of 2 facts found (50.0 %), 1 triples across (1.00 per fact found)")


def test_like_sentences_state_one_relation():
    """Of documents in which each relation has a sentence of its own, some lists have only one."""
    reading = Reading()
    for number in range(6):
        begin = len(reading)
        for place in range(3):
            entities = [(0, 1, "A"), (1, 2, "B")]
            reading.add(str(number), place, [f"d{number}", f"s{place}"], entities, [])
        clusters = [[(place, i)] for place in range(3) for i in (0, 1)]
        facts = [(2 * place, f"r{place}", 2 * place + 1) for place in range(3)]
        reading.documents.append(AnnotatedDocument(begin, len(reading), clusters, facts))
    mixed = unrelated_parts(reading, 3000, random.Random(1))
    lists = [d for d in mixed.documents if d.end - d.begin == len(d.facts) > 3]
    alike = [d for d in lists if len({relation for _, relation, _ in d.facts}) == 1]
    # By chance a list of four or more of three relations would be alike in 4 %.
    assert len(alike) > 0.15 * len(lists)
