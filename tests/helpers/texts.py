"""Texts of all kinds, for hypothesis: names among what breaks offsets."""

from hypothesis import strategies as st

_ODD = [
    "e\u0301",
    "n\u0303",
    "ﬁ",
    "İ",
    "ẞ",
    "👍",
    "👩\u200d👧",
    "\U0001f1e9\U0001f1ea",
    "𝔘",
    "\u200b",
    "\u200d",
    "\u00ad",
    "\ufeff",
    "\u202e",
    "שלום",
    "مرحبا",
    "東京",
    "กรุงเทพ",
    "\r\n",
    "\n\n",
    "\t",
    "\x00",
    "\x85",
    "\u2028",
    "\u3000",
    ".",
    "?!",
    "...",
]
_WORDS = ["London", "Anna Bell", "NATO", "1990", "the", "was born in", "Müller-Lüdenscheidt"]
_PART = st.one_of(
    st.sampled_from(_ODD),
    st.sampled_from(_WORDS),
    st.just(" "),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=3),
)

#: Any text without lone surrogates, which no UTF-8 file holds.
TEXT = st.lists(_PART, max_size=25).map("".join)
