"""`--sync`: the corpus is whole, and documents that it lacks are removed, with care."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.beam_runners import prism_options
from helpers.corpora import TEXTS, corpus_table, run, write_corpus
from helpers.examples import examples
from helpers.output_folders import graph_files, read_manifest, table_rows
from pfn_kg.pipeline.cli import main

ALONE = ("--chunk-documents", "1")


def write(path, documents):
    """A corpus of documents by id; a text of None is rejected."""
    ids = pa.array(list(documents), pa.string())
    pq.write_table(corpus_table(list(documents.values())).set_column(0, "id", ids), path)
    return path


def sync(corpus, output, *options):
    return main(["run", str(corpus), "--into", str(output), "--sync", *options])


def documents(output):
    return {row["document_id"] for row in table_rows(output, "documents")}


@pytest.fixture
def graph(tmp_path, tiny_model):
    """A corpus of five documents, of which the last one is rejected, and its graph."""
    texts = {"a": TEXTS[0], "b": TEXTS[1], "c": TEXTS[2], "d": TEXTS[3], "e": None}
    corpus = write(tmp_path / "c.parquet", texts)
    assert run(corpus, tmp_path / "out", tiny_model, *ALONE, "--no-rdf") == 0
    return corpus, tmp_path / "out", texts


def test_what_is_gone_is_removed(graph, tmp_path, tiny_model, capsys):
    corpus, output, texts = graph
    left = {"a": texts["a"], "b": "Oslo is in Norway.", "c": texts["c"], "n": TEXTS[4]}
    write(corpus, left)
    capsys.readouterr()
    assert sync(corpus, output, "--max-gone", "0.25") == 0
    said = capsys.readouterr().out
    # The rejected row goes too, since its id is gone.
    assert "2 new or changed and 2 rows unchanged, 2 documents that are gone removed" in said
    assert read_manifest(output)["extract"]["gone_documents"] == 2
    assert run(corpus, tmp_path / "fresh", tiny_model, *ALONE, "--no-rdf") == 0
    assert graph_files(output) == graph_files(tmp_path / "fresh")
    # A document that comes back is new again.
    write(corpus, left | {"d": texts["d"]})
    assert sync(corpus, output) == 0
    assert documents(output) == {"a", "b", "c", "d", "n"}


def test_too_many_are_gone(graph, capsys):
    corpus, output, texts = graph
    before = read_manifest(output), graph_files(output)
    write(corpus, {"a": texts["a"], "b": texts["b"], "n": TEXTS[4]})
    assert sync(corpus, output) == 2
    assert (
        f"pfn-kg: --sync: 2 of 4 documents in {output} are not in the corpus (50%), more than 20%; "
        "nothing is changed; if they are to go, say so by --max-gone"
    ) in capsys.readouterr().err
    after = read_manifest(output)
    assert (after["chunks"], after.get("removed"), after["graph"]) == (
        before[0]["chunks"],
        before[0].get("removed"),
        before[0]["graph"],
    )
    assert graph_files(output) == before[1]
    # Nothing was read for it: the new document has no extractions.
    assert len(list((output / "extractions").glob("*.parquet"))) == 5
    assert sync(corpus, output, "--max-gone", "0.5") == 0
    assert documents(output) == {"a", "b", "n"}


def test_small_files_that_share_a_chunk(tmp_path, tiny_model, capsys):
    corpus, output = tmp_path / "in", tmp_path / "out"
    corpus.mkdir()
    for number, text in enumerate(TEXTS):
        write(corpus / f"{number}.parquet", {f"a{number}": text, f"b{number}": f"{text} Again."})
    assert run(corpus, output, tiny_model, "--no-rdf") == 0
    assert len(read_manifest(output)["inputs"]) == len(TEXTS)
    assert len(list((output / "extractions").glob("*.parquet"))) == 1
    # A file is gone, and of another one a row; a third has one more.
    (corpus / "1.parquet").unlink()
    write(corpus / "2.parquet", {"a2": TEXTS[2]})
    write(corpus / "3.parquet", {"a3": TEXTS[3], "b3": f"{TEXTS[3]} Again.", "new": TEXTS[0]})
    capsys.readouterr()
    assert sync(corpus, output, "--max-gone", "0.4") == 0
    assert "1 new or changed and 7 rows unchanged, 3 documents that are gone removed" in (
        capsys.readouterr().out
    )
    left = {f"{name}{number}" for number in (0, 2, 3, 4) for name in "ab"} - {"b2"} | {"new"}
    assert documents(output) == left
    # A file that is damaged makes a chunk of its own; the others still share one.
    (corpus / "0.parquet").write_bytes(b"half a file")
    assert sync(corpus, output, "--max-gone", "1") == 2
    assert "--sync: 1 rows or files of the corpus can't be read" in capsys.readouterr().err
    assert documents(output) == left


@pytest.mark.parametrize("texts", [{}, {"": "No id."}])
def test_an_empty_corpus_removes_nothing(graph, capsys, texts):
    corpus, output, _ = graph
    write(corpus, texts)
    assert sync(corpus, output, "--max-gone", "1") == 2
    assert "--sync: the corpus has no documents, but the graph in" in capsys.readouterr().err
    assert len(documents(output)) == 4


def test_a_document_without_a_text_is_not_gone(graph):
    corpus, output, texts = graph
    write(corpus, texts | {"b": None})
    assert sync(corpus, output) == 0
    assert documents(output) == {"a", "b", "c", "d"}


def test_a_corpus_that_can_not_be_read_is_not_whole(graph, tmp_path, capsys):
    corpus, output, _ = graph
    other = tmp_path / "other.parquet"
    other.write_bytes(b"half a file")
    arguments = ["extract", str(corpus), str(other), "--into", str(output)]
    assert main([*arguments, "--sync"]) == 2
    said = capsys.readouterr().err
    assert f"--sync: 1 rows or files of the corpus can't be read ({other} for one)" in said
    assert main(arguments) == 0


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--output", "x", "--sync"], "--sync: only together with --into"),
        (["--into", "x", "--max-gone", "0.5"], "--max-gone: only together with --sync"),
        (["--into", "x", "--sync", "--max-gone", "2"], "--max-gone: 2.0 is not between 0 and 1"),
    ],
)
def test_wrong_calls(tmp_path, capsys, options, reason):
    assert main(["extract", str(write_corpus(tmp_path / "c.parquet")), *options]) == 2
    assert capsys.readouterr().err == f"pfn-kg: {reason}\n"


@pytest.mark.skipif(prism_options() is None, reason="PFN_KG_PRISM names no Prism")
def test_on_prism(graph, capsys):
    corpus, output, texts = graph
    write(corpus, dict(list(texts.items())[:2]))
    runner = ["--", *(prism_options() or [])]
    assert sync(corpus, output, "--no-rdf", *runner) == 2
    assert "2 of 4 documents" in capsys.readouterr().err
    assert sync(corpus, output, "--no-rdf", "--max-gone", "0.5", *runner) == 0
    assert documents(output) == {"a", "b"}


DOCUMENTS = st.dictionaries(
    st.sampled_from("abcde"), st.sampled_from([*TEXTS[:2], None]), min_size=1
)


@examples(2, shared_fixtures=True)
@given(DOCUMENTS, st.lists(DOCUMENTS, min_size=1, max_size=2))
def test_the_graph_is_that_of_the_last_corpus(tmp_path_factory, tiny_model, first, later):
    folder = tmp_path_factory.mktemp("sync")
    corpus, output = folder / "c.parquet", folder / "out"
    assert run(write(corpus, first), output, tiny_model, "--no-rdf", *ALONE) == 0
    known = {id_ for id_, text in first.items() if text is not None}
    for documents_now in later:
        write(corpus, documents_now)
        assert sync(corpus, output, "--max-gone", "1") == 0
        # A text that is gone leaves the document as it was known.
        known = {id_ for id_, text in documents_now.items() if text is not None or id_ in known}
    assert documents(output) == known
