"""Characters that nobody sees or that are typed for one another: one thing stays one thing."""

import sys
import unicodedata
import xml.etree.ElementTree as ElementTree
from xml.sax.saxutils import escape

import pyoxigraph
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from helpers.examples import examples
from helpers.extraction_folders import LABEL_SCHEMA, Doc, write_folder
from helpers.output_folders import table_rows
from helpers.rdf_graphs import entity, read_both, relation, rows
from pfn_kg.pipeline.build_phase import BuildOptions, run_build
from pfn_kg.schemas.build_options import RdfOptions
from pfn_kg.schemas.characters import shown_name, xml_text
from pfn_kg.schemas.rules import NameRules
from pfn_kg.sinks.rdf.sink import RdfSink
from pfn_kg.transforms.names.canonical_names import canonical_name, plain_name
from pfn_kg.transforms.names.name_keys import name_key
from pfn_kg.transforms.values.normalise import normalise_value

pytestmark = pytest.mark.quick

EVERY = [chr(c) for c in range(sys.maxunicode + 1) if not 0xD800 <= c < 0xE000]
#: General categories of the Unicode Standard, table 4-4; no UTF-8 holds surrogates (Cs).
CATEGORIES = [
    *("Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps", "Pe"),
    *("Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Co", "Cn"),
]
#: Texts in which each category is as likely as another.
TEXT = st.lists(
    st.sampled_from(CATEGORIES).flatmap(
        lambda category: st.text(st.characters(categories=[category]), min_size=1, max_size=2)
    )
    | st.sampled_from(["Ada", "O'Brien", " ", "-", "\u2019", "\ufffe", "\U0010ffff", "\ufdd0"]),
    max_size=8,
).map("".join)
UNSEEN = st.sampled_from(
    "\u00ad\u200b\u200d\u200e\u2060\ufeff\x00\x1b\x7f\x9f\ufffe\uffff\U0001ffff\ufdd0\ufe0f\u034f\u3164"
    "\U000e0041"
)


def is_noncharacter(character):
    return ord(character) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(character) <= 0xFDEF


def is_unseen(character):
    is_control = unicodedata.category(character) in ("Cc", "Cf")
    return is_noncharacter(character) or (is_control and not character.isspace())


def test_what_names_do_not_show_is_what_unicode_says():
    # Formats of a later Unicode than this Python's are characters that it has not assigned.
    later = set(map(chr, range(0x13439, 0x13440)))
    shown = set(shown_name("".join(EVERY)))
    unseen = {c for c in EVERY if not c.isspace()} - shown
    assert unseen - later == set(filter(is_unseen, EVERY)) - later


def test_the_canonical_form_of_every_character_is_its_own():
    changed = []
    for character in EVERY:
        plain = unicodedata.normalize("NFKC", character).casefold() == character
        if plain and unicodedata.category(character) in ("Lo", "Co", "Cn"):
            continue
        for text in (f"a{character}b", f"{character}\u0301", f"e{character}\u0301"):
            once = canonical_name(text)
            if canonical_name(once) != once:
                changed.append(text)
    assert changed == []


@given(TEXT)
@example("\u200b")
@example("\x1f")
@example("Ada\x85 \u2028Lovelace")
def test_names_show_nothing_that_cannot_be_seen(text):
    shown = shown_name(text)
    assert bool(shown) == bool(text)
    assert not [c for c in shown if is_noncharacter(c) or unicodedata.category(c) in ("Cc", "Cf")]
    assert shown == " ".join(shown.split()) == shown_name(shown)


@given(TEXT, UNSEEN, st.data())
def test_what_cannot_be_seen_makes_no_other_name(name, unseen, data):
    key = canonical_name(name)
    at = data.draw(st.integers(0, len(name)))
    assert canonical_name(name[:at] + unseen + name[at:]) == key
    assert name_key(key, "person", NameRules()) == name_key(name, "person", NameRules())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("O'Brien", "O\u2019Brien"),
        ("O'Brien", "O\u2018Brien"),
        ("O'Brien", "O\u02bcBrien"),
        ("O'Brien", "O`Brien"),
        ("O'Brien", "O\u00b4Brien"),
        ("O'Brien", "\uff2f\uff07\uff22\uff52\uff49\uff45\uff4e"),
        ("Saint-Denis", "Saint\u2011Denis"),
        ("Saint-Denis", "Saint\u2010Denis"),
        ("Saint-Denis", "Saint\u2013Denis"),
        ("Saint-Denis", "Saint\uff0dDenis"),
        ('"Weird Al" Yankovic', "\u201cWeird Al\u201d Yankovic"),
        ("Copenhagen", "Copen\u00adhagen"),
        ("Ada Lovelace", "\ufeffAda\u200b Lovelace\u200e"),
        ("Ada Lovelace", "Ada\u00a0Lovelace\x00"),
        ("\u2764", "\u2764\ufe0f"),
    ],
)
def test_one_name_however_it_is_typed(one, other):
    assert canonical_name(one) == canonical_name(other)
    # Case and white space apart, which rules of short forms look at.
    assert plain_name(one).split() == plain_name(other).split()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Vienna \u2013 Budapest", "Vienna - Budapest"),
        ("Ada Byron", "AdaByron"),
        ("a\u2014b", "a-b"),
    ],
)
def test_names_that_stay_two(one, other):
    assert canonical_name(one) != canonical_name(other)


@pytest.mark.parametrize(
    ("text", "lexical"),
    [
        ("2004\u200b", "2004"),
        ("20\u00ad04", "2004"),
        ("\uff12\uff10\uff10\uff14", "2004"),
        ("2004\u201105\u201104", "2004-05-04"),
        ("1998\u201099", "1998/1999"),
    ],
)
def test_values_are_read_through_them(text, lexical):
    assert normalise_value(text, "xsd:date").lexical == lexical


@given(TEXT, st.sampled_from([None, "xsd:date", "xsd:decimal", "cdt:ucum"]))
def test_values_show_nothing_that_cannot_be_seen(text, datatype):
    lexical = normalise_value(text, datatype).lexical
    assert not [c for c in lexical if is_noncharacter(c) or unicodedata.category(c) in ("Cc", "Cf")]


@given(TEXT)
@example("".join(map(chr, range(32))) + "\ufffe\uffff\ufdd0\U0001fffe")
def test_literals_pass_through_xml(text):
    kept = xml_text(text)
    assert len(kept) == len(text)
    assert all(a == b or b == "\ufffd" for a, b in zip(text, kept, strict=True))
    # A parser turns carriage returns into line feeds.
    element = ElementTree.fromstring(f"<a>{escape(kept).replace(chr(13), '&#13;')}</a>")
    assert (element.text or "") == kept


@examples(30)
@given(TEXT)
@example("a\x00b\ufffe\uffffc")
def test_rdf_holds_what_xml_can_carry(text):
    sink = RdfSink(LABEL_SCHEMA, RdfOptions(provenance="statement"))
    entities = [entity(entity_id="0a", name=text, aliases=[text, "x"])]
    metadata = '{"a": "b\\u0000"}'
    documents = [{"document_id": text, "title": text, "metadata": metadata, "source_row": 1}]
    evidence = relation(
        triple_id="0c",
        relation_id="0d",
        document_id=text,
        evidence_begin=0,
        evidence_end=len(text),
        evidence_text=text,
        subject_entity_id="0a",
        relation="spouse",
        object_entity_id="0b",
        score=0.25,
    )
    for name in ("evidence_count", "document_count", "confidence"):
        del evidence[name]
    for part in (
        rows("entities", entities),
        rows("documents", documents),
        rows("triples", [evidence]),
    ):
        for data in sink.write(part).files.values():
            read_both(data)
            for quad in pyoxigraph.parse(data, format=pyoxigraph.RdfFormat.TURTLE):
                if isinstance(quad.object, pyoxigraph.Literal):
                    value = quad.object.value
                    assert xml_text(value) == value
                    if quad.predicate.value.endswith("#exact"):
                        assert len(value) == len(text)


def test_one_person_in_a_graph(tmp_path):
    """The same name in three spellings is one entity; the tables of mentions keep the text."""
    docs = [
        Doc(
            id_,
            f"{name} was born in Lon\u00addon.",
            ((name, "PER", 0.9), ("Lon\u00addon", "LOC", 0.9)),
            ((name, "place of birth", "Lon\u00addon", 0.9),),
        )
        for id_, name in (
            ("a", "Ann O'Brien"),
            ("b", "Ann O\u2019Brien"),
            ("c", "Ann\x00 O\u2019\u200bBri\u00aden"),
        )
    ]
    docs.append(Doc("d", "\uff38\uff31 (XQ).", (("\uff38\uff31", "LOC", 0.9), ("XQ", "LOC", 0.9))))
    write_folder(tmp_path / "run", docs)
    folder = str(tmp_path / "run")
    run_build(folder, BuildOptions(rdf=RdfOptions(provenance="statement")))
    entities = table_rows(folder, "entities")
    assert sorted((row["name"], row["aliases"]) for row in entities) == [
        ("Ann O\u2019Brien", ["Ann O'Brien"]),
        ("London", []),
        ("XQ", ["\uff38\uff31"]),
    ]
    texts = {doc.id: doc.text for doc in docs}
    for row in table_rows(folder, "mentions"):
        assert texts[row["document_id"]][row["begin"] : row["end"]] == row["text"]
    (fact,) = table_rows(folder, "relations")
    assert fact["document_count"] == 3
    for path in sorted((tmp_path / "run").rglob("*.ttl")):
        text = path.read_text(encoding="utf-8")
        assert xml_text(text) == text
