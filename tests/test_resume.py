"""A run that was killed goes on where it stood, and ends as if nothing had happened."""

import os
import signal
import time

import pytest

from helpers.corpora import TEXTS, extract, process, run, write_corpus
from helpers.output_folders import files, listed_chunks, read_manifest

CHUNKS = 100
OPTIONS = ("--chunk-documents", "1")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, tiny_model):
    """A corpus, and the folder of a run over it from beginning to end."""
    folder = tmp_path_factory.mktemp("undisturbed")
    texts = [f"{text} This is number {i}." for i, text in enumerate(TEXTS * (CHUNKS // 5))]
    write_corpus(folder / "in" / "a.parquet", texts[:50])
    write_corpus(folder / "in" / "b.parquet", texts[50:])
    assert run(folder / "in", folder / "out", tiny_model, *OPTIONS) == 0
    return folder / "in", folder / "out"


def chunk_files(output):
    return sorted((output / "extractions").glob("*.parquet"))


def kill_in_the_middle(corpus, output, model, chunks):
    """Runs in a process of its own and kills it when so many chunks are done."""
    running = process("run", corpus, "--output", output, "--model", model, *OPTIONS)
    try:
        while len(chunk_files(output)) < chunks:
            assert running.poll() is None, running.communicate()
            time.sleep(0.01)
    finally:
        running.kill()
        running.communicate()
    assert running.returncode == -signal.SIGKILL
    assert chunks <= len(chunk_files(output)) < CHUNKS
    assert read_manifest(output)["state"] == "extracting"


def test_killed_run_goes_on(tmp_path, tiny_model, undisturbed, capsys):
    corpus, expected = undisturbed
    output = tmp_path / "out"
    kill_in_the_middle(corpus, output, tiny_model, chunks=5)
    done = {path: path.stat().st_mtime_ns for path in chunk_files(output)}
    # What an attempt leaves behind that is killed while it writes.
    (output / "extractions" / f"{'0' * 32}.parquet.1.partial").write_bytes(b"half")
    (output / ".build-1" / "mentions").mkdir(parents=True)
    (output / ".build-1" / "mentions" / "part.parquet").write_bytes(b"half")

    assert run(corpus, output, tiny_model, *OPTIONS) == 2
    assert "--resume" in capsys.readouterr().err

    assert run(corpus, output, tiny_model, *OPTIONS, "--resume") == 0
    assert files(output) == files(expected)
    assert {path: path.stat().st_mtime_ns for path in done} == done
    assert read_manifest(output)["extract"]["resumed_rows"] == len(done)
    assert listed_chunks(output) == listed_chunks(expected)
    assert read_manifest(output)["build"]["counts"] == read_manifest(expected)["build"]["counts"]


def test_resume_of_a_finished_run_changes_nothing(undisturbed, tiny_model):
    corpus, output = undisturbed
    before = files(output)
    times = {path: path.stat().st_mtime_ns for path in chunk_files(output)}
    assert run(corpus, output, tiny_model, *OPTIONS, "--resume") == 0
    assert files(output) == before
    assert {path: path.stat().st_mtime_ns for path in chunk_files(output)} == times
    extract = read_manifest(output)["extract"]
    assert extract["resumed_rows"] == extract["counts"]["rows"] == CHUNKS
    # Rates are of what this run has read.
    assert extract["documents_per_second"] == extract["sentences_per_second"] == 0


def test_lost_chunks_are_made_again(tmp_path, undisturbed, tiny_model):
    corpus, expected = undisturbed
    output = tmp_path / "out"
    assert extract(corpus, output, tiny_model, *OPTIONS) == 0
    for path in chunk_files(output)[::3]:
        os.remove(path)
    assert extract(corpus, output, tiny_model, *OPTIONS, "--resume") == 0
    assert files(output, "extractions") == files(expected, "extractions")


def test_resume_into_an_empty_folder_is_a_run(tmp_path, tiny_model):
    path = write_corpus(tmp_path / "a.parquet", TEXTS[:1])
    assert extract(path, tmp_path / "out", tiny_model, "--resume") == 0
    assert read_manifest(tmp_path / "out")["state"] == "extracted"


def test_file_that_changed_is_read_again(tmp_path, tiny_model):
    path = write_corpus(tmp_path / "a.parquet", TEXTS[:2])
    other = write_corpus(tmp_path / "b.parquet", TEXTS[2:4])
    corpus = tmp_path / "*.parquet"
    # The two files don't fit into one chunk.
    options = ("--chunk-documents", "3")
    assert extract(corpus, tmp_path / "out", tiny_model, *options) == 0
    [first, second] = [chunk["name"] for chunk in listed_chunks(tmp_path / "out")]
    write_corpus(path, TEXTS[:3])
    assert other.exists()
    assert extract(corpus, tmp_path / "out", tiny_model, *options, "--resume") == 0
    [changed, same] = listed_chunks(tmp_path / "out")
    assert changed["name"] != first
    assert changed["counts"]["documents"] == 3
    assert same["name"] == second


def test_other_options_are_not_mixed_in(tmp_path, tiny_model, undisturbed, capsys):
    corpus, output = undisturbed
    before = files(output)
    assert run(corpus, output, tiny_model, *OPTIONS, "--resume", "--language", "de") == 2
    assert "--language: 'de', but the run in" in capsys.readouterr().err
    assert files(output) == before
