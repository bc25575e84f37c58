"""The options of rules: what breaks the label schema, and which names count as one."""

from __future__ import annotations

from pfn_kg.schemas.choices import (
    LEAST_SIMILARITY,
    NAMES,
    RULES,
    ConstraintPolicy,
    DirectionPolicy,
    EvidencePolicy,
    MirrorPolicy,
)
from pfn_kg.schemas.options import Options, option


class Rules(Options):
    """What becomes of triples that a rule of the label schema speaks of (docs: rules)."""

    direction: DirectionPolicy = option(
        "keep",
        "triples whose types fit their relation only the other way round",
        name="direction_policy",
        group=RULES,
    )
    self_loops: ConstraintPolicy = option(
        "flag", "triples between an entity and itself", name="self_loops_policy", group=RULES
    )
    overlaps: ConstraintPolicy = option(
        "flag", "triples whose arguments overlap in the text", name="overlaps_policy", group=RULES
    )
    symmetric: MirrorPolicy = option(
        "keep",
        "directions in which symmetric relations are said",
        name="symmetric_policy",
        group=RULES,
    )
    inverse: MirrorPolicy = option(
        "keep",
        "directions in which relations with an inverse are said",
        name="inverse_policy",
        group=RULES,
    )
    across: ConstraintPolicy = option(
        "flag",
        "triples across sentences whose subject has another object inside a sentence, of "
        "relations with one object",
        name="across_policy",
        group=RULES,
    )
    max_objects: ConstraintPolicy = option(
        "flag",
        "relations beyond the best max_objects of a subject",
        name="max_objects_policy",
        group=RULES,
    )
    acyclic: ConstraintPolicy = option(
        "flag", "acyclic relations that close a cycle", name="acyclic_policy", group=RULES
    )
    evidence: EvidencePolicy = option(
        "nearest",
        "which triples of one fact in one document are its evidence: those whose arguments are "
        "the fewest sentences apart, or all",
        name="evidence_policy",
        group=RULES,
    )


class NameRules(Options):
    """Which names are held for one, without a model: each a switch (docs: entities).

    The first four rules are about keys, so they hold in all documents; the next five send a short
    form to the long form in the same document. The others again hold in all documents.
    """

    possessives: bool = option(
        True, "remove a possessive: Google's is Google", group=NAMES, negatable=True
    )
    legal_suffixes: bool = option(
        True,
        "remove the legal form of organisations: Google LLC is Google",
        group=NAMES,
        negatable=True,
    )
    articles: bool = option(
        True, "remove the article: the Thames is Thames", group=NAMES, negatable=True
    )
    titles: bool = option(
        True,
        "remove titles of people: Dr. Jane Goodall is Jane Goodall, and Mr. Smith a last name",
        group=NAMES,
        negatable=True,
    )
    bracketed: bool = option(
        True,
        "resolve acronyms that the document introduces in brackets: European Union (EU)",
        group=NAMES,
        negatable=True,
    )
    initials: bool = option(
        True, "resolve acronyms of a name in the same document: EU", group=NAMES, negatable=True
    )
    last_names: bool = option(
        True,
        "resolve last names of people whose full name is in the same document",
        group=NAMES,
        negatable=True,
    )
    first_names: bool = option(
        False,
        "resolve first names of people whose full name is in the same document",
        group=NAMES,
        negatable=True,
    )
    first_words: bool = option(
        False,
        "resolve first words of organisations whose full name is in the same document",
        group=NAMES,
        negatable=True,
    )
    known_names: bool = option(
        True,
        "resolve other names of countries, their parts and a few bodies: U.S. is United States",
        group=NAMES,
        negatable=True,
    )
    demonyms: bool = option(
        True,
        "resolve adjectives and peoples of countries where a place is meant: American is United "
        "States",
        group=NAMES,
        negatable=True,
    )
    abbreviations: bool = option(
        False,
        "resolve acronyms that other documents introduce in brackets, if all of them agree",
        group=NAMES,
        negatable=True,
    )
    middle_names: bool = option(
        False,
        "resolve people whose names differ in middle names and initials alone, if they share facts",
        group=NAMES,
        negatable=True,
    )
    type_votes: bool = option(
        False,
        "give equal names of several types the type of a clear majority, if they share facts",
        group=NAMES,
        negatable=True,
    )
    similar_names: bool = option(
        False,
        "resolve names that an encoder, letters and the graph take for one thing with hardly a "
        "doubt, and list doubtful pairs for people to decide",
        group=NAMES,
        negatable=True,
    )


class NearNameOptions(Options):
    """What makes two names that are spelt differently one.

    Attributes:
        similarity: of the names as a whole, from here on.
        words: names of fewer words are never compared: two people may be called Hansen
            and Hanssen.
    """

    similarity: float = option(
        ...,
        "names that are at least this similar belong to one entity, such as 0.92; none: only "
        "equal names do",
        name="fuzzy",
        group=NAMES,
        metavar="P",
        default_text="none",
        unset="none",
        ge=LEAST_SIMILARITY,
        le=1,
    )
    words: int = option(
        2,
        "names of fewer words are not compared by `fuzzy`",
        name="fuzzy_words",
        group=NAMES,
        metavar="N",
        ge=1,
    )
