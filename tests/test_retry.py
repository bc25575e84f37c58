"""`pfn-kg retry` reads rejected rows once more, and nothing else."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from helpers.corpora import TEXTS, corpus_table, extracted, run, write_corpus
from helpers.output_folders import graph_files, listed_chunks, read_manifest, table_rows
from pfn_kg.pipeline.cli import main
from pfn_kg.transforms.extraction import split_chunks

ALONE = ("--chunk-documents", "1", "--no-rdf")
A = TEXTS[:3]


def retry(output, *options):
    code = main(["retry", str(output), *options])
    return code or main(["build", str(output), "--no-rdf"])


def test_rows_and_files_that_can_be_read_now(tmp_path, tiny_model, capsys):
    rows, file = tmp_path / "in" / "r.parquet", tmp_path / "in" / "s.parquet"
    output, fresh = tmp_path / "out", tmp_path / "fresh"
    write_corpus(rows, [A[0], None, A[2]])
    file.write_bytes(b"half a file")
    assert run(tmp_path / "in", output, tiny_model, *ALONE) == 0
    assert len(table_rows(output, "rejected")) == 2
    capsys.readouterr()

    # Nothing is mended, so nothing is read.
    chunks = listed_chunks(output)
    assert main(["retry", str(output)]) == 0
    assert "0 rows read once more, of which 0 are documents now, 0 rejected" in (
        capsys.readouterr().out
    )
    assert listed_chunks(output) == chunks

    write_corpus(rows, A)
    write_corpus(file, TEXTS[3:])
    assert retry(output) == 0
    said = capsys.readouterr().out
    assert "3 rows read once more, of which 3 are documents now, 0 rejected again" in said
    assert run(tmp_path / "in", fresh, tiny_model, *ALONE) == 0
    assert table_rows(output, "rejected") == []
    assert graph_files(output) == graph_files(fresh)
    assert read_manifest(output)["configuration"]["corpus"] == [str(tmp_path / "in")]
    capsys.readouterr()
    assert main(["retry", str(output)]) == 0
    assert "0 rows read once more" in capsys.readouterr().out


def test_a_document_whose_reading_failed(tmp_path, tiny_model, monkeypatch, capsys):
    path = write_corpus(tmp_path / "c.parquet", A)
    output, fresh = tmp_path / "out", tmp_path / "fresh"
    as_it_is = split_chunks.split_sentences

    def fails(text, language):
        if "Ada" in text:
            raise MemoryError("no memory left")
        return as_it_is(text, language)

    monkeypatch.setattr(split_chunks, "split_sentences", fails)
    assert run(path, output, tiny_model, *ALONE) == 0
    # As long as the cause is there, the row is rejected, once.
    assert retry(output, "--max-rejected", "0") == 1
    assert "more than 0" in capsys.readouterr().err
    assert main(["build", str(output)]) == 0
    assert [row["error"] for row in table_rows(output, "rejected")] == [
        "MemoryError: no memory left"
    ]

    monkeypatch.undo()
    assert retry(output) == 0
    assert run(path, fresh, tiny_model, *ALONE) == 0
    assert graph_files(output) == graph_files(fresh)
    # Only that document was read each time.
    assert [row["document_id"] for row in extracted(output)][3:] == ["c1", "c1"]


def test_a_mended_file_is_read_once_though_it_is_in_a_pack(tmp_path, tiny_model, capsys):
    """An unreadable file makes a chunk of its own; when it is mended, it shares one with others."""
    folder, output, fresh = tmp_path / "in", tmp_path / "out", tmp_path / "fresh"
    for name, text in zip("ace", A, strict=True):
        pq.write_table(corpus_table([text], name), folder_file(folder, name))
    folder_file(folder, "b").write_bytes(b"half a file")
    assert run(folder, output, tiny_model, "--no-rdf") == 0
    assert len(listed_chunks(output)) == 2
    assert len(table_rows(output, "rejected")) == 1

    pq.write_table(corpus_table([TEXTS[3], None, TEXTS[4]], "b"), folder_file(folder, "b"))
    capsys.readouterr()
    assert retry(output) == 0
    said = capsys.readouterr().out
    # Its rows alone, not those of the files that are in the same pack.
    assert "3 rows read once more, of which 2 are documents now, 1 rejected again" in said
    assert sorted(row["document_id"] for row in extracted(output)[4:]) == ["b0", "b1", "b2"]
    (rejected,) = table_rows(output, "rejected")
    assert (rejected["source_row"], rejected["document_id"]) == (1, "b1")

    # One row of a pack is still rejected; when that is mended, it is read alone.
    pq.write_table(corpus_table(TEXTS[3:5] + TEXTS[4:5], "b"), folder_file(folder, "b"))
    capsys.readouterr()
    assert retry(output) == 0
    assert "1 rows read once more, of which 1 are documents now" in capsys.readouterr().out
    assert table_rows(output, "rejected") == []
    assert run(folder, fresh, tiny_model, "--no-rdf") == 0
    assert len(listed_chunks(fresh)) == 1
    ids = {row["document_id"] for row in table_rows(fresh, "documents")}
    assert {row["document_id"] for row in table_rows(output, "documents")} == ids


def folder_file(folder, name):
    folder.mkdir(exist_ok=True)
    return folder / f"{name}.parquet"


def test_documents_that_were_too_long(tmp_path, tiny_model):
    path = write_corpus(tmp_path / "c.parquet", [A[0], A[1] * 10, A[2]])
    output, fresh = tmp_path / "out", tmp_path / "fresh"
    assert run(path, output, tiny_model, *ALONE, "--max-characters", "200") == 0
    assert retry(output, "--max-characters", "1000") == 0
    assert run(path, fresh, tiny_model, *ALONE) == 0
    assert graph_files(output) == graph_files(fresh)


def test_a_mended_row_is_found_at_another_place(tmp_path, tiny_model):
    path = write_corpus(tmp_path / "c.parquet", [None, A[1]])
    output = tmp_path / "out"
    assert run(path, output, tiny_model, *ALONE) == 0
    moved = corpus_table([*A[1:], A[0]]).set_column(
        0, "id", pa.array(["c1", "new", "c0"], pa.string())
    )
    pq.write_table(moved, path)
    assert retry(output) == 0
    assert {row["document_id"] for row in table_rows(output, "documents")} == {"c0", "c1"}
    assert table_rows(output, "rejected") == []


def test_removed_documents_and_gone_files(tmp_path, tiny_model, capsys):
    first, second = tmp_path / "f.parquet", tmp_path / "g.parquet"
    write_corpus(first, [A[0], None])
    write_corpus(second, [A[1], None])
    output = tmp_path / "out"
    arguments = ["run", str(first), str(second), "--output", str(output)]
    assert main([*arguments, "--model", str(tiny_model), *ALONE]) == 0
    write_corpus(first, A[:2])
    second.unlink()
    assert main(["retry", str(output)]) == 1
    said = capsys.readouterr()
    assert "g.parquet: not there any more; what was rejected of it stays so" in said.err
    assert "1 rows read once more" in said.out
    # Nothing of the other file is rejected any more, so nobody misses it.
    first.unlink()
    assert main(["retry", str(output)]) == 2
    said = capsys.readouterr().err
    assert "g.parquet: not there any more" in said
    assert "other files" not in said


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--window-tokens", "0"], "--window-tokens: 0, but the graph in"),
        (["--max-characters", "0"], "--max-characters: 0 is not 1 or more"),
    ],
)
def test_wrong_calls(tmp_path, tiny_model, capsys, options, reason):
    path = write_corpus(tmp_path / "c.parquet", [A[0], None])
    output = tmp_path / "out"
    assert run(path, output, tiny_model, *ALONE, "--window-tokens", "64") == 0
    capsys.readouterr()
    assert main(["retry", str(output), *options]) == 2
    assert capsys.readouterr().err.startswith(f"pfn-kg: {reason}")


def test_a_folder_without_extractions(tmp_path, capsys):
    assert main(["retry", str(tmp_path)]) == 2
    assert "no manifest.json there" in capsys.readouterr().err
