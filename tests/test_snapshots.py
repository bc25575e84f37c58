"""Snapshots: the last good graph is there whatever happens to the build after it."""

import os
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from helpers.corpora import TEXTS, extract, run, write_corpus
from helpers.extraction_folders import DOCS, write_folder
from helpers.output_folders import (
    files,
    graph_files,
    graph_folder,
    inline_lists,
    read_manifest,
    table_rows,
    write_manifest,
)
from pfn_kg.pipeline import finish_build
from pfn_kg.pipeline.build_phase import BuildOptions, run_build
from pfn_kg.pipeline.cli import main
from pfn_kg.pipeline.finished_run import read_finished
from pfn_kg.pipeline.graph import Graph
from pfn_kg.pipeline.locks import Owner, write_owner
from pfn_kg.pipeline.manifest_updates import update_manifest
from pfn_kg.pipeline.remove import remove_documents
from pfn_kg.pipeline.verify import verify
from pfn_kg.schemas.errors import ConfigurationError

HIGH = BuildOptions(relation_threshold=0.75)
LOAD = {"uri": "bolt://x", "version": "v"}


@pytest.fixture
def folder(tmp_path):
    return Path(write_folder(tmp_path / "run", DOCS))


def builds(folder):
    return sorted(f"builds/{path.name}" for path in (folder / "builds").iterdir())


def current(folder):
    return read_manifest(folder)["graph"]


def add_load(folder, graph="mine"):
    """What a load of the graph leaves in the manifest."""
    write_manifest(folder, read_manifest(folder) | {"loads": {graph: LOAD}})


def spoil(folder):
    """Makes the next build fail; gives what mends it."""
    chunk = next((folder / "extractions").glob("*.parquet"))
    good = chunk.read_bytes()
    chunk.write_bytes(b"no Parquet")
    return lambda: chunk.write_bytes(good)


def test_each_build_has_a_folder_and_the_last_ones_stay(folder):
    paths = []
    for number in range(1, 4):
        run_build(str(folder), BuildOptions(relation_threshold=0.1 * number + 0.4))
        paths.append(current(folder))
        assert builds(folder) == sorted(paths[-2:])
        assert os.readlink(folder / "graph") == paths[-1]
        assert (folder / "graph").resolve() == graph_folder(folder).resolve()
        assert verify(str(folder)) == []
    run_build(str(folder), BuildOptions(keep_builds=1))
    assert builds(folder) == [current(folder)]
    assert not [path.name for path in folder.iterdir() if path.name.startswith(".")]
    assert {path.name for path in folder.iterdir()} == {
        *("builds", "extractions", "graph", "label_schema.yaml", "lists", "manifest.json")
    }


def test_a_reader_holds_to_its_snapshot(folder):
    run_build(str(folder))
    before = Graph.open(str(folder))
    run_before = read_finished(str(folder))
    triples = table_rows(folder, "triples")
    run_build(str(folder), HIGH)
    assert len(table_rows(folder, "triples")) < len(triples)
    assert before.triples.to_pylist() == triples
    assert len(before.sparql("SELECT ?s { ?s a ?c }").__iter__().__next__()) == 1
    assert {part.path for part in run_before.parts(["triples"])} == {
        str(path) for path in (folder / run_before.snapshot.path / "triples").iterdir()
    }


def test_the_last_graph_is_read_during_a_build_and_after_a_failed_one(folder, tmp_path, capsys):
    run_build(str(folder))
    before = graph_files(folder), read_manifest(folder)
    mend = spoil(folder)
    assert main(["build", str(folder), "--relation-threshold", "0.75"]) == 1
    assert read_manifest(folder) == before[1] | {"state": "failed"}
    for state in ("failed", "building", "extracting", "extracted"):
        write_manifest(folder, before[1] | {"state": state})
        assert graph_files(folder) == before[0]
        assert verify(str(folder)) == []
        assert main(["query", str(folder), "ASK { ?s a ?c }"]) == 0
        assert "true" in capsys.readouterr().out
        out = tmp_path / f"out-{state}"
        assert main(["export", str(folder), "--output", str(out)]) == 0
        assert (out / "manifest.json").exists()
    mend()
    write_manifest(folder, before[1] | {"state": "building"})
    run_build(str(folder))
    assert graph_files(folder) == before[0]
    assert read_manifest(folder)["state"] == "done"


def test_a_first_build_that_fails_leaves_no_graph(folder, capsys):
    mend = spoil(folder)
    assert main(["build", str(folder)]) == 1
    assert builds(folder) == []
    capsys.readouterr()
    assert main(["query", str(folder), "ASK {}"]) == 2
    assert "its graph is not finished" in capsys.readouterr().err
    mend()
    run_build(str(folder))
    assert verify(str(folder)) == []


def test_the_second_of_two_builds_does_no_harm(folder, monkeypatch):
    """A build that took the place of one which was running after all."""
    run_build(str(folder))
    first = current(folder)
    write = finish_build.write_record
    between = []

    def write_record(directory, record):
        write(directory, record)
        if not between:
            between.append(None)
            run_build(directory, HIGH)  # all of it, when the other is about to be finished
            between.append(current(folder))

    monkeypatch.setattr(finish_build, "write_record", write_record)
    with pytest.raises(ConfigurationError, match="another build has finished since this one began"):
        run_build(str(folder))
    assert current(folder) == between[1]
    assert builds(folder) == sorted([first, between[1]])
    assert read_manifest(folder)["state"] == "done"
    assert verify(str(folder)) == []


def test_what_killed_builds_left_goes_and_what_others_make_stays(folder):
    own = Owner.of_this_process("build")
    owners = {
        "gone": own.model_copy(update={"process_started": "1"}),
        "running": own,
        "elsewhere": own.model_copy(update={"machine": "another"}),
        "old": own.model_copy(update={"machine": "another", "since": "2020-01-01T00:00:00+00:00"}),
    }
    for name, owner in owners.items():
        write_owner(str(folder / "builds" / name), owner)
    (folder / "builds" / "nobody").mkdir()
    run_build(str(folder))
    assert builds(folder) == sorted([current(folder), "builds/elsewhere", "builds/running"])


def test_rollback(folder, capsys):
    run_build(str(folder))
    first = current(folder), graph_files(folder), read_manifest(folder)["build"]
    run_build(str(folder), HIGH)
    add_load(folder)
    assert graph_files(folder) != first[1]
    capsys.readouterr()
    assert main(["rollback", str(folder)]) == 0
    assert capsys.readouterr().out.startswith(f"{folder}: {first[0]}, made 20")
    assert (current(folder), graph_files(folder), read_manifest(folder)["build"]) == first
    assert read_manifest(folder)["loads"] == {"mine": LOAD}
    assert os.readlink(folder / "graph") == first[0]
    assert verify(str(folder)) == []
    # Nothing is before the first one.
    assert main(["rollback", str(folder)]) == 2
    assert "no graph is kept from before the current one" in capsys.readouterr().err
    # The one that was rolled back is no predecessor of the next.
    run_build(str(folder), HIGH)
    assert builds(folder) == sorted([first[0], current(folder)])
    assert main(["rollback", str(folder)]) == 0
    assert current(folder) == first[0]
    assert main(["rollback", str(folder.parent / "none")]) == 2
    run_build(str(folder), BuildOptions(keep_builds=1))
    capsys.readouterr()
    assert main(["rollback", str(folder)]) == 2
    assert f"{first[0]}, is not kept" in capsys.readouterr().err


def test_a_link_that_a_killed_command_left_behind(folder):
    run_build(str(folder))
    first = current(folder)
    run_build(str(folder), HIGH)
    for mend in (
        lambda: verify(str(folder)),
        lambda: main(["rollback", str(folder)]),
        lambda: update_manifest(str(folder), "load", lambda now: now),
        lambda: remove_documents(str(folder), ["a"]),
    ):
        (folder / "graph").unlink()
        (folder / "graph").symlink_to(first if current(folder) != first else builds(folder)[-1])
        (folder / ".graph-0").symlink_to(first)
        mend()
        assert os.readlink(folder / "graph") == current(folder)
        assert not (folder / ".graph-0").is_symlink()


def to_old_layout(folder):
    """The folder as version 2 of the manifest had it, with what such a build leaves when killed."""
    graph = graph_folder(folder)
    for path in graph.iterdir():
        if path.name not in ("snapshot.json", "files.parquet"):
            path.rename(folder / path.name)
    shutil.rmtree(folder / "builds")
    (folder / "graph").unlink()
    inline_lists(folder)
    manifest = read_manifest(folder) | {"version": 2}
    del manifest["graph"]
    write_manifest(folder, manifest)
    (folder / ".build-killed").mkdir()


@pytest.fixture
def old(folder):
    aliases = folder.parent / "aliases.csv"
    aliases.write_text("alias,canonical_name\nAda Lovelace,Countess of Lovelace\n")
    run_build(str(folder))
    run_build(str(folder), BuildOptions(aliases=str(aliases)))
    assert table_rows(folder, "redirects")
    to_old_layout(folder)
    return folder


def test_an_old_layout_is_read_and_becomes_the_new_one(old, tmp_path, capsys):
    redirects = table_rows(old, "redirects")
    assert Graph.open(str(old)).counts["documents"] == 3
    assert verify(str(old)) == []
    assert main(["export", str(old), "--output", str(tmp_path / "out")]) == 0
    version = read_finished(str(old)).version()
    assert main(["rollback", str(old)]) == 2
    refused = old / "rejected" / "neo4j-default.parquet"
    refused.write_bytes(b"x")
    # The options of the last build, its alias table among them, are those of the next.
    assert main(["remove", str(old), "--documents", "d"]) == 0
    assert read_manifest(old)["version"] == 4
    assert table_rows(old, "redirects") == redirects
    assert {path.name for path in old.iterdir()} == {
        *("builds", "extractions", "graph", "label_schema.yaml", "lists", "manifest.json"),
        "rejected",
    }
    assert refused.exists()
    assert verify(str(old)) == []
    assert read_finished(str(old)).version() != version


def test_an_old_layout_stays_when_its_next_build_fails(old):
    before = files(old)
    mend = spoil(old)
    assert main(["build", str(old)]) == 1
    mend()
    assert {name: data for name, data in files(old).items() if name in before} == before
    assert verify(str(old)) == []


def test_an_old_layout_that_was_killed_in_the_middle_is_no_graph(old, capsys):
    manifest = read_manifest(old)
    write_manifest(old, manifest | {"state": "building", "version": 2})
    assert main(["query", str(old), "ASK {}"]) == 2
    assert "its graph is not finished" in capsys.readouterr().err
    run_build(str(old))
    assert verify(str(old)) == []


def test_resume_of_a_finished_run_keeps_loads_and_options(tmp_path, tiny_model):
    corpus, output = write_corpus(tmp_path / "a.parquet", TEXTS[:2]), tmp_path / "out"
    assert run(corpus, output, tiny_model, "--no-rdf", "--relation-threshold", "0.4") == 0
    write_manifest(output, read_manifest(output) | {"note": "mine"})
    add_load(output)
    before = read_manifest(output)
    graph = graph_files(output)
    assert extract(corpus, output, tiny_model, "--resume") == 0
    after = read_manifest(output)
    for name in ("loads", "build", "graph", "note", "run_id"):
        assert after[name] == before[name]
    assert graph_files(output) == graph
    # One that fails before anything is read leaves them too.
    write_corpus(tmp_path / "a.parquet", TEXTS[:3])
    (output / "extractions").rename(output / "elsewhere")
    (output / "extractions").write_text("no folder")
    assert extract(corpus, output, tiny_model, "--resume") != 0
    killed = read_manifest(output)
    for name in ("loads", "build", "graph", "note", "run_id"):
        assert killed[name] == before[name]
    assert verify(str(output)) == []


def test_the_version_is_that_of_the_snapshot(folder):
    run_build(str(folder))
    version = read_finished(str(folder)).version()
    remove_documents(str(folder), ["a"])
    assert read_finished(str(folder)).version() == version
    write_manifest(folder, read_manifest(folder) | {"removed": None, "state": "extracted"})
    # The same graph again has the same version, however many are kept.
    run_build(str(folder), BuildOptions(keep_builds=3))
    assert read_finished(str(folder)).version() == version
    run_build(str(folder), HIGH)
    assert read_finished(str(folder)).version() != version


def test_redirects_come_from_the_current_graph(folder):
    """A build that failed between two others loses no redirect."""
    aliases = folder.parent / "aliases.csv"
    aliases.write_text("alias,canonical_name\nAda Lovelace,Countess of Lovelace\n")
    run_build(str(folder))
    run_build(str(folder), BuildOptions(aliases=str(aliases)))
    redirects = table_rows(folder, "redirects")
    assert redirects
    mend = spoil(folder)
    assert main(["build", str(folder)]) == 1
    mend()
    run_build(str(folder), BuildOptions(aliases=str(aliases)))
    assert table_rows(folder, "redirects") == redirects


def test_a_copy_that_followed_the_link(folder, tmp_path):
    run_build(str(folder))
    copy = shutil.copytree(folder, tmp_path / "copy")
    assert verify(str(copy)) == [
        f"copy of a graph in the place of the link: 1, such as {copy / 'graph'}"
    ]
    run_build(str(copy), HIGH)
    assert os.readlink(copy / "graph") == current(copy)
    assert verify(str(copy)) == []


def test_something_else_has_the_name_of_the_link(folder, caplog):
    (folder / "graph").mkdir()
    (folder / "graph" / "mine.txt").write_text("x")
    run_build(str(folder))
    assert (folder / "graph" / "mine.txt").read_text() == "x"
    assert "is no link of ours" in caplog.text
    assert pq.read_table(graph_folder(folder) / "documents").num_rows == 3
