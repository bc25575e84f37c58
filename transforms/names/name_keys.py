"""The key of a name: what is left of it without article, possessive, title and legal form.

Two names with one key are one entity, in whatever documents they stand, so only what
never tells two things apart is taken off. The name itself is not changed.

The table of legal forms is our own and short. cleanco (2.3, MIT) has more of them, but it
takes 57 microseconds a name, which is half of what a sentence may cost, and it turns
"EU" into nothing and "Waffen-SS" into "Waffen".
"""

from __future__ import annotations

from pfn_kg.schemas.label_schema import NameKind
from pfn_kg.schemas.rules import NameRules
from pfn_kg.transforms.names.canonical_names import canonical_name

#: Legal forms, in lower case and without dots, that are hardly ever the last word of
#: anything else. "AS" and "SpA" without their dots or slash are words, so they are not here.
_LEGAL_FORMS = frozenset((
    "ab", "ag", "aktiengesellschaft", "aps", "bhd", "bv", "co", "company", "corp", "corporation",
    "ead", "ehf", "eood", "eurl", "gmbh", "inc", "incorporated", "jsc", "kft", "kg", "kgaa", "kk",
    "lda", "limited", "llc", "llp", "lp", "ltd", "ltda", "mbh", "nv", "nyrt", "oao", "ohg", "ojsc",
    "ood", "ooo", "oy", "oyj", "oü", "pao", "pjsc", "plc", "pte", "pty", "pvt", "sa", "sarl", "sas",
    "sdn", "se", "srl", "tbk", "uab", "ulc", "zao", "zrt",
))  # fmt: skip
#: Those that are told by their dots or their slash.
_WRITTEN_FORMS = frozenset(("a/s", "a.s.", "e.v.", "s.p.a.", "s.r.o.", "d.o.o."))
_PHRASES = (
    *(" public limited company", " limited liability company", " kabushiki kaisha"),
    *(" sp. z o.o.", " sp. z o. o.", " s.a. de c.v.", " s. de r.l. de c.v."),
)

#: Titles of people, in lower case and without dots. Those that are also names or parts of names
#: ("Dean", "Prince", "Saint", "Lord") are not here.
_TITLES = frozenset((
    "adm", "admiral", "brig", "capt", "captain", "chancellor", "cmdr", "col", "colonel",
    "congressman", "congresswoman", "dame", "dr", "gen", "general", "gov", "governor", "hon",
    "lieut", "lieutenant", "lt", "madame", "maj", "mayor", "minister", "miss", "mr", "mrs", "ms",
    "mx", "president", "prof", "professor", "rep", "representative", "rev", "reverend", "sen",
    "senator", "sgt", "sir",
))  # fmt: skip

# The longest name whose parts are taken off.
_LONGEST = 300

_POSSESSIVES = ("'s", "'")


def name_key(text: str, names: NameKind | None, rules: NameRules) -> str:
    """The key of a name, which is its own key.

    Args:
        text: the name as it stands in the text.
        names: what the names of its type are like, as the label schema says.
        rules: which parts are taken off.

    Returns:
        Never empty, unless the name is white space: what would leave nothing is kept.

    Example:
        >>> name_key("The Google LLC 's", "organization", NameRules())
        'google'
    """
    key = canonical_name(text)
    # What is longer is no name of anything; taking parts off one by one would be quadratic.
    while len(key) <= _LONGEST:
        shorter = _shorter(key, names, rules)
        if shorter == key or not any(map(str.isalnum, shorter)):
            break
        key = shorter
    return key


def _shorter(key: str, names: NameKind | None, rules: NameRules) -> str:
    """The key with one thing less; as it is where there is nothing to take off."""
    if rules.articles and key.startswith("the "):
        return key[4:]
    if rules.possessives and key.endswith(_POSSESSIVES):
        shorter = key.rstrip("'") if key[-1] != "s" else key[:-2]
        shorter = shorter.rstrip()
        # A quotation mark after another letter closes a quotation.
        if key[-1] == "s" or shorter.endswith("s"):
            return shorter
    if rules.legal_suffixes and names == "organization":
        return _without_legal_form(key)
    if rules.titles and names == "person":
        # Alone, a last name may be of anyone: the document decides whose it is.
        title, rest = titled(key)
        return rest if title and " " in rest else key
    return key


def titled(key: str) -> tuple[str, str]:
    """The title of a person's name, without its dot, and the rest; no title if it has none.

    Example:
        >>> titled("mr. smith")
        ('mr', 'smith')
    """
    first, _, rest = key.partition(" ")
    title = first.removesuffix(".")
    return (title, rest) if rest and title in _TITLES else ("", key)


def _without_legal_form(key: str) -> str:
    for phrase in _PHRASES:
        if key.endswith(phrase):
            return _without_links(key[: -len(phrase)])
    rest, space, last = key.rpartition(" ")
    if not space:
        return key
    if last not in _WRITTEN_FORMS and last.replace(".", "").rstrip(",") not in _LEGAL_FORMS:
        return key
    rest = _without_links(rest)
    # "The Company" has no name.
    return key if rest == "the" else rest


def _without_links(key: str) -> str:
    """The key without commas, ampersands, plus signs and the word "and" at its end."""
    while (shorter := key.rstrip(" ,&+").removesuffix(" and")) != key:
        key = shorter
    return key
