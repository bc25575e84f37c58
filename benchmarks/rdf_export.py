"""RDF triples per second of `pfn-kg export`, of the sink alone, and of rdflib on the same rows.

The graph is made up: names of several lengths, a tenth of them not ASCII, aliases, values,
and relations with skewed ends and one to five pieces of evidence. End to end is all of
`export`: a Beam pipeline that reads the tables, joins, writes and places the files. Run from
the checkout: `python -m benchmarks.rdf_export --entities 150000 --relations 300000`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import rdflib

from pfn_kg.pipeline.export import export
from pfn_kg.pipeline.finished_run import FinishedRun, read_finished
from pfn_kg.pipeline.write_graph import run_sink
from pfn_kg.schemas.build_options import RdfOptions
from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.schemas.tables import SORTED_BY, TABLE_SCHEMAS
from pfn_kg.sinks.interface import Rows, Sink, Written
from pfn_kg.sinks.rdf.sink import RdfSink
from pfn_kg.transforms.plumbing.ids import content_id, shard_of_hex
from pfn_kg.transforms.plumbing.shards import decode, encode
from pfn_kg.transforms.tables.parts import part_name

SHARD_ROWS = 100_000
RELATIONS = [f"relation {i}" for i in range(40)]
LABEL_SCHEMA = LabelSchema.from_dict(
    {
        "entity_types": [
            {"name": "PER"},
            {"name": "LOC"},
            {"name": "TIME", "kind": "value", "datatype": "xsd:date"},
        ],
        "relations": [{"name": name} for name in RELATIONS],
    }
)
WORDS = ["Kowalski", "São", "Zürich", "River", "O'Brien", "Société", "University", "of", "Ltd."]


def make_run(folder: Path, entities: int, relations: int, seed: int = 0) -> FinishedRun:
    """Writes the tables of a finished graph."""
    rng = np.random.default_rng(seed)
    ids = [content_id("entity", str(number)).hex() for number in range(entities)]
    is_value = rng.random(entities) < 0.15
    rows = []
    for number, id_ in enumerate(ids):
        words = [WORDS[i] for i in rng.integers(len(WORDS), size=2)]
        name = str(1000 + number % 1000) if is_value[number] else f"{' '.join(words)} {number}"
        row = {
            "entity_id": id_,
            "kind": "value" if is_value[number] else "entity",
            "name": name,
            "type": "TIME" if is_value[number] else ("PER", "LOC")[number % 2],
            "aliases": [] if is_value[number] else [f"{name} {i}" for i in range(number % 3)],
            "mentions": int(rng.zipf(1.5) % 1000),
            "documents": 1,
        }
        if is_value[number]:
            row |= {"value": name, "datatype": "xsd:gYear"}
        rows.append(row)
    _write_table(folder, "entities", rows)
    things = np.flatnonzero(~is_value)
    subjects = things[rng.zipf(1.2, relations) % len(things)]
    objects = rng.integers(entities, size=relations)
    said: dict[str, dict] = {}
    for subject, object_, predicate in zip(
        subjects.tolist(),
        objects.tolist(),
        rng.integers(len(RELATIONS), size=relations).tolist(),
        strict=True,
    ):
        ends = (ids[subject], RELATIONS[predicate], ids[object_])
        id_ = content_id("relation", *ends).hex()
        said[id_] = {
            "relation_id": id_,
            "subject_id": ends[0],
            "predicate": ends[1],
            "object_id": ends[2],
            "confidence": float(rng.random()),
            "evidence_count": int(1 + rng.zipf(2.5) % 5),
            "evidence": [],
        }
    triples = []
    for row in said.values():
        documents = set()
        for which in range(row["evidence_count"]):
            document = f"document-{rng.integers(relations // 10)}"
            documents.add(document)
            begin = int(rng.integers(5000))
            text = f'In {1900 + which} {row["subject_id"][:9]} was said to be "near" {document}.'
            triples.append(
                {
                    "triple_id": content_id("triple", row["relation_id"], str(which)).hex(),
                    "document_id": document,
                    "evidence_begin": begin,
                    "evidence_end": begin + len(text),
                    "evidence_text": text,
                    "relation": row["predicate"],
                    "score": row["confidence"],
                    "subject_entity_id": row["subject_id"],
                    "object_entity_id": row["object_id"],
                    "object_type": None,
                    "relation_id": row["relation_id"],
                }
            )
        row["document_count"] = len(documents)
    _write_table(folder, "relations", list(said.values()))
    _write_table(folder, "triples", triples)
    documents = [
        {
            "document_id": f"document-{i}",
            "title": f"Title {i}",
            "metadata": json.dumps({"url": f"https://example.org/{i}"}),
            "source_file": "made-up.parquet",
            "source_row": i,
        }
        for i in range(relations // 10)
    ]
    _write_table(folder, "documents", documents)
    (folder / "graph_schema.yaml").write_text(LABEL_SCHEMA.to_yaml())
    manifest = {"state": "done", "run_id": "made-up", "build": {}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return read_finished(str(folder))


def _write_table(folder: Path, table: str, rows: list[dict]) -> None:
    schema, (key, *_) = TABLE_SCHEMAS[table], SORTED_BY[table]
    data = pa.Table.from_pylist([dict.fromkeys(schema.names) | row for row in rows], schema)
    data = data.sort_by(key)
    shards = -(-len(data) // SHARD_ROWS)
    # Only ids say where a row lies.
    shard = shard_of_hex(data[key], shards) if key != "document_id" else np.zeros(len(data))
    shards = shards if key != "document_id" else 1
    (folder / table).mkdir(parents=True)
    for number in range(shards):
        part = data.filter(pa.array(shard == number))
        pq.write_table(part, folder / table / part_name(number, shards), compression="zstd")


class Recorder(Sink):
    """Keeps the rows that a sink is handed."""

    name = "recorder"

    def __init__(self, stages: tuple[tuple[str, ...], ...]):
        self.stages = stages

    def write(self, part: Rows) -> Written:
        """The rows as Arrow IPC."""
        return Written({f"{part.table}.{part.number}.{part.of}.arrow": encode(part.rows)})


def recorded(run: FinishedRun, sink: Sink, folder: Path) -> list[Rows]:
    """What the driver hands to a sink."""
    run_sink(run, Recorder(sink.stages), str(folder))
    found = []
    for path in sorted(folder.glob("*.arrow")):
        table, number, of, _ = path.name.split(".")
        found.append(Rows(table, int(number), int(of), decode(path.read_bytes()).combine_chunks()))
    return found


def with_rdflib(parts: list[Rows]) -> int:
    """Writes the same triples as Turtle by rdflib, the way its documentation shows."""
    base, triples = LABEL_SCHEMA.base_iri, 0
    entity = rdflib.Namespace(f"{base}entity/")
    for part in parts:
        graph = rdflib.Graph()
        for row in part.rows.to_pylist():
            if part.table == "entities" and row["kind"] == "entity":
                node = entity[row["entity_id"]]
                class_ = rdflib.URIRef(LABEL_SCHEMA.type_iri(row["type"]))
                graph.add((node, rdflib.RDF.type, class_))
                graph.add((node, rdflib.RDFS.label, rdflib.Literal(row["name"], lang="en")))
                for alias in row["aliases"]:
                    graph.add((node, rdflib.SKOS.altLabel, rdflib.Literal(alias, lang="en")))
            elif part.table == "relations" and row["subject_kind"] == "entity":
                property_ = rdflib.URIRef(LABEL_SCHEMA.relation_iri(row["predicate"]))
                object_ = entity[row["object_id"]]
                if row["object_kind"] == "value":
                    datatype = rdflib.XSD[row["object_datatype"].removeprefix("xsd:")]
                    object_ = rdflib.Literal(row["object_value"], datatype=datatype)
                graph.add((entity[row["subject_id"]], property_, object_))
        triples += len(graph)
        graph.serialize(format="turtle", encoding="utf-8")
    return triples


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entities", type=int, default=150_000)
    parser.add_argument("--relations", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-rdflib", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        run = make_run(folder / "run", args.entities, args.relations)
        export(run, RdfSink(LABEL_SCHEMA, RdfOptions()), str(folder / "warm"))
        for format_, provenance, gzip in (
            ("turtle", "none", False),
            ("ntriples", "none", False),
            ("trig", "none", False),
            ("turtle", "statement", False),
            ("turtle", "rdf12", False),
            ("trig", "statement", False),
            ("turtle", "none", True),
        ):
            options = RdfOptions(format=format_, provenance=provenance, language="en", gzip=gzip)
            sink = RdfSink(LABEL_SCHEMA, options)
            parts = recorded(run, sink, folder / f"{format_}-{provenance}-{gzip}")
            whole, alone = [], []
            for _ in range(args.rounds):
                started = time.process_time()
                counts = export(run, sink, str(folder / "out"))
                whole.append(time.process_time() - started)
                started = time.process_time()
                for part in parts:
                    sink.write(part)
                alone.append(time.process_time() - started)
            triples = counts["rdf_triples"]
            result = {
                "format": format_ + (".gz" if gzip else ""),
                "provenance": provenance,
                "triples": triples,
                "export_per_core_second": round(triples / np.median(whole)),
                "sink_per_core_second": round(triples / np.median(alone)),
                "share_of_the_sink": round(float(np.median(alone) / np.median(whole)), 2),
            }
            if (format_, provenance, gzip) == ("turtle", "none", False) and not args.no_rdflib:
                started = time.process_time()
                assert with_rdflib(parts) == triples
                rdflib_seconds = time.process_time() - started
                result |= {
                    "rdflib_per_core_second": round(triples / rdflib_seconds),
                    "export_times_rdflib": float(f"{rdflib_seconds / np.median(whole):.3g}"),
                    "sink_times_rdflib": float(f"{rdflib_seconds / np.median(alone):.3g}"),
                }
            print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
