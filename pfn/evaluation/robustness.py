"""Robustness of entity recognition against changed input (section 6.2, Table 4, appendix D).

Five transformations of any typed data set, constructed as TextFlint (Wang et al., ACL 2021) does.
They are functions of the data, the seed and a sentence's place: the same call gives the same text
on every machine. What replaces an entity comes out of the data itself, so that no list of names is
needed and any language will do; an entity that overlaps another one is left as it is.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, NamedTuple

from pfn_kg.pfn.evaluation.gold_spans import gold_sentence
from pfn_kg.pfn.evaluation.scores import evaluate
from pfn_kg.pfn.extractor import Extractor
from pfn_kg.pfn.readers.records import AnnotatedSentence, Reading

#: A replacement for an entity's tokens; None leaves it as it is.
_Replace = Callable[[Random, list[str], str], list[str] | None]
# A made-up name is tried so often before the entity is left as it is.
_TRIES = 50
_DIGITS = re.compile(r"\d+")
# Not from `calendar`, whose names depend on the machine's language.
_CALENDAR = frozenset(
    (
        *("january", "february", "march", "april", "may", "june", "july", "august"),
        *("september", "october", "november", "december"),
        *("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
    )
)


class Pair(NamedTuple):
    """The same sentences before and after a transformation."""

    original: list[AnnotatedSentence]
    transformed: list[AnnotatedSentence]


class Lexicon:
    """The entities and the words of a data set.

    Attributes:
        by_type: the distinct entities of each type, as token tuples, sorted.
        types: the types of each entity.
        words: every token, case folded.
    """

    def __init__(self, sentences: Sequence[AnnotatedSentence]):
        names: dict[str, set[tuple[str, ...]]] = defaultdict(set)
        self.types: dict[tuple[str, ...], set[str]] = defaultdict(set)
        self.words: set[str] = set()
        for sentence in sentences:
            self.words.update(token.casefold() for token in sentence.tokens)
            for begin, end, type_ in sentence.entities:
                tokens = tuple(sentence.tokens[begin:end])
                names[type_].add(tokens)
                self.types[tokens].add(type_)
        self.by_type = {type_: sorted(entities) for type_, entities in sorted(names.items())}
        letters = {c for e in self.types for token in e for c in token if c.isalpha()}
        #: The letters of names by their script.
        self._letters: dict[str, list[str]] = defaultdict(list)
        for letter in sorted(letters):
            self._letters[_script(letter)].append(letter)
        # Which characters follow which in the words of entities; None is a word's border.
        self._follows: dict[str | None, list[str | None]] = defaultdict(list)
        for entity in sorted(self.types):
            for token in filter(_is_word, entity):
                for before, after in zip((None, *token), (*token, None), strict=True):
                    self._follows[before].append(after)

    def of_several_types(self, random: Random, tokens: list[str], type_: str) -> list[str] | None:
        """CrossCategory: a name that the data gives this type and another one elsewhere."""
        names = [name for name in self.by_type[type_] if len(self.types[name]) > 1]
        others = [name for name in names if list(name) != tokens]
        return list(random.choice(others)) if others else None

    def longer(self, random: Random, tokens: list[str], type_: str) -> list[str] | None:
        """SwapLonger: an entity of the same type with more words."""
        longer = [entity for entity in self.by_type[type_] if len(entity) > len(tokens)]
        return list(random.choice(longer)) if longer else None

    def unknown(self, random: Random, tokens: list[str], type_: str) -> list[str] | None:
        """OOV: made-up words, which look like the data's names and are not in it.

        The kind of the name stays: of a number or a date with digits only the digits change, names
        of months and weekdays stay, and a made-up word is written in capitals where its model is.
        """
        if any(any(map(str.isdigit, token)) for token in tokens):
            return self._other_digits(random, tokens)
        kept = [token.casefold() in _CALENDAR for token in tokens]
        if all(kept) or not self._follows:
            return None
        words = []
        for token, stays in zip(tokens, kept, strict=True):
            if stays or not _is_word(token):
                words.append(token)
                continue
            for _ in range(_TRIES):
                word = _cased_as(self._word(random), token)
                if 3 <= len(word) <= 16 and word.casefold() not in self.words:
                    break
            else:
                return None
            words.append(word)
        return words

    def _other_digits(self, random: Random, tokens: list[str]) -> list[str] | None:
        """The tokens with other numbers of as many digits, such that the data has no such name."""
        for _ in range(_TRIES):
            made = [_DIGITS.sub(lambda m: _other_number(random, m[0]), token) for token in tokens]
            if tuple(made) not in self.types:
                return made
        return None

    def _word(self, random: Random) -> str:
        word: list[str] = []
        while len(word) <= 16:
            follows = random.choice(self._follows[word[-1] if word else None])
            if follows is None:
                break
            word.append(follows)
        return "".join(word)

    def typo(self, random: Random, tokens: list[str], type_: str) -> list[str] | None:
        """EntTypos: in one word two neighbours change places, or a character goes or comes.

        The first character stays, and one that comes is of the script of its neighbour.
        """
        candidates = [i for i, token in enumerate(tokens) if len(token) > 1 and _is_word(token)]
        if not candidates:
            return None
        index = random.choice(candidates)
        token = tokens[index]
        swaps = [i for i in range(1, len(token) - 1) if token[i] != token[i + 1]]
        at = random.randrange(1, len(token))
        letters = self._letters.get(_script(token[at - 1]), [])
        kind = random.choice(
            [*(["swap"] if swaps else []), "delete", *(["add"] if letters else [])]
        )
        if kind == "swap":
            at = random.choice(swaps)
            token = token[:at] + token[at + 1] + token[at] + token[at + 2 :]
        elif kind == "delete":
            token = token[:at] + token[at + 1 :]
        else:
            token = token[:at] + random.choice(letters) + token[at:]
        return [*tokens[:index], token, *tokens[index + 1 :]]


def _is_word(token: str) -> bool:
    # Of any script, so with combining marks. A digit more is another number, not a slip.
    return any(map(str.isalpha, token)) and not any(map(str.isdigit, token))


def _script(character: str) -> str:
    """The script of a letter, as the first word of its Unicode name; a mark has that of none."""
    return unicodedata.name(character, "").partition(" ")[0]


def _cased_as(word: str, model: str) -> str:
    """A word in small letters, in capitals or with one, as another is written."""
    if model.isupper() and len(model) > 1:
        return word.upper()
    if model[:1].isupper():
        return word[:1].upper() + word[1:].lower()
    return word.lower() if model.islower() else word


def _other_number(random: Random, digits: str) -> str:
    """Another number with as many digits; a day, a month, an hour or a year stays one."""
    if not digits.isascii():
        return digits
    value, width = int(digits), len(digits)
    if width <= 2 and 1 <= value <= 12:
        return str(random.randint(1, 12)).zfill(width if digits[0] == "0" else 1)
    if width <= 2 and value <= 31:
        return str(random.randint(13, 28))
    if width == 4 and 1000 <= value < 2100:
        return str(random.randint(1000, 2099))
    return digits[0] + "".join(random.choice("0123456789") for _ in digits[1:])


#: The entity swaps of appendix D, by name; ConcatSent is no swap.
_SWAPS: dict[str, Callable[[Lexicon], _Replace]] = {
    "CrossCategory": lambda lexicon: lexicon.of_several_types,
    "EntTypos": lambda lexicon: lexicon.typo,
    "OOV": lambda lexicon: lexicon.unknown,
    "SwapLonger": lambda lexicon: lexicon.longer,
}
TRANSFORMATIONS = ("ConcatSent", *_SWAPS)


def transform(name: str, sentences: Sequence[AnnotatedSentence], seed: int = 13) -> Pair:
    """Applies a transformation of appendix D.

    Args:
        name: one of `TRANSFORMATIONS`.
        sentences: a typed data set.
        seed: of all that is chosen.

    Returns:
        The sentences that could be changed, before and after; ConcatSent makes one of each
        two neighbours and changes all of them, save a last one without a neighbour.

    Raises:
        ValueError: if the name is unknown.
    """
    if name == "ConcatSent":
        return _concatenate(sentences)
    if name not in _SWAPS:
        raise ValueError(f"name is {name!r}, not one of {', '.join(TRANSFORMATIONS)}")
    replace = _SWAPS[name](Lexicon(sentences))
    original, transformed = [], Reading()
    for number, sentence in enumerate(sentences):
        if _swap(sentence, replace, Random(f"{seed} {name} {number}"), transformed):
            original.append(sentence)
    return Pair(original, list(transformed))


def _swap(
    sentence: AnnotatedSentence, replace: _Replace, random: Random, transformed: Reading
) -> bool:
    """Replaces a sentence's entities and adds it, if any was replaced, to `transformed`."""
    tokens: list[str] = []
    # Of each old token border where it is now.
    borders = [0]
    changed = False
    swapped: dict[int, tuple[int, list[str]]] = {}
    for index, (begin, end, type_) in enumerate(sentence.entities):
        others = (e for i, e in enumerate(sentence.entities) if i != index)
        if any(b < end and begin < e for b, e, _ in others):
            continue
        old = sentence.tokens[begin:end]
        new = replace(random, old, type_)
        if new is not None and new != old:
            swapped[begin] = (end, new)
    position = 0
    while position < len(sentence.tokens):
        if position in swapped:
            end, new = swapped[position]
            # Borders inside an entity are borders of nothing else.
            borders += [len(tokens)] * (end - position - 1)
            tokens += new
            position, changed = end, True
        else:
            tokens.append(sentence.tokens[position])
            position += 1
        borders.append(len(tokens))
    if changed:
        transformed.add(
            sentence.document_id,
            sentence.sentence_index,
            tokens,
            [(borders[begin], borders[end], type_) for begin, end, type_ in sentence.entities],
            sentence.triples,
        )
    return changed


def _concatenate(sentences: Sequence[AnnotatedSentence]) -> Pair:
    transformed = Reading()
    for first, second in zip(sentences[::2], sentences[1::2], strict=False):
        shift, more = len(first.tokens), len(first.entities)
        transformed.add(
            first.document_id,
            first.sentence_index,
            first.tokens + second.tokens,
            first.entities + [(b + shift, e + shift, type_) for b, e, type_ in second.entities],
            first.triples + [(s + more, relation, o + more) for s, relation, o in second.triples],
            text=f"{first.text} {second.text}",
            token_offsets=first.token_offsets
            + [(b + len(first.text) + 1, e + len(first.text) + 1) for b, e in second.token_offsets],
        )
    return Pair(list(sentences[: 2 * len(transformed)]), list(transformed))


def robustness(
    extractor: Extractor, pairs: Mapping[str, Pair], **options: Any
) -> dict[str, dict[str, Any]]:
    """Scores a model before and after.

    Args:
        extractor: the model.
        pairs: by name; from `transform`, or read from files.
        options: of `pfn_kg.pfn.evaluation.scores.evaluate`.

    Returns:
        For each name `sentences`, and for `entity` (Table 4) and `triple` the F1 `before`
        and `after` and their difference `decline`; under `average` the mean decline.
    """
    results: dict[str, dict[str, Any]] = {}
    for name, pair in pairs.items():
        before, after = (
            evaluate(extractor, [gold_sentence(s) for s in sentences], **options)
            for sentences in pair
        )
        results[name] = {"sentences": len(pair.original)} | {
            kind: {
                "before": before[kind]["f1"],
                "after": after[kind]["f1"],
                "decline": before[kind]["f1"] - after[kind]["f1"],
            }
            for kind in ("entity", "triple")
        }
    count = max(1, len(results))
    average = {
        kind: {"decline": sum(row[kind]["decline"] for row in results.values()) / count}
        for kind in ("entity", "triple")
    }
    return results | {"average": average}
