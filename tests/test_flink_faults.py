"""Faults of a cluster, on a real Flink: workers that lack the output folder, or that are lost."""

import pytest

from helpers.corpora import TEXTS, extract, process, write_corpus
from helpers.extraction_folders import DOCS, write_folder
from helpers.flink_cluster import flink_cluster
from helpers.output_folders import files, graph_files, read_manifest
from pfn_kg.pipeline.build_phase import run_build
from pfn_kg.pipeline.verify import verify

OPTIONS = ("--chunk-documents", "1")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    folder = tmp_path_factory.mktemp("flink")
    (folder / "hidden").mkdir()
    with flink_cluster(folder, folder / "hidden") as started:
        yield started, folder


def pfn_kg(*arguments):
    """Runs a command in a process of its own; gives its exit code and its last line."""
    running = process(*arguments)
    _, said = running.communicate(timeout=900)
    return running.returncode, said.splitlines()[-1]


def test_workers_that_do_not_see_the_output(cluster, tmp_path, tiny_model):
    flink, folder = cluster
    corpus, output = write_corpus(tmp_path / "a.parquet"), folder / "hidden" / "out"
    command = ("extract", corpus, "--output", output, "--model", tiny_model)
    code, said = pfn_kg(*command, "--", *flink.options)
    assert code == 2
    assert "workers of PortableRunner run elsewhere" in said
    assert not output.exists()
    # Whoever says that they see it, although they don't, gets no empty result.
    code, said = pfn_kg(*command, "--shared-paths", "--", *flink.options)
    assert code == 1
    assert f"a worker does not see the folder {output}/extractions" in said
    assert read_manifest(output)["state"] == "extracting"
    assert not list(output.glob("extractions/*.parquet"))


def test_a_build_whose_workers_do_not_see_the_folder(cluster):
    flink, folder = cluster
    output = write_folder(folder / "hidden" / "run", DOCS)
    run_build(output)
    before = graph_files(output)
    code, said = pfn_kg("build", output, "--shared-paths", "--no-rdf", "--", *flink.options)
    assert code == 1
    assert "is not there; do all workers see this folder?" in said
    assert graph_files(output) == before
    assert read_manifest(output)["state"] == "failed"
    assert verify(output) == []


def test_a_worker_that_is_lost(cluster, tmp_path, tiny_model):
    flink, folder = cluster
    corpus = write_corpus(tmp_path / "a.parquet", TEXTS * 8)
    assert extract(corpus, tmp_path / "local", tiny_model, *OPTIONS) == 0
    output = folder / "seen"
    running = process(
        *("extract", corpus, "--output", output, "--model", tiny_model, *OPTIONS, "--shared-paths"),
        *("--", *flink.options),
    )
    while not list(output.glob("extractions/*.parquet")):
        assert running.poll() is None, running.communicate()[1]
    finished = len(list(output.glob("extractions/*.parquet")))
    [manager] = flink.busy()
    flink.kill(manager)
    flink.task_managers.remove(manager)
    _, said = running.communicate(timeout=900)
    assert running.returncode == 0, said
    assert finished < len(TEXTS * 8)
    # The lists among them: no chunk is missing, and none is another one.
    assert files(output) == files(tmp_path / "local")
