"""Short forms: what goes to its long form, what never does, and that order is of no account."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.examples import examples
from helpers.extraction_folders import Doc, row
from pfn_kg.schemas.extraction import EXTRACTION_SCHEMA
from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.schemas.rules import NameRules
from pfn_kg.transforms.facts.chunk_rows import rows_of_chunk
from pfn_kg.transforms.facts.fact_options import FactOptions
from pfn_kg.transforms.names.name_keys import name_key, titled
from pfn_kg.transforms.names.short_forms import abbreviates
from pfn_kg.transforms.tables.aggregate import aggregate_entities

pytestmark = pytest.mark.quick

SHORT_FORMS = list(NameRules.model_fields)[4:9]
OFF = NameRules(**dict.fromkeys(NameRules.model_fields, False))
# Without what everybody knows: the European Union is EU in whatever document.
KNOWN = {"known_names": False, "demonyms": False}
DEFAULTS = NameRules(**KNOWN)
ALL = NameRules(**dict.fromkeys(NameRules.model_fields, True) | KNOWN)
SCHEMA = LabelSchema.from_dict(
    {
        "entity_types": [
            {"name": "PER"},
            {"name": "ORG"},
            {"name": "LOC"},
            {"name": "NUM", "kind": "value", "datatype": "xsd:decimal"},
        ],
        "relations": [{"name": "knows"}],
    }
)
NAMES = {t.name: t.names for t in SCHEMA.entity_types}


def resolved(docs, rules=DEFAULTS):
    rows = [row(doc, "corpus", number) for number, doc in enumerate(docs)]
    chunk = pa.Table.from_pylist(rows, EXTRACTION_SCHEMA)
    options = FactOptions(0.5, 0.5, names=rules)
    return rows_of_chunk(chunk, model_hash="m", losers=[], label_schema=SCHEMA, options=options)


def entities(docs, rules=DEFAULTS):
    """Of each entity its name and aliases."""
    table = aggregate_entities(resolved(docs, rules).tables["entities"], "https://x/")
    found = zip(table["name"].to_pylist(), table["aliases"].to_pylist(), strict=True)
    return sorted((name, *sorted(aliases)) for name, aliases in found)


def of(text, *mentions, id_="d"):
    return Doc(id_, text, tuple((name, type_, 0.9, *n) for name, type_, *n in mentions))


UNION = "European Union"


@pytest.mark.parametrize(
    ("text", "mentions", "expected", "rule"),
    [
        (
            "Ada Lovelace wrote. Lovelace died. Lovelace lives.",
            [("Ada Lovelace", "PER"), ("Lovelace", "PER", 1), ("Lovelace", "PER", 2)],
            [("Ada Lovelace", "Lovelace")],
            "last_names",
        ),
        (
            "Grant Green Jr. sang. Green danced.",
            [("Grant Green Jr.", "PER"), ("Green", "PER", 1)],
            [("Grant Green Jr.", "Green")],
            "last_names",
        ),
        (
            "The European Union met. The EU agreed.",
            [("European Union", "ORG"), ("EU", "ORG")],
            [(UNION, "EU")],
            "initials",
        ),
        (
            "The House of Commons and the HC.",
            [("House of Commons", "ORG"), ("HC", "ORG")],
            [("House of Commons", "HC")],
            "initials",
        ),
        (
            "Escuela Latinoamericana de Medicina (ELAM) is open.",
            [("Escuela Latinoamericana de Medicina", "ORG"), ("ELAM", "ORG")],
            [("Escuela Latinoamericana de Medicina", "ELAM")],
            "bracketed",
        ),
        (
            "Ada Lovelace wrote. Ada died.",
            [("Ada Lovelace", "PER"), ("Ada", "PER", 1)],
            [("Ada Lovelace", "Ada")],
            "first_names",
        ),
        (
            "Enron Energy of Texas fell. Enron is gone.",
            [("Enron Energy of Texas", "ORG"), ("Enron", "ORG", 1)],
            [("Enron Energy of Texas", "Enron")],
            "first_words",
        ),
    ],
)
def test_each_rule_and_its_switch(text, mentions, expected, rule):
    docs = [of(text, *mentions)]
    alone = OFF.changed(**{rule: True})
    assert entities(docs, alone) == [tuple(expected[0])]
    assert len(entities(docs, ALL.changed(**{rule: False}))) > 1
    counts = resolved(docs, alone).counts
    assert (counts["short_forms"], counts[f"short_forms.{rule}"]) == (len(mentions) - 1, 1)


@pytest.mark.parametrize(
    ("text", "mentions"),
    [
        # Two of the family; the first name of another; another type; another document's.
        (
            "Jane Fonda and Henry Fonda met Fonda.",
            [("Jane Fonda", "PER"), ("Henry Fonda", "PER"), ("Fonda", "PER", 2)],
        ),
        (
            "LeBron James met James Harden and James.",
            [("LeBron James", "PER"), ("James Harden", "PER"), ("James", "PER", 2)],
        ),
        (
            "George Washington left Washington.",
            [("George Washington", "PER"), ("Washington", "LOC", 1)],
        ),
        (
            "American Broadcasting Corps, Art Book Club and ABC.",
            [("American Broadcasting Corps", "ORG"), ("Art Book Club", "ORG"), ("ABC", "ORG")],
        ),
        ("York is not New York.", [("York", "LOC"), ("New York", "LOC")]),
        (
            "Robert Moevs is not Robert Walter Moevs.",
            [("Robert Moevs", "PER"), ("Robert Walter Moevs", "PER")],
        ),
        ("Carol II is not Carol.", [("Carol II", "PER"), ("Carol", "PER", 1)]),
        ("Three Ts and 33.", [("Three Ts", "NUM"), ("33", "NUM")]),
    ],
)
def test_what_is_left_alone(text, mentions):
    assert len(entities([of(text, *mentions)], NameRules())) == len(mentions)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["John Smith", "Mr. Smith", "Smith"], [{"John Smith", "Mr. Smith", "Smith"}]),
        (["Dr. John Smith", "John Smith", "Dr Smith", "Dr. Smith"], [{"John Smith"}]),
        # Without a full name the one with a title is the long form.
        (["Mr. Smith", "Smith"], [{"Mr. Smith", "Smith"}]),
        # Two people, and two who may be one.
        (["John Smith", "Mr. Smith", "Mrs. Smith"], [{n} for n in ("John", "Mr.", "Mrs.")]),
        (["John Smith", "Ann Smith", "Ms. Smith"], [{n} for n in ("Ann", "John", "Ms.")]),
        (["Mr. Smith", "Mrs. Smith", "Smith"], [{n} for n in ("Mr.", "Mrs.", "Smith")]),
        # An organisation has no title.
        (["General Motors"], [{"General Motors"}]),
    ],
)
def test_titles(names, expected):
    type_ = "ORG" if names == ["General Motors"] else "PER"
    text, found = ". ".join(names) + ".", []
    for name in names:
        number = sum(before.count(name) for before in names[: names.index(name)])
        found.append((name, type_, number))
    made = entities([of(text, *found)])
    assert len(made) == len(expected)
    for of_entity, some in zip(made, expected, strict=True):
        assert all(any(name.startswith(part) for name in of_entity) for part in some)
    off = entities([of(text, *found)], DEFAULTS.changed(titles=False))
    assert len(off) >= len(made)


def test_what_is_ambiguous_is_counted():
    text = "Jane Fonda and Henry Fonda met Fonda."
    mentions = [("Jane Fonda", "PER"), ("Henry Fonda", "PER"), ("Fonda", "PER", 2)]
    counts = resolved([of(text, *mentions)]).counts
    assert counts["short_forms.ambiguous"] == 1
    assert "short_forms" not in counts


def test_what_the_document_says_in_brackets_goes_first():
    text = "Art Book Club met. Alpha Beta Council (ABC) came. ABC left."
    mentions = [
        ("Art Book Club", "ORG"),
        ("Alpha Beta Council", "ORG"),
        ("ABC", "ORG"),
        ("ABC", "ORG", 1),
    ]
    assert entities([of(text, *mentions)]) == [("Alpha Beta Council", "ABC"), ("Art Book Club",)]


def test_a_document_is_read_by_itself():
    full = of(
        "Ada Lovelace wrote. Lovelace died.",
        ("Ada Lovelace", "PER"),
        ("Lovelace", "PER", 1),
        id_="a",
    )
    other = of("Lovelace is a village boy.", ("Lovelace", "PER"), id_="b")
    assert entities([full, other]) == [("Ada Lovelace", "Lovelace"), ("Lovelace",)]
    # Each mention keeps its text, and the one of the second document its own entity.
    mentions = resolved([full, other]).tables["mentions"].to_pylist()
    assert [m["text"] for m in mentions] == ["Ada Lovelace", "Lovelace", "Lovelace"]
    assert mentions[0]["entity_id"] == mentions[1]["entity_id"] != mentions[2]["entity_id"]


def test_the_long_form_is_the_name_however_rare():
    text = "Ada Lovelace. Lovelace. Lovelace. Lovelace."
    mentions = [("Ada Lovelace", "PER"), *(("Lovelace", "PER", n) for n in (1, 2, 3))]
    assert entities([of(text, *mentions)]) == [("Ada Lovelace", "Lovelace")]


def test_schwartz_and_hearst():
    assert abbreviates("elam", "Escuela Latinoamericana de Medicina")
    assert abbreviates("eu", "the European Union")
    assert not abbreviates("eu", "Unified Europe")
    assert not abbreviates("eux", "European Union")
    assert not abbreviates("uu", "Union")


WORDS = (
    "Ada",
    "Lovelace",
    "Grant",
    "Green",
    "Jr.",
    "Dr.",
    "Sir",
    "European",
    "Union",
    "of",
    "the",
    "EU",
    "GG",
    "LLC",
)
TEXTS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(" ".join)
MENTIONS = st.lists(
    st.tuples(TEXTS, st.sampled_from(["PER", "ORG", "LOC"])), min_size=1, max_size=8
)


def document(mentions, id_):
    """A text that is its mentions, one a sentence, every second in brackets."""
    text, found = "", []
    for number, (name, type_) in enumerate(mentions):
        text += "(" if number % 2 else ""
        found.append(
            {
                "begin": len(text),
                "end": len(text) + len(name),
                "type": type_,
                "score": 0.9,
                "sentence": 0,
            }
        )
        text += name + (") " if number % 2 else " ")
    return {
        "source_file": "f",
        "source_row": 0,
        "document_id": id_,
        "content_hash": "",
        "text": text,
        "sentences": [{"begin": 0, "end": len(text)}],
        "mentions": found,
        "head_triples": [
            {
                "subject": found[0]["begin"],
                "relation": "knows",
                "object": m["begin"],
                "score": 0.9,
                "sentence": 0,
            }
            for m in found[1:]
        ],
        "rejected": [],
    }


def chunk(rows, rules):
    table = pa.Table.from_pylist(rows, EXTRACTION_SCHEMA)
    options = FactOptions(0.5, 0.5, names=rules)
    rows = rows_of_chunk(table, model_hash="m", losers=[], label_schema=SCHEMA, options=options)
    return rows.tables


def graph(parts):
    """The rows of some chunks together, whatever their order."""
    names = pa.concat_tables([part["entities"] for part in parts])
    entities = aggregate_entities(names, "https://x/").to_pylist()
    rows = {
        table: sorted(str(r) for part in parts for r in part[table].to_pylist())
        for table in ("mentions", "triples", "relations")
    }
    return entities, rows


@given(
    st.lists(MENTIONS, min_size=1, max_size=4),
    st.builds(NameRules, **dict.fromkeys(NameRules.model_fields, st.booleans())),
    st.randoms(use_true_random=False),
)
@examples(60)
def test_order_and_partition_of_documents_are_of_no_account(documents, rules, rng):
    rows = [document(mentions, f"d{n}") for n, mentions in enumerate(documents)]
    whole = graph([chunk(rows, rules)])
    shuffled = rng.sample(rows, len(rows))
    assert graph([chunk(shuffled, rules)]) == whole
    assert graph([chunk([r], rules) for r in shuffled]) == whole


@given(
    st.lists(MENTIONS, min_size=1, max_size=3),
    st.builds(NameRules, **dict.fromkeys(NameRules.model_fields, st.booleans())),
)
@examples(100)
def test_what_holds_in_every_graph(documents, rules):
    rows = [document(mentions, f"d{n}") for n, mentions in enumerate(documents)]
    texts = {r["document_id"]: r["text"] for r in rows}
    found, exact = (
        chunk(rows, rules),
        chunk(rows, rules.model_copy(update=dict.fromkeys(SHORT_FORMS, False))),
    )
    mentions = found["mentions"].to_pylist()
    triples = found["triples"].to_pylist()
    for m in mentions:
        assert texts[m["document_id"]][m["begin"] : m["end"]] == m["text"]
    for t in triples:
        text = texts[t["document_id"]]
        assert text[t["subject_begin"] : t["subject_end"]] == t["subject_text"]
        assert text[t["object_begin"] : t["object_end"]] == t["object_text"]
        assert text[t["evidence_begin"] : t["evidence_end"]] == t["evidence_text"]
    # Every entity has a mention and every relation a triple, and none is missing.
    entity_of = {m["mention_id"]: m["entity_id"] for m in mentions}
    assert {r["entity_id"] for r in found["entities"].to_pylist()} == set(entity_of.values())
    assert {r["relation_id"] for r in found["relations"].to_pylist()} == {
        t["relation_id"] for t in triples
    }
    for t in triples:
        for side in ("subject", "object"):
            assert t[f"{side}_entity_id"] == entity_of[t[f"{side}_mention_id"]]
    # Mentions are counted once, and the rules change nothing but whose they are.
    assert sum(r["mentions"] for r in found["entities"].to_pylist()) == len(mentions)
    before = {m["mention_id"]: m for m in exact["mentions"].to_pylist()}
    assert before.keys() == entity_of.keys()
    # No rule joins two full names: at most one key of an entity has several words.
    keys: dict = {}
    for m in mentions:
        key = name_key(m["text"], NAMES[m["type"]], rules)
        keys.setdefault(m["entity_id"], set()).add((m["type"], key))
        if m["entity_id"] != before[m["mention_id"]]["entity_id"]:
            assert " " not in key or titled(key)[0]
    for of_entity in keys.values():
        assert len({type_ for type_, _ in of_entity}) == 1
        assert sum(" " in key for _, key in of_entity) <= 1
    # An entity that others went to is none that went elsewhere: resolving again changes nothing.
    for m in mentions:
        if m["entity_id"] != before[m["mention_id"]]["entity_id"]:
            heirs = [o for o in mentions if before[o["mention_id"]]["entity_id"] == m["entity_id"]]
            in_document = [o for o in heirs if o["document_id"] == m["document_id"]]
            assert in_document
            assert all(o["entity_id"] == m["entity_id"] for o in in_document)
