"""What a search found, as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from pfn_kg.pipeline.printable import one_line
from pfn_kg.pipeline.search.answers import Found, FoundFact, FoundSentence
from pfn_kg.pipeline.styled import Line, Styled


def found_lines(found: Found) -> Iterator[Line]:
    """The entities of the question, then a paragraph for each sentence."""
    if found.entities:
        names = ", ".join(f"{one_line(e.name)} ({e.type})" for e in found.entities)
        yield [Styled(f"entities: {names}", "dim")]
    for number, sentence in enumerate(found.sentences, 1):
        if number > 1 or found.entities:
            yield []
        yield [Styled(f"{number}. ", "dim"), one_line(sentence.text)]
        yield ["   ", Styled(_source(sentence), "dim")]
        for fact in sentence.facts:
            yield from _fact(fact)


def _source(sentence: FoundSentence) -> str:
    id_ = one_line(sentence.document_id)
    title = one_line(sentence.title) if sentence.title else ""
    return f"[{title} ({id_})]" if title and title != id_ else f"[{id_}]"


def _fact(fact: FoundFact) -> Iterator[Line]:
    near = "" if fact.stated else "  (of an entity here)"
    yield [
        f"   {fact.confidence:.2f}  {one_line(fact.subject)}  ",
        Styled(f"-> {fact.predicate}", "cyan"),
        f"  {one_line(fact.object)}",
        Styled(near, "dim"),
    ]
