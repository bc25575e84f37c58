"""Characters that a reader cannot see, and characters that XML cannot carry.

The text of a document keeps all its characters, because offsets count them. The names that a graph
shows are made for readers, and literals of RDF must pass through XML parsers.
"""

from __future__ import annotations

import re

# General category Cc without the characters that Python splits at (tab to carriage return, U+001C
# to U+001F, U+0085); category Cf; and the noncharacters of chapter 23.7 of the Unicode Standard.
_CONTROLS = r"\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f"
_FORMATS = (
    r"\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u202a-\u202e"
    r"\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f"
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f"
)
_NONCHARACTERS = r"\ufdd0-\ufdef" + "".join(
    f"\\U{plane:04x}fffe\\U{plane:04x}ffff" for plane in range(17)
)

#: A class of a regular expression: control, format and noncharacters. White space is not in it.
UNSEEN = _CONTROLS + _FORMATS + _NONCHARACTERS

_UNSEEN = re.compile(f"[{UNSEEN}]")
# All that the production Char of XML 1.0 (section 2.2) leaves out, and what the note there asks
# authors to avoid, since Raptor writes no U+007F. Surrogates are in no text of Arrow.
_BEYOND_XML = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufdd0-\ufdef" + "".join(
    chr(plane << 16 | 0xFFFE) + chr(plane << 16 | 0xFFFF) for plane in range(17)
)
#: An expression for the characters that XML cannot carry, of Python and of RE2.
NOT_OF_XML = f"[{_BEYOND_XML}]"
_NOT_OF_XML = re.compile(NOT_OF_XML)

#: What a literal has in the place of a character that XML cannot carry: one for one, so that
#: the offsets into a quotation stay.
REPLACEMENT = "\ufffd"


def shown_name(text: str) -> str:
    r"""A name as a graph shows it: one line, without control, format and noncharacters.

    Args:
        text: of a mention, or a name that somebody gives.

    Returns:
        Never empty unless the text is: where nothing can be seen, the code points are spelt.

    Example:
        >>> shown_name("Ada\n  Love\u00adlace")
        'Ada Lovelace'
        >>> shown_name("\u200b")
        'U+200B'
    """
    seen = text if text.isprintable() else _UNSEEN.sub("", text)
    return " ".join(seen.split()) or " ".join(f"U+{ord(c):04X}" for c in text)


def xml_text(text: str) -> str:
    r"""A text with U+FFFD for each character that XML 1.0 cannot carry, or asks to avoid.

    Example:
        >>> xml_text("a\x00b") == "a\ufffdb"
        True
    """
    return _NOT_OF_XML.sub(REPLACEMENT, text)
