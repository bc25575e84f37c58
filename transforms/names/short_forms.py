"""Short forms of names: which long name of the same document and type each stands for.

"Lovelace" is Ada Lovelace, and "EU" the European Union, where the document names one
such entity in full and no second. A short form is a name of one word, a long form one of
several, so that no rule ever joins two full names. A title and a last name, as in "Mr. Smith",
are a short form where the full name stands, and a long one of "Smith" elsewhere. What may be two
things stays what it is and is counted.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from pfn_kg.schemas.label_schema import NameKind
from pfn_kg.schemas.rules import NameRules
from pfn_kg.transforms.names.name_keys import titled

_APART = re.compile(r"[^\w.'’]+")
#: Small words that acronyms leave out, as often as not.
_SMALL = frozenset((
    "a", "al", "an", "and", "at", "da", "das", "de", "del", "den", "der", "des", "di", "die",
    "do", "dos", "du", "e", "el", "et", "for", "für", "fur", "in", "la", "le", "les", "of", "on",
    "the", "to", "und", "van", "von", "y",
))  # fmt: skip
_GENERATIONS = frozenset(("jr", "sr", "ii", "iii", "iv", "junior", "senior"))
#: The rules; where several send a short form to the same long one, the first is counted.
RULES = ("bracketed", "initials", "last_names", "first_names", "first_words")
#: Letters of an acronym. One letter is an initial, and what is longer is a word in capitals.
_LEAST, _MOST = 2, 10


class Form(NamedTuple):
    """What the rules look at in a name; the same in whatever document it stands.

    Attributes:
        word: the key of a name of one word; empty for one of several.
        acronym: the folded letters of a name that is written like an acronym, else empty.
        first: the first word of a name of several; empty for one of one.
        last: likewise the last, "Jr." and the like left out.
        title: the title that stands before a last name alone, else empty.
        text: as it stands in the document.
        names: what the names of its type are like.
    """

    word: str
    acronym: str
    first: str
    last: str
    title: str
    text: str
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
        return Form(words[0], _acronym(text), "", "", "", text, names)
    if len(words) == 2 and names == "person" and (title := titled(key)[0]):
        return Form("", "", "", words[1], title, text, names)
    end = len(words)
    while end > 1 and words[end - 1].strip(".,") in _GENERATIONS:
        end -= 1
    first, last = words[0], words[end - 1].rstrip(",")
    if end == 1:
        # Of "Carol II" nobody can tell whether it is the first name or the last.
        first = last = ""
    return Form("", "", first, last, "", text, names)


def _acronym(text: str) -> str:
    if text[1:].islower():
        return ""  # most names, told quickly
    letters = "".join(filter(str.isalnum, text))
    if not _LEAST <= len(letters) <= _MOST or sum(map(str.isupper, letters)) < _LEAST:
        return ""
    return letters.casefold()


@lru_cache(maxsize=1 << 14)
def _initials(text: str) -> tuple[str, ...]:
    """The first letters of the words of a name, with small words and without."""
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
        rules: of the entity of a short form the rule that spoke, by its place in RULES.
        counts: of short forms by the rule that spoke, and of those that are `ambiguous`.
    """

    entities: dict[int, int]
    rules: dict[int, int]
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
    long_forms = LongForms({}, {}, Counter())
    introduced: dict[int, set[int]] = {}
    for short, long in bracketed:
        introduced.setdefault(short, set()).add(long)
    by_letters: dict[str, list[int]] = {}
    by_word: dict[str, list[int]] = {}
    titled_forms = _short_titled(names) if rules.titles and rules.last_names else {}
    for last, entities in titled_forms.items():
        by_word[last] = list(entities)
    of_people = rules.last_names or rules.first_names
    for entity, form in names:
        # What the document itself says goes before what looks alike.
        if not form.word or entity in introduced:
            continue
        if rules.initials and form.acronym:
            by_letters.setdefault(form.acronym, []).append(entity)
        if (form.names == "person" and of_people) or (
            form.names == "organization" and rules.first_words
        ):
            by_word.setdefault(form.word, []).append(entity)
    # Of each short form the long ones that it may stand for, and the rules that say so.
    possible: dict[int, dict[int, set[str]]] = {}
    for short, longs in introduced.items():
        possible[short] = {long: {"bracketed"} for long in longs}
    for entity, form in names:
        if form.word or entity in titled_forms.get(form.last, ()):
            continue
        for letters in _initials(form.text) if by_letters else ():
            for short in by_letters.get(letters, ()):
                possible.setdefault(short, {}).setdefault(entity, set()).add("initials")
        # "James" beside LeBron James and James Harden is ambiguous, be one rule off.
        person = form.names == "person"
        for short in by_word.get(form.last, ()) if person else ():
            possible.setdefault(short, {}).setdefault(entity, set()).add("last_names")
        for short in by_word.get(form.first, ()):
            rule = "first_names" if person else "first_words"
            possible.setdefault(short, {}).setdefault(entity, set()).add(rule)
    for short, meant in possible.items():
        if len(meant) > 1:
            long_forms.counts["ambiguous"] += 1
            continue
        ((long, said_by),) = meant.items()
        for number, rule in enumerate(RULES):
            if rule in said_by and getattr(rules, rule):
                long_forms.entities[short] = long
                long_forms.rules[short] = number
                long_forms.counts[rule] += 1
                break
    return long_forms


def _short_titled(names: Sequence[tuple[int, Form]]) -> dict[str, list[int]]:
    """By last name the entities of titles before it, where the document has a full name with it.

    Mr. Smith and Mrs. Smith are not both John Smith: where two titles stand before a name, neither
    is a short form.
    """
    full = {form.last for _, form in names if form.first and form.last}
    titles: dict[str, dict[str, list[int]]] = {}
    for entity, form in names:
        if form.title and form.last in full:
            titles.setdefault(form.last, {}).setdefault(form.title, []).append(entity)
    return {last: next(iter(of.values())) for last, of in titles.items() if len(of) == 1}


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
        texts: of each name, as it stands in a document but for how its characters are encoded
            (`pfn_kg.transforms.names.canonical_names.plain_name`).
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


class ShortForms(NamedTuple):
    """What the short forms of a chunk come to.

    Attributes:
        entities: for each mention the number of its entity.
        rules: for each mention the rule that moved it, by its place in RULES; -1 if none did.
        counts: mentions of short forms as `short_forms`, and as `short_forms.RULE` how many names
            of a document each rule moved, or were `ambiguous`.
    """

    entities: np.ndarray
    rules: np.ndarray
    counts: Counter[str]


def take_long_forms(mentions: NamedMentions, rules: NameRules) -> ShortForms:
    """The entity of each mention, short forms being of the entity of their long form.

    Args:
        mentions: of a chunk; those of other documents are of no account for one.
        rules: which rules are on.
    """
    exact = mentions.entities[mentions.name_numbers]
    by_none = np.full(len(exact), -1, dtype=np.int64)
    counts: Counter[str] = Counter()
    by_word = [
        (kind == "person" and (rules.last_names or rules.first_names))
        or (kind == "organization" and rules.first_words)
        for kind in mentions.kinds
    ]
    by_letters = rules.initials or rules.bracketed
    types, entities = mentions.types.tolist(), mentions.entities.tolist()
    is_word = [key is not None and " " not in key for key in mentions.keys]
    # A title before a last name is a short form where the full name stands.
    is_titled = [
        rules.titles
        and rules.last_names
        and mentions.kinds[type_] == "person"
        and key is not None
        and key.count(" ") == 1
        and titled(key)[0] != ""
        for key, type_ in zip(mentions.keys, types, strict=True)
    ]
    acronyms = [
        _acronym(text) if is_one and by_letters else ""
        for text, is_one in zip(mentions.texts, is_word, strict=True)
    ]
    may_be_short = np.array(
        [
            has_title or (is_one and (letters != "" or by_word[type_]))
            for letters, is_one, type_, has_title in zip(
                acronyms, is_word, types, is_titled, strict=True
            )
        ],
        dtype=bool,
    )
    if not may_be_short.any():
        return ShortForms(exact, by_none, counts)
    is_long = np.array([key is not None and " " in key for key in mentions.keys], dtype=bool)
    bracketed = _bracketed(mentions, acronyms, is_long) if rules.bracketed else {}
    forms: dict[int, tuple[int, Form]] = {}
    moved: dict[int, tuple[int, int]] = {}
    for place, names in _groups(mentions, may_be_short, is_long):
        for name in names:
            if name not in forms:
                kind = mentions.kinds[types[name]]
                form = form_of(mentions.texts[name], mentions.keys[name] or "", kind)
                forms[name] = entities[name], form
        described = [forms[name] for name in names]
        long_forms = find_long_forms(described, bracketed.get(place, ()), rules)
        for rule, count in long_forms.counts.items():
            counts[f"short_forms.{rule}"] += count
        for entity, long in long_forms.entities.items():
            moved[place[0] << 32 | entity] = long, long_forms.rules[entity]
    if not moved:
        return ShortForms(exact, by_none, counts)
    keys = np.array(sorted(moved), dtype=np.int64)
    heirs, said_by = np.array([moved[key] for key in keys.tolist()], dtype=np.int64).T
    wanted = mentions.rows.astype(np.int64) << 32 | exact
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    is_moved = keys[at] == wanted
    counts["short_forms"] = int(np.count_nonzero(is_moved))
    return ShortForms(
        np.where(is_moved, heirs[at], exact), np.where(is_moved, said_by[at], -1), counts
    )


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
    mentions: NamedMentions, acronyms: Sequence[str], is_long: np.ndarray
) -> dict[tuple[int, int], set[tuple[int, int]]]:
    """By document and type the pairs of entities that brackets tell of."""
    pairs: dict[tuple[int, int], set[tuple[int, int]]] = {}
    numbers, entities, types = mentions.name_numbers, mentions.entities, mentions.types
    is_acronym = np.array([letters != "" for letters in acronyms], dtype=bool)
    indices = np.flatnonzero(is_acronym[numbers])
    places = (
        column[indices].tolist() for column in (mentions.rows, mentions.begins, mentions.ends)
    )
    for index, row, begin, end in zip(indices.tolist(), *places, strict=True):
        until = long_form_end(mentions.documents[row], begin, end)
        if until < 0:
            continue
        short = int(numbers[index])
        # The name before is one of the last few, of which some may overlap.
        for before in range(index - 1, max(index - 9, -1), -1):
            if mentions.rows[before] != row:
                break
            long = int(numbers[before])
            if (
                mentions.ends[before] == until
                and types[long] == types[short]
                and is_long[long]
                and abbreviates(acronyms[short], mentions.texts[long])
            ):
                pair = int(entities[short]), int(entities[long])
                pairs.setdefault((row, int(types[short])), set()).add(pair)
    return pairs
