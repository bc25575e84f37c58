"""The store on disk that questions are asked of: when it is made, kept, and left alone."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pyoxigraph
import pytest

from helpers.corpora import ROOT
from helpers.extraction_folders import DOCS, write_folder
from pfn_kg.pipeline import query_store
from pfn_kg.pipeline.build_phase import run_build
from pfn_kg.pipeline.cli import main
from pfn_kg.pipeline.query import read_graph
from pfn_kg.pipeline.query_store import STORE_PREFIX, TEMPORARY_PREFIX, open_store

COUNT = "SELECT (COUNT(*) AS ?n) WHERE { ?s ?p ?o }"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A graph that is large enough for a store."""
    monkeypatch.setattr(query_store, "LEAST_BYTES", 1)
    folder = write_folder(tmp_path / "run", DOCS)
    run_build(folder)
    return Path(folder)


def stores(run):
    return sorted((run / "graph").glob(f"{STORE_PREFIX}*"))


def count(run):
    return int(next(iter(read_graph(str(run)).query(COUNT)))["n"].value)


def test_it_is_made_once_and_read_after_that(run, monkeypatch):
    first = count(run)
    assert first > 0
    (store,) = stores(run)
    made = store.stat().st_mtime_ns

    def fail(*_):
        raise AssertionError("it was made again")

    monkeypatch.setattr(query_store, "_fill", fail)
    assert count(run) == first
    assert [s.stat().st_mtime_ns for s in stores(run)] == [made]
    assert not list((run / "graph").glob(f"{TEMPORARY_PREFIX}*"))


def test_it_answers_as_memory_does(run, monkeypatch):
    query = "CONSTRUCT WHERE { ?s ?p ?o }"
    on_disk = {str(triple) for triple in read_graph(str(run)).query(query)}
    monkeypatch.setattr(query_store, "LEAST_BYTES", 1 << 40)
    assert {str(triple) for triple in read_graph(str(run)).query(query)} == on_disk


def test_small_graphs_have_none(run, monkeypatch):
    monkeypatch.setattr(query_store, "LEAST_BYTES", 1 << 40)
    assert count(run) > 0
    assert stores(run) == []


def test_a_new_graph_has_a_new_one_and_old_ones_go_with_their_snapshots(run):
    count(run)
    (before,) = stores(run)
    resolved = before.resolve()
    run_build(str(run))
    assert stores(run) == []
    count(run)
    assert len(stores(run)) == 1
    run_build(str(run))
    run_build(str(run))
    assert not resolved.exists()


def test_verify_takes_it_for_no_damage(run, capsys):
    count(run)
    assert main(["verify", str(run)]) == 0, capsys.readouterr()


def test_a_damaged_one_is_made_anew(run):
    expected = count(run)
    (store,) = stores(run)
    (store / "CURRENT").write_text("MANIFEST-999999\n")
    assert count(run) == expected
    assert stores(run) == [store]


def test_where_it_can_t_be_written_the_graph_is_read_into_memory(run, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(query_store, "write_owner", refuse)
    assert count(run) > 0
    assert stores(run) == []


def test_an_unreadable_file_leaves_none(run, capsys):
    (turtle,) = (run / "graph" / "rdf").glob("entities*.ttl")
    turtle.write_text("this is no Turtle")
    assert main(["query", str(run), COUNT]) == 2
    assert "not readable as RDF" in capsys.readouterr().err
    assert not [p for p in (run / "graph").iterdir() if "rdf_store" in p.name]


def test_several_at_once(run):
    """Processes that all find no store, and make it at the same time."""
    code = (
        "import sys\n"
        "from pfn_kg.pipeline import query_store\n"
        "query_store.LEAST_BYTES = 1\n"
        "from pfn_kg.pipeline.cli import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, "query", str(run), COUNT]
    started = [
        subprocess.Popen(
            command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}
        )
        for _ in range(4)
    ]
    said = {process.communicate(timeout=300)[0] for process in started}
    assert [process.returncode for process in started] == [0] * 4
    assert len(said) == 1
    assert len(stores(run)) == 1
    assert not list((run / "graph").glob(f"{TEMPORARY_PREFIX}*"))


def test_a_killed_process_leaves_nothing_that_is_taken_for_a_store(tmp_path):
    code = (
        "import sys, time\n"
        "from pfn_kg.pipeline import query_store\n"
        "query_store.LEAST_BYTES = 1\n"
        "def load(store):\n"
        "    store.load(b'<a:b> <a:b> <a:b> .', query_store.pyoxigraph.RdfFormat.N_TRIPLES)\n"
        "    print('half', flush=True)\n"
        "    time.sleep(60)\n"
        "query_store.open_store(sys.argv[1], {'a.nt': sys.argv[2]}, load)"
    )
    file = tmp_path / "a.nt"
    file.write_text("<a:b> <a:b> <a:b> .\n" * 60_000)
    folder = tmp_path / "graph"
    folder.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder), str(file)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout.readline() == b"half\n"
    process.kill()
    process.wait()
    assert [path.name.startswith(TEMPORARY_PREFIX) for path in folder.iterdir()] == [True]

    def load(store: pyoxigraph.Store) -> None:
        store.bulk_load(path=str(file), format=pyoxigraph.RdfFormat.N_TRIPLES)

    store = open_store(str(folder), {"a.nt": str(file)}, load)
    assert len(store) == 1
    assert [path.name.startswith(STORE_PREFIX) for path in folder.iterdir()] == [True]
    # The file changes, and so does the store.
    file.write_text("<a:b> <a:b> <a:c> .\n<a:b> <a:b> <a:b> .\n" * 30_000)
    os.utime(file, ns=(time.time_ns(), time.time_ns()))
    assert len(open_store(str(folder), {"a.nt": str(file)}, load)) == 2
    assert len(list(folder.iterdir())) == 1
