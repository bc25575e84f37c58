"""Short forms of names: which long name of the same document and type each stands for.

"Lovelace" is Ada Lovelace, and "EU" the European Union, where the document names one
such entity in full and no second. A short form is a name of one word, a long form one of
several, so that no rule ever joins two full names. What may be two things stays what it
is and is counted.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from schemas.job import NameRules
from schemas.label_schema import NameKind

_APART = re.compile(r"[^\w.'’]+")
#: Small words that acronyms leave out, as often as not.
_SMALL = frozenset((
    "a", "al", "an", "and", "at", "da", "das", "de", "del", "den", "der", "des", "di", "die",
    "do", "dos", "du", "e", "el", "et", "for", "für", "fur", "in", "la", "le", "les", "of", "on",
    "the", "to", "und", "van", "von", "y",
))  # fmt: skip
_GENERATIONS = frozenset(("jr", "sr", "ii", "iii", "iv", "junior", "senior"))
#: Letters of an acronym. One letter is an initial, and what is longer is a word in capitals.
_LEAST, _MOST = 2, 10


class Form(NamedTuple):
    """What the rules look at in a name; the same in whatever document it stands.

    Attributes:
        word: the key of a name of one word; empty for one of several.
        acronym: the folded letters of a name that is written like an acronym, else empty.
        first: the first word of a name of several; empty for one of one.
        last: likewise the last, "Jr." and the like left out.
        initials: the first letters of its words, with small words and without.
        names: what the names of its type are like.
    """

    word: str
    acronym: str
    first: str
    last: str
    initials: tuple[str, ...]
    names: NameKind | None


def form_of(text: str, key: str, names: NameKind | None) -> Form:
    """Reads a name.

    Args:
        text: as it stands in the document.
        key: its canonical key.
        names: what the names of its type are like, as the label schema says.
    """
    words = key.split()
    if len(words) == 1:
        return Form(words[0], _acronym(text), "", "", (), names)
    end = len(words)
    while end > 1 and words[end - 1].strip(".,") in _GENERATIONS:
        end -= 1
    first, last = words[0], words[end - 1].rstrip(",")
    if end == 1:
        # Of "Carol II" nobody can tell whether it is the first name or the last.
        first = last = ""
    return Form("", "", first, last, _initials(text), names)


def _acronym(text: str) -> str:
    if text[1:].islower():
        return ""  # most names, told quickly
    letters = "".join(filter(str.isalnum, text))
    if not _LEAST <= len(letters) <= _MOST or sum(map(str.isupper, letters)) < _LEAST:
        return ""
    return letters.casefold()


def _initials(text: str) -> tuple[str, ...]:
    words = [word for word in _APART.split(text.casefold()) if word[:1].isalnum()]
    if words[:1] == ["the"]:
        del words[0]
    every = "".join(word[0] for word in words)
    large = "".join(word[0] for word in words if word not in _SMALL)
    return (every,) if every == large else (every, large)


def abbreviates(short: str, long: str) -> bool:
    """Whether the letters of an acronym stand in a name in their order, the first at its start.

    The algorithm of Schwartz and Hearst (A simple algorithm for identifying abbreviation
    definitions in biomedical text, PSB 2003), for a long form whose begin is known.

    Args:
        short: the folded letters of the acronym.
        long: the long form.
    """
    long = long.casefold().removeprefix("the ")
    place = len(long)
    for letter in reversed(short[1:]):
        place = long.rfind(letter, 1, place)
        if place < 0:
            return False
    return long[:1] == short[:1]


class LongForms(NamedTuple):
    """What the short forms of a document stand for.

    Attributes:
        entities: of the entity of a short form the entity of its long form.
        counts: of short forms by the rule that spoke, and of those that are `ambiguous`.
    """

    entities: dict[int, int]
    counts: Counter[str]


def find_long_forms(
    names: Sequence[tuple[int, Form]],
    bracketed: Collection[tuple[int, int]],
    rules: NameRules,
) -> LongForms:
    """What the short forms among the names of one type in one document stand for.

    Args:
        names: entities by canonical key, with the forms of their names.
        bracketed: pairs of an entity and another whose name stands before it, as in
            "European Union (EU)".
        rules: which rules are on.

    Returns:
        The same whatever the order of the names. The entity of a long form is none that
        is moved itself.
    """
    found = LongForms({}, Counter())
    shorts = [(entity, form) for entity, form in names if form.word]
    if len(shorts) == len(names):
        return found
    long_forms = [(entity, form) for entity, form in names if not form.word]
    introduced: dict[int, set[int]] = {}
    for entity, long in bracketed:
        introduced.setdefault(entity, set()).add(long)
    initials: dict[str, set[int]] = {}
    first: dict[str, set[int]] = {}
    last: dict[str, set[int]] = {}
    for entity, form in long_forms:
        for letters in form.initials:
            initials.setdefault(letters, set()).add(entity)
        if form.first:
            first.setdefault(form.first, set()).add(entity)
            last.setdefault(form.last, set()).add(entity)
    # One entity may have several names of one word: what any of them stands for counts.
    possible: dict[int, dict[int, str]] = {}
    for entity, form in shorts:
        meant = possible.setdefault(entity, {})
        if entity in introduced:
            # What the document itself says goes before what looks alike.
            meant.update(dict.fromkeys(introduced[entity], "bracketed"))
            continue
        if rules.initials and form.acronym:
            for long in initials.get(form.acronym, ()):
                meant.setdefault(long, "initials")
        if form.names == "person" and (rules.last_names or rules.first_names):
            # "James" beside LeBron James and James Harden is ambiguous by either rule.
            for long in last.get(form.word, ()):
                meant.setdefault(long, "last_names")
            for long in first.get(form.word, ()):
                meant.setdefault(long, "first_names")
        elif form.names == "organization" and rules.first_words:
            for long in first.get(form.word, ()):
                meant.setdefault(long, "first_words")
    for entity, meant in possible.items():
        if len(meant) > 1:
            found.counts["ambiguous"] += 1
        for long, rule in meant.items():
            if len(meant) == 1 and getattr(rules, rule):
                found.entities[entity] = long
                found.counts[rule] += 1
    return found


def long_form_end(text: str, begin: int, end: int) -> int:
    """Where a name must end for one in brackets to be its short form.

    Args:
        text: of the document.
        begin: of the name that may stand in brackets.
        end: of it.

    Returns:
        -1 where it stands in none, or with other words before it.
    """
    opening = text[max(begin - 2, 0) : begin].rstrip()
    bracket = max(begin - 2, 0) + len(opening) - 1
    if opening[-1:] != "(" or text[end : end + 2].lstrip()[:1] not in (")", ",", ";"):
        return -1
    before = text[max(bracket - 3, 0) : bracket]
    return bracket - len(before) + len(before.rstrip())


class NamedMentions(NamedTuple):
    """The mentions of a chunk, sorted by document and place, and the names they have.

    Attributes:
        documents: texts of the documents.
        rows: for each mention the number of its document.
        begins: its first character.
        ends: one past its last.
        name_numbers: which of the names it has.
        texts: of each name, as it stands in a document.
        keys: of each name the canonical key; None for a value.
        types: of each name the number of its type.
        kinds: of each type what its names are like.
        entities: of each name the number of its entity by canonical key.
    """

    documents: Sequence[str]
    rows: np.ndarray
    begins: np.ndarray
    ends: np.ndarray
    name_numbers: np.ndarray
    texts: Sequence[str]
    keys: Sequence[str | None]
    types: np.ndarray
    kinds: Sequence[NameKind | None]
    entities: np.ndarray


def take_long_forms(mentions: NamedMentions, rules: NameRules) -> tuple[np.ndarray, Counter[str]]:
    """The entity of each mention, short forms being of the entity of their long form.

    Args:
        mentions: of a chunk; those of other documents are of no account for one.
        rules: which rules are on.

    Returns:
        The numbers of the entities, and what was counted: mentions of short forms as
        `short_forms`, and as `short_forms.RULE` how many names of a document each rule
        moved, or were `ambiguous`.
    """
    exact = mentions.entities[mentions.name_numbers]
    counts: Counter[str] = Counter()
    may_be_short = np.fromiter(_may_be_short(mentions, rules), dtype=bool)
    if not may_be_short.any():
        return exact, counts
    is_long = np.array([key is not None and " " in key for key in mentions.keys], dtype=bool)
    bracketed = _bracketed(mentions, may_be_short, is_long) if rules.bracketed else {}
    forms: dict[int, Form] = {}
    moved: dict[int, int] = {}
    for place, names in _groups(mentions, may_be_short, is_long):
        described = []
        for name in names:
            if name not in forms:
                kind = mentions.kinds[mentions.types[name]]
                forms[name] = form_of(mentions.texts[name], mentions.keys[name] or "", kind)
            described.append((int(mentions.entities[name]), forms[name]))
        found = find_long_forms(described, bracketed.get(place, ()), rules)
        counts.update({f"short_forms.{rule}": count for rule, count in found.counts.items()})
        for entity, long in found.entities.items():
            moved[place[0] << 32 | entity] = long
    if not moved:
        return exact, counts
    keys = np.array(sorted(moved), dtype=np.int64)
    heirs = np.array([moved[key] for key in keys.tolist()], dtype=np.int64)
    wanted = mentions.rows.astype(np.int64) << 32 | exact
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    is_moved = keys[at] == wanted
    counts["short_forms"] = int(np.count_nonzero(is_moved))
    return np.where(is_moved, heirs[at], exact), counts


def _may_be_short(mentions: NamedMentions, rules: NameRules) -> Iterator[bool]:
    """Of each name whether a rule may hold it for a short form, cheaply."""
    by_word = [
        (kind == "person" and (rules.last_names or rules.first_names))
        or (kind == "organization" and rules.first_words)
        for kind in mentions.kinds
    ]
    by_letters = rules.initials or rules.bracketed
    for text, key, type_ in zip(
        mentions.texts, mentions.keys, mentions.types.tolist(), strict=True
    ):
        is_word = key is not None and " " not in key
        yield is_word and (by_word[type_] or (by_letters and _acronym(text) != ""))


def _groups(
    mentions: NamedMentions, may_be_short: np.ndarray, is_long: np.ndarray
) -> Iterator[tuple[tuple[int, int], list[int]]]:
    """The names of one document and type, where both short and long forms are among them."""
    width, count = len(mentions.kinds), len(mentions.texts)
    places = mentions.rows.astype(np.int64) * width + mentions.types[mentions.name_numbers]
    is_of_account = (may_be_short | is_long)[mentions.name_numbers]
    pairs = np.unique((places * count + mentions.name_numbers)[is_of_account])
    places, names = np.divmod(pairs, count)
    begins = np.flatnonzero(np.diff(places, prepend=-1))
    both = np.logical_or.reduceat(may_be_short[names], begins)
    both &= np.logical_or.reduceat(is_long[names], begins)
    ends = np.append(begins[1:], len(pairs))
    for begin, end in zip(begins[both].tolist(), ends[both].tolist(), strict=True):
        yield divmod(int(places[begin]), width), names[begin:end].tolist()


def _bracketed(
    mentions: NamedMentions, may_be_short: np.ndarray, is_long: np.ndarray
) -> dict[tuple[int, int], set[tuple[int, int]]]:
    """By document and type the pairs of entities that brackets tell of."""
    found: dict[tuple[int, int], set[tuple[int, int]]] = {}
    numbers, entities, types = mentions.name_numbers, mentions.entities, mentions.types
    for index in np.flatnonzero(may_be_short[numbers]).tolist():
        row, name = int(mentions.rows[index]), int(numbers[index])
        letters = _acronym(mentions.texts[name])
        if not letters:
            continue
        end = long_form_end(
            mentions.documents[row], int(mentions.begins[index]), int(mentions.ends[index])
        )
        # The name before is one of the last few, of which some may overlap.
        before = index - 1
        while end >= 0 and before >= 0 and mentions.rows[before] == row and index - before <= 8:
            long = int(numbers[before])
            if (
                mentions.ends[before] == end
                and types[long] == types[name]
                and is_long[long]
                and abbreviates(letters, mentions.texts[long])
            ):
                pair = int(entities[name]), int(entities[long])
                found.setdefault((row, int(types[name])), set()).add(pair)
            before -= 1
    return found
