"""Entities across documents: alias tables, near names, and where ids went."""

import shutil
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rdflib
from hypothesis import given
from hypothesis import strategies as st

from helpers.beam_runners import prism_options
from helpers.examples import examples
from helpers.extraction_folders import Doc, write_folder
from helpers.output_folders import files, graph_folder, read_manifest, table_rows
from pfn_kg.pipeline.build_phase import BuildOptions, run_build
from pfn_kg.pipeline.cli import main
from pfn_kg.pipeline.snapshots import ALIASES_FILE
from pfn_kg.schemas.build_options import RdfOptions
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.rules import NearNameOptions
from pfn_kg.transforms.names.canonical_names import canonical_entity

FUZZY = NearNameOptions(similarity=0.9)


def doc(id_, *names, triples=()):
    """A document that is a list of names, each with its type."""
    text = ". ".join(name for name, _ in names) + "."
    seen = Counter()
    mentions = []
    for name, type_ in names:
        mentions.append((name, type_, 0.9, seen[name]))
        seen[name] += 1
    return Doc(id_, text, tuple(mentions), tuple(triples))


DOCS = [
    doc(
        "a",
        ("Microsoft Corporation", "PER"),
        ("Seattle", "LOC"),
        triples=(("Microsoft Corporation", "place of birth", "Seattle", 0.8),),
    ),
    doc(
        "b",
        ("Micro-Soft", "PER"),
        ("Emerald City", "LOC"),
        triples=(("Micro-Soft", "place of birth", "Emerald City", 0.7),),
    ),
    doc("c", ("Microsoft Corporaton", "PER"), ("Oslo", "LOC"), ("Emerald City", "PER")),
    doc("d", ("Charlotte Brontë", "PER"), ("Charlotte Bronté", "PER"), ("1815", "TIME")),
    doc("e", ("Charlotte Brontë", "PER"), ("Louis XIV", "PER"), ("Louis XVI", "PER")),
]
ALIASES = """alias,type,canonical_name,iri
Micro-Soft,PER,Microsoft Corporation,http://www.wikidata.org/entity/Q2283
Emerald City,LOC,Seattle,
SEATTLE,LOC,Seattle,http://www.wikidata.org/entity/Q5083
Nobody,,Odysseus,
"""


def id_of(name, type_):
    return canonical_entity(name, type_, kind="entity", datatype=None).id.hex()


def entities(folder):
    return {(e["type"], e["name"]): e for e in table_rows(folder, "entities")}


def redirects(folder):
    return {r["old_id"]: r["entity_id"] for r in table_rows(folder, "redirects")}


def without_redirects(folder):
    return files(folder, but=("extractions", "lists", "redirects"))


def check_sound(folder):
    """What holds in every graph."""
    ids = {e["entity_id"] for e in table_rows(folder, "entities")}
    mentions = Counter(m["entity_id"] for m in table_rows(folder, "mentions"))
    assert dict(mentions) == {e["entity_id"]: e["mentions"] for e in table_rows(folder, "entities")}
    for relation in table_rows(folder, "relations"):
        assert {relation["subject_id"], relation["object_id"]} <= ids
    found = table_rows(folder, "redirects")
    assert len({r["old_id"] for r in found}) == len(found)
    for row in found:
        assert row["old_id"] not in ids
        assert row["entity_id"] in ids


@pytest.fixture
def aliases(tmp_path):
    path = tmp_path / "aliases.csv"
    path.write_text(ALIASES, encoding="utf-8")
    return str(path)


def test_alias_table(tmp_path, aliases):
    folder = write_folder(tmp_path / "run", DOCS)
    counts = run_build(folder, BuildOptions(aliases=aliases))
    check_sound(folder)
    found = entities(folder)
    microsoft = found["PER", "Microsoft Corporation"]
    assert microsoft["entity_id"] == id_of("microsoft corporation", "PER")
    assert microsoft["aliases"] == ["Micro-Soft"]
    assert microsoft["same_as"] == "http://www.wikidata.org/entity/Q2283"
    assert (microsoft["mentions"], microsoft["documents"]) == (2, 2)
    # The IRI of one row is that of the entity; another type is another entity.
    assert found["LOC", "Seattle"]["same_as"] == "http://www.wikidata.org/entity/Q5083"
    assert found["PER", "Emerald City"]["same_as"] is None
    # Two documents say one fact, each in its own words.
    (relation,) = table_rows(folder, "relations")
    assert (relation["document_count"], relation["evidence_count"]) == (2, 2)
    assert redirects(folder) == {
        id_of("Micro-Soft", "PER"): microsoft["entity_id"],
        id_of("Emerald City", "LOC"): found["LOC", "Seattle"]["entity_id"],
    }
    assert (counts["merged.aliases"], counts["redirects"]) == (2, 2)


def test_name_of_the_table_that_no_text_has(tmp_path):
    path = tmp_path / "aliases.parquet"
    pq.write_table(pa.table({"alias": ["Oslo"], "canonical_name": ["Christiania"]}), path)
    folder = write_folder(tmp_path / "run", DOCS)
    run_build(folder, BuildOptions(aliases=str(path)))
    check_sound(folder)
    found = entities(folder)["LOC", "Christiania"]
    assert found["entity_id"] == id_of("Christiania", "LOC")
    assert found["aliases"] == ["Oslo"]


def test_fuzzy(tmp_path):
    folder = write_folder(tmp_path / "run", DOCS)
    counts = run_build(folder, BuildOptions(fuzzy=FUZZY))
    check_sound(folder)
    names = set(entities(folder))
    assert ("PER", "Charlotte Brontë") in names
    assert ("PER", "Charlotte Bronté") not in names
    assert {("PER", "Louis XIV"), ("PER", "Louis XVI"), ("PER", "Emerald City")} <= names
    brontë = entities(folder)["PER", "Charlotte Brontë"]
    assert brontë["aliases"] == ["Charlotte Bronté"]
    assert redirects(folder)[id_of("Charlotte Bronté", "PER")] == brontë["entity_id"]
    assert counts["merged.fuzzy"] == counts["redirects"] == 2


def test_fuzzy_joins_a_name_to_what_the_table_calls_it(tmp_path, aliases):
    folder = write_folder(tmp_path / "run", DOCS)
    run_build(folder, BuildOptions(aliases=aliases, fuzzy=FUZZY))
    check_sound(folder)
    microsoft = entities(folder)["PER", "Microsoft Corporation"]
    assert microsoft["mentions"] == 3
    assert set(microsoft["aliases"]) == {"Micro-Soft", "Microsoft Corporaton"}


def test_without_the_options_the_graph_is_the_former_one(tmp_path, aliases):
    folder = write_folder(tmp_path / "run", DOCS)
    run_build(folder)
    before = without_redirects(folder)
    run_build(folder, BuildOptions(aliases=aliases, fuzzy=FUZZY))
    assert without_redirects(folder) != before
    moved = redirects(folder)
    assert (graph_folder(folder) / ALIASES_FILE).exists()
    run_build(folder)
    check_sound(folder)
    assert without_redirects(folder) == before
    assert not moved.keys() & redirects(folder).keys()
    # Where the heir had no mention of its own key, its id went as well.
    (tmp_path / "c.csv").write_text("alias,canonical_name\nOslo,Christiania\n")
    run_build(folder, BuildOptions(aliases=str(tmp_path / "c.csv")))
    run_build(folder)
    assert redirects(folder)[id_of("Christiania", "LOC")] == id_of("Oslo", "LOC")
    # And what led there leads on: no chain, whatever came between.
    (tmp_path / "d.csv").write_text("alias,canonical_name\nOslo,Kristiania\n")
    run_build(folder, BuildOptions(aliases=str(tmp_path / "d.csv")))
    check_sound(folder)
    now = id_of("Kristiania", "LOC")
    assert redirects(folder)[id_of("Christiania", "LOC")] == now
    assert redirects(folder)[id_of("Oslo", "LOC")] == now


@pytest.mark.parametrize("shard_rows", [2, 1000])
def test_same_bytes_whatever_the_chunks_order_and_workers(tmp_path, aliases, shard_rows):
    options = BuildOptions(aliases=aliases, fuzzy=FUZZY, shard_rows=shard_rows, rdf=None)
    folder = write_folder(tmp_path / "one", DOCS)
    run_build(folder, options)
    expected = without_redirects(folder), table_rows(folder, "redirects")
    run_build(folder, options)
    assert (without_redirects(folder), table_rows(folder, "redirects")) == expected
    run_build(folder, options, ["--direct_num_workers=2", "--direct_running_mode=multi_threading"])
    assert (without_redirects(folder), table_rows(folder, "redirects")) == expected
    other = write_folder(tmp_path / "ones", DOCS, chunk_documents=1, reverse=True)
    run_build(other, options)
    assert (without_redirects(other), table_rows(other, "redirects")) == expected


def test_prism(tmp_path, aliases, monkeypatch):
    prism_runner = prism_options()
    if not prism_runner:
        pytest.skip("PFN_KG_PRISM names no Prism binary")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    options = BuildOptions(aliases=aliases, fuzzy=FUZZY, shard_rows=2)
    local, prism = write_folder(tmp_path / "local", DOCS), str(tmp_path / "prism")
    run_build(local, options.changed(aliases=None))
    # Redirects go back to the build before.
    shutil.copytree(local, prism, symlinks=True)
    run_build(local, options)
    run_build(prism, options, prism_runner)
    assert without_redirects(prism) == without_redirects(local)
    assert table_rows(prism, "redirects") == table_rows(local, "redirects") != []


NAMES = st.sampled_from(
    [
        ("Ada Lovelace", "PER"),
        ("Ada Lovelacee", "PER"),
        ("Ada Lovelaces", "PER"),
        ("Ada King", "PER"),
        ("Ada Lovelace", "LOC"),
        ("Oslo", "LOC"),
        ("Osloo", "LOC"),
        ("Christiania", "LOC"),
        ("1815", "TIME"),
    ]
)
CORPORA = st.lists(st.lists(NAMES, min_size=1, max_size=4), min_size=1, max_size=4)
TABLES = st.sampled_from(
    [
        None,
        "alias,canonical_name\nOslo,Christiania\n",
        "alias,canonical_name\nChristiania,Oslo\n",
        "alias,type,canonical_name\nAda King,PER,Ada Lovelace\n",
        "alias,type,canonical_name\nAda King,,Augusta Ada King\nAda Lovelace,,Augusta Ada King\n",
    ]
)


@examples(5, shared_fixtures=True)
@given(CORPORA, st.lists(st.tuples(TABLES, st.booleans()), min_size=1, max_size=2))
def test_any_sequence_of_builds(tmp_path_factory, corpus, steps):
    """Redirects lead to entities, never on, and the graph knows nothing of former builds."""
    folder = tmp_path_factory.mktemp("steps")
    docs = [doc(str(number), *names) for number, names in enumerate(corpus)]
    output = write_folder(folder / "run", docs)
    run_build(output, BuildOptions(rdf=None))
    exact = {m["mention_id"]: m["entity_id"] for m in table_rows(output, "mentions")}
    for number, (text, is_fuzzy) in enumerate(steps):
        path = folder / f"{number}.csv"
        path.write_text(text or "")
        options = BuildOptions(
            rdf=None, aliases=text and str(path), fuzzy=FUZZY if is_fuzzy else None
        )
        run_build(output, options)
        check_sound(output)
        # Every key that lost all its mentions is known to lead to where they went.
        found, ids = redirects(output), {e["entity_id"] for e in table_rows(output, "entities")}
        now = {m["mention_id"]: m["entity_id"] for m in table_rows(output, "mentions")}
        for mention, entity in exact.items():
            if entity not in ids:
                assert found[entity] == now[mention]
    fresh = write_folder(folder / "fresh", docs[::-1], chunk_documents=1)
    run_build(fresh, options)
    assert table_rows(fresh, "entities") == table_rows(output, "entities")
    columns = ("mention_id", "entity_id")
    assert [[m[c] for c in columns] for m in table_rows(fresh, "mentions")] == [
        [m[c] for c in columns] for m in table_rows(output, "mentions")
    ]


def test_updates_keep_aliases_and_fuzzy(tmp_path, aliases, tiny_model):
    """Added to and taken from, the graph is that of the live documents."""
    from helpers.corpora import TEXTS, run, write_corpus

    table = tmp_path / "names.csv"
    table.write_text("alias,canonical_name,iri\nAda Lovelace,Augusta Ada King,https://x/ada\n")
    options = ("--aliases", str(table), "--fuzzy", "0.9", "--chunk-documents", "1")
    a = write_corpus(tmp_path / "a.parquet", TEXTS[:3])
    b = write_corpus(tmp_path / "b.parquet", [*TEXTS[3:], "Ada Lovelace was born in London."])
    output, only_b = tmp_path / "out", tmp_path / "b"
    assert run(b, only_b, tiny_model, *options) == 0
    assert run(a, output, tiny_model, *options) == 0
    table.unlink()  # what the graph was built with lies in its folder
    assert main(["run", str(b), "--into", str(output)]) == 0
    assert main(["remove", str(output), "--documents", "a0,a1,a2"]) == 0

    def graph(folder):
        left = ("extractions", "lists", "redirects")
        return {name: data for name, data in files(folder).items() if not name.startswith(left)}

    assert graph(output) == graph(only_b)
    check_sound(output)
    manifest = read_manifest(output)["build"]["options"]
    assert manifest["aliases"]
    assert manifest["fuzzy"] == {"similarity": 0.9, "words": 2}
    assert main(["remove", str(output), "--documents", "a0", "--aliases", "none"]) == 0
    manifest = read_manifest(output)["build"]["options"]
    assert manifest["aliases"] is None
    assert not (graph_folder(output) / ALIASES_FILE).exists()


def test_iris_in_rdf(tmp_path, aliases):
    folder = Path(write_folder(tmp_path / "run", DOCS))

    for alias_iris in ("same-as", "subject"):
        rdf = RdfOptions(provenance="statement", alias_iris=alias_iris)
        run_build(str(folder), BuildOptions(aliases=aliases, rdf=rdf))
        found = rdflib.Graph()
        for file in (graph_folder(folder) / "rdf").glob("*-of-*.ttl"):
            found.parse(file)
        own = rdflib.URIRef(
            f"https://example.org/kg/entity/{id_of('microsoft corporation', 'PER')}"
        )
        other = rdflib.URIRef("http://www.wikidata.org/entity/Q2283")
        subject, same = (own, other) if alias_iris == "same-as" else (other, own)
        assert (subject, rdflib.OWL.sameAs, same) in found
        born = rdflib.URIRef("https://example.org/kg/relation/place_of_birth")
        ((who, where),) = found.subject_objects(born)
        assert who == subject
        assert (where, rdflib.RDFS.label, None) in found
        assert (None, rdflib.RDF.subject, subject) in found
        assert (subject, rdflib.RDFS.label, None) in found
        assert (same, rdflib.RDFS.label, None) not in found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("alias,name\nx,y\n", "column 'name': not one of alias, type, canonical_name, iri"),
        ("alias\nx\n", "has no column 'canonical_name'"),
        ("alias,alias,canonical_name\nx,y,z\n", "column 'alias': is there twice"),
        ("alias,canonical_name\nx,y\n ,z\n", "column 'alias', row 2: is empty"),
        ("alias,canonical_name\nx,\n", "column 'canonical_name', row 1: is empty"),
        ("alias,canonical_name\nx,y,z\n", "Expected 2 columns, got 3"),
        ("alias,type,canonical_name\nx,ORG,y\n", "column 'type', row 1: 'ORG': the label schema"),
        ("alias,type,canonical_name\nx,TIME,y\n", "'TIME': a type of values"),
        ("alias,canonical_name,iri\nx,y,no iri\n", "column 'iri', row 1: 'no iri' is no IRI"),
        ("alias,canonical_name,iri\nx,y,a/b\n", "column 'iri', row 1: 'a/b' is no IRI"),
        (
            "alias,canonical_name\nx,y\nw,z\nX,z\n",
            "column 'canonical_name', rows 1 and 3: X is of 'y' and of 'z'",
        ),
        (
            "alias,canonical_name\nx,Yes\nw,YES\n",
            "column 'canonical_name', rows 1 and 2: 'Yes' and 'YES' differ in spelling",
        ),
        (
            "alias,canonical_name\nx,y\ny,z\n",
            "column 'canonical_name', rows 1 and 2: 'y' is canonical and an alias of 'z'",
        ),
        (
            "alias,type,canonical_name\nx,PER,y\nx,,y\n",
            "column 'type', rows 1 and 2: x has a type in one alone",
        ),
        (
            "alias,canonical_name,iri\nx,y,a:b\nw,y,a:c\n",
            "column 'iri', rows 1 and 2: one entity has two IRIs, a:b and a:c",
        ),
        (
            "alias,canonical_name,iri\nx,y,a:b\nw,z,\nv,z,a:b\n",
            "column 'iri', rows 1 and 3: a:b is of two entities",
        ),
        ("", "Empty CSV file"),
    ],
)
def test_wrong_alias_tables_change_nothing(tmp_path, capsys, text, message):
    folder = write_folder(tmp_path / "run", DOCS)
    path = tmp_path / "aliases.csv"
    path.write_text(text)
    before = (Path(folder) / "manifest.json").read_bytes()
    for command in (["build", folder], ["remove", folder, "--documents", "a"]):
        assert main([*command, "--aliases", str(path)]) == 2
        error = capsys.readouterr().err
        assert f"--aliases: {path}: " in error
        assert message in error
        assert error.count("\n") == 1
        assert (Path(folder) / "manifest.json").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--aliases", "nowhere.csv"], "--aliases: nowhere.csv: "),
        (["--fuzzy", "1.5"], "--fuzzy: 1.5 is not between 0.7 and 1, nor none"),
        (["--fuzzy", "much"], "--fuzzy: 'much' is not a number, nor none"),
        (["--fuzzy-words", "2"], "--fuzzy-words: only together with --fuzzy"),
        (["--fuzzy", "0.9", "--fuzzy-words", "0"], "--fuzzy-words: 0 is not 1 or more"),
    ],
)
def test_wrong_options(tmp_path, capsys, arguments, message):
    folder = write_folder(tmp_path / "run", DOCS)
    assert main(["build", folder, *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_an_alias_table_that_was_changed_is_refused(tmp_path, aliases):
    from pfn_kg.pipeline.commands.build import last_build

    folder = write_folder(tmp_path / "run", DOCS)
    run_build(folder, BuildOptions(aliases=aliases, rdf=None))
    kept = graph_folder(folder) / ALIASES_FILE
    assert last_build(folder).aliases == str(kept)
    pq.write_table(pa.table({"alias": ["x"], "canonical_name": ["y"]}), kept)
    with pytest.raises(ConfigurationError, match="not the alias table of the last build"):
        last_build(folder)
