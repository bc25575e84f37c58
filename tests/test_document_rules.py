"""The rules of a label schema on the triples of a document, against a slow reading of them."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.schemas.rules import Rules
from pfn_kg.transforms.facts.document_rules import (
    RULES,
    DocumentRules,
    Spans,
    TripleColumns,
    flag_lists,
)

pytestmark = pytest.mark.quick

TYPES = ["PER", "LOC"]
RELATIONS = ["born in", "spouse", "part of", "has part", "near"]
SCHEMA = LabelSchema.from_dict(
    {
        "entity_types": [{"name": name} for name in TYPES],
        "relations": [
            {"name": "born in", "arguments": [{"subject": "PER", "object": "LOC"}]},
            {"name": "spouse", "symmetric": True},
            {"name": "part of", "inverse": "has part"},
            {"name": "has part"},
            {"name": "near"},
        ],
    }
)
INVERSE = {"part of": "has part", "has part": "part of"}
# Type, entity, begin and end of each mention; the entities' ids are in another order.
MENTIONS = [(0, 0, 0, 3), (0, 1, 2, 5), (1, 2, 5, 9), (1, 0, 20, 23)]
IDS = [b"c", b"a", b"b"]
PLACES = st.integers(0, len(MENTIONS) - 1)
TRIPLES = st.lists(
    st.tuples(PLACES, st.integers(0, len(RELATIONS) - 1), PLACES, st.integers(1, 9)),
    max_size=12,
    unique_by=lambda t: t[:3],
)
CHECKS = st.sampled_from(["drop", "flag", "keep"])
MIRRORS = st.sampled_from(["keep", "both", "one"])
POLICIES = st.builds(
    Rules,
    direction=st.sampled_from(["keep", "flip"]),
    self_loops=CHECKS,
    overlaps=CHECKS,
    symmetric=MIRRORS,
    inverse=MIRRORS,
)


def applied(triples, rules, constraint_policy):
    """What `DocumentRules` makes of triples: their scores and flags, and the counts."""
    columns = [np.array([t[n] for t in triples], dtype=np.int64) for n in range(3)]
    scores = np.array([t[3] / 10 for t in triples], dtype=np.float64)
    given_ = TripleColumns(*columns, scores, np.zeros(len(triples), dtype=np.int64))
    spans = Spans(*(np.array([m[n] for m in MENTIONS], dtype=np.int64) for n in range(4)))
    counts = Counter()
    of_schema = DocumentRules(
        SCHEMA,
        types=TYPES,
        relations=RELATIONS,
        constraint_policy=constraint_policy,
        rules=rules,
    )
    found = of_schema.apply(given_, mentions=spans, entity_ids=IDS, counts=counts)
    flags = flag_lists(found.flags).to_pylist()
    rows = zip(*(column.tolist() for column in found[:4]), flags, strict=True)
    return sorted((s, r, o, round(score, 6), tuple(f)) for s, r, o, score, f in rows), counts


def expected(triples, rules, constraint_policy):
    """The same by the documentation, one triple after the other."""
    found = []
    for subject, relation, object_, score in triples:
        name = RELATIONS[relation]
        flags = set()
        types = MENTIONS[subject][0], MENTIONS[object_][0]
        wrong = name == "born in" and types != (0, 1)
        if wrong and rules.direction == "flip" and types == (1, 0):
            subject, object_, wrong = object_, subject, False
            flags.add("flipped")
        one, other = MENTIONS[subject], MENTIONS[object_]
        dropped = False
        for rule, policy, against in (
            ("argument_types", constraint_policy, wrong),
            ("self_loop", rules.self_loops, one[1] == other[1]),
            ("overlapping_arguments", rules.overlaps, one[2] < other[3] and other[2] < one[3]),
        ):
            if against and policy == "drop":
                dropped = True
            elif against and policy == "flag":
                flags.add(rule)
        if dropped:
            continue
        said = [(subject, name, object_, flags)]
        if name == "spouse" and rules.symmetric != "keep":
            mirror = (object_, name, subject, flags | {"symmetric"})
            if rules.symmetric == "both":
                said.append(mirror)
            elif IDS[one[1]] > IDS[other[1]]:
                said = [mirror]
        if name in INVERSE and rules.inverse != "keep":
            mirror = (object_, INVERSE[name], subject, flags | {"inverse"})
            if rules.inverse == "both":
                said.append(mirror)
            elif name == "has part":  # the first of the schema is the one that stays
                said = [mirror]
        found += [(s, n, o, score / 10, f) for s, n, o, f in said]
    best = {}
    for subject, name, object_, score, flags in found:
        # Of equals the one as the text says it: with fewer, that is lower, bits of rules.
        bits = sum(1 << RULES.index(rule) for rule in flags)
        key = (subject, RELATIONS.index(name), object_)
        best[key] = min(best.get(key, (0, 0)), (-score, bits))
    return sorted(
        (*key, round(-score, 6), tuple(rule for n, rule in enumerate(RULES) if bits >> n & 1))
        for key, (score, bits) in best.items()
    )


@given(TRIPLES, POLICIES, CHECKS)
def test_the_arrays_say_what_the_rules_say(triples, rules, constraint_policy):
    found, counts = applied(triples, rules, constraint_policy)
    assert found == expected(triples, rules, constraint_policy)
    if rules.direction == "flip":
        flips = [t for t in triples if t[1] == 0 and MENTIONS[t[0]][0] > MENTIONS[t[2]][0]]
        assert counts["flipped"] == len(flips)


RULED = Rules(
    direction="keep", self_loops="drop", overlaps="flag", symmetric="both", inverse="keep"
)


def test_counts_are_of_what_is_against_a_rule():
    triples = [(2, 0, 0, 9), (0, 0, 1, 8), (0, 4, 3, 7), (0, 1, 1, 6)]
    _, counts = applied(triples, RULED, "flag")
    assert counts == {
        # Both "born in" have the wrong types; one of them overlaps.
        "violations.argument_types": 2,
        "violations.self_loop": 1,
        "violations.overlapping_arguments": 2,
        "added.symmetric": 1,
    }
