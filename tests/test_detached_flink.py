"""Jobs that outlive their command, on a real Flink: through a job server, and handed over whole."""

import shutil

import pytest
import requests

from helpers.corpora import process
from helpers.extraction_folders import DOCS, write_folder
from helpers.flink_cluster import flink_cluster
from helpers.output_folders import graph_files, read_manifest
from pfn_kg.pipeline.build_phase import run_build
from pfn_kg.pipeline.cli import main
from pfn_kg.pipeline.detached import JOB_FILE, DetachedJob, find_job
from pfn_kg.pipeline.jobs.flink import FlinkJob
from pfn_kg.schemas.build_options import BuildOptions
from pfn_kg.schemas.errors import ConfigurationError


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    folder = tmp_path_factory.mktemp("flink")
    (folder / "hidden").mkdir()
    with flink_cluster(folder, folder / "hidden", task_managers=1) as started:
        yield started


@pytest.fixture
def folder(tmp_path):
    """A folder of extractions, and one that an attached build has made of it."""
    output, attached = tmp_path / "out", tmp_path / "attached"
    write_folder(output, DOCS)
    shutil.copytree(output, attached)
    run_build(str(attached), BuildOptions(rdf=None))
    return output, attached


def left(folder, options):
    """The job of a build that a process of its own has left."""
    command = process("build", folder, "--no-rdf", "--shared-paths", "--detach", "--", *options)
    _, said = command.communicate(timeout=900)
    assert command.returncode == 0, said
    job = find_job(str(folder))
    assert job is not None
    return job


def test_a_job_server_of_flink(cluster, folder):
    output, attached = folder
    job = left(output, cluster.options)
    assert job.runner == "PortableRunner"
    assert main(["wait", str(output)]) == 0
    assert graph_files(output) == graph_files(attached)
    assert read_manifest(output)["build"]["metrics"]["build_documents"] == 3


def test_a_job_that_flink_has_as_a_whole(cluster, folder):
    if not cluster.takes_whole_jobs:
        pytest.skip("this Flink lacks flink-runtime-web, without which it takes no jars")
    output, attached = folder
    job = left(output, cluster.whole_job_options)
    assert (job.runner, len(job.job_id)) == ("FlinkRunner", 32)
    # Flink has what the job needs; nothing is left that nobody would delete.
    assert requests.get(f"{job.address}/v1/jars", timeout=30).json()["files"] == []
    assert main(["wait", str(output)]) == 0
    assert graph_files(output) == graph_files(attached)
    assert read_manifest(output)["build"]["metrics"]["build_documents"] == 3
    assert not (output / JOB_FILE).exists()


def test_a_whole_job_that_fails(cluster, folder, capsys):
    if not cluster.takes_whole_jobs:
        pytest.skip("this Flink lacks flink-runtime-web, without which it takes no jars")
    output, _ = folder
    for chunk in (output / "extractions").glob("*.parquet"):
        chunk.write_bytes(b"PAR1")
    left(output, cluster.whole_job_options)
    assert main(["wait", str(output)]) == 1
    said = capsys.readouterr().err
    assert "of FlinkRunner at http://127.0.0.1:" in said
    assert f"FAILED; the graph before it stays; build again by `pfn-kg build {output}`" in said
    assert read_manifest(output)["state"] == "failed"


def test_flink_does_not_know_the_job(cluster):
    job = DetachedJob(
        phase="build",
        job_id="0" * 32,
        runner="FlinkRunner",
        address=cluster.address,
        started=0.0,
        work={},
    )
    with pytest.raises(ConfigurationError, match="is not known there"):
        FlinkJob(job).state()
    away = job.model_copy(update={"address": "http://127.0.0.1:1"})
    with pytest.raises(OSError, match="no answer"):
        FlinkJob(away).state()
    assert FlinkJob(away).metrics("build") == {}
