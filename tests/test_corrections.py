"""What people say of a graph holds, whatever documents come and go and whatever the thresholds."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.corrected_graphs import FactOptions, Rules, corrected_graph
from helpers.extraction_folders import DOCS, LABEL_SCHEMA, Doc
from pfn_kg.schemas.corrections import (
    AddFact,
    ChangeFact,
    ConfirmFact,
    KeepApart,
    MentionPlace,
    MergeEntity,
    RejectFact,
    RenameEntity,
    RetypeEntity,
    SplitEntity,
)
from pfn_kg.transforms.corrections.plan import relation_id

pytestmark = pytest.mark.quick

BORN = ("Ada Lovelace", "place of birth", "London")
PLAIN = [DOCS[0], DOCS[1]._replace(triples=DOCS[1].triples[:2])]
SIGNED = {"author": "Grace", "time": "2026-03-01T12:00:00+02:00", "note": "a typing error"}


def fact(subject, relation, object_, **more):
    types = {"1815": "TIME", "London": "LOC", "Paris": "LOC"}
    return {
        "subject": subject,
        "subject_type": types.get(subject, "PER"),
        "relation": relation,
        "object": object_,
        "object_type": types.get(object_, "PER"),
        **more,
    }


def ada(**more):
    return {"name": "Ada Lovelace", "type": "PER", **more}


def graph(*corrections, docs=None, **more):
    return corrected_graph(PLAIN if docs is None else docs, corrections, **more)


def names(facts):
    return {(s.lower(), p, o.lower()) for s, p, o in facts}


def only(made, number=0):
    return made.outcomes[number]


def test_without_corrections_the_graph_has_these_facts():
    made = graph()
    assert names(made.facts()) == {
        ("ada lovelace", "place of birth", "london"),
        ("ada lovelace", "date of birth", "1815"),
    }
    assert all(r["corrected"] is None for t in ("entities", "relations") for r in made.tables[t])


def test_a_rejected_fact_is_gone():
    made = graph(RejectFact(**fact(*BORN)))
    assert names(made.facts()) == {("ada lovelace", "date of birth", "1815")}
    assert {t["relation"] for t in made.tables["triples"]} == {"date of birth"}
    assert only(made)["is_applied"]
    assert only(made)["items"] == 2


def test_what_one_document_does_not_say_the_other_may():
    made = graph(RejectFact(**fact(*BORN, document_id="a")))
    [other] = [t for t in made.tables["triples"] if t["relation"] == BORN[1]]
    assert (other["document_id"], other["flags"]) == ("b", [])
    assert BORN[1] in {r["predicate"] for r in made.tables["relations"]}


def test_one_piece_of_evidence_is_rejected_by_its_place():
    place = {"document_id": "a", "subject_begin": 0, "subject_end": 12}
    there = RejectFact(**fact(*BORN, **place, object_begin=25, object_end=31))
    elsewhere = RejectFact(**fact(*BORN, **place, object_begin=53, object_end=59))
    made = graph(there, elsewhere)
    assert [t["document_id"] for t in made.tables["triples"] if t["relation"] == BORN[1]] == ["b"]
    assert [o["is_applied"] for o in made.outcomes] == [True, False]
    assert only(made, 1)["reason"] == "no triple says it"


def test_a_confirmed_fact_is_certain_and_says_who_when_why():
    made = graph(ConfirmFact(**fact(*BORN), **SIGNED))
    [row] = [r for r in made.tables["relations"] if r["predicate"] == BORN[1]]
    assert row["confidence"] == 1
    assert row["evidence_count"] == 2
    assert (row["corrected"], row["corrected_by"], row["corrected_at"], row["correction_note"]) == (
        "confirm",
        "Grace",
        "2026-03-01T10:00:00Z",
        "a typing error",
    )
    [other] = [r for r in made.tables["relations"] if r["predicate"] != BORN[1]]
    assert other["confidence"] < 1
    assert other["corrected"] is None


def test_a_confirmed_fact_outlives_thresholds_and_documents():
    made = graph(ConfirmFact(**fact(*BORN)), options=FactOptions(0.5, 0.99))
    assert [r["evidence_count"] for r in made.facts().values()] == [0]
    made = graph(ConfirmFact(**fact(*BORN)), docs=[Doc("z", "Nothing.")])
    assert set(made.facts()) == {BORN}
    assert [e["mentions"] for e in made.tables["entities"]] == [0, 0]


def test_a_fact_of_a_document_lasts_as_long_as_the_document():
    added = AddFact(**fact("Ada Lovelace", "spouse", "William King", document_id="b"))
    assert ("spouse", 1.0) in {
        (r["predicate"], r["confidence"]) for r in graph(added).tables["relations"]
    }
    made = graph(added, docs=PLAIN[:1])
    assert "spouse" not in {r["predicate"] for r in made.tables["relations"]}
    assert "William King" not in {e["name"] for e in made.tables["entities"]}
    assert only(made)["reason"] == "the document is not in the graph"


def test_an_added_fact_is_shown_where_it_is_said():
    place = {"subject_begin": 0, "subject_end": 12, "object_begin": 53, "object_end": 59}
    added = AddFact(**fact("Ada Lovelace", "spouse", "London", document_id="a", **place))
    made = graph(added)
    [triple] = [t for t in made.tables["triples"] if t["relation"] == "spouse"]
    assert (triple["object_begin"], triple["score"], triple["flags"]) == (53, 1.0, ["corrected"])
    assert triple["evidence_text"].endswith("She died in London.")
    [row] = [r for r in made.tables["relations"] if r["predicate"] == "spouse"]
    assert row["evidence"] == [triple["triple_id"]]
    assert row["corrected"] == "add"


def test_a_changed_fact_takes_its_evidence_along():
    made = graph(ChangeFact(**fact(*BORN), new_relation="spouse", reverse=True))
    [row] = [r for r in made.tables["relations"] if r["predicate"] == "spouse"]
    assert BORN[1] not in {r["predicate"] for r in made.tables["relations"]}
    assert (row["evidence_count"], row["confidence"], row["corrected"]) == (2, 1, "change")
    turned = [t for t in made.tables["triples"] if t["relation"] == "spouse"]
    assert {t["subject_text"].lower() for t in turned} == {"london"}


def test_the_last_word_counts():
    assert BORN[1] in {
        p for _, p, _ in graph(RejectFact(**fact(*BORN)), ConfirmFact(**fact(*BORN))).facts()
    }
    made = graph(ConfirmFact(**fact(*BORN)), RejectFact(**fact(*BORN)))
    assert BORN[1] not in {p for _, p, _ in made.facts()}
    assert only(made)["reason"] == "row 2 speaks of the same"
    back = graph(
        ChangeFact(**fact(*BORN), new_relation="spouse"),
        ChangeFact(**fact(BORN[0], "spouse", BORN[2]), new_relation=BORN[1]),
    )
    assert names(back.facts()) == names(graph().facts())


def test_a_rejection_holds_both_ways_of_a_symmetric_relation():
    docs = [
        Doc(
            "s",
            "Ada and Bob. Bob and Ada.",
            tuple((name, "PER", 0.9, time) for time in (0, 1) for name in ("Ada", "Bob")),
            (("Ada", "spouse", "Bob", 0.9), ("Bob", "spouse", "Ada", 0.9)),
        )
    ]
    for policy in ("keep", "one", "both"):
        options = FactOptions(0.5, 0.5, rules=Rules(symmetric=policy))
        made = graph(docs=docs, options=options)
        assert len(made.facts()) == (1 if policy == "one" else 2)
        made = graph(RejectFact(**fact("Bob", "spouse", "Ada")), docs=docs, options=options)
        assert not made.facts()
        made = graph(ConfirmFact(**fact("Bob", "spouse", "Ada")), docs=docs, options=options)
        certain = [r for r in made.tables["relations"] if r["confidence"] == 1]
        assert len(certain) == (2 if policy == "both" else 1)
        assert len(made.facts()) == (1 if policy == "one" else 2)


def test_no_rule_drops_the_evidence_of_a_confirmed_fact():
    docs = [
        DOCS[0]._replace(
            triples=(
                ("Ada Lovelace", "spouse", "London", 0.9),
                ("London", "place of birth", "Ada Lovelace", 0.9),
            )
        )
    ]
    drop = FactOptions(0.5, 0.5, constraint_policy="drop")
    turned = ("London", "place of birth", "Ada Lovelace")
    assert turned not in graph(docs=docs, options=drop).facts()
    made = graph(ConfirmFact(**fact(*turned)), docs=docs, options=drop)
    assert made.facts()[turned]["evidence_count"] >= 1


def test_merged_entities_are_one_under_the_other_name():
    docs = [*PLAIN, Doc("c", "Countess Ada wrote.", (("Countess Ada", "PER", 0.9),))]
    made = graph(
        MergeEntity(**ada(other_name="Countess Ada", other_type="PER")),
        RejectFact(**fact("Ada Lovelace", "date of birth", "1815")),
        docs=docs,
    )
    people = [e for e in made.tables["entities"] if e["type"] == "PER"]
    assert [(e["name"], e["mentions"], e["documents"]) for e in people] == [("Countess Ada", 3, 3)]
    assert "Ada Lovelace" in people[0]["aliases"]
    assert people[0]["corrected"] == "merge"
    assert set(made.facts()) == {("Countess Ada", "place of birth", "London")}


def test_a_renamed_entity_keeps_its_facts_and_is_known_by_both_names():
    rename = RenameEntity(**ada(new_name="Augusta Ada King"))
    made = graph(rename, RejectFact(**fact("Augusta Ada King", "date of birth", "1815")))
    assert set(names(made.facts())) == {("augusta ada king", "place of birth", "london")}
    assert all(o["is_applied"] for o in made.outcomes)


def test_another_spelling_is_no_other_entity():
    made = graph(RenameEntity(**ada(new_name="ADA Lovelace")))
    ids = {e["entity_id"] for e in graph().tables["entities"]}
    assert {e["entity_id"] for e in made.tables["entities"]} == ids
    assert ("ADA Lovelace", "PER") in made.entities()


def test_the_last_name_counts_and_the_first_takes_nobody_else_in():
    docs = [*PLAIN, Doc("c", "Grace Hopper wrote.", (("Grace Hopper", "PER", 0.9),))]
    made = graph(
        RenameEntity(**ada(new_name="Grace Hopper")),
        RenameEntity(**ada(new_name="Ada King")),
        docs=docs,
    )
    people = {e["name"]: e["mentions"] for e in made.tables["entities"] if e["type"] == "PER"}
    assert people == {"Ada King": 2, "Grace Hopper": 1}
    assert only(made)["reason"] == "row 2 says it otherwise"


def test_a_retyped_entity_is_judged_by_its_type():
    wrong = Doc(
        "r",
        "Ada Lovelace was born in Paris.",
        (("Ada Lovelace", "PER", 0.9), ("Paris", "PER", 0.9)),
        (("Ada Lovelace", "place of birth", "Paris", 0.9),),
    )
    assert graph(docs=[wrong]).tables["triples"][0]["flags"] == ["argument_types"]
    made = graph(RetypeEntity(name="Paris", type="PER", new_type="LOC"), docs=[wrong])
    assert made.tables["triples"][0]["flags"] == []
    assert ("Paris", "LOC") in made.entities()
    assert {m["type"] for m in made.tables["mentions"]} == {"PER", "LOC"}
    before = {m["mention_id"] for m in graph(docs=[wrong]).tables["mentions"]}
    assert {m["mention_id"] for m in made.tables["mentions"]} == before


def test_a_retyped_entity_becomes_a_value():
    made = graph(RetypeEntity(name="London", type="LOC", new_type="TIME"))
    [value] = [e for e in made.tables["entities"] if e["name"].lower() == "london"]
    assert (value["kind"], value["value"]) == ("value", "London")


def test_mentions_are_split_off_by_place_and_by_document():
    apart = {"new_name": "London (Ontario)"}
    place = MentionPlace(document_id="a", begin=53, end=59)
    london = {"name": "London", "type": "LOC"}
    made = graph(SplitEntity(**london, mentions=(place,), **apart))
    count = {e["name"]: e["mentions"] for e in made.tables["entities"] if e["type"] == "LOC"}
    assert count == {"LONDON": 2, "London (Ontario)": 1}
    whole = MentionPlace(document_id="a")
    made = graph(
        SplitEntity(**london, mentions=(whole,), **apart),
        RejectFact(**{**fact(*BORN), "object": "London (Ontario)"}),
    )
    assert [t["document_id"] for t in made.tables["triples"] if t["relation"] == BORN[1]] == ["b"]
    assert only(made)["items"] == 2


def test_entities_that_are_kept_apart_are_not_merged():
    docs = [*PLAIN, Doc("c", "Countess Ada wrote.", (("Countess Ada", "PER", 0.9),))]
    other = {"other_name": "Countess Ada", "other_type": "PER"}
    made = graph(MergeEntity(**ada(**other)), KeepApart(**ada(**other)), docs=docs)
    assert {("Countess Ada", "PER")} < set(made.entities())
    assert only(made)["reason"] == "row 2 keeps the two apart"
    assert only(made, 1)["is_applied"]
    made = graph(KeepApart(**ada(**other)), MergeEntity(**ada(**other)), docs=docs)
    assert only(made)["reason"] == "a later row makes the two one entity"


@pytest.mark.parametrize(
    ("correction", "reason"),
    [
        (RejectFact(**fact("Nobody", "spouse", "Ada Lovelace")), "no triple says it"),
        (AddFact(**fact("Ada", "aunt", "Bob")), "the label schema has no relation 'aunt'"),
        (RenameEntity(name="x", type="ORG", new_name="y"), "the label schema has no type 'ORG'"),
        (
            ChangeFact(**fact(*BORN), new_relation="aunt"),
            "the label schema has no relation 'aunt'",
        ),
        (
            RenameEntity(name="1815", type="TIME", new_name="1816"),
            "values are never merged or renamed",
        ),
        (RenameEntity(name="x", type="PER", new_name="y"), "the entity is not mentioned"),
        (
            KeepApart(
                name="ada  lovelace", type="PER", other_name="Ada Lovelace", other_type="PER"
            ),
            "both names are of one entity by their keys; split it by mentions",
        ),
        (
            KeepApart(**ada(other_name="Bob", other_type="PER")),
            "one of the two is not mentioned",
        ),
        (
            SplitEntity(**ada(mentions=(MentionPlace(document_id="zz"),), new_name="Bob")),
            "the entity has no such mention",
        ),
        (
            SplitEntity(**ada(mentions=(MentionPlace(document_id="a"),), new_name="ADA Lovelace")),
            "the new name is one of the entity itself by its key",
        ),
    ],
)
def test_what_says_nothing_is_listed_with_the_reason(correction, reason):
    made = graph(correction)
    assert (only(made)["is_applied"], only(made)["reason"]) == (False, reason)
    assert names(made.facts()) == names(graph().facts())


def test_judged_facts_have_the_confidence_of_the_model():
    made = graph(
        RejectFact(**fact(*BORN)), ConfirmFact(**fact("Ada Lovelace", "date of birth", "1815"))
    )
    before = {r["predicate"]: r["confidence"] for r in graph().tables["relations"]}
    judged = {o["relation"]: (o["is_right"], o["confidence"]) for o in made.outcomes}
    assert judged == {
        "place of birth": (False, before["place of birth"]),
        "date of birth": (True, before["date of birth"]),
    }


PEOPLE, PLACES = ["Ada Lovelace", "Bob Byron", "Cy Cox"], ["London", "Paris"]
TYPES = dict.fromkeys(PEOPLE, "PER") | dict.fromkeys(PLACES, "LOC")
RELATIONS = ["place of birth", "spouse"]
NAME = st.sampled_from(PEOPLE + PLACES)
DOCUMENT = st.sampled_from(["d0", "d1", "d2"])


@st.composite
def documents(draw):
    docs = []
    for number in range(draw(st.integers(1, 3))):
        pair = draw(st.lists(NAME, min_size=2, max_size=2, unique=True))
        text = f"{pair[0]} and {pair[1]}."
        mentions = tuple((n, TYPES[n], draw(st.sampled_from([0.6, 0.9]))) for n in pair)
        triples = tuple(
            (*draw(st.permutations(pair)), draw(st.sampled_from([0.5, 0.6, 0.9])))
            for _ in range(draw(st.integers(0, 2)))
        )
        triples = {(s, draw(st.sampled_from(RELATIONS)), o): score for s, o, score in triples}
        docs.append(Doc(f"d{number}", text, mentions, tuple((*k, v) for k, v in triples.items())))
    return docs


@st.composite
def corrections(draw):
    def entity():
        name = draw(NAME)
        return {"name": name, "type": TYPES[name]}

    def other():
        name = draw(NAME)
        return {"other_name": name, "other_type": TYPES[name]}

    made = []
    for _ in range(draw(st.integers(0, 5))):
        kind = draw(st.sampled_from([RejectFact, ConfirmFact, AddFact, ChangeFact, None, None]))
        if kind is not None:
            ends = draw(st.lists(NAME, min_size=2, max_size=2, unique=True))
            said = fact(ends[0], draw(st.sampled_from(RELATIONS)), ends[1])
            said["document_id"] = draw(st.none() | DOCUMENT)
            if kind is ChangeFact:
                said["reverse"] = True
            made.append(kind(**said))
            continue
        kind = draw(
            st.sampled_from([MergeEntity, KeepApart, RenameEntity, RetypeEntity, SplitEntity])
        )
        one = entity()
        if kind in (MergeEntity, KeepApart):
            made.append(kind(**one, **other()))
        elif kind is RenameEntity:
            made.append(kind(**one, new_name=draw(NAME | st.just("Someone Else"))))
        elif kind is RetypeEntity:
            made.append(kind(**one, new_type=draw(st.sampled_from(["PER", "LOC"]))))
        else:
            place = MentionPlace(document_id=draw(DOCUMENT))
            made.append(kind(**one, mentions=(place,), new_name=draw(NAME | st.just("New One"))))
    return made


@settings(max_examples=150)
@given(documents(), corrections(), st.sampled_from([0.5, 0.7, 0.95]), st.data())
def test_corrections_hold_in_every_graph(docs, given_corrections, threshold, data):
    """After any update (documents gone, others there) and with any threshold."""
    docs = data.draw(st.lists(st.sampled_from(docs), unique_by=lambda d: d.id, min_size=1))
    symmetric = data.draw(st.sampled_from(["keep", "one", "both"]))
    options = FactOptions(0.5, threshold, rules=Rules(symmetric=symmetric))
    made = graph(*given_corrections, docs=docs, options=options)
    live = {doc.id for doc in docs}
    relations = {r["relation_id"]: r for r in made.tables["relations"]}
    entities = {e["entity_id"]: e for e in made.tables["entities"]}
    assert len(entities) == len(made.tables["entities"])
    for mention in made.tables["mentions"]:
        assert entities[mention["entity_id"]]["type"] == mention["type"]
    for row in relations.values():
        assert {row["subject_id"], row["object_id"]} <= entities.keys()
        assert row["evidence_count"] > 0 or row["corrected"] is not None
    said = {t["relation_id"] for t in made.tables["triples"]}
    assert said <= relations.keys()

    held = set()
    for assertion in made.plan.facts.assertions:
        if assertion.scope.document_id in {None, *live}:
            held.add(relation_id(*assertion.fact).hex())
    for id_ in held:
        assert relations[id_]["confidence"] == 1
        assert relations[id_]["corrected"] in ("confirm", "add", "change")
    final = made.plan.classes.final
    for number, correction in enumerate(given_corrections):
        if not isinstance(correction, RejectFact) or number in made.plan.idle:
            continue
        ends = [end_of(made, correction, side, final) for side in ("subject", "object")]
        spellings = [(ends[0], correction.relation, ends[1])]
        if correction.relation == "spouse":
            spellings.append((ends[1], correction.relation, ends[0]))
        for spelt in spellings:
            id_ = relation_id(*spelt).hex()
            # Only a later word, about some document, can say otherwise.
            later = [c for c in given_corrections[number + 1 :] if not isinstance(c, RejectFact)]
            if id_ in relations and correction.document_id is None and not later:
                raise AssertionError(f"{correction} reappears")
            if not later and correction.document_id is not None:
                assert correction.document_id not in {
                    t["document_id"] for t in made.tables["triples"] if t["relation_id"] == id_
                }


def end_of(made, correction, side, final):
    from pfn_kg.schemas.rules import NameRules
    from pfn_kg.transforms.corrections.references import References

    references = References(LABEL_SCHEMA, NameRules())
    return final(references.place(getattr(correction, side), getattr(correction, f"{side}_type")))


@settings(max_examples=50)
@given(documents(), corrections(), st.integers(1, 3))
def test_chunks_and_order_of_documents_change_nothing(docs, given_corrections, size):
    one = graph(*given_corrections, docs=docs, chunk_documents=1)
    other = graph(*given_corrections, docs=docs[::-1], chunk_documents=size)
    for name in ("entities", "relations", "mentions", "triples"):
        key = {"entities": "entity_id", "relations": "relation_id"}.get(name, f"{name[:-1]}_id")
        rows = [sorted(m.tables[name], key=lambda r: r[key]) for m in (one, other)]
        assert rows[0] == rows[1]
    assert [o["is_applied"] for o in one.outcomes] == [o["is_applied"] for o in other.outcomes]


@settings(max_examples=50)
@given(documents())
def test_an_empty_file_changes_nothing(docs):
    made = graph(docs=docs)
    assert all(r["corrected"] is None for t in ("entities", "relations") for r in made.tables[t])
    plain = graph(RenameEntity(name="zzz", type="PER", new_name="yyy"), docs=docs)
    assert made.tables == plain.tables
