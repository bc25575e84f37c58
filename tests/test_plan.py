"""The plan: which files, which runs of rows, and what a chunk's name depends on."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.corpora import TEXTS, corpus_table, write_corpus
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.extract_options import ExtractOptions
from pfn_kg.transforms.reading.chunks import read_chunks
from pfn_kg.transforms.reading.columns import Columns
from pfn_kg.transforms.reading.list_corpus import list_corpus
from pfn_kg.transforms.reading.plan import plan_extraction
from pfn_kg.transforms.reading.runs import ChunkRun, batch_rows

pytestmark = pytest.mark.quick


def options(*corpus, **others):
    return ExtractOptions.from_dict({"corpus": [str(c) for c in corpus], "output": "out"} | others)


def names(files):
    return [metadata.path.rpartition("/")[2] for metadata in files]


def test_files_folders_and_globs(tmp_path):
    for name in ("b.parquet", "a.parquet", "deep/er/c.parquet", "d.txt"):
        write_corpus(tmp_path / name)
    folder = str(tmp_path)
    assert names(list_corpus([folder])) == ["a.parquet", "b.parquet", "c.parquet"]
    assert names(list_corpus([f"{folder}/d.txt"])) == ["d.txt"]
    assert names(list_corpus([f"{folder}/?.parquet"])) == ["a.parquet", "b.parquet"]
    # In the order in which they were named, each once.
    assert names(list_corpus([f"{folder}/b.parquet", folder])) == [
        "b.parquet",
        "a.parquet",
        "c.parquet",
    ]
    with pytest.raises(ConfigurationError, match="no file matches"):
        list_corpus([f"{folder}/e*"])


def test_relative_paths_become_absolute(tmp_path, monkeypatch):
    write_corpus(tmp_path / "in" / "a.parquet")
    monkeypatch.chdir(tmp_path)
    [file] = list_corpus(["in"])
    assert file.path == str(tmp_path / "in" / "a.parquet")


@given(st.integers(0, 40), st.integers(1, 12), st.integers(1, 5))
def test_every_row_is_in_one_chunk(tmp_path_factory, rows, group, chunk):
    path = tmp_path_factory.getbasetemp() / f"{rows}-{group}.parquet"
    if not path.exists():
        pq.write_table(
            corpus_table([f"Text {i}." for i in range(rows)]), path, row_group_size=group
        )
    plan = plan_extraction(options(path, chunk_documents=chunk), "model")
    assert plan.rows == rows
    chunks = [c for run in plan.runs for c in read_chunks(run, lambda name, row: None)]
    found = [d.source_row for c in chunks for d in c.documents]
    assert found == list(range(rows))
    assert all(1 <= len(c.documents) <= chunk for c in chunks)
    assert all(c.end - c.begin == len(c.documents) for c in chunks)
    assert len({c.name for c in chunks}) == len(chunks)


def test_finished_chunks_are_passed_over(tmp_path):
    path = write_corpus(tmp_path / "a.parquet", [f"Text {i}." for i in range(10)])
    [run] = plan_extraction(options(path, chunk_documents=3), "model").runs[:1]
    chunks = list(read_chunks(run, lambda name, row: None))
    for missing in chunks:
        ends = {c.name: c.end for c in chunks if c is not missing}
        [again] = read_chunks(run, lambda name, row, ends=ends: ends.get(name))
        assert again == missing
    assert list(read_chunks(run, lambda name, row: {c.name: c.end for c in chunks}[name])) == []


def test_chunks_end_before_they_are_too_long(tmp_path):
    path = write_corpus(tmp_path / "a.parquet", ["x" * size for size in (5, 6, 4, 20, 1, 1)])
    [run] = plan_extraction(options(path), "model").runs
    short = ChunkRun(
        **{name: getattr(run, name) for name in ChunkRun.__slots__} | {"chunk_characters": 10}
    )
    sizes = [[len(d.text) for d in c.documents] for c in read_chunks(short, lambda *_: None)]
    # A chunk may be just as long as that.
    assert sizes == [[5], [6, 4], [20], [1, 1]]


def test_documents_that_are_too_long_are_rejected(tmp_path):
    path = write_corpus(tmp_path / "a.parquet", ["x" * 10, "x" * 11, "x" * 300])
    [run] = plan_extraction(options(path, max_characters=10), "model").runs
    (chunk,) = read_chunks(run, lambda *_: None)
    assert [d.text and len(d.text) for d in chunk.documents] == [10, None, None]
    assert [(r.stage, r.error) for d in chunk.documents for r in d.rejected] == [
        ("read", "column 'text' has 11 characters, more than max_characters (10)"),
        ("read", "column 'text' has 300 characters, more than max_characters (10)"),
    ]
    assert [d.document_id for d in chunk.documents] == ["a0", "a1", "a2"]
    assert len(chunk.documents[2].rejected[0].payload) == 200


def chunk_names(path, model="model", **others):
    runs = plan_extraction(options(path, **others), model).runs
    return [run.chunk_name(run.begin) for run in runs]


def test_what_the_names_of_chunks_depend_on(tmp_path):
    path = write_corpus(tmp_path / "a.parquet")
    names = chunk_names(path)
    assert chunk_names(path) == names
    assert chunk_names(path, device="cpu", resume=True, output="elsewhere") == names
    for other in (
        {"model": "other"},
        {"token_budget": 5},
        {"chunk_documents": 2},
        {"entity_floor": 0.2},
        {"language": "de"},
        {"precision": "bf16"},
        {"metadata_columns": ["title"]},
    ):
        assert chunk_names(path, **other) != names
    write_corpus(path, [*TEXTS, "More."])
    assert chunk_names(path) != names


def test_only_the_columns_that_are_named_are_read(tmp_path):
    path = write_corpus(tmp_path / "a.parquet", wide=["w"] * len(TEXTS), url=["u"] * len(TEXTS))
    [run] = plan_extraction(options(path, metadata_columns=["url", "title"]), "model").runs
    assert run.columns == Columns("text", "id", "title", ("url", "title"))
    assert run.columns.names() == ["id", "title", "text", "url"]
    [run] = plan_extraction(options(path, id_column="none"), "model").runs
    assert run.columns.id is None


def test_ids_from_content(tmp_path):
    path = write_corpus(tmp_path / "a.parquet", ["Same.", "Other.", "Same."])
    [run] = plan_extraction(options(path, id_column="none"), "model").runs
    [chunk] = read_chunks(run, lambda *_: None)
    first, other, again = (d.document_id for d in chunk.documents)
    assert first == again != other


def test_all_text_types_are_read(tmp_path):
    for type_ in (
        pa.string(),
        pa.large_string(),
        pa.string_view(),
        pa.dictionary(pa.int32(), pa.string()),
    ):
        path = tmp_path / "a.parquet"
        texts = pa.array(TEXTS).cast(pa.string())
        texts = texts.dictionary_encode() if pa.types.is_dictionary(type_) else texts.cast(type_)
        pq.write_table(pa.table({"id": pa.array(range(len(TEXTS))), "text": texts}), path)
        [run] = plan_extraction(options(path), "model").runs
        [chunk] = read_chunks(run, lambda *_: None)
        assert [d.text for d in chunk.documents] == TEXTS
        assert [d.document_id for d in chunk.documents] == ["0", "1", "2", "3", "4"]


def test_rows_read_at_once():
    assert batch_rows(0) == 64
    assert batch_rows(1 << 20) == 4
    assert batch_rows(1 << 30) == 1
