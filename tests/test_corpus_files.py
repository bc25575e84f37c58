"""Corpora as other programs write them: folders, tables, column types."""

import datetime
import decimal
import json
import os
import uuid
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from helpers.output_folders import files
from helpers.read_corpus import rows
from pfn_kg.pipeline.cli import main
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.extract_options import ExtractOptions
from pfn_kg.transforms.plumbing.files import delete
from pfn_kg.transforms.plumbing.listing import list_folder
from pfn_kg.transforms.reading.chunks import read_documents
from pfn_kg.transforms.reading.list_corpus import list_corpus
from pfn_kg.transforms.reading.plan import plan_extraction

TEXTS = ["Anna Bell was born in London.", "She works for NATO."]


def write(path, ids=("a", "b"), texts=TEXTS, **columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"id": ids, "text": texts, **columns}), path)
    return path


def ids(*corpus, **options):
    return [document.document_id for document in rows(*corpus, **options)]


@pytest.mark.parametrize("name", ["run[1]", "a*b", "what?", "news [2024].d", "[", "x]"])
def test_what_exists_is_taken_literally(tmp_path, name, monkeypatch):
    write(tmp_path / name / "c[0].parquet", ["right", "too"])
    for other in ("run1", "aXb", "whatX"):
        write(tmp_path / other / "c0.parquet", ["wrong", "as well"])
    assert ids(tmp_path / name) == ["right", "too"]
    assert ids(tmp_path / name / "c[0].parquet") == ["right", "too"]
    monkeypatch.chdir(tmp_path / name)
    assert ids("c[0].parquet") == ["right", "too"]
    assert ids("*.parquet") == ["right", "too"]
    assert [Path(m.path).name for m in list_folder(str(tmp_path / name))] == ["c[0].parquet"]


def test_what_does_not_exist_is_a_pattern(tmp_path):
    write(tmp_path / "a1.parquet", ["a", "b"])
    write(tmp_path / "a2.parquet", ["c", "d"])
    write(tmp_path / "_a3.parquet", ["e", "f"])
    assert ids(tmp_path / "a[12].parquet") == ["a", "b", "c", "d"]
    assert ids(tmp_path / "*.parquet") == ["a", "b", "c", "d"]
    assert ids(tmp_path / "_*.parquet") == ["e", "f"]
    with pytest.raises(ConfigurationError, match="no file matches this pattern"):
        list_corpus([str(tmp_path / "b*.parquet")])
    with pytest.raises(ConfigurationError) as refused:
        list_corpus([str(tmp_path / "b.parquet")])
    assert str(refused.value) == f"CORPUS {tmp_path}/b.parquet: no such file or folder"


def test_deleting_is_literal(tmp_path):
    for name in ("run[1]", "run1"):
        write(tmp_path / name / "part.parquet")
    delete(str(tmp_path / "run[1]"))
    assert sorted(os.listdir(tmp_path)) == ["run1"]


def test_an_output_with_brackets_leaves_its_neighbours_alone(tmp_path, tiny_model):
    corpus = write(tmp_path / "corpus.parquet")
    for name in ("run1", "run[1]"):
        command = ["run", str(corpus), "--output", str(tmp_path / name)]
        assert main([*command, "--model", str(tiny_model)]) == 0
    for name in ("out1", "out[1]"):
        command = ["export", str(tmp_path / "run[1]"), "--to", "ntriples"]
        assert main([*command, "--output", str(tmp_path / name)]) == 0
    assert main(["build", str(tmp_path / "run[1]"), "--relation-threshold", "0.6"]) == 0
    for one, other in (("run1", "run[1]"), ("out1", "out[1]")):
        first, second = (set(files(tmp_path / name)) for name in (one, other))
        assert first == second
        assert len(first) >= 5


def test_hidden_files_and_folders_are_not_read(tmp_path):
    write(tmp_path / "lang=en" / "part-0.parquet", ["en1", "en2"])
    write(tmp_path / "lang=de" / "part-0.parquet", ["de1", "de2"])
    for hidden in ("_temporary/0", ".staging", ".ipynb_checkpoints", "lang=en/_committed"):
        write(tmp_path / hidden / "part-1.parquet", ["no", "never"])
    write(tmp_path / "_metadata.parquet", ["no", "never"])
    (tmp_path / "_SUCCESS").touch()
    found = rows(tmp_path, metadata_columns=["lang"])
    assert [d.document_id for d in found] == ["de1", "de2", "en1", "en2"]
    assert [json.loads(d.metadata)["lang"] for d in found] == ["de", "de", "en", "en"]
    assert ids(f"{tmp_path}/*/*.parquet") == ["de1", "de2", "en1", "en2"]


@pytest.mark.parametrize(
    ("log", "kind"),
    [("_delta_log/00000000000000000000.json", "Delta"), ("metadata/v1.metadata.json", "Iceberg")],
)
def test_tables_with_a_log_are_refused(tmp_path, log, kind):
    write(tmp_path / "t" / "data" / "part-0.parquet")
    path = tmp_path / "t" / log
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    with pytest.raises(ConfigurationError, match=f"CORPUS .*: a {kind} table, whose log says"):
        list_corpus([str(tmp_path)])


def test_other_endings_are_named(tmp_path):
    write(tmp_path / "upper" / "A.PARQUET", ["a", "b"])
    assert ids(tmp_path / "upper") == ["a", "b"]
    write(tmp_path / "other" / "x.pq", ["a", "b"])
    with pytest.raises(ConfigurationError, match=r"it has x\.pq\); name other files by a pattern"):
        list_corpus([str(tmp_path / "other")])
    assert ids(tmp_path / "other" / "*") == ["a", "b"]


def test_columns_that_some_files_lack(tmp_path):
    write(tmp_path / "0.parquet", url=["u1", "u2"], title=["T1", "T2"])
    write(tmp_path / "1.parquet", ["c", "d"], title=pa.nulls(2))
    write(tmp_path / "2.parquet", ["e", "f"], url=pa.nulls(2))
    found = rows(tmp_path, metadata_columns=["url"], title_column="title")
    assert [json.loads(d.metadata)["url"] for d in found] == ["u1", "u2", None, None, None, None]
    assert [d.title for d in found] == ["T1", "T2", None, None, None, None]
    with pytest.raises(ConfigurationError, match=r"metadata_columns: .* has no column 'nowhere'"):
        rows(tmp_path, metadata_columns=["nowhere"])
    with pytest.raises(ConfigurationError, match=r"title_column: .* has no column 'nowhere'"):
        rows(tmp_path, title_column="nowhere")


def test_a_file_without_texts_does_not_stop_the_corpus(tmp_path):
    write(tmp_path / "0.parquet")
    write(tmp_path / "1.parquet", ["c", "d"], pa.nulls(2))
    write(tmp_path / "2.parquet", pa.nulls(2))
    found = rows(tmp_path)
    assert [d.text for d in found] == [*TEXTS, None, None, None, None]
    assert [d.rejected[0].error for d in found[2:]] == [
        *["column 'text' is null"] * 2,
        *["column 'id' is null"] * 2,
    ]


UUIDS = [uuid.UUID(int=1), uuid.UUID(int=1 << 100)]
DAYS = [datetime.date(2024, 2, 29), datetime.date(1999, 12, 31)]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array(["1", "ä"], pa.large_string()), ["1", "ä"]),
        (pa.array(["1", "ä"], pa.string_view()), ["1", "ä"]),
        (pa.array(["1", "ä"]).dictionary_encode(), ["1", "ä"]),
        (pa.array([7, 2**63 + 1], pa.uint64()), ["7", "9223372036854775809"]),
        (pa.array([-1, 3], pa.int8()), ["-1", "3"]),
        (pa.array([decimal.Decimal(12), decimal.Decimal(10**20)], pa.decimal128(38, 0)),
         ["12", str(10**20)]),
        (pa.array([5.0, 2.0**52]), ["5", str(2**52)]),
        (pa.array([u.bytes for u in UUIDS], pa.uuid()), list(map(str, UUIDS))),
        (pa.array([b"\x00\xff", b"ab"], pa.binary(2)), ["00ff", "6162"]),
        (pa.array([b"1", "ä".encode()]), ["1", "ä"]),
        (pa.array([b"1", "ä".encode()], pa.binary_view()), ["1", "ä"]),
        (pa.array(DAYS), ["2024-02-29", "1999-12-31"]),
    ],
    ids=str,
)  # fmt: skip
def test_types_of_ids(tmp_path, column, expected):
    assert ids(write(tmp_path / "a.parquet", column)) == expected


@pytest.mark.parametrize(
    "column",
    [
        pa.array([True, False]),
        pa.array([decimal.Decimal("1.5"), decimal.Decimal("2.5")]),
        pa.array([["a"], ["b"]]),
        pa.array([datetime.datetime(2024, 1, 1)] * 2),
    ],
    ids=lambda column: str(column.type),
)
def test_types_that_are_no_ids_are_refused(tmp_path, column):
    path = write(tmp_path / "a.parquet", column)
    with pytest.raises(ConfigurationError) as refused:
        ids(path)
    assert str(refused.value) == (
        f"id_column: column 'id' of {path} is {pq.read_schema(path).field('id').type}, "
        "not text, whole numbers or dates; "
        "cast it to a string"
    )


def test_numbers_that_are_no_ids_are_rejected(tmp_path):
    found = rows(write(tmp_path / "a.parquet", [1.5, float(2**60)]))
    reason = "column 'id' is a floating-point number that is not exactly a whole one"
    assert [d.rejected[0].error for d in found] == [reason] * 2


@pytest.mark.parametrize("type_", [pa.binary(), pa.large_binary(), pa.binary_view()], ids=str)
def test_texts_in_binary_columns(tmp_path, type_):
    texts = pa.array([b"caf\xc3\xa9.", b"caf\xe9"], type_)
    found = rows(write(tmp_path / "a.parquet", texts=texts))
    assert found[0].text == "café."
    assert found[1].rejected[0].error == "column 'text' is not valid UTF-8 at byte 3"


def test_nested_columns(tmp_path):
    documents = [{"key": "a", "body": {"en": TEXTS[0]}}, {"key": "b", "body": None}]
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"doc": documents, "other.name": ["x", "y"]}), path)
    names = {"id_column": "doc.key", "text_column": "doc.body.en"}
    found = rows(path, **names, metadata_columns=["doc.key", "other.name"])
    assert [(d.document_id, d.text) for d in found] == [("a", TEXTS[0]), ("b", None)]
    assert json.loads(found[0].metadata) == {"doc.key": "a", "other.name": "x"}
    with pytest.raises(ConfigurationError, match=r"has no column 'doc\.body\.de'"):
        rows(path, **names | {"text_column": "doc.body.de"})


def test_another_case_is_suggested(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"ID": ["a"], "Text": ["b"]}), path)
    with pytest.raises(ConfigurationError, match=r"no column 'text' .*; is 'Text' meant"):
        rows(path)


def polars(path):
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"id": ["a", "b"], "text": TEXTS})
    frame.with_columns(polars.col("id").cast(polars.Categorical)).write_parquet(path)


def pandas(path):
    frame = pytest.importorskip("pandas").DataFrame({"id": ["a", "b"], "text": TEXTS})
    frame.astype({"id": "category"}).set_index("id").to_parquet(path)


def duckdb(path):
    values = f"values ('a', '{TEXTS[0]}'), ('b', '{TEXTS[1]}')"
    pytest.importorskip("duckdb").sql(
        f"copy (select id::enum('a', 'b') as id, text from ({values}) t(id, text)) to '{path}'"
    )


@pytest.mark.parametrize("program", [polars, pandas, duckdb], ids=lambda p: p.__name__)
def test_files_of_other_programs(tmp_path, program):
    program(tmp_path / "a.parquet")
    assert ids(tmp_path) == ["a", "b"]
    assert [d.text for d in rows(tmp_path)] == TEXTS


def test_hugeint_and_uuid_of_duckdb(tmp_path):
    duckdb = pytest.importorskip("duckdb")
    for name, value in (("uuid", "'00000000-0000-0000-0000-00000000000a'::uuid"),
                        ("hugeint", "12::hugeint"), ("decimal", "7::decimal(18, 0)")):  # fmt: skip
        duckdb.sql(
            f"copy (select {value} as id, 'A text.'::blob as text) to '{tmp_path}/{name}.parquet'"
        )
    assert ids(tmp_path) == ["7", "12", "00000000-0000-0000-0000-00000000000a"]


def test_a_file_that_changes_while_it_is_read(tmp_path):
    path = write(tmp_path / "a.parquet", [str(n) for n in range(500)], TEXTS * 250)
    other = write(tmp_path / "b.tmp", [str(n) for n in range(500)], ["Other."] * 500)
    given = ExtractOptions(corpus=[str(path)], output="out")
    [run] = plan_extraction(given, "model").runs
    documents = read_documents(run)
    next(documents)
    os.replace(other, path)
    with pytest.raises(OSError, match="changed while it was read"):
        list(documents)
    with pytest.raises(OSError, match="changed while it was read"):
        next(read_documents(run))
    path.unlink()
    with pytest.raises(OSError, match="is gone since the run began"):
        next(read_documents(run))


def test_a_run_over_a_file_that_changes_fails(tmp_path, tiny_model, monkeypatch, capsys):
    from pfn_kg.transforms.extraction import split_chunks

    path = write(tmp_path / "a.parquet")
    read = split_chunks.read_chunks

    def changing(run, next_row):
        write(path, ["a", "b"], ["Another text.", "And one more."])
        return read(run, next_row)

    monkeypatch.setattr(split_chunks, "read_chunks", changing)
    command = ["run", str(path), "--output", str(tmp_path / "out"), "--model", str(tiny_model)]
    assert main(command) == 1
    assert "changed while it was read" in capsys.readouterr().err
    monkeypatch.undo()
    assert main([*command, "--resume"]) == 0
