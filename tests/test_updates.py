"""Graphs that are added to, changed and taken from: they hold the live documents, no more."""

import os
import signal
import time
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.corpora import (
    TEXTS,
    corpus_table,
    extracted,
    process,
    run,
    write_corpus,
)
from helpers.examples import examples
from helpers.output_folders import files, graph_files, read_manifest, table_rows
from pfn_kg.pipeline.cli import main

# Scores depend in their last digits on what is read together; alone, a document's do not.
ALONE = ("--chunk-documents", "1")
A, B = TEXTS[:3], [*TEXTS[3:], "Ada Lovelace was born in London. Oslo is in Norway.", "London."]
EMPTY_BETWEEN = (*B[:1], None, "  ", *B[1:])


def into(corpus, output, *options):
    return main(["run", str(corpus), "--into", str(output), *options])


def remove(output, ids, *options):
    return main(["remove", str(output), "--documents", str(ids), *options])


def chunks(output):
    return {path.name for path in (output / "extractions").glob("*.parquet")}


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpora")
    return write_corpus(folder / "a.parquet", A), write_corpus(folder / "b.parquet", EMPTY_BETWEEN)


@pytest.fixture(scope="module")
def only_b(tmp_path_factory, corpora, tiny_model):
    output = tmp_path_factory.mktemp("only") / "b"
    assert run(corpora[1], output, tiny_model, *ALONE) == 0
    return graph_files(output)


@pytest.fixture(scope="module")
def only_a(tmp_path_factory, corpora, tiny_model):
    output = tmp_path_factory.mktemp("only") / "a"
    assert run(corpora[0], output, tiny_model, *ALONE) == 0
    return graph_files(output)


@pytest.fixture(scope="module")
def both(tmp_path_factory, corpora, tiny_model):
    output = tmp_path_factory.mktemp("only") / "ab"
    read = map(str, corpora)
    options = ["--output", str(output), "--model", str(tiny_model), *ALONE]
    assert main(["run", *read, *options]) == 0
    return graph_files(output)


def test_add_then_remove_leaves_what_was_never_otherwise(
    tmp_path, corpora, tiny_model, only_a, only_b, both, capsys
):
    a, b = corpora
    output = tmp_path / "out"
    assert run(a, output, tiny_model, *ALONE) == 0
    assert graph_files(output) == only_a
    assert into(b, output) == 0
    assert "4 new or changed and 0 rows unchanged; 7 documents" in capsys.readouterr().out
    assert graph_files(output) == both
    of_a = chunks(output)

    assert remove(output, "a0,a1,a2") == 0
    assert "3 documents removed; 4 documents" in capsys.readouterr().out
    assert graph_files(output) == only_b
    assert chunks(output) == of_a  # no model ran

    # Once more is the same, and what was removed can come back.
    assert remove(output, "a0") == 0
    assert graph_files(output) == only_b
    assert into(a, output) == 0
    assert graph_files(output) == both
    ids = tmp_path / "ids.txt"
    ids.write_text("\ufeffb0\r\n\nb1\nb2\nb3\nb4\nb5\n", encoding="utf-8")
    assert main(["remove", str(output), "--documents-file", str(ids)]) == 0
    found = graph_files(output)
    # A row without an id or a text is no document; these have ids.
    assert found == only_a


def test_nothing_new_runs_no_model(tmp_path, corpora, tiny_model, both):
    a, b = corpora
    output = tmp_path / "out"
    options = ["--output", str(output), "--model", str(tiny_model), *ALONE]
    assert main(["run", str(a), str(b), *options]) == 0
    before = chunks(output), read_manifest(output)["chunks"]
    assert into(b, output) == 0
    assert (chunks(output), read_manifest(output)["chunks"]) == before
    assert read_manifest(output)["extract"]["unchanged_rows"] == len(EMPTY_BETWEEN)
    assert graph_files(output) == both
    # Nor does a copy of the file under another name, but for rows that hold no document.
    copy = write_corpus(tmp_path / "b.parquet", EMPTY_BETWEEN)
    assert into(copy, output) == 0
    assert read_manifest(output)["extract"]["counts"].get("documents", 0) == 0
    assert read_manifest(output)["extract"]["unchanged_rows"] == len(B)


@pytest.mark.parametrize("column", ["text", "title", "metadata"])
def test_what_changed_replaces_what_was(tmp_path, tiny_model, column):
    columns = {"place": pa.array(["x", "y", "z"])}
    path = write_corpus(tmp_path / "c.parquet", A, **columns)
    options = ("--metadata-columns", "place", "--no-rdf", *ALONE)
    output = tmp_path / "out"
    assert run(path, output, tiny_model, *options) == 0
    if column == "text":
        write_corpus(path, [A[0], B[0], A[2]], **columns)
    elif column == "title":
        write_corpus(path, A, **columns, title=pa.array(["Title 0", "Another", "Title 2"]))
    else:
        write_corpus(path, A, place=pa.array(["x", "Y", "z"]))
    assert into(path, output) == 0
    assert read_manifest(output)["extract"]["counts"]["documents"] == 1
    assert read_manifest(output)["build"]["counts"]["replaced_rows"] == 1
    fresh = tmp_path / "fresh"
    assert run(path, fresh, tiny_model, *options) == 0
    assert graph_files(output) == graph_files(fresh)
    assert table_rows(output, "rejected") == []


def test_equal_ids_in_an_update(tmp_path, tiny_model):
    """The lowest row of the update is the document; another text of that id is rejected."""
    ids = {"id": pa.array(["x", "x", "y", "y"])}
    output, fresh = tmp_path / "out", tmp_path / "fresh"
    path = write_corpus(tmp_path / "c.parquet", [A[0], A[1], A[2], A[2]], **ids)
    assert run(path, output, tiny_model, "--no-rdf", *ALONE) == 0
    assert into(path, output) == 0
    assert read_manifest(output)["extract"]["unchanged_rows"] == 4
    write_corpus(path, [A[1], A[0], A[2], B[0]], **ids)
    assert into(path, output) == 0
    assert run(path, fresh, tiny_model, "--no-rdf", *ALONE) == 0
    assert table_rows(output, "documents") == table_rows(fresh, "documents")
    [rejected] = table_rows(output, "rejected")
    assert (rejected["document_id"], rejected["source_row"]) == ("x", 1)
    for name in ("mentions", "entities", "relations", "triples"):
        assert table_rows(output, name) == table_rows(fresh, name)


def test_a_document_is_removed_once(tmp_path, corpora, tiny_model, capsys):
    output = tmp_path / "out"
    assert run(corpora[0], output, tiny_model, "--no-rdf") == 0
    for ids, removed in (("a0", 1), ("a0", 0), ("a0,a1", 1), ("a1,a0", 0)):
        capsys.readouterr()
        assert remove(output, ids) == 0
        assert f"{removed} documents removed" in capsys.readouterr().out
    assert [row["document_id"] for row in table_rows(output, "documents")] == ["a2"]


def test_row_that_can_be_read_now_is_no_longer_rejected(tmp_path, tiny_model):
    path = write_corpus(tmp_path / "c.parquet", [A[0], None, A[2]])
    output, fresh = tmp_path / "out", tmp_path / "fresh"
    assert run(path, output, tiny_model, "--no-rdf", *ALONE) == 0
    assert len(table_rows(output, "rejected")) == 1
    write_corpus(path, A)
    assert into(path, output) == 0
    assert run(path, fresh, tiny_model, "--no-rdf", *ALONE) == 0
    assert graph_files(output) == graph_files(fresh)
    # Emptied again, the row is rejected, and the document stays as it was known.
    write_corpus(path, [A[0], None, A[2]])
    assert into(path, output) == 0
    assert len(table_rows(output, "documents")) == 3


def test_options_of_the_first_run_hold(tmp_path, corpora, tiny_model):
    _, b = corpora
    renamed = tmp_path / "a.parquet"
    output = tmp_path / "out"
    write_corpus(renamed, A)
    assert run(renamed, output, tiny_model, "--relation-threshold", "0.3", "--no-rdf") == 0
    first = read_manifest(output)["build"]["options"]
    assert into(b, output) == 0
    assert read_manifest(output)["build"]["options"] == first
    assert read_manifest(output)["configuration"]["token_budget"] > 0
    assert [i["path"] for i in read_manifest(output)["inputs"]] == [str(renamed), str(b)]
    assert remove(output, "a0", "--rdf", "--head-policy", "best") == 0
    options = read_manifest(output)["build"]["options"]
    assert options["head_policy"] == "best"
    assert options["relation_threshold"] == 0.3
    assert options["rdf"] is not None


def test_ids_are_taken_as_they_are(tmp_path, tiny_model, monkeypatch, capsys):
    """White space is part of an id, and an id that is also the name of a file is an id."""
    names = pa.array(["a", " a ", "b", "x,y", "b\t"])
    path = write_corpus(tmp_path / "in.parquet", [A[0], A[1], A[2], B[0], B[1]], id=names)
    output = tmp_path / "out"
    assert run(path, output, tiny_model, "--no-rdf") == 0
    monkeypatch.chdir(tmp_path)
    Path("b").write_text("a\n")

    def left():
        return {row["document_id"] for row in table_rows(output, "documents")}

    assert remove(output, " a ,b") == 0
    assert left() == {"a", "x,y", "b\t"}
    Path("ids").write_text("x,y\nb\t\n")
    assert main(["remove", str(output), "--documents-file", "ids", "--no-rdf"]) == 0
    assert left() == {"a"}


def test_wrong_calls_change_nothing(tmp_path, corpora, tiny_model, capsys):
    a, b = corpora
    output = tmp_path / "out"
    assert run(a, output, tiny_model) == 0
    before, of_manifest = files(output), (output / "manifest.json").read_bytes()
    capsys.readouterr()
    missing = tmp_path / "no.txt"
    latin = tmp_path / "latin.txt"
    latin.write_bytes(b"a0\nM\xfcller\n")
    blank = tmp_path / "blank.txt"
    blank.write_bytes(b"\n\r\n")
    space = tmp_path / "space.txt"
    space.write_bytes(b"a0\n a1\n")
    for arguments, message in (
        (["run", b, "--into", tmp_path / "none"], "no manifest.json there"),
        (["run", b, "--into", output, "--output", output], "--into: not together with --output"),
        (["run", b, "--into", output, "--resume"], "--resume: --into"),
        (["run", b, "--into", output, "--language", "de"], "--language: 'de', but the graph in"),
        (["run", b, "--into", output, "--relation-threshold", "0.01"], "--relation-floor: 0.01"),
        (["run", b, "--into", output, "--text-column", "x"], "has no column 'x'"),
        (["run", "--into", output], "CORPUS: name"),
        (["remove", output], "--documents: name the documents"),
        (["remove", output, "--documents", "a0,zz,😀"], "has no document 'zz', '😀'"),
        (["remove", output, "--documents", "https://x.org/a"], "no document 'https://x.org/a'"),
        # The name of a file is an id.
        (["remove", output, "--documents", latin], f"has no document '{latin}'"),
        (["remove", output, "--documents", " a0"], "has no document ' a0'"),
        (["remove", output, "--documents", "a0, a1"], "has no document ' a1'"),
        (["remove", output, "--documents", "a0,,a1"], "--documents: 'a0,,a1' has an empty id"),
        (["remove", output, "--documents", ""], "--documents: '' has an empty id"),
        (["remove", output, "--documents-file", tmp_path], f"--documents-file: {tmp_path} can't"),
        (["remove", output, "--documents-file", missing], f"{missing}: no such file"),
        (["remove", output, "--documents-file", latin], f"{latin}: not UTF-8"),
        (["remove", output, "--documents-file", blank], f"{blank} names no document"),
        (["remove", output, "--documents-file", space], "--documents-file: "),
        (
            ["remove", output, "--documents", "a0", "--documents-file", blank],
            "--documents-file: not together with --documents",
        ),
        (["remove", tmp_path / "none", "--documents", "x"], "no manifest.json there"),
        (["remove", output, "--documents", "a0", "--", "--nonsense"], "--nonsense"),
    ):
        assert main([str(a) for a in arguments]) == 2, arguments
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
    assert files(output) == before
    assert (output / "manifest.json").read_bytes() == of_manifest
    # The first run can't go on where an update has changed the graph.
    assert remove(output, "a0") == 0
    assert run(a, output, tiny_model, "--resume") == 2
    assert "go on by --into" in capsys.readouterr().err


def test_killed_update_goes_on(tmp_path, tiny_model):
    texts = [f"{text} This is number {i}." for i, text in enumerate(TEXTS * 10)]
    first = write_corpus(tmp_path / "a.parquet", texts[:10])
    second = write_corpus(tmp_path / "b.parquet", texts[10:])
    options = ("--no-rdf", *ALONE)
    output, fresh = tmp_path / "out", tmp_path / "fresh"
    assert run(first, output, tiny_model, *options) == 0
    before = graph_files(output), read_manifest(output)
    running = process("run", second, "--into", output)
    try:
        while len(chunks(output)) < 13:
            assert running.poll() is None, running.communicate()
            time.sleep(0.01)
    finally:
        running.kill()
        running.communicate()
    assert running.returncode == -signal.SIGKILL
    assert 13 <= len(chunks(output)) < 50
    # The graph is the old one, whole, and another build of it makes the same.
    assert (graph_files(output), read_manifest(output)) == before
    assert main(["build", str(output), "--no-rdf"]) == 0
    assert graph_files(output) == before[0]

    times = {path: os.stat(path).st_mtime_ns for path in (output / "extractions").iterdir()}
    assert into(second, output) == 0
    assert read_manifest(output)["extract"]["resumed_rows"] >= 3
    kept = {path: path.stat().st_mtime_ns for path in times if path.suffix == ".parquet"}
    assert kept == {path: time for path, time in times.items() if path in kept}
    assert main(["run", str(tmp_path / "*.parquet"), "--output", str(fresh), "--model",
                 str(tiny_model), *options]) == 0  # fmt: skip
    assert graph_files(output) == graph_files(fresh)
    assert len(extracted(output)) == 50


STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("add"),
            st.dictionaries(st.sampled_from("pqr"), st.sampled_from(TEXTS), min_size=1),
        ),
        st.tuples(st.just("remove"), st.sampled_from("pqr")),
    ),
    min_size=1,
    max_size=3,
)


@examples(5, shared_fixtures=True)
@given(STEPS)
def test_history_leaves_no_trace(tmp_path_factory, tiny_model, steps):
    """Whatever was added, changed and removed, the tables are those of the live documents."""
    import pyarrow.parquet as pq

    folder = tmp_path_factory.mktemp("history")
    output, fresh = folder / "out", folder / "fresh"
    live = {"p": TEXTS[0]}

    def write(name, documents):
        ids = pa.array(list(documents), pa.string())
        pq.write_table(corpus_table(list(documents.values())).set_column(0, "id", ids), name)
        return name

    assert run(write(folder / "0.parquet", live), output, tiny_model, "--no-rdf", *ALONE) == 0
    for number, (kind, what) in enumerate(steps, 1):
        if kind == "add":
            assert into(write(folder / f"{number}.parquet", what), output) == 0
            live |= what
        elif what in live:
            assert remove(output, what) == 0
            del live[what]
    if not live:
        assert table_rows(output, "documents") == table_rows(output, "mentions") == []
        return
    assert run(write(folder / "live.parquet", live), fresh, tiny_model, "--no-rdf", *ALONE) == 0
    for name in ("mentions", "entities", "relations", "triples"):
        assert table_rows(output, name) == table_rows(fresh, name)
    documents = {d["document_id"]: d["content_hash"] for d in table_rows(output, "documents")}
    assert documents == {
        d["document_id"]: d["content_hash"] for d in table_rows(fresh, "documents")
    }
