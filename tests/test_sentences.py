import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from helpers.texts import TEXT
from pfn_kg.pfn.inference.sentences import split_sentences

pytestmark = pytest.mark.quick


@given(TEXT, st.sampled_from(["en", "de", "zh", "xx"]))
@example("A b. C d.\r\n\r\nE\tf! \u200b G?", "en")
@example("👩‍👧 went. שלום עולם. e\u0301a.", "en")
def test_sentences_hold_all_but_white_space(text, language):
    sentences = split_sentences(text, language)
    covered = set()
    end_before = 0
    for index, sentence in enumerate(sentences):
        assert sentence.index == index
        assert end_before <= sentence.begin < sentence.end <= len(text)
        found = text[sentence.begin : sentence.end]
        assert found == found.strip()
        covered.update(range(sentence.begin, sentence.end))
        end_before = sentence.end
    assert all(text[i].isspace() for i in range(len(text)) if i not in covered)


def test_example():
    text = "  Dr. Smith came. He left!\n\nA new paragraph 👍. Ende\n"
    assert [text[s.begin : s.end] for s in split_sentences(text)] == [
        "Dr. Smith came.",
        "He left!",
        "A new paragraph 👍.",
        "Ende",
    ]
    assert split_sentences(" \n ") == []
