"""The build phase: from extraction files to tables, whatever the order and the workers."""

import re
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from helpers.extraction_folders import DOCS, LABEL_SCHEMA, Doc, write_folder
from helpers.output_folders import files, graph_files, graph_folder, read_manifest, table_rows
from pfn_kg.pipeline.build_phase import BuildOptions, run_build
from pfn_kg.pipeline.cli import main
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.schemas.tables import SORTED_BY, TABLE_SCHEMAS
from pfn_kg.transforms.plumbing import held_rows
from pfn_kg.transforms.plumbing.shards import split_rows

TEXTS = {"a": DOCS[0].text, "b": DOCS[1].text, "d": DOCS[3].text}
MANY_FILES = BuildOptions(sentences=True, shard_rows=2)


def tables(folder):
    return {
        name: table_rows(folder, name)
        for name in TABLE_SCHEMAS
        if (graph_folder(folder) / name).exists()
    }


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = write_folder(tmp_path_factory.mktemp("built") / "run", DOCS)
    counts = run_build(folder, BuildOptions(sentences=True))
    return folder, counts


@pytest.fixture(scope="module")
def graph(built):
    return tables(built[0])


def test_documents_and_rejected(graph, built):
    documents = graph["documents"]
    assert [d["document_id"] for d in documents] == ["a", "b", "d"]
    assert documents[0] == {
        "document_id": "a",
        "title": "Ada",
        "metadata": '{"url": "x"}',
        "content_hash": documents[0]["content_hash"],
        "source_file": "corpus.parquet",
        "source_row": 0,
        "characters": len(TEXTS["a"]),
        "sentences": 2,
        "model_hash": "m1",
    }
    found = [(r["stage"], r["document_id"], r["source_row"]) for r in graph["rejected"]]
    assert found == [
        ("deduplicate", "b", 5),
        ("extract", "d", 3),
        ("read", "c", 2),
        ("read", None, 6),
    ]
    assert graph["rejected"][0]["error"] == (
        "another text has this document id: row 1 of corpus.parquet, which is kept"
    )
    counts = built[1]
    assert (counts["duplicates"], counts["rejected"], counts["rejected.read"]) == (1, 4, 2)


def test_offsets_are_those_of_the_text(graph):
    for mention in graph["mentions"]:
        text = TEXTS[mention["document_id"]]
        assert text[mention["begin"] : mention["end"]] == mention["text"]
    for triple in graph["triples"]:
        text = TEXTS[triple["document_id"]]
        for side in ("subject", "object"):
            begin, end = triple[f"{side}_begin"], triple[f"{side}_end"]
            assert text[begin:end] == triple[f"{side}_text"]
            assert triple["evidence_begin"] <= begin < end <= triple["evidence_end"]
        evidence = text[triple["evidence_begin"] : triple["evidence_end"]]
        assert evidence == triple["evidence_text"]
    for sentence in graph["sentences"]:
        text = TEXTS[sentence["document_id"]]
        assert text[sentence["begin"] : sentence["end"]] == sentence["text"]


def test_evidence_is_the_smallest_run_of_sentences(graph):
    found = {
        (t["document_id"], t["relation"], t["subject_text"]): t["evidence_text"]
        for t in graph["triples"]
    }
    assert found["a", "place of birth", "Ada Lovelace"] == (
        "Ada Lovelace was born in London in 1815."
    )
    assert found["b", "date of birth", "ADA  LOVELACE"] == TEXTS["b"]


def test_entities(graph):
    entities = {(e["type"], e["name"]): e for e in graph["entities"]}
    assert set(entities) == {("PER", "ADA LOVELACE"), ("LOC", "London"), ("TIME", "1815")}
    london = entities["LOC", "London"]
    assert (london["kind"], london["aliases"]) == ("entity", ["LONDON"])
    assert (london["mentions"], london["documents"]) == (3, 2)
    assert london["iri"] == f"https://example.org/kg/entity/{london['entity_id']}"
    # One mention each, equally long: the first in order.
    assert entities["PER", "ADA LOVELACE"]["aliases"] == ["Ada Lovelace"]
    year = entities["TIME", "1815"]
    assert (year["kind"], year["value"], year["datatype"]) == ("value", "1815", "xsd:gYear")
    assert year["iri"] is None


def test_relations(graph):
    names = {e["entity_id"]: e["name"] for e in graph["entities"]}
    relations = {
        (names[r["subject_id"]], r["predicate"], names[r["object_id"]]): r
        for r in graph["relations"]
    }
    assert len(relations) == len(graph["relations"]) == 3
    born = relations["ADA LOVELACE", "place of birth", "London"]
    assert born["confidence"] == pytest.approx(1 - 0.2 * 0.5)
    assert (born["evidence_count"], born["document_count"]) == (2, 2)
    scores = {t["triple_id"]: t["score"] for t in graph["triples"]}
    assert [round(scores[id_], 3) for id_ in born["evidence"]] == [0.8, 0.5]


def test_tables_refer_to_each_other(graph):
    ids = {
        name: {r[SORTED_BY[name][0]] for r in graph[name]}
        for name in ("mentions", "entities", "relations", "triples", "documents")
    }
    for mention in graph["mentions"]:
        assert mention["entity_id"] in ids["entities"]
        assert mention["document_id"] in ids["documents"]
    assert {t["relation_id"] for t in graph["triples"]} == ids["relations"]
    entity_of = {m["mention_id"]: m["entity_id"] for m in graph["mentions"]}
    relations = {r["relation_id"]: r for r in graph["relations"]}
    for triple in graph["triples"]:
        relation = relations[triple["relation_id"]]
        assert relation["predicate"] == triple["relation"]
        for side in ("subject", "object"):
            entity = entity_of[triple[f"{side}_mention_id"]]
            assert triple[f"{side}_entity_id"] == relation[f"{side}_id"] == entity
    for relation in graph["relations"]:
        assert set(relation["evidence"]) <= ids["triples"]


def test_ids_stay_what_they_are(graph):
    # Changing how ids are made breaks every graph that is already loaded somewhere.
    assert {e["name"]: e["entity_id"] for e in graph["entities"]} == {
        "London": "1039e1a7ebf845fe54ac5fba",
        "ADA LOVELACE": "95f50d680319c10fb7bd04fa",
        "1815": "62450cdc43b561c0ecd0daea",
    }


def test_schemas_order_and_manifest(built):
    folder, counts = built
    for name, schema in TABLE_SCHEMAS.items():
        for file in (graph_folder(folder) / name).glob("*.parquet"):
            assert pq.read_schema(file).remove_metadata() == schema
        rows = table_rows(folder, name)
        columns = [column for column in SORTED_BY[name] if name != "rejected"]
        keys = [tuple(r[c] for c in columns) for r in rows]
        assert keys == sorted(keys)
    manifest = read_manifest(folder)
    assert manifest["state"] == "done"
    assert manifest["build"]["counts"] == counts
    assert counts["violations.argument_types"] == 1
    assert counts["unresolved_head_triples"] == 1
    assert len(list((Path(folder) / "builds").iterdir())) == 1


def test_constraint_policies(tmp_path):
    folder = write_folder(tmp_path / "run", DOCS)
    wrong = [t for t in tables_with(folder, "flag")["triples"] if t["flags"]]
    assert [(t["subject_text"], t["flags"]) for t in wrong] == [("LONDON", ["argument_types"])]
    kept = tables_with(folder, "keep")
    assert [t["flags"] for t in kept["triples"]] == [[]] * 5
    dropped = tables_with(folder, "drop")
    assert len(dropped["triples"]) == 4
    assert len(dropped["relations"]) == 2
    assert read_manifest(folder)["build"]["counts"]["violations.argument_types"] == 1


def tables_with(folder, policy):
    run_build(folder, BuildOptions(constraint_policy=policy))
    return tables(folder)


def test_same_bytes_twice_and_whatever_the_chunks_order_and_workers(tmp_path):
    folder = write_folder(tmp_path / "one", DOCS)
    run_build(folder, MANY_FILES)
    expected = graph_files(folder)
    assert "mentions/part-00002-of-00004.parquet" in expected
    run_build(folder, MANY_FILES)
    assert graph_files(folder) == expected
    run_build(
        folder, MANY_FILES, ["--direct_num_workers=2", "--direct_running_mode=multi_threading"]
    )
    assert graph_files(folder) == expected
    for name, arguments in (
        ("reversed", {"reverse": True}),
        ("ones", {"chunk_documents": 1}),
        ("all", {"chunk_documents": 99}),
    ):
        other = write_folder(tmp_path / name, DOCS, **arguments)
        run_build(other, MANY_FILES)
        assert graph_files(other) == expected, name


def test_rows_of_several_chunks_go_to_shards_together(tmp_path, monkeypatch):
    pieces = []
    monkeypatch.setattr(
        "pfn_kg.transforms.graph.make_rows.split_rows",
        lambda *args: [pieces.append(p) or p for p in split_rows(*args)],
    )
    folder = write_folder(tmp_path / "run", DOCS, chunk_documents=1)
    found = {}
    for most in (held_rows.MOST_BYTES, 2000, 1):
        monkeypatch.setattr(held_rows, "MOST_BYTES", most)
        pieces.clear()
        run_build(folder, MANY_FILES)
        found[len(pieces)] = graph_files(folder)
    together, some, each = sorted(found)
    assert found[together] == found[some] == found[each]
    assert "mentions/part-00002-of-00004.parquet" in found[each]


def test_many_files_hold_the_same_rows(tmp_path, graph):
    folder = write_folder(tmp_path / "run", DOCS)
    run_build(folder, MANY_FILES)
    found = tables(folder)
    for name, rows in graph.items():
        assert sorted(map(repr, found[name])) == sorted(map(repr, rows)), name


def test_nothing_of_the_last_build_stays(tmp_path):
    folder = write_folder(tmp_path / "run", DOCS)
    run_build(folder, MANY_FILES)
    run_build(folder, BuildOptions(rdf=None))
    names = {str(Path(name)) for name in graph_files(folder)}
    expected = {f"{t}/part-00000-of-00001.parquet" for t in TABLE_SCHEMAS if t != "sentences"}
    assert names == expected | {"label_schema.yaml", "graph_schema.yaml"}


def test_empty_corpora_give_empty_tables(tmp_path):
    for name, docs in (("none", []), ("rejected", [DOCS[2]])):
        folder = write_folder(tmp_path / name, docs)
        counts = run_build(folder, BuildOptions(sentences=True))
        assert counts["entities"] == counts["relations"] == 0
        for table, schema in TABLE_SCHEMAS.items():
            (file,) = (graph_folder(folder) / table).glob("*.parquet")
            assert pq.read_schema(file).remove_metadata() == schema
            assert len(pq.read_table(file)) == (name == table == "rejected")


def test_values_never_merge_with_entities(tmp_path):
    doc = Doc("x", "1815 is 1815.", (("1815", "PER", 0.9), ("1815", "TIME", 0.9, 1)))
    folder = write_folder(tmp_path / "run", [doc])
    counts = run_build(folder)
    assert (counts["entities"], counts["values"]) == (1, 1)


def test_equal_sentences_count_once(tmp_path):
    docs = [
        Doc(
            str(i),
            text,
            (("Ada", "PER", 0.9), ("Rome", "LOC", 0.9)),
            (("Ada", "place of birth", "Rome", 0.6),),
        )
        for i, text in enumerate(["Ada, Rome.", "Ada,  Rome.", "Ada in Rome."])
    ]
    folder = write_folder(tmp_path / "run", docs)
    run_build(folder)
    (relation,) = table_rows(folder, "relations")
    assert relation["confidence"] == pytest.approx(1 - 0.4 * 0.4)
    assert (relation["evidence_count"], relation["document_count"]) == (3, 3)
    assert len(relation["evidence"]) == 2


def test_thresholds(tmp_path):
    folder = write_folder(tmp_path / "run", DOCS)
    counts = run_build(folder, BuildOptions(entity_threshold=0.1, relation_threshold=0.1))
    low = tables(folder)
    assert counts["mentions"] == 8
    run_build(folder, BuildOptions(entity_threshold=0.75))
    high = tables(folder)
    assert {m["mention_id"] for m in high["mentions"]} < {m["mention_id"] for m in low["mentions"]}
    assert {t["triple_id"] for t in high["triples"]} < {t["triple_id"] for t in low["triples"]}
    with pytest.raises(ConfigurationError, match=r"entity_threshold: 0\.05 is below 0\.1"):
        run_build(folder, BuildOptions(entity_threshold=0.05))


def test_another_label_schema_leaves_out_what_it_does_not_name(tmp_path):
    folder = write_folder(tmp_path / "run", DOCS)
    schema = LabelSchema.from_dict(
        {
            "entity_types": [{"name": "PER"}, {"name": "LOC"}],
            "relations": [{"name": "place of birth"}],
        }
    )
    counts = run_build(folder, BuildOptions(label_schema=schema))
    assert counts["mentions_of_unknown_type"] == 2
    assert counts["head_triples_of_unknown_relation"] == 4
    assert {m["type"] for m in table_rows(folder, "mentions")} == {"PER", "LOC"}
    assert {t["relation"] for t in table_rows(folder, "triples")} == {"place of birth"}


def test_a_failed_build_leaves_the_last_graph(tmp_path):
    folder = write_folder(tmp_path / "run", DOCS)
    run_build(folder)
    before = graph_files(folder)
    shutil.copy(Path(folder) / "label_schema.yaml", Path(folder) / "extractions" / "chunk2.parquet")
    assert main(["build", folder]) == 1
    assert graph_files(folder) == before
    assert read_manifest(folder)["state"] == "failed"
    assert len(list((Path(folder) / "builds").iterdir())) == 1


def test_command(tmp_path, capsys):
    folder = write_folder(tmp_path / "run", DOCS)
    schema = tmp_path / "schema.yaml"
    schema.write_text(LABEL_SCHEMA.to_yaml())
    arguments = ["--schema", str(schema), "--base-iri", "https://kg.test/", "--no-rdf"]
    assert main(["build", folder, *arguments, "--max-rejected", "9"]) == 0
    assert "3 documents, 7 mentions, 5 triples, 2 entities, 1 values, 3 relations, 4 rejected" in (
        capsys.readouterr().out
    )
    iris = [e["iri"] for e in table_rows(folder, "entities") if e["kind"] == "entity"]
    assert all(iri.startswith("https://kg.test/entity/") for iri in iris)
    assert main(["build", folder, "--max-rejected", "3"]) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--aliases", "x"], "--aliases: x: No such file or directory"),
        (["--neo4j-uri", "x"], "--neo4j-uri: 'x' is not like neo4j://HOST:7687"),
        (["--entity-threshold", "1.5"], "--entity-threshold: 1.5 is not between 0 and 1"),
        (["--base-iri", "no iri"], "--base-iri: must be an absolute IRI"),
        (["--schema", "missing.yaml"], "--schema: missing.yaml: No such file or directory"),
    ],
)
def test_wrong_options_exit_with_2_and_change_nothing(tmp_path, capsys, arguments, message):
    folder = write_folder(tmp_path / "run", DOCS)
    before = (Path(folder) / "manifest.json").read_bytes()
    assert main(["build", folder, *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert (Path(folder) / "manifest.json").read_bytes() == before


def test_wrong_folders_exit_with_2(tmp_path, capsys):
    assert main(["build", str(tmp_path / "nowhere")]) == 2
    assert "no manifest.json there" in capsys.readouterr().err
    folder = Path(write_folder(tmp_path / "run", DOCS))
    (folder / "manifest.json").write_text('{"state": "extracting", "chunks": []}')
    assert main(["build", str(folder)]) == 2
    assert "not finished" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("renamed", "says"),
    [
        ({"PER": "PERSON"}, "has no entity type 'PERSON'; it leaves out 'PER'"),
        ({"spouse": "married to"}, "has no relation 'married to'; it leaves out 'spouse'"),
    ],
)
def test_labels_that_the_model_lacks_are_refused(tmp_path, capsys, renamed, says):
    """A renamed label would take all its facts along."""
    folder = write_folder(tmp_path / "run", DOCS)
    assert main(["build", folder]) == 0
    before = files(folder), read_manifest(folder)
    text = LABEL_SCHEMA.to_yaml()
    for old, new in renamed.items():
        text = re.sub(rf"\b{old}\b", new, text)
    (tmp_path / "schema.yaml").write_text(text)
    capsys.readouterr()
    for command in (["build", folder], ["remove", folder, "--documents", "a"]):
        assert main([*command, "--schema", str(tmp_path / "schema.yaml")]) == 2
        said = capsys.readouterr().err
        assert said.startswith("pfn-kg: --schema: ")
        assert says in said
        assert said.count("\n") == 1
    assert (files(folder), read_manifest(folder)) == before


def test_labels_that_are_left_out_on_purpose_are_counted(tmp_path, capsys, caplog):
    folder = write_folder(tmp_path / "run", DOCS)
    assert main(["build", folder]) == 0
    last = read_manifest(folder)["build"]["counts"]
    assert caplog.messages == []
    data = LABEL_SCHEMA.to_dict()
    data["relations"] = [r for r in data["relations"] if r["name"] != "place of birth"]
    (tmp_path / "schema.yaml").write_text(LabelSchema.from_dict(data).to_yaml())
    assert main(["build", folder, "--schema", str(tmp_path / "schema.yaml")]) == 0
    now = read_manifest(folder)["build"]["counts"]
    assert 0 < now["relations"] < 0.8 * last["relations"]
    left_out, fewer = caplog.messages
    assert f"{now['mentions_of_unknown_type']} mentions and " in left_out
    assert f"{now['head_triples_of_unknown_relation']} head triples were left out" in left_out
    assert now["head_triples_of_unknown_relation"] > 0
    assert f"has {now['relations']} relations, the last one had {last['relations']}" in fewer


def test_a_build_that_loses_facts_says_so(tmp_path, caplog):
    folder = write_folder(tmp_path / "run", DOCS)
    assert main(["build", folder, "--no-rdf"]) == 0
    assert main(["build", folder, "--no-rdf"]) == 0
    assert caplog.messages == []
    assert main(["build", folder, "--no-rdf", "--relation-threshold", "0.99"]) == 0
    assert [line for line in caplog.messages if "this graph has 0 relations" in line]
