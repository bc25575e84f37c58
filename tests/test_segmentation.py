import pytest
from hypothesis import example, given

from helpers.texts import TEXT
from pfn_kg.pfn.inference.segmentation import segment
from pfn_kg.schemas.errors import ConfigurationError

pytestmark = pytest.mark.quick


@given(TEXT)
@example("\x1f")
@example("Ada\x1cwas\x1e\x1fborn")
@example("Born in São Paulo.\r\nמ\u200b👩‍👧")
def test_words_hold_all_but_white_space(text):
    words = segment(text)
    covered = set()
    end_before = 0
    for begin, end in words:
        assert end_before <= begin < end <= len(text)
        assert text[begin:end].strip() == text[begin:end]
        covered.update(range(begin, end))
        end_before = end
    assert all(text[i].isspace() for i in range(len(text)) if i not in covered)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Born in São Paulo.", ["Born", "in", "São", "Paulo", "."]),
        ("(née Byron)", ["(", "née", "Byron", ")"]),
        ("Acme's U.S.", ["Acme", "'", "s", "U", ".", "S", "."]),
        ("東京は大きい", list("東京は大きい")),
        ("서울 수도", ["서울", "수도"]),
        ("cafe\u0301 x", ["cafe\u0301", "x"]),
        ("", []),
    ],
)
def test_examples(text, words):
    assert [text[b:e] for b, e in segment(text)] == words


def test_unknown_segmentation():
    with pytest.raises(ConfigurationError, match="segmentation: 'x' is not one of bert-isolated"):
        segment("a", "x")
