"""A sentence's text from a data set's tokens, with the place of each token in it.

Data sets carry tokens without the text they were cut from. The text that is put
back reads like text ("Saint-Malo (1927–2006)"), and spaces are left out only beside
punctuation, so every token border stays a word border. Quotation marks and
apostrophes look alike; they are told apart by counting.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_CLOSING = {",", ".", ";", ":", "!", "?", ")", "]", "}", "%", "...", "…", "..", "”", "’", "»"}
_OPENING = {"(", "[", "{", "“", "‘", "«"}
_CONTRACTION = re.compile(r"(?:['’](?:s|m|d|ll|re|ve)|n['’]t)$", re.IGNORECASE)
_CURRENCY = re.compile(r"[A-Z]{0,3}[$£€]$")


def detokenise(tokens: Sequence[str]) -> tuple[str, list[tuple[int, int]]]:
    """Joins tokens to a text.

    Args:
        tokens: the tokens of a sentence.

    Returns:
        The text, and for each token its (begin, end) there in code points:
        `text[begin:end] == token`.
    """
    to_previous, to_next = _attachments(tokens)
    pieces: list[str] = []
    offsets: list[tuple[int, int]] = []
    position = 0
    for index, token in enumerate(tokens):
        if index and not to_previous[index] and not to_next[index - 1]:
            pieces.append(" ")
            position += 1
        pieces.append(token)
        offsets.append((position, position + len(token)))
        position += len(token)
    return "".join(pieces), offsets


def _attachments(tokens: Sequence[str]) -> tuple[list[bool], list[bool]]:
    """Says of each token whether it stands right behind the previous or before the next."""
    to_previous = [False] * len(tokens)
    to_next = [False] * len(tokens)
    is_open = False
    quote_is_open = False
    apostrophes_left = sum(token == "'" for token in tokens)
    for index, token in enumerate(tokens):
        between = 0 < index < len(tokens) - 1
        if token in _CLOSING or _CONTRACTION.match(token):
            to_previous[index] = True
        elif token in _OPENING or _CURRENCY.match(token):
            to_next[index] = True
        elif token.isspace() or (token in {"-", "/"} and between):
            to_previous[index] = to_next[index] = True
        elif token == "–" and between:
            # A span of years; between words it may as well be a dash.
            digits = tokens[index - 1].isdigit() and tokens[index + 1].isdigit()
            to_previous[index] = to_next[index] = digits
        elif token == '"':
            (to_previous if quote_is_open else to_next)[index] = True
            quote_is_open = not quote_is_open
        elif token == "'":
            # Of an odd number outside quotation marks the first is a possessive.
            opens = not is_open and apostrophes_left % 2 == 0
            (to_next if opens else to_previous)[index] = True
            is_open = opens
            apostrophes_left -= 1
    return to_previous, to_next
