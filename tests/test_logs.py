"""What is said on standard error, as JSON where it is asked for."""

import io
import json
import logging
import threading

import pytest

from helpers.corpora import TEXTS, process, write_corpus
from pfn_kg.pipeline import logs
from pfn_kg.pipeline.cli import main
from pfn_kg.pipeline.progress import JobProgress, job_line


@pytest.fixture(autouse=True)
def _as_it_was():
    root, before = logging.getLogger(), logging.getLogger().handlers[:]
    yield
    root.handlers[:] = before
    logs.configure_logging()


def objects(text):
    return [json.loads(line) for line in text.splitlines()]


def test_a_run_speaks_json(tmp_path, tiny_model):
    corpus = write_corpus(tmp_path / "c.parquet", [*TEXTS[:2], None])
    arguments = ["--output", tmp_path / "out", "--model", tiny_model, "--max-rejected", "0"]
    started = process("extract", corpus, *arguments, "--log-format", "json")
    out, err = started.communicate(timeout=300)
    assert started.returncode == 1
    assert out.startswith(f"{tmp_path / 'out'}: 2 documents")
    said = objects(err)
    assert all(set(one) >= {"time", "level", "logger", "message"} for one in said)
    assert said[-2]["rows"] == 3
    assert said[-2]["message"].startswith("extract: 3/3 documents")
    assert (said[-1]["level"], said[-1]["message"]) == (
        "ERROR",
        "1 rows were rejected, more than 0",
    )


def test_a_wrong_call_speaks_json(tmp_path, capsys):
    assert main(["build", str(tmp_path), "--log-format", "json"]) == 2
    (said,) = objects(capsys.readouterr().err)
    assert said["exit_code"] == 2
    assert said["message"].startswith(f"{tmp_path}: no manifest.json there")
    # The next command in this process speaks as ever.
    assert main(["build", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("pfn-kg: ")


def test_records_with_an_exception(capsys):
    logs.configure_logging(debug=True, log_format="json")
    try:
        raise ValueError("line\nbreak")
    except ValueError:
        logging.getLogger("some.library").exception('it "failed"\nhere')
    (said,) = objects(capsys.readouterr().err)
    assert (said["level"], said["logger"], said["message"]) == (
        "ERROR",
        "some.library",
        'it "failed"\nhere',
    )
    assert "ValueError: line\nbreak" in said["exception"]


def test_progress_of_a_job_by_its_metrics(capsys):
    answers = [{}, {"documents": 2, "sentences": 5, "rejected_read": 1}] * 2
    all_given = threading.Event()

    def ask():
        if not answers:
            all_given.set()
            return {}
        return answers.pop(0)

    with JobProgress("extract", ask, seconds=0.01):
        assert all_given.wait(60)
    # Nothing is said of what is not known, and nothing twice.
    assert capsys.readouterr().err == (
        "extract: 2 documents, 5 sentences, 0 mentions, 0 head triples, 1 rejected\n"
    )
    assert job_line("build", {"build_documents": 3, "build_triples": 4, "documents": 9}) == (
        "build: 3 documents, 0 sentences, 0 mentions, 4 triples, 0 rejected"
    )


def test_a_line_goes_where_it_is_sent(capsys):
    stream = io.StringIO()
    logs.tell("a line", stream=stream)
    assert stream.getvalue() == "a line\n"
    assert capsys.readouterr().err == ""


def test_noise_of_parts_that_are_not_installed_is_left_out(capsys):
    logs.configure_logging(log_format="json")
    beam = logging.getLogger("apache_beam.io.filesystems")
    beam.warning(
        "Failed to import GCSFileSystem; loading of this filesystem will be skipped. "
        "Error details: %s",
        "cannot import name 'storage' from 'google.cloud' (unknown location)",
    )
    beam.warning("Failed to import GCSFileSystem; Error details: %s", "no SSL")
    (said,) = objects(capsys.readouterr().err)
    assert said["message"].endswith("no SSL")
