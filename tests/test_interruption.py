"""Ctrl-C and SIGTERM: one line, an exit code that says so, soon, and nothing left running."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from helpers.beam_runners import job_server, job_states
from helpers.corpora import ROOT, TEXTS, extract, process, run, write_corpus
from helpers.extraction_folders import DOCS, write_folder
from helpers.output_folders import files, read_manifest
from pfn_kg.pipeline.cli import main
from pfn_kg.pipeline.interruption import descendants

SIGNALS = [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
THREADS = ["--direct_running_mode=in_memory"]
PROCESSES = ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]


# So many seconds a command has to end in, on a machine that does other work too.
SOON = 60


def end(running, number):
    """Sends a signal; gives what was said on standard error, and the children."""
    children = descendants(running.pid)
    running.send_signal(number)
    _, said = running.communicate(timeout=SOON)
    return said, children


def wait_until(condition):
    end_of_patience = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < end_of_patience
        time.sleep(0.02)


def wait_for(running, condition):
    def met_while_it_runs():
        met = condition()
        assert met or running.poll() is None, running.communicate()
        return met

    wait_until(met_while_it_runs)


def is_running(process_id):
    try:
        stat = Path(f"/proc/{process_id}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


@pytest.mark.parametrize("beam", [[], THREADS, PROCESSES], ids=["here", "threads", "processes"])
@pytest.mark.parametrize(("number", "code", "word"), SIGNALS, ids=["SIGINT", "SIGTERM"])
def test_a_run_that_is_ended(tmp_path, tiny_model, monkeypatch, number, code, word, beam):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    corpus = write_corpus(tmp_path / "a.parquet", TEXTS * 400)
    output = tmp_path / "out"
    options = ("--chunk-documents", "1")
    running = process(
        "extract", corpus, "--output", output, "--model", tiny_model, *options, "--", *beam
    )
    wait_for(running, lambda: list(output.glob("extractions/*.parquet")))
    before = len(list(output.glob("extractions/*.parquet")))
    said, children = end(running, number)
    assert running.returncode == code
    line = said.splitlines()[-1]
    assert said.count("pfn-kg: ") == 1
    assert "Traceback" not in said
    found = re.fullmatch(
        rf"pfn-kg: {word}; what is extracted stays \((\d+) of 2000 rows: {output}/extractions\); "
        r"go on by the same command and --resume",
        line,
    )
    assert found, said
    left = len(list(output.glob("extractions/*.parquet")))
    # It does not do much more before it ends, either.
    assert 0 < int(found[1]) <= left < before + 500
    assert read_manifest(output)["state"] == "extracting"
    assert bool(children) == (beam == PROCESSES)
    wait_until(lambda: not any(map(is_running, children)))


def test_a_job_elsewhere_is_cancelled(tmp_path, tiny_model):
    corpus = write_corpus(tmp_path / "a.parquet", TEXTS * 400)
    output = tmp_path / "out"
    options = ("--chunk-documents", "1")
    with job_server() as (beam, address):
        running = process(
            "extract", corpus, "--output", output, "--model", tiny_model, *options, "--", *beam
        )
        wait_for(running, lambda: list(output.glob("extractions/*.parquet")))
        assert job_states(address) == ["RUNNING"]
        said, _ = end(running, signal.SIGINT)
        assert running.returncode == 130
        assert re.fullmatch(
            r"pfn-kg: interrupted; the job \S+ of PortableRunner is cancelled; what is extracted "
            rf"stays \({output}/extractions\); go on by the same command and --resume",
            said.splitlines()[-1],
        ), said
        assert job_states(address) == ["CANCELLED"]


def test_what_is_left_is_gone_on_with(tmp_path, tiny_model):
    corpus = write_corpus(tmp_path / "a.parquet", TEXTS * 10)
    options = ("--chunk-documents", "1", "--no-rdf")
    assert run(corpus, tmp_path / "whole", tiny_model, *options) == 0
    output = tmp_path / "out"
    running = process("run", corpus, "--output", output, "--model", tiny_model, *options)
    wait_for(running, lambda: list(output.glob("extractions/*.parquet")))
    end(running, signal.SIGTERM)
    assert running.returncode == 143
    assert run(corpus, output, tiny_model, *options, "--resume") == 0
    assert files(output) == files(tmp_path / "whole")


def test_a_build_that_is_ended(tmp_path):
    folder = write_folder(tmp_path / "run", DOCS)
    running = process("build", folder)
    wait_for(running, lambda: list(Path(folder).glob("builds/*")))
    said, _ = end(running, signal.SIGINT)
    assert running.returncode == 130
    assert said == (
        f"pfn-kg: interrupted; the extractions stay; build again by `pfn-kg build {folder}`\n"
    )
    assert main(["build", folder]) == 0


def test_before_anything_is_done(tmp_path):
    # It waits for its input, so it is still there.
    running = process("predict", "-")
    time.sleep(1.0)
    said, _ = end(running, signal.SIGTERM)
    # Before the first line of Python there is no one to say anything.
    assert running.returncode in (143, -signal.SIGTERM)
    assert said in ("pfn-kg: terminated\n", "")


@pytest.fixture
def small_disk(tmp_path):
    """A file system of a few hundred kilobytes."""
    place = tmp_path / "disk"
    place.mkdir()
    made = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(place)],
        capture_output=True,
        check=False,
    )
    if not made or made.returncode != 0:
        pytest.skip("no small file system can be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk(small_disk, tmp_path, tiny_model, capsys):
    corpus = write_corpus(tmp_path / "a.parquet", TEXTS)
    output = small_disk / "out"
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    # Two pages are left, for the claim on the folder and the label schema: the manifest finds none.
    os.truncate(filler, filler.stat().st_size - 2 * 4096)
    assert extract(corpus, output, tiny_model) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert not list(output.rglob("*.partial"))
    filler.unlink()
    assert extract(corpus, output, tiny_model, "--resume") == 0


def test_partial_manifests_of_a_killed_run(tmp_path, tiny_model):
    corpus = write_corpus(tmp_path / "a.parquet", TEXTS[:1])
    output = tmp_path / "out"
    os.makedirs(output)
    (output / "manifest.json.1.partial").write_bytes(b"{")
    assert run(corpus, output, tiny_model, "--no-rdf") == 0
    assert not list(output.rglob("*.partial"))
    (output / "manifest.json.2.partial").write_bytes(b"{")
    assert main(["build", str(output), "--no-rdf"]) == 0
    assert not list(output.rglob("*.partial"))
