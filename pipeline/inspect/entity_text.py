"""The page of an entity as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pfn_kg.pipeline.inspect.entity_page import EntityPage, Fact, Sentence
from pfn_kg.pipeline.printable import one_line, padded, width
from pfn_kg.pipeline.styled import Line, Styled

_SHOWN_ALIASES = 8


def entity_lines(page: EntityPage, how_to_see_more: str = "") -> Iterator[Line]:
    """The page of an entity: what it is called, then a paragraph for each fact.

    Args:
        page: of the entity.
        how_to_see_more: what is said where the page has not all facts.
    """
    entity = page.entity
    about = f"  ({entity['type']})  {entity['entity_id']}"
    yield [Styled(one_line(entity["name"]), "bold"), Styled(about, "dim")]
    if entity["kind"] == "value" and entity["value"] != entity["name"]:
        yield [f"value: {one_line(entity['value'])} ({entity['datatype']})"]
    if aliases := entity["aliases"]:
        shown = ", ".join(map(one_line, aliases[:_SHOWN_ALIASES]))
        more = len(aliases) - _SHOWN_ALIASES
        yield [f"also called: {shown}" + (f" and {more} more" if more > 0 else "")]
    if entity["same_as"]:
        yield [f"same as: {one_line(entity['same_as'])}"]
    for line in page.origins:
        yield [Styled(one_line(line), "dim")]
    yield [f"{_many(entity['mentions'], 'mention')} in {_many(entity['documents'], 'document')}"]
    yield []
    yield from _facts(page)
    if hidden := page.fact_count - len(page.facts):
        yield []
        yield [f"{_many(hidden, 'more fact')}{how_to_see_more}"]
    for row in page.namesakes:
        yield from _namesake(row)


def _facts(page: EntityPage) -> Iterator[Line]:
    if not page.facts:
        yield ["no facts"]
    predicates = max((width(_predicate(fact)) for fact in page.facts), default=0)
    for fact in page.facts:
        other = f"{one_line(fact.name)} ({fact.type})"
        yield [
            Styled(f"{fact.confidence:.2f}", _confidence_style(fact.confidence)),
            "  ",
            Styled(padded(_predicate(fact), predicates), "cyan"),
            f"  {other}",
            Styled(f"  {_many(fact.document_count, 'document')}", "dim"),
        ]
        if fact.sentence is not None:
            yield ["      ", *_marked(fact.sentence)]
            yield ["      ", Styled(_source(fact.sentence), "dim")]


def _predicate(fact: Fact) -> str:
    """The relation, with an arrow for its direction."""
    return f"-> {fact.predicate}" if fact.direction == "out" else f"<- {fact.predicate}"


def _marked(sentence: Sentence) -> Iterator[Styled | str]:
    """The sentence with both arguments in bold."""
    places = sorted({sentence.subject, sentence.object})
    last = 0
    text = sentence.text
    for begin, end in places:
        begin = max(begin, last)
        if end > begin:
            yield _kept_blanks(text[last:begin])
            yield Styled(_kept_blanks(text[begin:end]), "bold")
            last = end
    yield _kept_blanks(text[last:])


def _kept_blanks(text: str) -> str:
    """A part of a sentence on one line; the blanks at its ends stay."""
    before = " " if text[:1].isspace() else ""
    after = " " if text[-1:].isspace() and text.strip() else ""
    return f"{before}{one_line(text)}{after}"


def _source(sentence: Sentence) -> str:
    """The document and page of a sentence, and the rules that spoke of its triple."""
    id_ = one_line(sentence.document_id)
    title = one_line(sentence.title) if sentence.title else ""
    source = f"{title} ({id_})" if title and title != id_ else id_
    page = f", page {sentence.page}" if sentence.page else ""
    flags = f"; flagged: {', '.join(sentence.flags)}" if sentence.flags else ""
    return f"[{source}{page}{flags}]"


def _namesake(row: Mapping[str, Any]) -> Iterator[Line]:
    mentions = _many(row["mentions"], "mention")
    yield []
    yield [
        f"has this name too: {one_line(row['name'])} ({row['type']}, {mentions}); "
        f"see it by its id, {row['entity_id']}"
    ]


def _confidence_style(confidence: float) -> str:
    return "green" if confidence >= 0.8 else "yellow" if confidence >= 0.5 else "red"


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")
