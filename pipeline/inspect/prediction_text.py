"""What a model found in a text, in colour: the text with its mentions, and its triples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pfn_kg.pipeline.inspect.segments import hues_of, segments
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
    numbers = hues_of((m.type for m in found.mentions), len(_COLOURS))
    colours = {type_: _COLOURS[number] for type_, number in numbers.items()}

    def named(number: int, columns: int) -> Styled:
        return Styled(padded(names[number], columns), colours[found.mentions[number].type])

    yield from _text_lines(text, found, colours)
    yield []
    names = [f"{one_line(m.text)} ({m.type})" for m in found.mentions]
    subjects = max((width(names[t.subject]) for t in found.triples), default=0)
    relations = max((width(t.relation) for t in found.triples), default=0)
    for triple in found.triples:
        yield [
            f"{triple.score:.2f}  ",
            named(triple.subject, subjects),
            "  ",
            padded(triple.relation, relations),
            "  ",
            named(triple.object, 0),
        ]
    if not found.triples:
        yield ["no triples" if found.mentions else "no mentions and no triples"]


def _text_lines(text: str, found: DocumentExtraction, colours: Mapping[str, str]) -> Iterator[Line]:
    line: list[Styled | str] = []
    for segment in segments(text, found.mentions):
        style = ""
        if segment.inside:
            # The innermost mention gives its colour.
            style = f"bold {colours[found.mentions[segment.inside[-1]].type]}"
        first, *rest = text[segment.begin : segment.end].split("\n")
        line.append(Styled(printable(first), style))
        for part in rest:
            yield line
            line = [Styled(printable(part), style)]
        for number in reversed(segment.inside):
            mention = found.mentions[number]
            if mention.end == segment.end:
                line.append(Styled(f"[{mention.type}]", f"dim {colours[mention.type]}"))
    yield line
