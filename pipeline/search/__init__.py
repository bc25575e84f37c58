"""Search: sentences and documents of a graph that answer a question, without a language model."""

from pfn_kg.pipeline.search.answers import (
    Found,
    FoundDocument,
    FoundEntity,
    FoundFact,
    FoundSentence,
)

__all__ = ["Found", "FoundDocument", "FoundEntity", "FoundFact", "FoundSentence"]
