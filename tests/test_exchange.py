"""Exports of nodes and edges: other programs read what the tables hold, whatever the names."""

import csv
import gzip
import xml.etree.ElementTree as ET

import networkx as nx
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.extraction_folders import DOCS, Doc, write_folder
from pfn_kg.pipeline.build_phase import BuildOptions, run_build
from pfn_kg.pipeline.cli import main
from pfn_kg.pipeline.graph import Graph
from pfn_kg.schemas.characters import xml_text
from pfn_kg.schemas.tables import TABLE_SCHEMAS
from pfn_kg.sinks.exchange.gexf import GexfSink
from pfn_kg.sinks.exchange.graphml import GraphMLSink
from pfn_kg.sinks.exchange.kgtk import KgtkSink
from pfn_kg.sinks.interface import Rows

ODD = '<b>"A & B"</b> | =1+1\u202eevil'
MORE = [
    Doc(
        "o",
        f"{ODD} was born in London on 3 May 1901. In 12 months.",
        ((ODD, "PER", 0.9), ("London", "LOC", 0.9), ("3 May 1901", "TIME", 0.9)),
        ((ODD, "place of birth", "London", 0.9), (ODD, "date of birth", "3 May 1901", 0.9)),
    ),
    Doc(
        "p",
        "=2+3 was born in London. London is the spouse of =2+3. 1850 met London.",
        (("=2+3", "PER", 0.9), ("London", "LOC", 0.9), ("1850", "TIME", 0.9)),
        (
            ("=2+3", "place of birth", "London", 0.8),
            ("=2+3", "spouse", "London", 0.7),
            ("1850", "spouse", "London", 0.7),
        ),
    ),
]


@pytest.fixture(scope="module", params=[3, 200_000], ids=["many files", "one file"])
def folder(request, tmp_path_factory):
    folder = write_folder(tmp_path_factory.mktemp("graph") / "run", [*DOCS, *MORE])
    options = BuildOptions(rdf=None, constraint_policy="keep", shard_rows=request.param)
    run_build(folder, options)
    return folder


def export(folder, to, output, *options):
    call = ["export", folder, "--to", to, "--output", output, *options]
    assert main([str(a) for a in call]) == 0
    return output


def attributes(data, but=()):
    return {name: value for name, value in data.items() if name not in but}


def test_networkx_reads_graphml(folder, tmp_path, capsys):
    out = export(folder, "graphml", tmp_path / "out")
    expected = Graph.open(folder).to_networkx()
    found = nx.read_graphml(out / "graph.graphml", force_multigraph=True)
    nodes, edges = len(expected.nodes), len(expected.edges)
    assert capsys.readouterr().out == f"{out}: {nodes} nodes, {edges} edges\n"
    assert {n: attributes(d, ["aliases"]) for n, d in found.nodes(data=True)} == dict(
        expected.nodes(data=True)
    )
    aliases = {row["entity_id"]: row["aliases"] for row in Graph.open(folder).entities.to_pylist()}
    assert {n: d.get("aliases", "") for n, d in found.nodes(data=True)} == {
        n: " | ".join(of) for n, of in aliases.items()
    }
    assert any(aliases.values())
    assert sorted((s, o, k) for s, o, k in found.edges(keys=True)) == sorted(
        expected.edges(keys=True)
    )
    for subject, object_, key, data in expected.edges(keys=True, data=True):
        got = attributes(found.edges[subject, object_, key], ["id"])
        assert got.pop("confidence") == pytest.approx(data["confidence"], rel=1e-6)
        assert got == attributes(data, ["confidence"])
    # No pieces are left beside the file.
    assert {p.name for p in out.iterdir()} == {"graph.graphml", "manifest.json"}


def test_networkx_reads_gexf(folder, tmp_path):
    out = export(folder, "gexf", tmp_path / "out")
    expected = Graph.open(folder).to_networkx()
    found = nx.read_gexf(out / "graph.gexf")
    nodes = {n: attributes(d, ["aliases"]) for n, d in found.nodes(data=True)}
    assert nodes == {
        n: attributes(d, ["name"]) | {"label": d["name"]} for n, d in expected.nodes(data=True)
    }
    assert found.is_multigraph()
    edges = {d["id"]: (s, o, d) for s, o, d in found.edges(data=True)}
    assert set(edges) == {key for _, _, key in expected.edges(keys=True)}
    for subject, object_, key, data in expected.edges(keys=True, data=True):
        assert edges[key][:2] == (subject, object_)
        got = edges[key][2]
        assert got["label"] == data["predicate"]
        assert got["weight"] == pytest.approx(data["confidence"], rel=1e-6)
        assert got["evidence_count"] == data["evidence_count"]


def rows_of(path, **options):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, **options))


def test_csv_has_the_tables(folder, tmp_path):
    out = export(folder, "csv", tmp_path / "out", "--raw")
    graph = Graph.open(folder)
    entities = graph.entities.to_pylist()
    nodes = rows_of(out / "nodes.csv")
    assert nodes == [
        {name: "" if row[name] is None else str(row[name]) for name in nodes[0]} for row in entities
    ]
    assert rows_of(out / "aliases.csv") == [
        {"entity_id": row["entity_id"], "alias": alias}
        for row in entities
        for alias in row["aliases"]
    ]
    edges = rows_of(out / "edges.csv")
    assert [row["relation_id"] for row in edges] == graph.relations["relation_id"].to_pylist()
    for got, row in zip(edges, graph.relations.to_pylist(), strict=True):
        assert float(got.pop("confidence")) == pytest.approx(row["confidence"], rel=1e-6)
        assert got == {name: str(row[name]) for name in got}


def test_cells_that_a_spreadsheet_would_run(folder, tmp_path):
    names = {
        raw: {row["name"] for row in rows_of(export(folder, "csv", out, *raw) / "nodes.csv")}
        for raw, out in {(): tmp_path / "safe", ("--raw",): tmp_path / "raw"}.items()
    }
    assert "'=2+3" in names[()]
    assert "=2+3" in names[("--raw",)]
    assert {name.removeprefix("'") for name in names[()]} == names[("--raw",)]


def kgtk_value(text):
    assert text.startswith('"')
    assert text.endswith('"')
    plain = {"t": "\t", "n": "\n", "r": "\r"}
    out, rest = [], iter(text[1:-1])
    for c in rest:
        if c == "\\":
            c = next(rest)
            c = plain.get(c, c)
        out.append(c)
    return "".join(out)


def test_kgtk_has_entities_and_literals(folder, tmp_path, capsys):
    out = export(folder, "kgtk", tmp_path / "out")
    graph = Graph.open(folder)
    entities = {row["entity_id"]: row for row in graph.entities.to_pylist()}
    read = {"delimiter": "\t", "quoting": csv.QUOTE_NONE}
    nodes = rows_of(out / "nodes.tsv", **read)
    assert {row["id"]: kgtk_value(row["label"]) for row in nodes} == {
        id_: row["name"] for id_, row in entities.items() if row["kind"] == "entity"
    }
    edges = {row["id"]: row for row in rows_of(out / "edges.tsv", **read)}
    relations = graph.relations.to_pylist()
    kept = [row for row in relations if entities[row["subject_id"]]["kind"] == "entity"]
    assert len(kept) == len(relations) - 1
    assert "left out: 1 with a value as its subject" in capsys.readouterr().out
    assert set(edges) == {row["relation_id"] for row in kept}
    for row in kept:
        edge, object_ = edges[row["relation_id"]], entities[row["object_id"]]
        assert (edge["node1"], edge["label"]) == (row["subject_id"], row["predicate"])
        if object_["kind"] == "entity":
            assert edge["node2"] == row["object_id"]
    literals = {e["node2"] for e in edges.values() if e["label"] == "date of birth"}
    assert literals == {"^1815-01-01T00:00:00Z/9", "^1901-05-03T00:00:00Z/11"}


@pytest.mark.parametrize("to", ["graphml", "gexf", "csv", "kgtk"])
def test_compressed_files_have_the_same_content(folder, tmp_path, to):
    plain, packed = export(folder, to, tmp_path / "a"), export(folder, to, tmp_path / "b", "--gzip")
    files = {p.name: p.read_bytes() for p in plain.iterdir() if p.name != "manifest.json"}
    assert files
    assert {
        p.name.removesuffix(".gz"): gzip.decompress(p.read_bytes())
        for p in packed.iterdir()
        if p.name != "manifest.json"
    } == files


def test_filters_leave_edges_out(folder, tmp_path):
    out = export(folder, "graphml", tmp_path / "out", "--relations", "date of birth")
    found = nx.read_graphml(out / "graph.graphml", force_multigraph=True)
    assert {d["predicate"] for _, _, d in found.edges(data=True)} == {"date of birth"}
    assert len(found) == len(Graph.open(folder).entities)


def test_raw_is_of_csv_alone(folder, tmp_path, capsys):
    call = ["export", folder, "--to", "gexf", "--output", str(tmp_path / "out"), "--raw"]
    assert main(call) == 2
    assert capsys.readouterr().err == "pfn-kg: --raw: only together with --to csv\n"


def entity_rows(names):
    rows = [
        dict.fromkeys(TABLE_SCHEMAS["entities"].names)
        | {"entity_id": f"{i:032x}", "kind": "entity", "name": name, "type": name[:5] or "T"}
        | {"aliases": [name, f"x{name}"], "mentions": 1, "documents": 1}
        for i, name in enumerate(names)
    ]
    return pa.Table.from_pylist(rows, TABLE_SCHEMAS["entities"])


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=4))
def test_any_name_comes_back(names):
    rows = Rows("entities", 0, 1, entity_rows(names))
    graphml = joined_text(GraphMLSink(), rows)
    root = ET.fromstring(graphml)
    found = [
        data.text or ""
        for data in root.iter("{http://graphml.graphdrawing.org/xmlns}data")
        if data.get("key") == "node_name"
    ]
    assert found == [xml_text(name) for name in names]
    root = ET.fromstring(joined_text(GexfSink(), rows))
    nodes = root.iter("{http://www.gexf.net/1.2draft}node")
    assert [node.get("label") for node in nodes] == [xml_text(name) for name in names]
    lines = joined_text(KgtkSink(), rows).split("\n")[1:-1]
    assert [kgtk_value(line.split("\t")[1]) for line in lines] == names
    assert all(line.count("\t") == 7 for line in lines)
    # Of a list of names, each comes back between bars that are not escaped.
    aliases = [line.split("\t")[3].replace("\\\\", "\0").replace("\\|", "\1") for line in lines]
    assert [len(cell.split("|")) for cell in aliases] == [2] * len(names)


def joined_text(sink, rows):
    """The first file of a sink, put together as its driver does it."""
    files = sorted(sink.write(rows).files.items())
    [whole] = list(sink.finish({}).joined.values())[:1]
    data = b""
    for part in whole.parts:
        if isinstance(part, bytes):
            data += part
        else:
            data += b"".join(piece for name, piece in files if name.startswith(part.prefix))
    return data.decode()
