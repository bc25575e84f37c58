"""Builds that link entities to a catalogue: what becomes one, what stays, and why."""

from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import rdflib
from hypothesis import given
from hypothesis import strategies as st

from helpers.beam_runners import prism_options
from helpers.catalogues import IRI, entry, write_catalogue
from helpers.extraction_folders import Doc, write_folder
from helpers.output_folders import files, graph_folder, read_manifest, table_rows
from pfn_kg.pipeline.build_phase import BuildOptions, run_build
from pfn_kg.pipeline.cli import main
from pfn_kg.schemas.build_options import RdfOptions
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.link_options import LinkOptions
from pfn_kg.schemas.rules import NameRules
from pfn_kg.transforms.linking.candidates import CANDIDATE_SCHEMA, match
from pfn_kg.transforms.linking.catalogue_file import open_catalogue
from pfn_kg.transforms.linking.decisions import decide, decision_row, told_otherwise, told_row
from pfn_kg.transforms.linking.occurrences import OCCURRENCE_SCHEMA, keys_of, lookups_of
from pfn_kg.transforms.linking.votes import votes_of_chunk
from pfn_kg.transforms.names.canonical_names import canonical_entity
from pfn_kg.transforms.names.entity_keys import EntityKeys

ENTRIES = (
    entry("us", "United States of America", "United States", "USA", popularity=400),
    entry("illinois", "Illinois", popularity=90, near=["us"]),
    entry("massachusetts", "Massachusetts", popularity=90, near=["us"]),
    entry("springfield-il", "Springfield", popularity=60, near=["illinois", "us"]),
    entry("springfield-ma", "Springfield", popularity=40, near=["massachusetts", "us"]),
    entry(
        "lincoln",
        "Abraham Lincoln",
        "Honest Abe",
        type="PER",
        popularity=200,
        near=["springfield-il"],
    ),
    entry("seuss", "Dr. Seuss", type="PER", popularity=80, near=["springfield-ma"]),
)


def doc(id_, *names, triples=()):
    """A document that is a list of names, each with its type."""
    seen = Counter()
    mentions = []
    for name, type_ in names:
        mentions.append((name, type_, 0.9, seen[name]))
        seen[name] += 1
    return Doc(id_, ". ".join(name for name, _ in names) + ".", tuple(mentions), tuple(triples))


DOCS = [
    doc("a", ("Abraham Lincoln", "PER"), ("Springfield", "LOC"), ("Illinois", "LOC")),
    doc("b", ("Dr. Seuss", "PER"), ("Springfield", "LOC"), ("Massachusetts", "LOC")),
    doc("c", ("Springfield", "LOC"), ("Illinois", "LOC"), ("United States", "LOC")),
    doc(
        "d",
        ("USA", "LOC"),
        ("Ada Nobody", "PER"),
        triples=(("Ada Nobody", "place of birth", "USA", 0.8),),
    ),
    doc("e", ("United States of America", "LOC"), ("Springfield", "LOC")),
]


@pytest.fixture
def catalogue(tmp_path):
    return write_catalogue(tmp_path / "catalogue.parquet", *ENTRIES)


def options(catalogue, **fields):
    return BuildOptions(catalogue=LinkOptions(path=catalogue), **fields)


def by_iri(folder):
    return {e["same_as"]: e for e in table_rows(folder, "entities") if e["same_as"]}


def links(folder):
    rows = []
    for path in sorted((graph_folder(folder) / "links").iterdir()):
        rows += pq.read_table(path).to_pylist()
    return rows


def places(folder, iri):
    """The documents of an entity's mentions."""
    entity = by_iri(folder)[iri]["entity_id"]
    return sorted(
        m["document_id"] for m in table_rows(folder, "mentions") if m["entity_id"] == entity
    )


def id_of(name, type_):
    return canonical_entity(name, type_, kind="entity", datatype=None).id.hex()


def check_sound(folder):
    """What holds in every graph; the command checks more."""
    entities = {e["entity_id"]: e for e in table_rows(folder, "entities")}
    mentions = Counter(m["entity_id"] for m in table_rows(folder, "mentions"))
    assert dict(mentions) == {id_: e["mentions"] for id_, e in entities.items()}
    types = {(m["entity_id"], m["type"]) for m in table_rows(folder, "mentions")}
    assert types <= {(id_, e["type"]) for id_, e in entities.items()}
    assert main(["verify", folder]) == 0


def test_names_of_one_entry_are_one_node(tmp_path, catalogue):
    folder = write_folder(tmp_path / "run", DOCS)
    counts = run_build(folder, options(catalogue))
    check_sound(folder)
    us = by_iri(folder)[IRI + "us"]
    assert us["name"] == "United States of America"
    assert sorted(us["aliases"]) == ["USA", "United States"]
    assert (us["mentions"], us["documents"]) == (3, 3)
    # The three are known to be one country, which the catalogue makes one of its entries.
    assert {(j["name"], j["rule"]) for j in us["joined_by"]} == {
        ("United States of America", "known_names"),
        ("United States of America", "catalogue"),
        ("United States", "catalogue"),
        ("USA", "known_names"),
    }
    (relation,) = table_rows(folder, "relations")
    assert relation["object_id"] == us["entity_id"]
    # Nobody is in no catalogue.
    assert {e["name"] for e in table_rows(folder, "entities") if not e["same_as"]} == {"Ada Nobody"}
    assert counts["catalogue.names"] == 6
    redirects = {r["old_id"]: r["entity_id"] for r in table_rows(folder, "redirects")}
    assert redirects[id_of("USA", "LOC")] == us["entity_id"]


def test_show_says_why(tmp_path, catalogue, capsys):
    folder = write_folder(tmp_path / "run", DOCS)
    run_build(folder, options(catalogue, rdf=None))
    assert main(["show", folder, "USA"]) == 0
    said = capsys.readouterr().out
    keys = "united states, united states of america"
    assert f"linked by the catalogue: {keys} (LOC) to {IRI}us, 0." in said
    assert main(["show", folder, by_iri(folder)[IRI + "springfield-ma"]["entity_id"]]) == 0
    assert f"springfield (LOC) in b to {IRI}springfield-ma, 0." in capsys.readouterr().out
    assert main(["show", folder, "Ada Nobody"]) == 0
    assert "linked" not in capsys.readouterr().out


def test_a_document_tells_which_of_two_it_means(tmp_path, catalogue):
    folder = write_folder(tmp_path / "run", DOCS)
    counts = run_build(folder, options(catalogue))
    # The document that does not tell follows the others.
    assert places(folder, IRI + "springfield-il") == ["a", "c", "e"]
    assert places(folder, IRI + "springfield-ma") == ["b"]
    assert counts["catalogue.told"] == 1
    told = [row for row in links(folder) if row["document_id"] is not None]
    assert [(r["document_id"], r["iri"], r["reason"]) for r in told] == [
        ("b", IRI + "springfield-ma", "told")
    ]
    (springfield,) = (
        r for r in links(folder) if r["keys"] == ["springfield"] and r["document_id"] is None
    )
    assert (springfield["reason"], springfield["entries"]) == ("linked", 2)
    assert springfield["next_iri"] == IRI + "springfield-ma"
    assert springfield["confidence"] > springfield["next_confidence"]


def test_nothing_fits(tmp_path):
    path = write_catalogue(
        tmp_path / "c.parquet",
        entry("film", "Springfield", type="PER", popularity=10),
        entry("oslo", "Oslo"),
    )
    folder = write_folder(tmp_path / "run", DOCS)
    run_build(folder, options(path))
    check_sound(folder)
    # A place is no person, unless what stands around it says so.
    assert by_iri(folder) == {}
    (row,) = links(folder)
    assert (row["reason"], row["entity_id"], row["iri"]) == ("doubtful", None, IRI + "film")


def test_the_type_of_the_entry_is_that_of_the_entity(tmp_path):
    entries = (
        entry("lovelace", "Ada Lovelace", type="PER", popularity=9, near=["babbage", "byron"]),
        entry("babbage", "Charles Babbage", type="PER", near=["lovelace"]),
        entry("byron", "Lord Byron", type="PER", near=["lovelace"]),
    )
    path = write_catalogue(tmp_path / "c.parquet", *entries)
    docs = [
        doc("a", ("Ada Lovelace", "LOC"), ("Charles Babbage", "PER"), ("Lord Byron", "PER")),
        doc("b", ("Ada Lovelace", "PER"), ("Charles Babbage", "PER"), ("Lord Byron", "PER")),
    ]
    folder = write_folder(tmp_path / "run", docs)
    run_build(folder, BuildOptions(catalogue=LinkOptions(path=path, confidence=0.3)))
    check_sound(folder)
    lovelace = by_iri(folder)[IRI + "lovelace"]
    assert (lovelace["type"], lovelace["mentions"]) == ("PER", 2)


def test_iris_reach_rdf(tmp_path, catalogue):
    folder = write_folder(tmp_path / "run", DOCS)
    for alias_iris in ("same-as", "subject"):
        run_build(folder, options(catalogue, rdf=RdfOptions(alias_iris=alias_iris)))
        graph = rdflib.Graph()
        for path in (graph_folder(folder) / "rdf").glob("entities-*.ttl"):
            graph.parse(path)
        own = rdflib.URIRef(by_iri(folder)[IRI + "us"]["iri"])
        elsewhere = rdflib.URIRef(IRI + "us")
        ends = (own, elsewhere) if alias_iris == "same-as" else (elsewhere, own)
        assert (ends[0], rdflib.OWL.sameAs, ends[1]) in graph


def test_it_is_undone_by_a_build_without(tmp_path, catalogue):
    folder = write_folder(tmp_path / "run", DOCS)
    run_build(folder)
    before = files(folder, but=("extractions", "lists", "redirects"))
    run_build(folder, options(catalogue))
    assert files(folder, but=("extractions", "lists", "redirects")) != before
    run_build(folder)
    assert files(folder, but=("extractions", "lists", "redirects")) == before


def test_the_alias_table_has_the_word(tmp_path, catalogue):
    table = tmp_path / "aliases.csv"
    table.write_text(
        "alias,type,canonical_name,iri\n"
        f"The States,LOC,United States,\nIllinois,LOC,Illinois,{IRI}elsewhere\n"
        f"Massachusetts,LOC,Bay State,{IRI}massachusetts\n"
    )
    docs = [*DOCS, doc("f", ("The States", "LOC"))]
    folder = write_folder(tmp_path / "run", docs)
    run_build(folder, options(catalogue, aliases=str(table)))
    check_sound(folder)
    found = by_iri(folder)
    # Its names are looked up as one, its own name stays, and so does its IRI.
    assert (found[IRI + "us"]["name"], found[IRI + "us"]["mentions"]) == ("United States", 4)
    assert found[IRI + "elsewhere"]["name"] == "Illinois"
    assert found[IRI + "massachusetts"]["name"] == "Bay State"
    assert IRI + "illinois" not in found


def corrected(tmp_path, folder, catalogue, *lines):
    path = tmp_path / "corrections.jsonl"
    path.write_text("".join(line + "\n" for line in lines))
    return run_build(folder, options(catalogue, corrections=str(path)))


def test_corrections_win(tmp_path, catalogue):
    folder = write_folder(tmp_path / "run", DOCS)
    counts = corrected(
        tmp_path,
        folder,
        catalogue,
        '{"kind": "rename", "name": "USA", "type": "LOC", "new_name": "America"}',
        '{"kind": "reject", "subject": "Ada Nobody", "subject_type": "PER",'
        ' "relation": "place of birth", "object": "United States", "object_type": "LOC"}',
    )
    check_sound(folder)
    # The names of one entry are one entity for corrections too.
    assert counts["corrections_applied"] == 2
    america = by_iri(folder)[IRI + "us"]
    assert (america["name"], america["mentions"]) == ("America", 3)
    assert table_rows(folder, "relations") == []


def test_what_is_kept_apart_is_never_one(tmp_path, catalogue):
    abe = doc("f", ("Honest Abe", "PER"), ("Springfield", "LOC"), ("Illinois", "LOC"))
    folder = write_folder(tmp_path / "run", [*DOCS, abe])
    counts = corrected(
        tmp_path,
        folder,
        catalogue,
        '{"kind": "keep_apart", "name": "Honest Abe", "type": "PER",'
        ' "other_name": "Abraham Lincoln", "other_type": "PER"}',
    )
    check_sound(folder)
    assert counts["corrections_applied"] == 1
    assert counts["catalogue.apart"] == 1
    lincoln = by_iri(folder)[IRI + "lincoln"]
    assert (lincoln["name"], lincoln["aliases"]) == ("Abraham Lincoln", [])
    assert id_of("Honest Abe", "PER") in {e["entity_id"] for e in table_rows(folder, "entities")}


def test_the_next_build_uses_it_again(tmp_path, catalogue, capsys, monkeypatch):
    folder = write_folder(tmp_path / "run", DOCS)
    monkeypatch.chdir(tmp_path)
    assert main(["build", folder, "--catalogue", "catalogue.parquet"]) == 0
    assert read_manifest(folder)["build"]["options"]["catalogue"]["path"] == catalogue
    assert main(["remove", folder, "--documents", "b"]) == 0
    assert IRI + "springfield-ma" not in by_iri(folder)
    assert IRI + "springfield-il" in by_iri(folder)
    write_catalogue(tmp_path / "catalogue.parquet", ENTRIES[0])
    capsys.readouterr()
    assert main(["remove", folder, "--documents", "a"]) == 2
    error = capsys.readouterr().err
    assert error == (
        f"pfn-kg: --catalogue: {catalogue} is not the catalogue of the last build any more; "
        "name one\n"
    )


def test_wrong_files(tmp_path, catalogue, capsys):
    folder = write_folder(tmp_path / "run", DOCS)
    other = tmp_path / "other.parquet"
    pq.write_table(pq.read_table(catalogue).replace_schema_metadata(None), other)
    for path, reason in (
        (tmp_path / "none.parquet", "No such file or directory"),
        (other, "no catalogue; make one by `pfn-kg catalogue`"),
    ):
        assert main(["build", folder, "--catalogue", str(path)]) == 2
        assert capsys.readouterr().err == f"pfn-kg: --catalogue: {path}: {reason}\n"
    strange = write_catalogue(tmp_path / "s.parquet", entry("x", "X", type="ship"), types=["ship"])
    with pytest.raises(ConfigurationError, match="no entity type 'ship'"):
        run_build(folder, options(strange))


NAMES = ["Springfield", "Illinois", "Massachusetts", "USA", "United States", "Oslo"]
KEYS = EntityKeys({"LOC": "other"}, NameRules())


def decided(catalogue, chunks, rng):
    """What is decided where documents are divided into chunks, and rows come in any order."""
    all_votes, all_told = [], []
    for number, docs in enumerate(chunks):
        ids = {(id_, KEYS.id(name, "LOC")) for id_, names in docs for name in names}
        named = [(KEYS.id(name, "LOC"), "LOC", name) for _, names in docs for name in names]
        lookups = lookups_of(keys_of(named, KEYS), catalogue)
        groups = sorted(set(lookups["group"].to_pylist()))
        candidates = pa.concat_tables(
            [
                CANDIDATE_SCHEMA.empty_table(),
                *(
                    match(lookups.filter(pc.equal(lookups["group"], g)), catalogue.read(g))
                    for g in groups
                ),
            ]
        )
        documents = pa.Table.from_pylist(
            [{"document_id": d, "entity_id": i} for d, i in ids], OCCURRENCE_SCHEMA
        )
        mixed = (
            t.take(pa.array(rng.sample(range(len(t)), len(t)), pa.int64()))
            for t in (candidates, documents)
        )
        votes, told = votes_of_chunk(number, *mixed, 0.5)
        all_votes.append(votes)
        all_told += told.to_pylist()
    rng.shuffle(all_votes)
    rng.shuffle(all_told)
    decisions = decide(pa.concat_tables(all_votes), 0.5)
    rows = [decision_row(one) for one in decisions]
    for one in decisions:
        told = [
            (t["chunk"], t["document_id"], t["iri"], t["confidence"])
            for t in all_told
            if t["entity_id"] == one.named.id
        ]
        rows += [told_row(one, t) for t in told_otherwise(one, told)]
    return sorted(rows, key=lambda row: (row["old_id"], row["document_id"] or ""))


@given(
    names=st.lists(
        st.lists(st.sampled_from(NAMES), min_size=1, max_size=4), min_size=1, max_size=8
    ),
    cuts=st.sets(st.integers(1, 7)),
    rng=st.randoms(use_true_random=False),
)
def test_the_order_of_anything_changes_nothing(catalogue_of_all, names, cuts, rng):
    docs = [(f"d{i}", of) for i, of in enumerate(names)]
    chunks, begin = [], 0
    for cut in [*sorted(c for c in cuts if c < len(docs)), len(docs)]:
        chunks.append(docs[begin:cut])
        begin = cut
    rng.shuffle(chunks)
    one = decided(catalogue_of_all, [docs], rng)
    assert one == decided(catalogue_of_all, chunks, rng)
    # A name that is in the catalogue has one row for all documents.
    known = {KEYS.id(name, "LOC").hex() for of in names for name in of} - {
        KEYS.id("Oslo", "LOC").hex()
    }
    assert {row["old_id"] for row in one} == known
    assert len([row for row in one if row["document_id"] is None]) == len(known)


@pytest.fixture(scope="module")
def catalogue_of_all(tmp_path_factory):
    path = tmp_path_factory.mktemp("all") / "catalogue.parquet"
    return open_catalogue(write_catalogue(path, *ENTRIES))


def test_chunks_and_files_change_nothing(tmp_path, catalogue):
    found = []
    for number, (size, reverse, rows) in enumerate(((2, False, 100), (1, True, 2))):
        folder = write_folder(
            tmp_path / f"run{number}", DOCS, chunk_documents=size, reverse=reverse
        )
        run_build(folder, options(catalogue, rdf=None, shard_rows=rows))
        tables = ("entities", "mentions", "redirects")
        found.append(({name: table_rows(folder, name) for name in tables}, links(folder)))
    assert found[0] == found[1]


def test_a_graph_without_documents(tmp_path, catalogue):
    folder = write_folder(tmp_path / "run", [])
    run_build(folder, options(catalogue, rdf=None))
    assert links(folder) == []


def test_prism_makes_the_same_graph(tmp_path, catalogue):
    if (arguments := prism_options()) is None:
        pytest.skip("set PFN_KG_PRISM to Beam's Prism binary")
    graphs = []
    for number, given_ in enumerate(([], arguments)):
        folder = write_folder(tmp_path / f"run{number}", DOCS)
        run_build(folder, options(catalogue, shard_rows=4), given_)
        graphs.append(files(folder, but=("extractions", "lists")))
    assert graphs[0] == graphs[1]
