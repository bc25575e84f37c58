"""Jobs that outlive their command, on a real Flink: through a job server, and handed over whole."""

import json
import shutil
from urllib.request import urlopen

import apache_beam as beam
import pytest

from helpers.corpora import process
from helpers.extraction_folders import DOCS, write_folder
from helpers.flink_cluster import flink_cluster
from helpers.output_folders import graph_files, read_manifest
from pfn_kg.pipeline.build_phase import run_build
from pfn_kg.pipeline.cli import main
from pfn_kg.pipeline.detached import JOB_FILE, DetachedJob, find_job
from pfn_kg.pipeline.jobs.flink import FlinkJob
from pfn_kg.pipeline.jobs.runner_jobs import runner_job, wait_for_end
from pfn_kg.pipeline.jobs.submit import submit
from pfn_kg.schemas.build_options import BuildOptions
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.transforms.plumbing.metrics import count


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    folder = tmp_path_factory.mktemp("flink")
    (folder / "hidden").mkdir()
    with flink_cluster(folder, folder / "hidden", task_managers=1) as started:
        yield started


@pytest.fixture
def whole(cluster):
    """Options of Beam for jobs that Flink gets as a jar."""
    if not cluster.takes_whole_jobs:
        pytest.skip("this Flink lacks flink-runtime-web, without which it takes no jars")
    return cluster.whole_job_options


def left(add_steps, options):
    """A job of some steps that nobody waits for."""
    submitted = submit(add_steps, options)
    return DetachedJob(phase="build", started=0.0, work={}, **submitted._asdict())


def steps(is_wrong):
    """Steps of three elements, which workers count; wrong ones fail."""

    def counted(element):
        if is_wrong:
            raise ValueError("a wrong element")
        count("build_documents")
        return element

    return lambda pipeline: pipeline | beam.Create([1, 2, 3]) | beam.Map(counted)


def test_a_job_server_of_flink(cluster):
    job = left(steps(is_wrong=False), cluster.options)
    assert job.runner == "PortableRunner"
    asked = runner_job(job)
    assert wait_for_end(asked) == "DONE"
    assert asked.metrics("build") == {"build_documents": 3}


def test_jobs_that_flink_has_as_a_whole(whole):
    job = left(steps(is_wrong=False), whole)
    assert (job.runner, len(job.job_id)) == ("FlinkRunner", 32)
    # Flink has what the job needs; nothing is left that nobody would delete.
    with urlopen(f"{job.address}/v1/jars", timeout=30) as answer:
        assert json.load(answer)["files"] == []
    asked = runner_job(job)
    assert wait_for_end(asked) == "DONE"
    assert asked.metrics("build") == {"build_documents": 3}
    assert wait_for_end(runner_job(left(steps(is_wrong=True), whole))) == "FAILED"


def test_a_build_that_flink_has_as_a_whole(whole, tmp_path):
    output, attached = tmp_path / "out", tmp_path / "attached"
    write_folder(output, DOCS)
    shutil.copytree(output, attached)
    run_build(str(attached), BuildOptions(rdf=None))
    command = process("build", output, "--no-rdf", "--shared-paths", "--detach", "--", *whole)
    _, said = command.communicate(timeout=900)
    assert command.returncode == 0, said
    assert find_job(str(output)).runner == "FlinkRunner"
    assert main(["wait", str(output)]) == 0
    assert graph_files(output) == graph_files(attached)
    assert read_manifest(output)["build"]["metrics"]["build_documents"] == 3
    assert not (output / JOB_FILE).exists()


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
