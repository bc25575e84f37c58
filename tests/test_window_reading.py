"""Windows of several sentences: what the model reads, and what is found across sentences."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers.examples import examples
from helpers.texts import TEXT as ANY_TEXT
from pfn_kg.pfn.calibration import Calibration
from pfn_kg.pfn.inference.decoding import decode, decode_tables
from pfn_kg.pfn.inference.inputs import InputEncoder
from pfn_kg.pfn.inference.sentences import split_sentences
from pfn_kg.pfn.inference.windows import join_sentences
from pfn_kg.pfn.model.loss import table_loss
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.records import Sentence

TEXT = (
    "Anna Bell was born in London. She works for NATO.\n\nJohn Smith moved from Rome to Paris "
    "in 1990. ACME was founded by Mary Xu. The city of New York is by the Thames."
)
FLOOR = 0.05


@given(st.data())
def test_joined_windows_hold_all_sentences(data):
    budget = data.draw(st.integers(0, 20))
    shared = data.draw(st.integers(0, 4))
    lengths = data.draw(st.lists(st.none() | st.integers(1, 25), max_size=30))
    windows = join_sentences(lengths, budget, shared)
    covered = [sentence for begin, end in windows for sentence in range(begin, end)]
    assert set(covered) == set(range(len(lengths)))
    for begin, end in windows:
        if end - begin > 1:
            assert None not in lengths[begin:end]
            assert sum(lengths[begin:end]) <= budget
    for (begin, end), (next_begin, next_end) in pairwise(windows):
        assert begin < next_begin <= end < next_end
        assert end - next_begin <= shared


def test_no_more_windows_than_needed():
    assert join_sentences([4, 4, 4, 4], budget=16, shared=2) == [(0, 4)]
    assert join_sentences([4, 4, 4, 4], budget=8, shared=0) == [(0, 2), (2, 4)]
    assert join_sentences([4, None, 4, 4], budget=8, shared=1) == [(0, 1), (1, 2), (2, 4)]
    assert join_sentences([4, 4], budget=0, shared=1) == [(0, 1), (1, 2)]
    assert join_sentences([], budget=8, shared=1) == []


@pytest.mark.parametrize("positions", ["words", "pieces"])
def test_a_joined_window_is_the_text(random_extractor, positions):
    extractor = random_extractor(positions=positions)
    inputs = extractor.inputs
    sentences = split_sentences(TEXT)
    parts = [w for (w,) in inputs.encode([TEXT[s.begin : s.end] for s in sentences])]
    window = inputs.join(parts, [s.begin for s in sentences])
    (whole,) = inputs.encode([TEXT])[0]
    assert window._replace(sentences=None) == whole
    assert window.sentences == [i for i, part in enumerate(parts) for _ in part.words]
    single = inputs.join(parts[1:2], [sentences[1].begin])
    (alone,) = inputs.encode([TEXT[sentences[1].begin : sentences[1].end]])[0]
    assert single.sentences is None
    assert single.pieces == alone.pieces
    batch = inputs.collate([window, *parts])
    ids, mask = batch["sentence_ids"], batch["position_mask"]
    assert not ids[~mask].any()
    assert not ids[1:].any()
    rows = inputs.rows(window)
    assert [int(ids[0, row]) for row in rows] == window.sentences
    # Neighbouring positions are of one sentence or of neighbouring ones.
    assert set(ids[0, : mask[0].sum()].diff().tolist()) <= {0, 1}


def test_a_crop_is_the_text_of_its_words(random_extractor):
    inputs: InputEncoder = random_extractor(word_shapes=True).inputs
    (window,) = inputs.encode([TEXT])[0]
    for begin, end in ((0, 3), (4, 5), (len(window.words) - 2, len(window.words))):
        (first, _), (_, last) = window.words[begin], window.words[end - 1]
        (expected,) = inputs.encode([TEXT[first:last]])[0]
        found = inputs.crop(window, begin, end)
        assert found.words == [(b + first, e + first) for b, e in expected.words]
        assert found[1:] == expected[1:]


@pytest.mark.parametrize(
    "options",
    [{}, {"positions": "pieces"}, {"tail_table": True}, {"sentence_distance": True}],
)
def test_pruned_is_full_in_windows(random_extractor, options):
    extractor = random_extractor(**options)
    extractor.config.calibration = {
        "entity": {"temperature": 1.3, "bias": -0.2},
        "relation": {"temperature": 0.7, "bias": 0.4},
    }
    inputs, sentences = extractor.inputs, split_sentences(TEXT)
    parts = [w for (w,) in inputs.encode([TEXT[s.begin : s.end] for s in sentences])]
    window = inputs.join(parts, [s.begin for s in sentences])
    batch = inputs.collate([window, parts[0]])
    with torch.inference_mode():
        tables = extractor.model(**batch, return_tables=True)
    expected = decode_tables(
        tables, entity_floor=0.4, relation_floor=0.4, calibration=extractor.config.calibration
    )
    found = decode(extractor.model, batch, entity_floor=0.4, relation_floor=0.4)
    ids = batch["sentence_ids"]
    assert len(found.triples.places) > 10
    across = 0
    for ours, theirs in zip(found, expected, strict=True):
        if ours is None:
            assert theirs is None
            continue
        assert ours.places.tolist() == theirs.places.tolist()
        torch.testing.assert_close(ours.scores, theirs.scores)
    for place, first, last, _ in found.entities.places.tolist():
        assert ids[place, first] == ids[place, last]
    for place, subject, object_, _ in found.triples.places.tolist():
        across += int(ids[place, subject] != ids[place, object_])
    assert across > 0


@pytest.mark.parametrize("distance", [False, True])
def test_the_loss_of_a_window(random_extractor, distance):
    extractor = random_extractor(sentence_distance=distance)
    model, inputs = extractor.model, extractor.inputs
    sentences = split_sentences(TEXT)
    parts = [w for (w,) in inputs.encode([TEXT[s.begin : s.end] for s in sentences])]
    batch = inputs.collate([inputs.join(parts, [s.begin for s in sentences])])
    lengths = [len(part.words) for part in parts]
    begins = [sum(lengths[:i]) for i in range(len(lengths))]
    # One gold entity in the first and in the last sentence, and a relation between them.
    entities = torch.tensor([[0, 0, 1, 0], [0, begins[-1], begins[-1], 1]])
    relations = torch.tensor([[0, 0, begins[-1], 1]])
    with torch.no_grad():
        found = model(
            **batch, entity_labels=entities, relation_labels=relations, return_tables=True
        )
    ids = batch["sentence_ids"][0]
    same = ids[:, None] == ids[None, :]
    entity_gold = torch.zeros(found.entity_table.shape)
    entity_gold[entities.unbind(1)] = 1
    spans = same & torch.ones_like(same).triu()
    expected = table_loss(found.entity_table[0][spans], entity_gold[0][spans])
    heads = (found.entity_table[0].sigmoid() >= 0.5).any(-1).any(1)
    heads[[0, begins[-1]]] = True
    pairs = same | (heads[:, None] & heads[None, :])
    assert 0 < (pairs & ~same).sum() < (~same).sum()
    relation_gold = torch.zeros(found.relation_table.shape)
    relation_gold[relations.unbind(1)] = 1
    expected = expected + table_loss(found.relation_table[0][pairs], relation_gold[0][pairs])
    torch.testing.assert_close(found.loss, expected / max(lengths))


def places(heads, text):
    for mention in heads.mentions:
        assert text[mention.begin : mention.end] == mention.text
    keys = [(m.begin, m.end, m.type) for m in heads.mentions]
    assert keys == sorted(set(keys))
    keys = [(t.subject, t.object, t.relation) for t in heads.head_triples]
    assert keys == sorted(set(keys))


def test_relations_reach_across_sentences(random_extractor):
    extractor = random_extractor()
    sentences = split_sentences(TEXT)

    def read(window_tokens):
        (heads,) = extractor.predict_documents(
            [TEXT],
            [sentences],
            entity_floor=FLOOR,
            relation_floor=FLOOR,
            window_tokens=window_tokens,
        )
        places(heads, TEXT)
        number = {o: s.index for s in sentences for o in range(s.begin, s.end)}
        for mention in heads.mentions:
            assert number[mention.begin] == number[mention.end - 1]
        return heads, {abs(number[t.subject] - number[t.object]) for t in heads.head_triples}

    alone, distances = read(0)
    assert alone.windows == len(sentences)
    assert distances == {0}
    whole, distances = read(60)
    assert whole.windows == 1
    assert max(distances) == len(sentences) - 1
    parts, distances = read(24)
    assert 1 < parts.windows < len(sentences)
    assert 0 < max(distances) < len(sentences) - 1


def test_one_sentence_is_read_as_ever(tiny_extractor):
    text = "Anna Bell was born in London."
    (expected,) = tiny_extractor.predict_heads([text])
    (found,) = tiny_extractor.predict_documents(
        [text],
        [[Sentence(0, 0, len(text))]],
        entity_floor=0.1,
        relation_floor=0.1,
        window_tokens=60,
    )
    assert (found.mentions, found.head_triples) == (expected.mentions, expected.head_triples)


@examples(25)
@given(texts=st.lists(ANY_TEXT, min_size=1, max_size=4), window_tokens=st.sampled_from([0, 12, 60]))
def test_any_text_in_windows(tiny_extractor, texts, window_tokens):
    split = [split_sentences(text) for text in texts]
    found = tiny_extractor.predict_documents(
        texts,
        split,
        token_budget=200,
        entity_floor=FLOOR,
        relation_floor=FLOOR,
        window_tokens=window_tokens,
    )
    for text, sentences, heads in zip(texts, split, found, strict=True):
        places(heads, text)
        assert not heads.errors
        (alone,) = tiny_extractor.predict_documents(
            [text],
            [sentences],
            entity_floor=FLOOR,
            relation_floor=FLOOR,
            window_tokens=window_tokens,
        )
        assert heads.windows == alone.windows
        ours = {m[:-1]: m.score for m in heads.mentions}
        theirs = {m[:-1]: m.score for m in alone.mentions}
        for key in ours.keys() | theirs.keys():
            assert ours.get(key, FLOOR) == pytest.approx(theirs.get(key, FLOOR), abs=1e-5)


def test_a_sentence_that_cannot_be_read_takes_no_other_with_it(tiny_extractor):
    text = "Anna Bell was born in London. a \ud800 b. John Smith moved from Rome to Paris."
    sentences = [Sentence(0, 0, 29), Sentence(1, 30, 36), Sentence(2, 37, len(text))]
    (found,) = tiny_extractor.predict_documents(
        [text], [sentences], entity_floor=0.1, relation_floor=0.1, window_tokens=60
    )
    assert list(found.errors) == [1]
    assert {"London", "Rome"} <= {m.text for m in found.mentions}


def test_a_window_that_fails_is_read_sentence_by_sentence(tiny_model):
    from pfn_kg.pfn.extractor import Extractor

    extractor = Extractor.from_pretrained(tiny_model, device="cpu")
    project = extractor.model.project

    def no_windows(**batch):
        if "sentence_ids" in batch:
            raise MemoryError("too much")
        return project(**batch)

    sentences = split_sentences(TEXT)
    (expected,) = extractor.predict_documents(
        [TEXT], [sentences], entity_floor=0.1, relation_floor=0.1, window_tokens=0
    )
    extractor.model.project = no_windows
    (found,) = extractor.predict_documents(
        [TEXT], [sentences], entity_floor=0.1, relation_floor=0.1, window_tokens=60
    )
    assert found.windows == expected.windows == len(sentences)
    assert not found.errors
    for ours, theirs in zip(found[:2], expected[:2], strict=True):
        assert [o[:-1] for o in ours] == [t[:-1] for t in theirs]


def test_windows_that_no_encoder_reads(tiny_extractor):
    most = tiny_extractor.config.encoder.max_position_embeddings
    with pytest.raises(ConfigurationError, match=f"window_tokens: {most + 1}"):
        tiny_extractor.extract_documents([TEXT], window_tokens=most + 1)
    with pytest.raises(ConfigurationError, match="window_tokens: -1 is negative"):
        tiny_extractor.extract_documents([TEXT], window_tokens=-1)


def test_calibrated_scores_keep_their_order(random_extractor):
    extractor = random_extractor()
    plain = extractor.predict_heads([TEXT], entity_floor=0.0, relation_floor=0.0)[0]
    calibrations = Calibration(1.7, 0.3), Calibration(0.6, -0.5)
    extractor.config.calibration = {
        name: calibration._asdict()
        for name, calibration in zip(("entity", "relation"), calibrations, strict=True)
    }
    found = extractor.predict_heads([TEXT], entity_floor=0.0, relation_floor=0.0)[0]
    for ours, theirs, calibration in zip(found[:2], plain[:2], calibrations, strict=True):
        assert [o[:-1] for o in ours] == [t[:-1] for t in theirs]
        for o, t in zip(ours, theirs, strict=True):
            assert o.score == pytest.approx(calibration.of_score(t.score), abs=1e-5)


def test_no_entity_is_longer_than_the_bound(random_extractor):
    extractor = random_extractor()
    whole = extractor.predict_heads([TEXT], entity_floor=0.3, relation_floor=0.3)[0]
    extractor.config.max_span = 3
    found = extractor.predict_heads([TEXT], entity_floor=0.3, relation_floor=0.3)[0]
    (window,) = extractor.inputs.encode([TEXT])[0]
    begins = [begin for begin, _ in window.words]

    def words(mention):
        return sum(mention.begin <= begin < mention.end for begin in begins)

    assert max(map(words, whole.mentions)) > 3
    kept = [m for m in whole.mentions if words(m) <= 3]
    assert [m[:4] for m in found.mentions] == [m[:4] for m in kept]
