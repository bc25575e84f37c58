"""What a model found in texts, as one HTML page that needs nothing else.

A page has no script and fetches nothing. All that comes from a text is escaped, and text that is
written from right to left stays within its mention.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from pfn_kg.pipeline.inspect.segments import hues_of, segments
from pfn_kg.schemas.characters import xml_text
from pfn_kg.schemas.records import DocumentExtraction, Mention

_HUES = 12
_STYLE = """\
:root { color-scheme: light dark; font: 1rem/2 system-ui, sans-serif; }
body { max-width: 50rem; margin: 2rem auto; padding: 0 1rem; }
.text { white-space: pre-wrap; overflow-wrap: anywhere; }
mark { color: inherit; padding: .15em .3em; border-radius: .3em; unicode-bidi: isolate; }
mark b { font-size: .7em; margin-inline-start: .4em; letter-spacing: .03em; }
table { border-collapse: collapse; line-height: 1.4; }
th, td { text-align: start; padding: .25rem .75rem .25rem 0; vertical-align: top; }
th { font-weight: 600; border-bottom: 1px solid; }
td.score { font-variant-numeric: tabular-nums; }
section + section { border-top: 1px solid; margin-top: 2rem; }
"""
# Lightness of the ground of mentions, in per cent.
_LIGHT, _DARK = 90, 28


def prediction_page(
    texts: Sequence[str], found: Sequence[DocumentExtraction], language: str = "en"
) -> str:
    """One page of all texts: mentions marked with their types, and a table of triples below.

    Args:
        texts: that were read.
        found: in each of them.
        language: of the texts.
    """
    hues = hues_of((m.type for one in found for m in one.mentions), _HUES)
    sections = [_section(*pair, hues) for pair in zip(texts, found, strict=True)]
    return "\n".join(
        [
            "<!DOCTYPE html>",
            f'<html lang="{_safe(language)}">',
            "<head>",
            '<meta charset="utf-8"/>',
            '<meta name="viewport" content="width=device-width, initial-scale=1"/>',
            '<meta http-equiv="Content-Security-Policy" '
            "content=\"default-src 'none'; style-src 'unsafe-inline'\"/>",
            "<title>Mentions and triples</title>",
            f"<style>\n{_STYLE}{_colours(hues)}</style>",
            "</head>",
            "<body>",
            *sections,
            "</body>",
            "</html>\n",
        ]
    )


def _colours(hues: Mapping[str, int]) -> str:
    """The colours of the types that occur, on light and on dark ground."""
    numbers = sorted(set(hues.values()))

    def rules(lightness: int) -> str:
        return " ".join(f".{_class(n)} {{ background: {_hsl(n, lightness)}; }}" for n in numbers)

    return f"{rules(_LIGHT)}\n@media (prefers-color-scheme: dark) {{ {rules(_DARK)} }}\n"


def _class(number: int) -> str:
    return f"hue{number}"


def _hsl(number: int, lightness: int) -> str:
    return f"hsl({number * 360 // _HUES} 70% {lightness}%)"


def _section(text: str, found: DocumentExtraction, hues: Mapping[str, int]) -> str:
    marked = "".join(_marked(text, found.mentions, hues))
    return f'<section>\n<p class="text" dir="auto">{marked}</p>\n{_table(found)}</section>'


def _marked(text: str, mentions: Sequence[Mention], hues: Mapping[str, int]) -> Iterator[str]:
    """The text with nested marks; one that overlaps another is closed and opened again."""
    open_: list[int] = []
    for segment in segments(text, mentions):
        common = 0
        while (
            common < min(len(open_), len(segment.inside))
            and open_[common] == segment.inside[common]
        ):
            common += 1
        for number in reversed(open_[common:]):
            yield _closing(mentions[number], segment.begin)
        for number in segment.inside[common:]:
            yield _opening(mentions[number], hues)
        open_ = list(segment.inside)
        yield _safe(text[segment.begin : segment.end])
    for number in reversed(open_):
        yield _closing(mentions[number], len(text))


def _opening(mention: Mention, hues: Mapping[str, int]) -> str:
    colour = _class(hues[mention.type])
    title = f"{_safe(mention.type)}, score {mention.score:.2f}"
    return f'<mark class="{colour}" title="{title}">'


def _closing(mention: Mention, at: int) -> str:
    label = f"<b>{_safe(mention.type)}</b>" if mention.end == at else ""
    return f"{label}</mark>"


def _table(found: DocumentExtraction) -> str:
    if not found.triples:
        return "<p>No triples.</p>\n"

    def cell(number: int) -> str:
        mention = found.mentions[number]
        name = " ".join(mention.text.split())
        return f"<td><bdi>{_safe(name)}</bdi> ({_safe(mention.type)})</td>"

    head = "".join(
        f'<th scope="col">{name}</th>' for name in ("Score", "Subject", "Relation", "Object")
    )
    rows = "".join(
        f'<tr><td class="score">{t.score:.2f}</td>{cell(t.subject)}'
        f"<td>{_safe(t.relation)}</td>{cell(t.object)}</tr>\n"
        for t in found.triples
    )
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n"


def _safe(text: str) -> str:
    return escape(xml_text(text))
