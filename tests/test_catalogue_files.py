"""`pfn-kg catalogue`: what becomes of each kind of source."""

import bz2
import gzip
import json
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.catalogues import entry, write_catalogue
from helpers.examples import examples
from pfn_kg.pipeline.cli import main
from pfn_kg.schemas.rules import NameRules
from pfn_kg.transforms.linking import catalogue_file
from pfn_kg.transforms.linking.candidates import match
from pfn_kg.transforms.linking.catalogue_file import (
    CATALOGUE_SCHEMA,
    MOST_ENTRIES,
    hash_of,
    open_catalogue,
)
from pfn_kg.transforms.linking.occurrences import keys_of, lookups_of
from pfn_kg.transforms.names.entity_keys import EntityKeys

WIKIDATA = "http://www.wikidata.org/entity/"


def claim(property_, *ids, rank="normal"):
    return [
        {
            "rank": rank,
            "mainsnak": {
                "property": property_,
                "datavalue": {"value": {"entity-type": "item", "id": id_}},
            },
        }
        for id_ in ids
    ]


def item(id_, label, *aliases, links=0, language="en", **claims):
    return {
        "type": "item",
        "id": id_,
        "labels": {language: {"language": language, "value": label}} if label else [],
        "aliases": {"en": [{"language": "en", "value": a} for a in aliases]} if aliases else [],
        "sitelinks": {f"wiki{i}": {} for i in range(links)} or [],
        "claims": {p: claim(p, *ids) for p, ids in claims.items()} or [],
    }


DUMP = [
    item("Q30", "United States", "USA", "the U.S.", links=300, P31=["Q6256"]),
    item("Q6256", "country", P279=["Q82794"]),
    item("Q515", "city", P279=["Q486972"]),
    item("Q1", "Springfield", links=9, P31=["Q515"], P17=["Q30"], P131=["Q2"]),
    item("Q2", "Illinois", links=90, P31=["Q82794"], P17=["Q30"]),
    item("Q3", "Springfield", links=3, P31=["Q11424"]),
    item("Q4", "Ada Lovelace", P31=["Q5"]),
    item("Q5x", None, P31=["Q5"]),
    item("Q6", "Google LLC", P31=["Q4830453"]),
    item("Q4830453", "business", P279=["Q43229"]),
    item("Q7", "Bonn", language="de", P31=["Q515"]),
    {"type": "property", "id": "P31", "labels": {}},
]


def rows(path):
    return pq.read_table(path).to_pylist()


def named(path):
    """What a catalogue says of each IRI: its type, its keys."""
    found = {}
    for row in rows(path):
        found.setdefault(row["iri"], (row["type"], set()))[1].add(row["key"])
    return found


@pytest.mark.parametrize("suffix", ["", ".gz", ".bz2"])
def test_wikidata(tmp_path, capsys, suffix):
    lines = ["[", *(json.dumps(one) + "," for one in DUMP), "]"]
    data = "\n".join(lines).encode()
    opened = {"": lambda x: x, ".gz": gzip.compress, ".bz2": bz2.compress}[suffix](data)
    source, output = tmp_path / f"dump.json{suffix}", tmp_path / "c.parquet"
    source.write_bytes(opened)
    assert main(["catalogue", str(source), "--output", str(output)]) == 0
    found = named(output)
    assert found == {
        WIKIDATA + "Q30": ("LOC", {"united states", "usa", "u.s."}),
        WIKIDATA + "Q1": ("LOC", {"springfield"}),
        WIKIDATA + "Q2": ("LOC", {"illinois"}),
        WIKIDATA + "Q4": ("PER", {"ada lovelace"}),
        WIKIDATA + "Q6": ("ORG", {"google llc", "google"}),
    }
    (city,) = (row for row in rows(output) if row["iri"] == WIKIDATA + "Q1")
    assert city["popularity"] == 9
    # The region tells more than the country, which comes after it.
    assert city["neighbours"] == [hash_of(WIKIDATA + "Q2"), hash_of(WIKIDATA + "Q30")]
    out, err = capsys.readouterr()
    assert out == f"{output}: 8 names; 9 entries of {source} read\n"
    assert "4 names left out, since their entries are of other classes" in err


def test_languages_and_classes(tmp_path):
    source, output = tmp_path / "dump.json", tmp_path / "c.parquet"
    source.write_text("\n".join(map(json.dumps, DUMP)))
    call = ["catalogue", str(source), "--output", str(output), "--languages", "de"]
    assert main([*call, "--classes", "Town=Q515", "Film=Q11424"]) == 0
    assert named(output) == {WIKIDATA + "Q7": ("Town", {"bonn"})}
    call[-1] = "en,de"
    assert main([*call, "--classes", "Film=Q11424", "--type", "Thing"]) == 0
    assert named(output)[WIKIDATA + "Q3"][0] == "Film"
    assert named(output)[WIKIDATA + "Q7"][0] == "Thing"


def test_what_cannot_be_read_is_said(tmp_path, capsys):
    source, output = tmp_path / "dump.json", tmp_path / "c.parquet"
    source.write_text("\n".join([json.dumps(DUMP[0]), "{broken", '{"a": 1}', json.dumps(DUMP[4])]))
    assert main(["catalogue", str(source), "--output", str(output)]) == 1
    err = capsys.readouterr().err
    assert f"pfn-kg: {source}: line 2: not valid JSON" in err
    assert f"pfn-kg: {source}: line 3: no entity of Wikidata: it has no id" in err
    assert (
        main(
            [
                "catalogue",
                str(source),
                "--output",
                str(output),
                "--max-rejected",
                "2",
                "--type",
                "X",
            ]
        )
        == 0
    )


TURTLE = """
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
@prefix schema: <https://schema.org/> .
@prefix ex: <http://example.org/> .
ex:town rdfs:subClassOf ex:place .
ex:oslo a ex:town ; skos:prefLabel "Oslo"@en, "Oslo by"@no ; skos:altLabel "Christiania"@en-GB ;
    ex:in ex:norway .
ex:norway schema:name "Norway" ; rdfs:seeAlso ex:elsewhere .
[] rdfs:label "nothing" .
"""


def test_rdf(tmp_path, capsys):
    source, output = tmp_path / "mine.ttl", tmp_path / "c.parquet"
    source.write_text(TURTLE)
    call = ["catalogue", str(source), "--output", str(output)]
    assert main(call) == 0
    ex = "http://example.org/"
    assert named(output) == {
        ex + "oslo": (None, {"oslo", "christiania"}),
        ex + "norway": (None, {"norway"}),
    }
    (oslo, *_) = (row for row in rows(output) if row["key"] == "christiania")
    assert (oslo["name"], oslo["neighbours"]) == (
        "Oslo", [hash_of(ex + "norway")],
    )  # fmt: skip
    assert main([*call, "--classes", f"LOC={ex}place"]) == 0
    assert named(output) == {ex + "oslo": ("LOC", {"oslo", "christiania"})}
    source.write_text("ex:a ex:b .")
    capsys.readouterr()
    assert main(call) == 2
    assert capsys.readouterr().err.startswith(f"pfn-kg: SOURCE: {source}: ")


def place(id_, name, names, *, kind="P", code="PPL", country="NO", region="", people=0):
    fields = [str(id_), name, name, names, "0", "0", kind, code, country, "", region, "", "", ""]
    return "\t".join([*fields, str(people), "", "", "UTC", "2024-01-01"])


def test_geonames(tmp_path):
    source, output = tmp_path / "allCountries.txt", tmp_path / "c.parquet"
    lines = [
        place(3, "Oslo", "Christiania,Kristiania", region="12", people=580000),
        place(2, "Oslo", "Oslo fylke", kind="A", code="ADM1", region="12"),
        place(1, "Norway", "Norge", kind="A", code="PCLI", people=5000000),
    ]
    source.write_text("\n".join(lines) + "\n")
    assert main(["catalogue", str(source), "--output", str(output)]) == 0
    iri = "https://sws.geonames.org/{}/".format
    found = named(output)
    assert found[iri(3)] == ("LOC", {"oslo", "christiania", "kristiania"})
    assert found[iri(1)] == ("LOC", {"norway", "norge"})
    (oslo,) = (r for r in rows(output) if r["key"] == "christiania")
    assert oslo["popularity"] == 580000
    assert oslo["neighbours"] == [hash_of(iri(2)), hash_of(iri(1))]
    call = ["catalogue", str(source), "--output", str(output), "--classes", "City=P"]
    assert main(call) == 0
    assert set(named(output)) == {iri(3)}


def test_ror(tmp_path):
    source, output = tmp_path / "ror.json", tmp_path / "c.parquet"
    new = {
        "id": "https://ror.org/1",
        "types": ["education"],
        "names": [
            {"value": "Universitetet i Oslo", "lang": "no", "types": ["ror_display", "label"]},
            {"value": "University of Oslo", "lang": "en", "types": ["label"]},
            {"value": "Université d'Oslo", "lang": "fr", "types": ["label"]},
            {"value": "UiO", "lang": None, "types": ["acronym"]},
        ],
        "locations": [{"geonames_id": 3}],
        "relationships": [{"id": "https://ror.org/2", "type": "related"}],
    }
    old = {
        "id": "https://ror.org/2",
        "name": "Oslo Hospital",
        "aliases": ["OUS"],
        "labels": [{"label": "Oslo universitetssykehus", "iso639": "no"}],
        "addresses": [{"geonames_city": {"id": 3}}],
        "relationships": [],
    }
    source.write_text(json.dumps([new, old]))
    assert main(["catalogue", str(source), "--output", str(output)]) == 0
    assert named(output) == {
        "https://ror.org/1": ("ORG", {"universitetet i oslo", "university of oslo", "uio"}),
        "https://ror.org/2": ("ORG", {"oslo hospital", "ous"}),
    }


def test_neo4j(tmp_path, neo4j, monkeypatch, capsys):
    for name, value in neo4j.environment.items():
        monkeypatch.setenv(name, value)
    label = "Catalogue of `towns`"
    quoted = "`Catalogue of ``towns```"
    output = tmp_path / "c.parquet"
    neo4j.query(
        f"CREATE (o:{quoted}:Town {{id: 'o 1', name: 'Oslo', aliases: ['Christiania', '']}}) "
        f"CREATE (n:{quoted}:Land {{id: 'http://example.org/n', name: 'Norway'}}) "
        f"CREATE (:{quoted} {{id: 'x'}}) CREATE (o)-[:IN]->(n)"
    )
    try:
        call = ["catalogue", neo4j.uri, "--output", str(output), "--node-label", label]
        classes = ["--classes", "LOC=Town", "MISC=Land"]
        assert main([*call, *classes]) == 1
        assert ": id or name is missing or no text\n" in capsys.readouterr().err
        assert main([*call, *classes, "--max-rejected", "1"]) == 0
    finally:
        neo4j.query(f"MATCH (n:{quoted}) DETACH DELETE n")
    assert named(output) == {
        "urn:node:o%201": ("LOC", {"oslo", "christiania"}),
        "http://example.org/n": ("MISC", {"norway"}),
    }
    (oslo,) = (row for row in rows(output) if row["key"] == "oslo")
    assert (oslo["popularity"], oslo["neighbours"]) == (1, [hash_of("http://example.org/n")])


def test_a_wrong_call(tmp_path, capsys):
    source, output = tmp_path / "x.dat", tmp_path / "c.parquet"
    source.write_text("hello")
    for arguments, reason in (
        ([str(source)], f"SOURCE: {source}: its format is not known; give --format"),
        ([str(tmp_path / "y.json")], f"SOURCE: {tmp_path}/y.json: No such file or directory"),
        ([str(source), "--format", "neo4j"], f"SOURCE: {source}: no URI of a server"),
        (
            [str(source), "--format", "ror", "--node-label", "X"],
            "--node-label: only where the source is a server",
        ),
        ([str(source), "--classes", "LOC"], "--classes: 'LOC' is not like LOC=Q2221906,Q82794"),
    ):
        assert main(["catalogue", *arguments, "--output", str(output)]) == 2
        assert capsys.readouterr().err == f"pfn-kg: {reason}\n"
    assert not output.exists()
    cut = tmp_path / "cut.json.gz"
    cut.write_bytes(gzip.compress(json.dumps(DUMP[0]).encode() * 1000)[:60])
    assert main(["catalogue", str(cut), "--output", str(output), "--format", "wikidata"]) == 2
    assert not output.exists()


KEYS = EntityKeys({"LOC": "other", "PER": "person"}, NameRules())


def found_by(path, *names):
    """The IRIs that the join gives for each name."""
    catalogue = open_catalogue(str(path))
    ids = {name: hash_of(name).to_bytes(12, "big") for name in names}
    keys = keys_of([(ids[name], "LOC", name) for name in names], KEYS)
    lookups = lookups_of(keys, catalogue)
    tables = [match(lookups.filter(pa.compute.equal(lookups["group"], g)), catalogue.read(g))
              for g in sorted(set(lookups["group"].to_pylist()))]  # fmt: skip
    found = {name: set() for name in names}
    by_id = {id_: name for name, id_ in ids.items()}
    for table in tables:
        for row in table.to_pylist():
            found[by_id[row["entity_id"]]].add(row["iri"])
    return found


@examples(20)
@given(
    given_names=st.lists(
        st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=3), min_size=1, max_size=12
    ),
    group_rows=st.integers(1, 5),
    seed=st.integers(0, 9),
)
def test_a_join_by_blocks_finds_what_is_there(tmp_path_factory, given_names, group_rows, seed):
    folder = tmp_path_factory.mktemp("blocks")
    entries = [entry(f"e{i}", *names, popularity=i) for i, names in enumerate(given_names)]
    mixed = list(entries)
    random.Random(seed).shuffle(mixed)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("pfn_kg.pipeline.catalogue.write_catalogue.GROUP_ROWS", group_rows)
        one = write_catalogue(folder / "one.parquet", *entries)
        other = write_catalogue(folder / "other.parquet", *mixed)
    assert Path(one).read_bytes() == Path(other).read_bytes()
    expected = {
        name: {e.iri for e in entries if name in (e.name, *e.names)} for name in "abcdefghz"
    }
    assert found_by(one, *"abcdefghz") == expected


def test_the_most_popular_of_many_stay(tmp_path, capsys):
    many = [entry(f"e{i}", "John Smith", popularity=i) for i in range(MOST_ENTRIES + 3)]
    path = write_catalogue(tmp_path / "c.parquet", *many)
    assert sorted(row["popularity"] for row in rows(path)) == list(range(3, MOST_ENTRIES + 3))
    assert pq.read_schema(path).equals(CATALOGUE_SCHEMA)
    assert open_catalogue(path).types == ("LOC",)


def test_an_older_or_newer_version_is_refused(tmp_path, monkeypatch):
    path = write_catalogue(tmp_path / "c.parquet", entry("a", "A"))
    monkeypatch.setattr(catalogue_file, "VERSION", 9)
    with pytest.raises(Exception, match="a catalogue of version 1, and 9 is read"):
        open_catalogue(path)
