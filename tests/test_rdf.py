"""The graph as RDF: strict, byte-stable, and the same when read back."""

import datetime
import gzip
import json
import re
from decimal import Decimal
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyoxigraph
import pytest
import rdflib
from hypothesis import example, given
from hypothesis import strategies as st
from rdflib import RDF, SKOS, XSD, Namespace

from helpers.examples import examples
from helpers.extraction_folders import DOCS, LABEL_SCHEMA, Doc, write_folder
from helpers.output_folders import files, graph_folder, read_manifest, table_rows
from helpers.rdf_graphs import content, entity, quads, read_both, relation, rows
from pfn_kg.pipeline.build_phase import BuildOptions, run_build
from pfn_kg.pipeline.cli import main
from pfn_kg.pipeline.graph import Graph
from pfn_kg.schemas.build_options import RdfOptions
from pfn_kg.schemas.characters import xml_text
from pfn_kg.schemas.datatypes import datatype_iri
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.sinks.rdf.names import RdfNames
from pfn_kg.sinks.rdf.ntriples import numbers
from pfn_kg.sinks.rdf.sink import RdfSink
from pfn_kg.transforms.values.normalise import normalise_value

KG = Namespace("https://example.org/kg/")
LABEL = rdflib.RDFS.label
GOLDEN = Path(__file__).parent / "data" / "golden"
FORMATS = ("turtle", "ntriples", "trig")
PROVENANCE = ("none", "statement", "rdf12")
HOSTILE = (
    ["\x00", '"', "\\", "'''", '"""', "\r\n", "\u2028", "\x85", "\x7f", "\ufeff"],
    ["\ufffe", "\U0010ffff", "😀\u200d", "\\u0041", "e\u0301", "\u202e", "a\tb", "a ", "\u0060"],
    ["@prefix x: <y> .", "<http://x>", "#", 'end \\"', '"@en .', "\\", "\n<a:a> <b:b> <c:c> ."],
    [".", "..", "a.", "%2E", "%", "", " ", "~-_!$&'()*+,;=/?#@%", "{}|^`"],
)


def hostile(test):
    for names in HOSTILE:
        test = example(names)(test)
    return examples(30)(given(st.lists(st.text(), min_size=1, max_size=6))(test))


def write(part, **options):
    """The files of a part and its counts."""
    written = RdfSink(LABEL_SCHEMA, RdfOptions(**options)).write(part)
    return written.files, written.counts


def only(files):
    (data,) = files.values()
    return data


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("language", [None, "en", "sr-Latn"])
def test_any_name_comes_back(format_, language):
    @hostile
    def check(names):
        found = [
            entity(entity_id=f"{i:024x}", name=name, aliases=names[:i])
            for i, name in enumerate(names)
        ]
        # What XML cannot carry is U+FFFD.
        names = [xml_text(name) for name in names]
        files, counts = write(rows("entities", found), format=format_, language=language)
        ((file, data),) = files.items()
        graph = read_both(data, file.rpartition(".")[2])
        # A type, a label and the aliases, of which hypothesis repeats some: nothing beside them.
        assert counts["rdf_triples"] == sum(2 + i for i in range(len(names)))
        assert len(graph) == sum(2 + len(set(names[:i])) for i in range(len(names)))
        for i, name in enumerate(names):
            node = KG[f"entity/{i:024x}"]
            labels = [*graph.objects(node, LABEL)]
            assert labels == [rdflib.Literal(name, lang=language and language.lower())]
            assert {str(o) for o in graph.objects(node, SKOS.altLabel)} == set(names[:i])

    check()


@pytest.mark.parametrize("table", ["relations", "triples"])
@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("provenance", ["none", "statement", "rdf12"])
def test_entities_are_called_by_iris_of_the_alias_table(table, format_, provenance):
    ends = (
        ("subject_id", "object_id")
        if table == "relations"
        else ("subject_entity_id", "object_entity_id")
    )
    row = relation(
        relation_id="0c",
        triple_id="0d",
        document_id="d",
        evidence_begin=0,
        evidence_end=1,
        evidence_text="x",
        score=0.5,
        relation="spouse",
        predicate="spouse",
        subject_same_as="http://elsewhere/a",
        **dict(zip(ends, ("0a", "0b"), strict=True)),
    )
    known = {field.name for field in rows(table, []).rows.schema}
    part = rows(table, [{name: value for name, value in row.items() if name in known}])
    for alias_iris, subject in (("same-as", KG["entity/0a"]), ("subject", "http://elsewhere/a")):
        files, _ = write(part, format=format_, provenance=provenance, alias_iris=alias_iris)
        found = [
            quad
            for name, data in files.items()
            for quad in pyoxigraph.parse(
                data, format=pyoxigraph.RdfFormat.from_extension(name.rpartition(".")[2])
            )
        ]
        facts = [q for q in found if q.predicate.value == str(KG["relation/spouse"])]
        assert all(q.subject.value == str(subject) for q in facts)
        assert all(q.object.value == str(KG["entity/0b"]) for q in facts)
        assert bool(facts) == ((table == "triples") == (format_ == "trig"))
        said = {str(q.object) for q in found}
        if table == "relations" and provenance != "none":
            assert any(f"<{subject}>" in term for term in said)


@pytest.mark.parametrize("provenance", ["none", "statement"])
def test_any_value_comes_back(provenance):
    @hostile
    def check(values):
        found = [
            relation(
                relation_id=f"{i:024x}",
                subject_id="0a",
                predicate="date of birth",
                object_id="0b",
                object_type="TIME",
                object_value=value,
                object_datatype="xsd:string",
            )
            for i, value in enumerate(values)
        ]
        files, _ = write(rows("relations", found), provenance=provenance)
        graph = read_both(files["relations-00000-of-00001.ttl"])
        values = [xml_text(value) for value in values]
        # What is no date stands apart from the dates.
        node, property_ = KG["entity/0a"], KG["relation/date_of_birth-text"]
        assert {str(o) for o in graph.objects(node, property_)} == set(values)
        assert set(graph.predicates(node)) == {property_}
        if provenance == "statement":
            said = read_both(files["statements-00000-of-00001.ttl"])
            objects = sorted(str(o) for o in said.objects(None, RDF.object))
            assert objects == sorted(values)

    check()


@hostile
def test_any_document_and_quotation_comes_back(texts):
    found = [
        relation(
            triple_id=f"{i:024x}",
            relation_id="0d",
            document_id=text,
            evidence_begin=i,
            evidence_end=i + len(text),
            evidence_text=text,
            subject_entity_id="0a",
            relation="spouse",
            object_entity_id="0b",
            score=0.25,
        )
        for i, text in enumerate(texts)
    ]
    for row in found:
        del row["evidence_count"], row["document_count"], row["confidence"]
    files, _ = write(rows("triples", found), provenance="statement", format="trig")
    evidence = read_both(files["evidence-00000-of-00001.trig"], "trig")
    oa = Namespace("http://www.w3.org/ns/oa#")
    for i, text in enumerate(texts):
        node = KG[f"evidence/{i:024x}"]
        (source,) = evidence.objects(node, oa.hasSource)
        quoted = rdflib.Literal(xml_text(text))
        assert list(evidence.objects(None, oa.exact, unique=False)).count(quoted)
        quote = KG[f"selector/{i:024x}-quote"]
        assert [str(o) for o in evidence.objects(quote, oa.exact)] == [str(quoted)]
        position = KG[f"selector/{i:024x}-position"]
        end = evidence.value(position, oa.end).toPython()
        assert end - evidence.value(position, oa.start).toPython() == len(text)
        # All of it stands in the graph of its document.
        assert set(evidence.graph(source).subjects()) >= {node, quote, position}
    facts = read_both(files["relations-00000-of-00001.trig"], "trig")
    graphs = {g.identifier for g in facts.graphs() if len(g)}
    assert len(graphs) == len(set(texts))
    metadata = [
        {
            "document_id": text,
            "title": text,
            "metadata": json.dumps({text: text, "list": texts, "other": {text: [1]}, "n": None}),
            "source_file": text,
            "source_row": 1,
        }
        for text in dict.fromkeys(texts)
    ]
    files, _ = write(rows("documents", metadata), provenance="statement", language="en")
    graph = read_both(only(files))
    terms = Namespace("http://purl.org/dc/terms/")
    texts = [xml_text(text) for text in texts]
    assert {str(s) for s in graph.subjects()} == {str(g) for g in graphs}
    assert {str(o) for o in graph.objects(None, terms.identifier)} == set(texts)
    assert {o.value for o in graph.objects(None, terms.title)} == set(texts)
    assert {str(o) for o in graph.objects(None, KG["metadata/list"])} == set(texts)


DATES = ("xsd:gYear", "xsd:gYearMonth", "xsd:date")
DECIMAL = r"-?[0-9]+(\.[0-9]+)?"
LEXICAL = {
    **dict.fromkeys(DATES, r"-?[0-9]{4,}(-[0-9]{2}){0,2}"),
    "xsd:decimal": DECIMAL,
    "xsd:duration": r"P(?=.)(\d+Y)?(\d+M)?(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+S)?)?",
    "cdt:ucum": rf"{DECIMAL} [\w%/\[\]]+",
    "term:money": rf"{DECIMAL} ([A-Z]{{3}}|[$£¥])",
    "edtf:EDTF": r"\d{4}~|\d{4}-2[1-4]|(\d{4}(-\d\d){0,2})/(\d{4}(-\d\d){0,2})",
}


@given(st.text() | st.from_regex(r"[0-9]{1,5}([-/ ][0-9]{1,2}){0,2}|-?[0-9,. ]+", fullmatch=True))
@example("0000")
@example("31 February 2004")
@example("10000")
@example("-0")
@example("1.50 million")
@example("9,999,999 centuries")
@example("2004–05")
@example("$3.50")
@example("20 °C")
@example("29 February 45 BC")
@example("12000 BC")
@example("1 BC")
def test_typed_literals_are_of_their_datatype(value):
    for declared in ("xsd:date", "xsd:gYear", "xsd:decimal", "xsd:integer", "xsd:string"):
        lexical, datatype = normalise_value(value, declared)
        iri = datatype_iri(datatype, "https://example.org/kg/term/")
        literal = rdflib.Literal(lexical, datatype=rdflib.URIRef(iri))
        # Python has no dates before the year 1.
        is_ancient = datatype in DATES and (lexical[0] == "-" or lexical[:4] == "0000")
        assert is_ancient or not literal.ill_typed
        # rdflib is lax about some: XML Schema's own words for them, and the calendar's.
        assert re.fullmatch(LEXICAL.get(datatype, ".*"), lexical, re.DOTALL)
        if datatype in DATES:
            sign = -1 if lexical[0] == "-" else 1
            year, *parts = [int(part) for part in lexical.removeprefix("-").split("-")]
            assert datatype == DATES[len(parts)]
            datetime.date(sign * year % 400 + 400, *parts, *[1] * (2 - len(parts)))


def test_years_before_christ_are_read_back_and_compared(tmp_path):
    texts = {"Ann": "44 BC", "Bob": "AD 79", "Cid": "1 BC", "Dan": "12000 BC"}
    docs = [
        Doc(
            name,
            f"{name} was born in {text}",
            ((name, "PER", 0.9), (text, "TIME", 0.9)),
            ((name, "date of birth", text, 0.9),),
        )
        for name, text in texts.items()
    ]
    write_folder(tmp_path / "run", docs)
    folder = str(tmp_path / "run")
    run_build(folder, BuildOptions(rdf=RdfOptions()))
    found = sorted(
        (row["value"], row["datatype"])
        for row in table_rows(folder, "entities")
        if row["kind"] == "value"
    )
    assert found == [(year, "xsd:gYear") for year in ("-0043", "-11999", "0000", "0079")]
    before = Graph.open(folder).sparql(
        "SELECT ?name { ?s relation:date_of_birth ?year ; rdfs:label ?name "
        'FILTER (?year < "0001"^^xsd:gYear) } ORDER BY ?year'
    )
    before = [row["name"].value for row in before]
    assert before == ["Dan", "Ann", "Cid"]
    for path in (tmp_path / "run").rglob("relations-*.ttl"):
        years = read_both(path.read_bytes()).objects(None, KG["relation/date_of_birth"])
        assert sorted(map(str, years)) == [year for year, _ in found]


def test_relations():
    born = relation(subject_id="0b", predicate="date of birth", object_id="0c")
    year = born | {"object_type": "TIME", "object_value": "1815", "object_datatype": "xsd:gYear"}
    place = relation(subject_id="0a", predicate="place of birth", object_id="0b")
    found = [year, place, place | {"subject_kind": "value"}, year]
    files, counts = write(rows("relations", found))
    assert set(read_both(only(files)).triples((None, None, None))) == {
        (
            KG["entity/0b"],
            KG["relation/date_of_birth"],
            rdflib.Literal("1815", datatype=XSD.gYear),
        ),
        (KG["entity/0a"], KG["relation/place_of_birth"], KG["entity/0b"]),
    }
    # A literal can't be a subject; two rows that say the same are one triple.
    assert (counts["rdf_triples"], counts["rdf_skipped_value_subjects"]) == (2, 1)


def test_numbers_are_plain_decimals():
    values = pa.array([0.7, 1e-8, 1.0, 0.999, 2.5e-5, float("nan"), None], pa.float32())
    found = numbers(values, "d").to_pylist()
    assert found == [
        '"0.7"^^<d>',
        '"0.00000001"^^<d>',
        '"1"^^<d>',
        '"0.999"^^<d>',
        '"0.000025"^^<d>',
        None,
        None,
    ]


@given(st.lists(st.floats(0, 1, width=32), min_size=1))
def test_a_number_is_the_shortest_decimal_that_reads_back(values):
    found = numbers(pa.array(values, pa.float32()), "d").to_pylist()
    for value, text in zip(values, found, strict=True):
        lexical = text.removeprefix('"').removesuffix('"^^<d>')
        assert re.fullmatch(DECIMAL, lexical)
        assert np.float32(lexical) == np.float32(value)
        shortest = Decimal(np.format_float_positional(np.float32(value), unique=True))
        assert Decimal(lexical) == shortest


@pytest.mark.parametrize("provenance", PROVENANCE)
def test_golden(tmp_path, provenance):
    folder = Path(write_folder(tmp_path / "run", DOCS))
    run_build(str(folder), BuildOptions(rdf=RdfOptions(provenance=provenance), label_language="en"))
    files = sorted((graph_folder(folder) / "rdf").iterdir())
    found = "\n".join(f"# {file.name}\n{file.read_text(encoding='utf-8')}" for file in files)
    golden = GOLDEN / f"{provenance}.ttl"
    assert found == golden.read_text(encoding="utf-8")
    if provenance == "rdf12":
        return  # rdflib does not read it
    graph = rdflib.Graph()
    for file in files:
        graph += read_both(file.read_bytes())
    # Everything of our own that is used is described.
    described = set(graph.subjects(LABEL))
    own = {
        term
        for triple in graph
        for term in (triple[1], triple[2] if triple[1] == RDF.type else triple[1])
        if str(term).startswith(str(KG))
    }
    assert own
    assert own <= described


def test_the_examples_of_the_docs_are_real():
    page = (Path(__file__).parents[1] / "docs" / "reference" / "rdf.md").read_text(encoding="utf-8")
    real = {
        line for path in GOLDEN.iterdir() for line in path.read_text(encoding="utf-8").splitlines()
    }
    examples = re.findall(r"```turtle\n(.*?)```", page, re.DOTALL)
    assert len(examples) == 5
    assert {line for example_ in examples for line in example_.splitlines()} <= real


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("provenance", PROVENANCE)
def test_exports_hold_what_the_tables_hold(graph_run, tmp_path, format_, provenance):
    out = tmp_path / "out"
    options = ["--to", format_, "--provenance", provenance]
    options += ["--gzip"] if provenance == "rdf12" else []
    assert main(["export", str(graph_run), "--output", str(out), *options]) == 0
    counts = read_manifest(out)["counts"]
    found = quads(out)
    distinct = set(found)
    assert counts["rdf_triples"] == len(distinct)
    assert counts["rdf_subjects"] == len({q.subject for q in distinct})
    tables = {t: table_rows(graph_run, t) for t in ("entities", "relations")}
    tables["triples"] = table_rows(graph_run, "triples")
    entities = [row for row in tables["entities"] if row["kind"] == "entity"]
    labels = [q for q in distinct if q.predicate.value == str(LABEL)]
    assert counts["rdf_entities"] == len(entities) == len(labels)
    values = {row["entity_id"] for row in tables["entities"] if row["kind"] == "value"}
    said = [row for row in tables["relations"] if row["subject_id"] not in values]
    assert counts["rdf_relations"] == len(said)
    assert counts["rdf_skipped_value_subjects"] == len(tables["relations"]) - len(said)
    facts = {q.triple for q in found if "/relation/" in q.predicate.value}
    assert len(facts) == len(said)
    if format_ == "trig":
        pairs = {(row["document_id"], row["relation_id"]) for row in tables["triples"]}
        kept = {row["relation_id"] for row in said}
        in_graphs = {q for q in found if "/relation/" in q.predicate.value}
        assert len(in_graphs) == len({p for p in pairs if p[1] in kept})
        assert all(q.graph_name.value.startswith(f"{KG}document/") for q in in_graphs)
    if provenance == "none":
        return
    statements = {q.subject for q in found if q.predicate.value == f"{KG}term/confidence"}
    assert statements == {pyoxigraph.NamedNode(KG[f"statement/{r['relation_id']}"]) for r in said}
    evidence = {q.subject for q in found if q.predicate.value == f"{KG}term/score"}
    kept = {row["relation_id"] for row in said}
    triples = [row for row in tables["triples"] if row["relation_id"] in kept]
    assert evidence == {pyoxigraph.NamedNode(KG[f"evidence/{row['triple_id']}"]) for row in triples}
    if provenance == "rdf12":
        reified = {q.object for q in found if q.predicate.value == f"{RDF}reifies"}
        assert reified == facts


def test_provenance_leads_from_a_fact_to_its_words(graph_run, tmp_path):
    out = tmp_path / "out"
    options = ["--output", str(out), "--provenance", "statement", "--label-language", "en"]
    assert main(["export", str(graph_run), *options]) == 0
    store = pyoxigraph.Store()
    store.extend(quads(out))
    prefixes = RdfSink(LABEL_SCHEMA).names.prefixes()
    found = store.query(
        """SELECT ?document ?start ?end ?words ?score WHERE {
            ?statement rdf:subject/rdfs:label "ADA LOVELACE"@en ; rdf:predicate
              relation:place_of_birth ; rdf:object/rdfs:label "London"@en ; term:evidence ?e .
            ?e oa:hasSource/dcterms:identifier ?document ; term:score ?score ;
              oa:hasSelector [ oa:start ?start ; oa:end ?end ] , [ oa:exact ?words ]
        }""",
        prefixes=prefixes,
    )
    texts = {doc.id: doc.text for doc in DOCS[:2]}
    rows_ = [[term.value for term in row] for row in found]
    assert {row[0] for row in rows_} == {"a", "b"}
    for document, start, end, words, _ in rows_:
        # In characters, not in bytes or UTF-16 units: an emoji stands before it.
        assert texts[document][int(start) : int(end)] == words


@pytest.mark.parametrize("provenance", ["none", "statement"])
def test_filters_leave_no_half_provenance(graph_run, tmp_path, provenance):
    from pyshacl import validate

    out = tmp_path / "out"
    options = [
        "--provenance",
        provenance,
        "--min-confidence",
        "0.6",
        "--relations",
        "place of birth",
    ]
    assert main(["export", str(graph_run), "--output", str(out), *options]) == 0
    relations = table_rows(graph_run, "relations")
    wanted = [
        row["relation_id"]
        for row in relations
        if row["predicate"] == "place of birth" and row["confidence"] >= 0.6 - 1e-7
    ]
    graph = rdflib.Graph()
    for path in sorted(out.glob("*-of-*")):
        graph += read_both(path.read_bytes())
    assert len(list(graph.triples((None, KG["relation/place_of_birth"], None)))) == len(wanted)
    assert set(graph.subjects(RDF.type, RDF.Statement)) == (
        {KG[f"statement/{id_}"] for id_ in wanted} if provenance == "statement" else set()
    )
    shapes = rdflib.Graph().parse(out / "shapes.ttl")
    conforms, _, report = validate(graph, shacl_graph=shapes, allow_warnings=True)
    assert conforms, report


def test_same_bytes_whatever_the_order_of_the_work(graph_run, tmp_path):
    """Workers side by side write the same bytes; the shards of a run hold what one file would."""
    options = ["--to", "trig", "--provenance", "statement", "--gzip", "--output"]
    threads = ["--", "--direct_num_workers=3", "--direct_running_mode=multi_threading"]
    assert main(["export", str(graph_run), *options, str(tmp_path / "one")]) == 0
    assert main(["export", str(graph_run), *options, str(tmp_path / "threads"), *threads]) == 0
    one = files(tmp_path / "one")
    assert len([name for name in one if name.startswith("evidence-")]) > 1
    assert files(tmp_path / "threads") == one
    # The same documents in another order, in chunks and shards of other sizes.
    whole = write_folder(tmp_path / "run", [*DOCS, *MORE], chunk_documents=5, reverse=True)
    run_build(whole, BuildOptions(rdf=None, constraint_policy="keep"))
    assert main(["export", whole, *options, str(tmp_path / "whole")]) == 0
    assert not list((tmp_path / "whole").glob("evidence-*-of-00002*"))
    assert set(quads(tmp_path / "whole")) == set(quads(tmp_path / "one"))


def test_files_are_sorted(graph_run, tmp_path):
    out = tmp_path / "out"
    options = ["--to", "ntriples", "--provenance", "statement"]
    assert main(["export", str(graph_run), "--output", str(out), *options]) == 0
    for name in ("entities", "statements", "documents"):
        for path in out.glob(f"{name}-*"):
            subjects = [line.split(" ")[0] for line in path.read_text().splitlines()]
            assert subjects == sorted(subjects)
    for path in out.glob("relations-*"):
        lines = path.read_text().splitlines()
        assert lines == sorted(set(lines))


def test_relations_under_matching_iris(graph_run, tmp_path):
    out = tmp_path / "out"
    options = ["--relation-iris", "match", "--provenance", "statement"]
    assert main(["export", str(graph_run), "--output", str(out), *options]) == 0
    wdt = Namespace("http://www.wikidata.org/prop/direct/")
    graph = rdflib.Graph()
    for path in sorted(out.glob("*.ttl")):
        graph += read_both(path.read_bytes())
    assert list(graph.triples((None, wdt.P19, None)))
    assert not list(graph.triples((None, KG["relation/place_of_birth"], None)))
    assert set(graph.objects(None, RDF.predicate)) == {
        wdt.P19,
        # It matches nothing, so it has its own.
        KG["relation/date_of_birth"],
        KG["relation/date_of_birth-text"],
        KG["relation/spouse"],
    }
    assert (wdt.P19, LABEL, rdflib.Literal("place of birth")) in graph
    assert (wdt.P19, SKOS.exactMatch, KG["relation/place_of_birth"]) in graph


def test_which_of_the_matching_iris():
    base = {"base_iri": "https://e.org/", "entity_types": [{"name": "A"}]}
    found = {
        "a": ["http://www.wikidata.org/entity/P1", "http://www.wikidata.org/prop/direct/P1"],
        "b": ["http://www.wikidata.org/prop/direct/P1", "https://schema.org/b"],
        "c": ["http://www.wikidata.org/entity/P2"],
        "d": [],
    }
    relations = [{"name": n, "exact_match": m} for n, m in found.items()]
    sink = RdfSink(
        LabelSchema.from_dict(base | {"relations": relations}), RdfOptions(relation_iris="match")
    )
    assert sink.names.properties == {
        "a": "http://www.wikidata.org/prop/direct/P1",
        "b": "http://www.wikidata.org/prop/direct/P1",
        "c": "https://e.org/relation/c",
        "d": "https://e.org/relation/d",
    }
    # Two relations under one property are one triple, and one shape.
    same = [relation(subject_id="0a", predicate=p, object_id="0b") for p in ("a", "b")]
    written = sink.write(rows("relations", same))
    assert (written.counts["rdf_relations"], written.counts["rdf_triples"]) == (2, 1)
    read_both(sink.finish(written.counts).files["shapes.ttl"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"base_iri": "https://[x/"}, "base_iri: https://[x/entity/0 is no IRI"),
        (
            {"relations": [{"name": "r", "iri": "https://x/%zz"}]},
            "the IRI of r: https://x/%zz is no IRI",
        ),
        (
            {"relations": [{"name": "r", "exact_match": ["https://x:port/"]}]},
            "exact_match of r: https://x:port/ is no IRI",
        ),
    ],
)
def test_iris_that_are_none_are_refused_before_any_work(change, message):
    schema = LabelSchema.from_dict({"entity_types": [], "relations": []} | change)
    with pytest.raises(ConfigurationError) as error:
        RdfSink(schema)
    assert message in str(error.value)


def test_a_language_that_is_none_is_refused():
    with pytest.raises(ConfigurationError, match="label_language: 'zh_Hans' is no language tag"):
        RdfSink(LABEL_SCHEMA, RdfOptions(language="zh_Hans"))


def test_a_property_and_that_of_its_texts_are_two():
    relations = [{"name": "a"}, {"name": "b", "iri": "https://pfn-kg.example/relation/a-text"}]
    with pytest.raises(ConfigurationError, match=r"relations\.0 \(a\): .*a-text.* is the prop"):
        LabelSchema.from_dict({"entity_types": [], "relations": relations})


def test_gzip_has_no_time_in_it(graph_run, tmp_path):
    assert main(["export", str(graph_run), "--output", str(tmp_path / "o"), "--gzip"]) == 0
    (path,) = (tmp_path / "o").glob("entities-00000-*.ttl.gz")
    assert path.read_bytes()[4:8] == b"\0\0\0\0"
    assert gzip.decompress(path.read_bytes()) == content(path)[0]


MORE = [
    Doc(
        f"m{i}/ü é?",
        f"Person {i} was born in London in 1{i:03d}. And London on Person {i}.",
        (
            (f"Person {i}", "PER", 0.9),
            ("London", "LOC", 0.9),
            (f"1{i:03d}", "TIME", 0.9),
            ("And", "TIME", 0.8),
        ),
        (
            (f"Person {i}", "place of birth", "London", 0.5 + 0.01 * i),
            (f"Person {i}", "date of birth", f"1{i:03d}", 0.9),
            (f"Person {i}", "date of birth", "And", 0.8),
            (f"1{i:03d}", "spouse", f"Person {i}", 0.6),
            ("London", "spouse", f"Person {i}", 0.6),
        ),
        metadata=json.dumps({"url": f"https://x/{i}", "year": 2000 + i, "tags": ["a", "b"]}),
    )
    for i in range(12)
]


@pytest.fixture(scope="module")
def graph_run(tmp_path_factory):
    """A finished graph with several files a table, values as subjects, and texts for dates."""
    folder = Path(write_folder(tmp_path_factory.mktemp("graph") / "run", [*DOCS, *MORE]))
    run_build(str(folder), BuildOptions(shard_rows=8, rdf=None, constraint_policy="keep"))
    return folder


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
@example("a/b")
@example("../x?y#z")
def test_the_iri_of_a_document_is_one_segment(document_id):
    """Whatever an id holds, its IRI is one step below the documents', and leads back to the id."""
    iri = RdfNames(LABEL_SCHEMA).document_iri(document_id)
    local = iri.removeprefix("https://example.org/kg/document/")
    assert re.fullmatch(r"[A-Za-z0-9._~-]*(%[0-9A-F]{2}[A-Za-z0-9._~-]*)*", local)
    assert unquote(local) == document_id
    # A full stop at the end would be read as that of the sentence.
    assert not local.endswith(".")
