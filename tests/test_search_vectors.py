"""Vectors in `pfn-kg search`: what they rank, where they lie, and that updates read little."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from helpers.extraction_folders import Doc, write_folder
from pfn_kg import ConfigurationError, Graph
from pfn_kg.pfn.inference.embedding import TextEmbedder
from pfn_kg.pipeline.build_phase import BuildOptions, run_build
from pfn_kg.pipeline.cli import main
from pfn_kg.pipeline.finished_run import read_finished
from pfn_kg.pipeline.search.place import INDEX_FOLDER
from pfn_kg.pipeline.search.rank import rank
from pfn_kg.pipeline.search.vectors import likeness, vector_table, vectors_of
from pfn_kg.pipeline.search_graph import index_of, likeness_of, search

DOCS = [
    Doc("ada", "Ada Lovelace was born in London. It rained in 1815.", title="Ada Lovelace"),
    Doc("acme", "John Smith works for ACME.", title=None),
    Doc("rome", "Rome is a city of Italy. Anna Bell moved to Rome.", title="Rome"),
]
QUESTION = "Who moved to Rome?"


def make(folder, docs=DOCS):
    path = write_folder(folder, docs)
    run_build(path, BuildOptions(rdf=None, sentences=True))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make(tmp_path_factory.mktemp("vectors") / "run")


def vector_files(folder):
    return sorted((Path(folder) / INDEX_FOLDER).rglob("vectors-*"))


class CountingEmbedder:
    """Counts what the embedder reads."""

    def __init__(self, embedder):
        self._embedder = embedder
        self.read = []

    def embed(self, texts):
        self.read += texts
        return self._embedder.embed(texts)


@pytest.fixture(scope="module")
def embedder(tiny_model):
    return TextEmbedder(tiny_model, device="cpu")


def test_the_table_holds_the_vector_of_each_sentence_with_its_title(folder, embedder):
    index = index_of(read_finished(folder))
    table = vector_table(index, embedder.embed, embedder.width)
    rows = table.select(["document_id", "begin", "end"]).to_pylist()
    texts = {doc.id: doc for doc in DOCS}
    passages = []
    for row in rows:
        doc = texts[row["document_id"]]
        sentence = doc.text[row["begin"] : row["end"]]
        passages.append(f"{doc.title}. {sentence}" if doc.title else sentence)
    assert len(passages) == len(index.sentences) == 5
    assert vectors_of(table) == pytest.approx(embedder.embed(passages), abs=1e-3)


def test_vectors_rank_sentences_and_documents(folder, tiny_model, embedder):
    run = read_finished(folder)
    index = index_of(run)
    like = likeness_of(run, index, str(tiny_model))(QUESTION)
    ranks = rank(index, QUESTION, like)
    expected = vectors_of(vector_table(index, embedder.embed, embedder.width)).astype(np.float32)
    cosines = np.maximum(expected @ embedder.embed([QUESTION])[0], 0)
    assert ranks.sentences.vectors == pytest.approx(cosines, abs=1e-6)
    of = index.sentences["document"].to_numpy()
    for document, score in enumerate(ranks.documents.vectors):
        own = cosines[of == document]
        assert score == pytest.approx(own.max() + own.mean(), abs=1e-6)
    # A document that shares no word with the question is found too.
    plain = rank(index, QUESTION)
    number = index.documents["document_id"].to_pylist().index("acme")
    assert plain.documents.fused()[number] == 0 < ranks.documents.fused()[number]
    assert plain.documents.vectors is None


def test_likeness_is_that_of_many_sentences_too(monkeypatch):
    from pfn_kg.pipeline.search import vectors as module

    monkeypatch.setattr(module, "_ROWS", 3)
    random = np.random.default_rng(0)
    vectors = random.normal(size=(10, 4)).astype(np.float16)
    question = random.normal(size=4).astype(np.float32)
    expected = np.maximum(vectors.astype(np.float32) @ question, 0)
    assert likeness(vectors, question) == pytest.approx(expected)
    assert likeness(vectors[:0], question).shape == (0,)


def test_vectors_are_made_once(tmp_path, tiny_model, monkeypatch):
    path = make(tmp_path / "run")
    first = search(path, QUESTION, vectors=str(tiny_model))
    (file,) = vector_files(path)
    before = file.read_bytes()
    monkeypatch.setattr("pfn_kg.pipeline.search_graph.vector_table", None)
    assert Graph.open(path).search(QUESTION, vectors=str(tiny_model)) == first
    assert file.read_bytes() == before


def test_an_update_reads_only_what_changed_and_ends_with_the_same_bytes(
    tmp_path, tiny_model, embedder
):
    path = make(tmp_path / "run")
    search(path, QUESTION, vectors=str(tiny_model))
    changed = [DOCS[0], Doc("new", "London is in England.", title="London"), DOCS[2]]
    shutil.copytree(make(tmp_path / "other", changed), path, dirs_exist_ok=True)
    run = read_finished(path)
    (former,) = vector_files(path)
    counting = CountingEmbedder(embedder)
    index = index_of(run)
    vector_table(index, counting.embed, embedder.width, pq.read_table(vector_files(path)[0]))
    assert counting.read == ["London. London is in England."]
    search(path, QUESTION, vectors=str(tiny_model))
    (file,) = vector_files(path)
    assert file.name == former.name
    search(str(tmp_path / "other"), QUESTION, vectors=str(tiny_model))
    (whole,) = vector_files(tmp_path / "other")
    assert file.read_bytes() == whole.read_bytes()


def test_the_command_takes_an_encoder(folder, tiny_model, capsys):
    assert main(["search", folder, QUESTION, "--vectors", str(tiny_model), "--limit", "1"]) == 0
    assert "1. " in capsys.readouterr().out
    assert main(["search", folder, QUESTION, "--vectors", "/nothing"]) == 2
    assert "pfn-kg: --vectors: /nothing is no folder" in capsys.readouterr().err
    with pytest.raises(ConfigurationError, match="no folder"):
        Graph.open(folder).search(QUESTION, vectors="/nothing")
