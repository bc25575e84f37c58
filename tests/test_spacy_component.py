"""The model as a component of spaCy pipelines."""

import pytest
from hypothesis import example, given

from helpers.examples import examples
from helpers.texts import TEXT

spacy = pytest.importorskip("spacy", reason="needs the extra spacy")
from spacy.tokens import Doc, DocBin  # noqa: E402

from pfn_kg.pipeline.adapters import spacy_component  # noqa: E402
from pfn_kg.pipeline.adapters.spacy_component import NAME, PfnComponent  # noqa: E402

TEXTS = [
    "Anna Bell was born in London. She moved to Rome in 1990.",
    "",
    "The director John Smith works for ACME in London, a city.",
]
BLANK = spacy.blank("en")
LOW = {"entity_threshold": 0.2, "relation_threshold": 0.2}


@pytest.fixture(scope="module")
def nlp(tiny_model):
    nlp = spacy.blank("en")
    nlp.add_pipe(NAME, config={"model": str(tiny_model), "device": "cpu", **LOW})
    return nlp


def relations_of(doc):
    return [
        (r.subject.start_char, r.subject.label_, r.relation, r.object.start_char, round(r.score, 6))
        for r in doc._.relations
    ]


def test_a_document_has_what_the_extractor_finds(nlp, tiny_extractor):
    found = tiny_extractor.extract_documents(TEXTS, **LOW)
    docs = [nlp(text) for text in TEXTS]
    assert sum(len(extraction.triples) for extraction in found) > 0
    for doc, extraction in zip(docs, found, strict=True):
        spans = doc.spans[NAME]
        assert [(s.text, s.label_) for s in spans] == [
            (m.text, m.type) for m in extraction.mentions
        ]
        mentions = extraction.mentions
        assert relations_of(doc) == [
            (
                mentions[t.subject].begin,
                mentions[t.subject].type,
                t.relation,
                mentions[t.object].begin,
                round(t.score, 6),
            )
            for t in extraction.triples
        ]
        assert {(e.text, e.label_) for e in doc.ents} <= {(m.text, m.type) for m in mentions}
        assert bool(doc.ents) == bool(mentions)


def test_batches_and_files_keep_everything(nlp, tmp_path):
    docs = list(nlp.pipe(TEXTS, batch_size=2))
    assert [relations_of(doc) for doc in docs] == [relations_of(nlp(text)) for text in TEXTS]
    path = tmp_path / "docs.spacy"
    DocBin(docs=docs, store_user_data=True).to_disk(path)
    again = list(DocBin().from_disk(path).get_docs(nlp.vocab))
    assert [relations_of(doc) for doc in again] == [relations_of(doc) for doc in docs]
    assert [[str(e) for e in doc.ents] for doc in again] == [[str(e) for e in d.ents] for d in docs]


def test_a_document_that_nothing_read_has_no_relations():
    assert Doc(BLANK.vocab, words=["London"])._.relations == []


def test_entities_of_another_component_stay(tiny_extractor):
    nlp = spacy.blank("en")
    text = "Whatever that means, Anna Bell was born in London."
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "OTHER", "pattern": "Whatever"}])
    doc = PfnComponent(tiny_extractor, **LOW)(nlp(text))
    assert ("Whatever", "OTHER") in {(e.text, e.label_) for e in doc.ents}
    assert len(doc.ents) > 1


@examples(20)
@given(TEXT)
@example("Anna Bell\r\n\tin e\u0301 London 👩‍👧. NATO\u200b שלום Rome\x00 in 1990.")
def test_spans_cover_the_mentions_of_any_text(tiny_extractor, text):
    doc = PfnComponent(tiny_extractor, **LOW)(BLANK(text))
    (extraction,) = tiny_extractor.extract_documents([text], **LOW)
    spans = list(doc.spans[NAME])
    assert len(spans) == len(extraction.mentions)
    for span, mention in zip(spans, extraction.mentions, strict=True):
        assert span.start_char <= mention.begin < mention.end <= span.end_char
    assert len(doc._.relations) == len(extraction.triples)


def test_the_installed_package_registers_the_factory():
    import tomllib

    from helpers.corpora import ROOT

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    module, _, name = project["entry-points"]["spacy_factories"][NAME].partition(":")
    assert module == spacy_component.__name__
    assert getattr(spacy_component, name) is spacy_component.make_component
