"""Sentence splitting that keeps offsets."""

from __future__ import annotations

from sentencex import get_sentence_boundaries

from pfn_kg.schemas.records import Sentence


def split_sentences(text: str, language: str = "en") -> list[Sentence]:
    """Splits a text into sentences, white space around them left out.

    Args:
        text: any text.
        language: ISO 639-1 code; an unknown one is split by general rules.

    Returns:
        Sentences in order, indices from 0; none is empty, none overlaps another, and all
        that is not white space is in one.

    Example:
        >>> text = "It rained. We left."
        >>> [text[s.begin:s.end] for s in split_sentences(text)]
        ['It rained.', 'We left.']
    """
    sentences: list[Sentence] = []
    for boundary in get_sentence_boundaries(language, text):
        begin, end = boundary["start_index"], boundary["end_index"]
        sentence = text[begin:end]
        stripped = sentence.strip()
        if stripped:
            begin += len(sentence) - len(sentence.lstrip())
            sentences.append(Sentence(len(sentences), begin, begin + len(stripped)))
    return sentences
