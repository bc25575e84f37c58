"""Whatever runs the pipeline, and however it cuts the work, the files are the same."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest
from corpora import (
    ROOT,
    TEXTS,
    extract,
    extracted,
    files,
    manifest,
    run,
    table,
    write_corpus,
)

from pfn_kg.pipeline.cli import main

OPTIONS = ("--chunk-documents", "2")


@pytest.fixture(scope="module")
def expected(tmp_path_factory, tiny_model):
    """A corpus, and what the default runner makes of it."""
    folder = tmp_path_factory.mktemp("expected")
    texts = [f"{text} This is number {i}." for i, text in enumerate(TEXTS * 2)]
    write_corpus(folder / "in" / "a.parquet", texts[:3])
    write_corpus(folder / "in" / "b.parquet", [*texts[3:], None])
    # The same id in two files: which one stays must not depend on who comes first.
    write_corpus(folder / "in" / "c" / "a.parquet", texts[:2])
    assert run(folder / "in", folder / "out", tiny_model, *OPTIONS) == 0
    return folder / "in", files(folder / "out")


@pytest.fixture
def check(tmp_path, tiny_model, expected, monkeypatch):
    """Runs with options of Beam and compares all files."""
    # Workers in processes of their own find the packages as this process does.
    monkeypatch.setenv("PYTHONPATH", str(ROOT))

    def compare(*beam, options=()):
        corpus, wanted = expected
        output = tmp_path / "out"
        assert run(corpus, output, tiny_model, *OPTIONS, *options, "--", *beam) == 0
        found = files(output)
        assert sorted(found) == sorted(wanted)
        assert [name for name in found if found[name] != wanted[name]] == []

    return compare


def test_same_again(check):
    check()


def test_threads(check):
    check("--direct_running_mode=multi_threading", "--direct_num_workers=2")


def test_processes(check):
    check("--direct_running_mode=multi_processing", "--direct_num_workers=2")


def test_prism(check):
    binary = os.environ.get("PFN_KG_PRISM")
    if not binary:
        pytest.skip("PFN_KG_PRISM names no Prism binary")
    check("--runner=PrismRunner", f"--prism_location={binary}")


def test_update(tmp_path, tiny_model, expected, monkeypatch):
    """On Prism where there is one, else in threads."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    beam = ["--direct_running_mode=multi_threading", "--direct_num_workers=2"]
    if binary := os.environ.get("PFN_KG_PRISM"):
        beam = ["--runner=PrismRunner", f"--prism_location={binary}"]
    corpus, wanted = expected
    output = tmp_path / "out"
    assert run(corpus / "a.parquet", output, tiny_model, *OPTIONS) == 0
    assert main(["run", str(corpus), "--into", str(output), "--", *beam]) == 0
    # The second text of equal ids says nothing new, so it has no chunk.
    assert manifest(output)["extract"]["unchanged_rows"] == 5

    def graph(found):
        return {n: data for n, data in found.items() if not n.startswith("extractions")}

    assert graph(files(output)) == graph(wanted)
    assert main(["remove", str(output), "--documents", "b0", "--", *beam]) == 0
    assert main(["run", str(corpus), "--into", str(output), "--", *beam]) == 0
    assert manifest(output)["extract"]["counts"]["documents"] == 1
    assert table(output, "documents")[3]["document_id"] == "b0"


@pytest.fixture
def flink(tmp_path):
    """A job server with a Flink in it; gives its address."""
    folder = os.environ.get("PFN_KG_FLINK")
    if not folder:
        pytest.skip("PFN_KG_FLINK names no folder with Flink")
    if not shutil.which("java"):
        pytest.skip("no java to run Flink")
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    (tmp_path / "artifacts").mkdir()
    with open(tmp_path / "flink.log", "wb") as log:
        server = subprocess.Popen(
            [Path(folder) / "bin" / "beam-job-server", str(port)],
            env=os.environ | {"HEAP_SIZE": "1g", "ARTIFACTS_DIR": str(tmp_path / "artifacts")},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        for _ in range(600):
            assert server.poll() is None, (tmp_path / "flink.log").read_text()
            with socket.socket() as probe:
                if probe.connect_ex(("localhost", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"localhost:{port}"
    finally:
        server.terminate()
        server.wait(30)


def test_flink(check, flink):
    check(
        "--runner=PortableRunner",
        f"--job_endpoint={flink}",
        "--environment_type=LOOPBACK",
        "--parallelism=2",
    )


def test_another_token_budget_changes_no_row(tmp_path, tiny_model, expected):
    corpus, _ = expected
    found = []
    for budget in (32, 4096):
        output = tmp_path / str(budget)
        assert extract(corpus, output, tiny_model, "--token-budget", str(budget)) == 0
        found.append(_scores(extracted(output)))
    few, many = found
    assert len(many) > 50
    # At the floor, a score may fall on either side.
    for row in few.keys() ^ many.keys():
        assert (few.get(row) or many.get(row)) == pytest.approx(0.1, abs=1e-4)
    shared = sorted(few.keys() & many.keys())
    assert [few[row] for row in shared] == pytest.approx([many[row] for row in shared], abs=1e-4)


def _scores(rows):
    scores = {}
    for row in rows:
        place = (row["source_file"], row["source_row"])
        for m in row["mentions"]:
            scores[(*place, m["begin"], m["end"], m["type"])] = m["score"]
        for t in row["head_triples"]:
            scores[(*place, t["subject"], t["object"], t["relation"])] = t["score"]
    return scores
