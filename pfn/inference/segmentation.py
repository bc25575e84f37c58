"""Word segmentation: one for training and inference, whatever the encoder.

Words are split off the raw text, so their offsets are exact and an entity's borders
can be said whatever the encoder's own tokenizer would have glued together.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from tokenizers import Regex
from tokenizers.pre_tokenizers import BertPreTokenizer, PreTokenizer, Sequence, Split

from pfn_kg.schemas.errors import ConfigurationError

# Scripts written without spaces: each character is a word, or a whole clause would be one.
_UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"

# White space to Python, and to whoever strips a text, but not to Unicode.
_SEPARATORS = r"[\x{1c}-\x{1f}]"


@lru_cache(maxsize=1)
def _bert_isolated() -> PreTokenizer:
    return Sequence(
        [
            Split(Regex(_SEPARATORS), "removed"),
            Split(Regex(_UNSPACED), "isolated"),
            BertPreTokenizer(),
        ]
    )


def _segment_bert_isolated(text: str) -> list[tuple[int, int]]:
    return [offsets for _, offsets in _bert_isolated().pre_tokenize_str(text)]


#: Segmentations by the name that stands in a checkpoint's configuration.
SEGMENTATIONS: dict[str, Callable[[str], list[tuple[int, int]]]] = {
    "bert-isolated": _segment_bert_isolated,
}


def segment(text: str, segmentation: str = "bert-isolated") -> list[tuple[int, int]]:
    """Splits a text into words at white space and around punctuation.

    Args:
        text: any text.
        segmentation: a key of `SEGMENTATIONS`.

    Returns:
        (begin, end) of each word in code points, in order, none empty, none overlapping.

    Raises:
        ConfigurationError: if the segmentation is unknown.

    Example:
        >>> [("Born in São Paulo.")[b:e] for b, e in segment("Born in São Paulo.")]
        ['Born', 'in', 'São', 'Paulo', '.']
    """
    if segmentation not in SEGMENTATIONS:
        raise ConfigurationError(
            f"segmentation: {segmentation!r} is not one of {', '.join(SEGMENTATIONS)}"
        )
    return SEGMENTATIONS[segmentation](text)
