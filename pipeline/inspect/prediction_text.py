"""What a model found in a text, in colour: the text with its mentions, and its triples."""

from __future__ import annotations

from collections.abc import Iterator

from pfn_kg.pipeline.inspect.segments import hue_of, segments
from pfn_kg.pipeline.printable import one_line, padded, printable, width
from pfn_kg.pipeline.styled import Line, Styled
from pfn_kg.schemas.records import DocumentExtraction

# Colours that can be told apart on light and on dark ground.
_COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "red")


def prediction_lines(text: str, found: DocumentExtraction) -> Iterator[Line]:
    """The text with each mention in the colour of its type, then a line for each triple.

    Args:
        text: that was read.
        found: in it.
    """
    yield from _text_lines(text, found)
    yield []
    names = [f"{one_line(m.text)} ({m.type})" for m in found.mentions]
    subjects = max((width(names[t.subject]) for t in found.triples), default=0)
    relations = max((width(t.relation) for t in found.triples), default=0)
    for triple in found.triples:
        yield [
            f"{triple.score:.2f}  ",
            _named(names[triple.subject], found, triple.subject, subjects),
            "  ",
            padded(triple.relation, relations),
            "  ",
            _named(names[triple.object], found, triple.object, 0),
        ]
    if not found.triples:
        yield ["no triples" if found.mentions else "no mentions and no triples"]


def _text_lines(text: str, found: DocumentExtraction) -> Iterator[Line]:
    line: list[Styled | str] = []
    for segment in segments(text, found.mentions):
        style = ""
        if segment.inside:
            # The innermost mention gives its colour.
            style = f"bold {_colour(found.mentions[segment.inside[-1]].type)}"
        first, *rest = text[segment.begin : segment.end].split("\n")
        line.append(Styled(printable(first), style))
        for part in rest:
            yield line
            line = [Styled(printable(part), style)]
        for number in reversed(segment.inside):
            mention = found.mentions[number]
            if mention.end == segment.end:
                line.append(Styled(f"[{mention.type}]", f"dim {_colour(mention.type)}"))
    yield line


def _named(name: str, found: DocumentExtraction, number: int, columns: int) -> Styled:
    return Styled(padded(name, columns), _colour(found.mentions[number].type))


def _colour(type_: str) -> str:
    return _COLOURS[hue_of(type_, len(_COLOURS))]
