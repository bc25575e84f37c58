import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfn_kg.pfn.inference.inputs import InputEncoder
from pfn_kg.pfn.inference.windows import cut_windows
from pfn_kg.pfn.model.configuration import PFNConfig

pytestmark = pytest.mark.quick

FILLERS = ["the", "of", "in", "and", "was", "born", "by", "company", "city", "at"]


@given(st.data())
def test_windows_hold_all_words_in_bounded_pieces(data):
    size = data.draw(st.integers(1, 12))
    overlap = data.draw(st.integers(0, size - 1))
    lengths = data.draw(st.lists(st.integers(1, size), max_size=40))
    windows = cut_windows(lengths, size, overlap)
    assert (windows == []) == (lengths == [])
    covered = [word for begin, end in windows for word in range(begin, end)]
    assert set(covered) == set(range(len(lengths)))
    for begin, end in windows:
        assert 0 < sum(lengths[begin:end]) <= size
    for (begin, end), (next_begin, next_end) in pairwise(windows):
        assert begin < next_begin <= end < next_end
        # As much overlap as fits beside the word that follows, and no more.
        shared = sum(lengths[next_begin:end])
        assert shared <= overlap
        more = shared + lengths[next_begin - 1]
        assert next_begin - 1 == begin or more > overlap or more + lengths[end] > size


def test_example():
    assert cut_windows([1] * 10, size=6, overlap=2) == [(0, 6), (4, 10)]
    assert cut_windows([1] * 6, size=6, overlap=2) == [(0, 6)]
    assert cut_windows([3, 3, 3], size=3, overlap=1) == [(0, 1), (1, 2), (2, 3)]


def with_windows(extractor, **options):
    config = extractor.config.to_dict() | options
    return InputEncoder(extractor.tokenizer, PFNConfig(**config))


def test_a_text_shorter_than_a_window_is_not_touched(tiny_extractor):
    text = "Anna Bell was born in London, the capital."
    (window,) = with_windows(tiny_extractor, window_pieces=48).encode([text])[0]
    assert [window] == with_windows(tiny_extractor, window_pieces=20).encode([text])[0]
    assert not window.continues_before
    assert not window.continues_after
    assert len(with_windows(tiny_extractor, window_pieces=6).encode([text])[0]) > 1


def test_a_long_text_is_read_to_its_end(tiny_extractor):
    rng = random.Random(2)
    words = []
    while len(words) < 5000:
        words += rng.choices(
            ["the", "of", "in", "and", "was", "born", "by", "company", "city", "at"], k=6
        )
        words += rng.choice([["London"], ["Anna", "Bell"], ["NATO"], ["1990"]])
    text = " ".join(words)
    found = tiny_extractor.predict_heads([text])[0]
    assert {m.text for m in found.mentions} >= {"London", "Anna Bell", "NATO", "1990"}
    assert len(found.mentions) > 300
    for mention in found.mentions:
        assert text[mention.begin : mention.end] == mention.text
        assert text[mention.begin - 1] == " "
        assert text[mention.end : mention.end + 1] in ("", " ")
    keys = [(m.begin, m.end, m.type) for m in found.mentions]
    assert keys == sorted(set(keys))
    keys = [(t.subject, t.object, t.relation) for t in found.head_triples]
    assert keys == sorted(set(keys))
    tenths = {m.begin * 10 // len(text) for m in found.mentions}
    assert tenths == set(range(10))


def test_a_window_keeps_within_the_encoders_positions(tiny_extractor):
    inputs = with_windows(tiny_extractor, window_pieces=1000)
    longest = max(len(w.pieces) for w in inputs.encode(["London " * 300])[0])
    assert 55 <= longest <= tiny_extractor.config.encoder.max_position_embeddings
    tiny_extractor.model(**inputs.collate(inputs.encode(["London " * 300])[0]))
