"""Text in, mentions and triples with offsets out."""

import pytest
import torch
from hypothesis import example, given

from helpers.examples import examples
from helpers.texts import TEXT
from pfn_kg import Extractor
from pfn_kg.pfn.inference.segmentation import segment
from pfn_kg.pfn.model import packed_linear
from pfn_kg.pfn.model.modeling import PFNModel
from pfn_kg.pfn.resolution import resolve
from pfn_kg.pfn.training.save_checkpoint import save_checkpoint
from pfn_kg.schemas.errors import ConfigurationError

pytestmark = pytest.mark.quick

SENTENCES = [
    "She met Ada Lovelace in London.",
    "In 1990 NATO moved from Rome to Paris.",
    "the of in and",
    "The director John Smith works for ACME in London, a city.",
]


@examples(60)
@given(TEXT)
@example("Anna Bell\r\n\tin e\u0301 London 👩‍👧. NATO\u200b שלום Rome\x00 in 1990.")
def test_offsets_are_those_of_the_text(tiny_extractor, text):
    begins, ends = zip(*segment(text), strict=True) if segment(text) else ((), ())
    found = tiny_extractor.predict_heads([text])[0]
    for mention in found.mentions:
        assert text[mention.begin : mention.end] == mention.text
        assert mention.begin in begins
        assert mention.end in ends
        assert 0.1 <= mention.score <= 1
    heads = {m.begin for m in found.mentions}
    for triple in found.head_triples:
        assert {triple.subject, triple.object} <= heads
    (document,) = tiny_extractor.extract_documents(
        [text], entity_threshold=0.2, relation_threshold=0.2
    )
    for mention in document.mentions:
        assert text[mention.begin : mention.end] == mention.text
        assert any(s.begin <= mention.begin and mention.end <= s.end for s in document.sentences)
    for triple in document.triples:
        assert min(triple.subject, triple.object) >= 0
        assert max(triple.subject, triple.object) < len(document.mentions)


def test_a_document_is_the_sum_of_its_sentences(tiny_extractor):
    document = " ".join(s if s.endswith(".") else s + "." for s in SENTENCES)
    (whole,) = tiny_extractor.extract_documents([document], relation_threshold=0.2)
    parts = tiny_extractor.extract(
        [document[s.begin : s.end] for s in whole.sentences], relation_threshold=0.2
    )
    assert len(parts) == 4
    assert len(whole.triples) == sum(len(p.triples) for p in parts) > 0
    first = 0
    for sentence, part in zip(whole.sentences, parts, strict=True):
        found = whole.mentions[first : first + len(part.mentions)]
        assert [m.begin - sentence.begin for m in found] == [m.begin for m in part.mentions]
        triples = [
            (t.subject - first, t.relation, t.object - first)
            for t in whole.triples
            if first <= t.subject < first + len(found)
        ]
        assert triples == [t[:3] for t in part.triples]
        first += len(found)


def test_thresholds(tiny_extractor):
    config = tiny_extractor.config
    heads = tiny_extractor.predict_heads(SENTENCES)
    default = tiny_extractor.extract(SENTENCES)
    strict = tiny_extractor.extract(SENTENCES, entity_threshold=0.97)
    for floor, ours, stricter in zip(heads, default, strict, strict=True):
        thresholds = {
            "entity_threshold": config.entity_threshold,
            "relation_threshold": config.relation_threshold,
        }
        mentions, triples = resolve(floor.mentions, floor.head_triples, **thresholds)
        # Another floor, another number of cells at once: scores differ in the last digits.
        assert [m[:4] for m in ours.mentions] == [m[:4] for m in mentions]
        assert [t[:3] for t in ours.triples] == [t[:3] for t in triples]
        assert all(m.score >= 0.97 for m in stricter.mentions)
        assert {m[:4] for m in stricter.mentions} <= {m[:4] for m in ours.mentions}
    assert sum(len(s.mentions) for s in strict) < sum(len(d.mentions) for d in default)


class Broken(Exception):
    pass


@pytest.mark.parametrize("budget", [10, 5000])
def test_one_bad_sentence_stands_alone(tiny_extractor, monkeypatch, budget):
    poison = tiny_extractor.tokenizer.convert_tokens_to_ids("film")
    project = tiny_extractor.model.project
    expected = tiny_extractor.predict_heads(SENTENCES, token_budget=budget)

    def fail(input_ids, **inputs):
        if (input_ids == poison).any():
            raise Broken
        return project(input_ids=input_ids, **inputs)

    monkeypatch.setattr(tiny_extractor.model, "project", fail)
    found = tiny_extractor.predict_heads(
        [*SENTENCES[:2], "a film", *SENTENCES[2:]], token_budget=budget
    )
    assert isinstance(found.pop(2), Broken)
    for ours, theirs in zip(found, expected, strict=True):
        assert [m[:4] for m in ours.mentions] == [m[:4] for m in theirs.mentions]
    with pytest.raises(Broken):
        tiny_extractor.extract(["a film"])


def test_a_text_that_is_no_unicode_stands_alone(tiny_extractor):
    found = tiny_extractor.predict_heads([SENTENCES[0], "a \ud800 b"])
    assert found[0] == tiny_extractor.predict_heads(SENTENCES[:1])[0]
    assert isinstance(found[1], Exception)


def test_nothing_to_read(tiny_extractor):
    assert tiny_extractor.extract([]) == []
    assert tiny_extractor.extract(["", " \n"]) == [([], []), ([], [])]
    assert tiny_extractor.extract_documents([""]) == [([], [], [])]


@pytest.mark.parametrize(("half", "tolerance"), [(False, 0), (True, 1e-2)])
def test_a_saved_checkpoint_keeps_its_scores(
    random_extractor, tmp_path, half, tolerance, monkeypatch
):
    # Other products round by where the weights lie in memory.
    monkeypatch.setattr(packed_linear, "_pays", lambda: True)
    extractor = random_extractor(1, word_shapes=True, positions="words")
    extractor.config.entity_threshold = 0.37
    save_checkpoint(extractor, tmp_path, half_precision=half, card="# card\n")
    assert (tmp_path / "README.md").read_text() == "# card\n"
    windows = [w for found in extractor.inputs.encode(SENTENCES) for w in found]
    batch = extractor.inputs.collate(windows)
    again = Extractor.from_pretrained(tmp_path, device="cpu")
    assert again.config.entity_threshold == 0.37
    assert again.inputs.encode(SENTENCES) == extractor.inputs.encode(SENTENCES)
    plain = PFNModel.from_pretrained(tmp_path, dtype=torch.float32).eval()
    # The extractor's packed layers round otherwise than PyTorch's own.
    for model, difference in ((again.model, tolerance), (plain, max(tolerance, 1e-6))):
        assert model.dtype == torch.float32
        for name, weight in extractor.model.state_dict().items():
            assert half or torch.equal(model.state_dict()[name], weight), name
        with torch.no_grad():
            ours, theirs = model(**batch), extractor.model(**batch)
        for name in ("entity_table", "relation_table"):
            torch.testing.assert_close(
                ours[name].sigmoid(), theirs[name].sigmoid(), atol=difference, rtol=0
            )


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_other_precisions(tiny_model, tiny_extractor, precision):
    extractor = Extractor.from_pretrained(tiny_model, device="cpu", precision=precision)
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    exact = dict(tiny_extractor.model.named_parameters())
    # On a CPU, bf16 is for the products alone.
    whole = {"bf16": ("Norm", "embeddings"), "fp16": ()}[precision]
    for name, weight in extractor.model.named_parameters():
        if name.startswith("encoder."):
            is_whole = any(part in name for part in whole)
            assert weight.dtype == (torch.float32 if is_whole else dtype), name
        else:
            assert weight.dtype == torch.float32, name
            assert weight.equal(exact[name]), name
    pairs = zip(*(e.extract(SENTENCES) for e in (extractor, tiny_extractor)), strict=True)
    for ours, theirs in pairs:
        assert [m.text for m in ours.mentions] == [m.text for m in theirs.mentions]
        for mention, other in zip(ours.mentions, theirs.mentions, strict=True):
            assert mention.score == pytest.approx(other.score, abs=0.02)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "warp"}, "device: 'warp' can't be used"),
        ({"device": "cpu", "precision": "fp8"}, "precision: 'fp8' is not one of auto"),
    ],
)
def test_wrong_options(tiny_model, options, message):
    with pytest.raises(ConfigurationError, match=message):
        Extractor.from_pretrained(tiny_model, **options)
