import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from helpers.texts import TEXT
from pfn_kg.pfn.inference.sentences import _NO_TEXT, split_sentences, unread_parts

pytestmark = pytest.mark.quick


@given(TEXT, st.sampled_from(["en", "de", "zh", "xx"]))
@example("A b. C d.\r\n\r\nE\tf! \u200b G?", "en")
@example(f"A. {'.' * 1000} B. C.", "en")
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
    for begin, end in unread_parts(text):
        covered.update(range(begin, end))
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


def lines(*parts):
    return "".join(f"{part}\n" for part in parts)


@pytest.mark.parametrize(
    "noise",
    ["." * 1000, "(" * 40_000, "QUJD" * 250_000, lines(*["QUJD" * 19] * 8) + "QUI="],
    ids=["dots", "brackets", "data", "lines of data"],
)
def test_encoded_data_is_not_read(noise):
    text = f"Anna came. It said:\n{noise}\nShe left."
    assert [text[s.begin : s.end] for s in split_sentences(text)] == [
        "Anna came.",
        "It said:",
        "She left.",
    ]
    ((begin, end),) = unread_parts(text)
    assert text[begin:end] == noise


@pytest.mark.parametrize(
    "text",
    [
        "." * 999,
        "https://example.org/" + "a" * 900,
        "今日は" * 1000,
        lines(*["QUJD" * 19] * 7),
        lines(*["a word " * 20] * 50),
    ],
    ids=["short", "address", "no spaces", "seven lines", "prose"],
)
def test_text_is_read(text):
    assert list(unread_parts(text)) == []


RUNS = st.tuples(st.sampled_from("!~aé \u0301\ud800"), st.sampled_from([1, 59, 60, 999, 1000]))


@given(st.lists(RUNS, max_size=4), st.sampled_from(["", "\n", "\r\n", " "]), st.integers(1, 9))
@example([("a", 60)], "\n", 8)
@example([("a", 59)], "\n", 8)
def test_the_glance_overlooks_nothing(runs, separator, copies):
    text = (separator.join(letter * size for letter, size in runs) + separator) * copies
    assert list(unread_parts(text)) == [match.span() for match in _NO_TEXT.finditer(text)]
