"""Jobs that outlive their command: started, left, and finished by `pfn-kg wait`."""

import time

import pyarrow.parquet as pq
import pytest

from helpers.corpora import TEXTS, corpus_table, extract, write_corpus
from helpers.job_servers import job_server_with_workers
from helpers.output_folders import listed_chunks, read_manifest, table_rows
from helpers.ports import free_port
from pfn_kg.pipeline.build_phase import run_build
from pfn_kg.pipeline.cli import main
from pfn_kg.pipeline.detached import JOB_FILE, DetachedJob, write_job
from pfn_kg.pipeline.jobs import wait
from pfn_kg.schemas.build_options import BuildOptions


@pytest.fixture(scope="module")
def runner():
    """Options of Beam for a job server whose workers are a process of their own."""
    with job_server_with_workers() as options:
        yield options


def detached(corpus, *options, runner):
    return main(["extract", str(corpus), *options, "--shared-paths", "--detach", "--", *runner])


def killed(*arguments):
    raise KeyboardInterrupt


def test_a_job_is_left_and_finished(tmp_path, tiny_model, runner, monkeypatch, capsys):
    corpus = write_corpus(tmp_path / "c.parquet", [*TEXTS[:3], None])
    output, fresh = tmp_path / "out", tmp_path / "fresh"
    model = ["--model", str(tiny_model), "--chunk-documents", "2"]
    assert detached(corpus, "--output", str(output), *model, runner=runner) == 0
    said = capsys.readouterr().out
    assert f"is started; `pfn-kg wait {output}` finishes it" in said
    assert read_manifest(output)["state"] == "extracting"
    # Nobody else changes the folder's extractions meanwhile.
    assert extract(corpus, output, tiny_model, "--resume", "--chunk-documents", "2") == 2
    assert (
        f"reads the corpus; `pfn-kg wait {output}` finishes that first" in capsys.readouterr().err
    )
    assert main(["status", str(output)]) == 0
    assert f"`pfn-kg wait {output}` finishes it" in capsys.readouterr().out

    assert main(["wait", str(output)]) == 0
    assert "3 documents" in capsys.readouterr().out
    assert not (output / JOB_FILE).exists()
    assert extract(corpus, fresh, tiny_model, "--chunk-documents", "2") == 0
    assert listed_chunks(output) == listed_chunks(fresh)
    manifest = read_manifest(output)
    assert manifest["extract"]["counts"] == read_manifest(fresh)["extract"]["counts"]
    assert manifest["extract"]["metrics"]["documents"] == 3
    assert not list((output / "extractions").glob("*-*"))
    capsys.readouterr()
    assert main(["wait", str(output)]) == 2
    assert "no job was detached there" in capsys.readouterr().err

    # The next night: one document is changed, and one is gone.
    pq.write_table(corpus_table([TEXTS[4], *TEXTS[1:2]], "c"), corpus)
    options = ["--into", str(output), "--sync", "--max-gone", "0.5"]
    assert detached(corpus, *options, runner=runner) == 0
    # Whoever is killed when all is written down finds that it is.
    monkeypatch.setattr(wait, "forget_job", killed)
    with pytest.raises(KeyboardInterrupt):
        wait.finish_job(str(output))
    monkeypatch.undo()
    written = read_manifest(output)
    assert main(["wait", str(output)]) == 0
    assert read_manifest(output) == written
    assert not (output / JOB_FILE).exists()
    assert "1 documents new or changed and 1 rows unchanged, 2 documents that are gone" in (
        capsys.readouterr().out
    )
    run_build(str(output), BuildOptions(rdf=None))
    assert [row["document_id"] for row in table_rows(output, "documents")] == ["c0", "c1"]


def test_a_job_that_fails(tmp_path, tiny_model, runner, capsys):
    corpus = write_corpus(tmp_path / "c.parquet")
    output = tmp_path / "out"
    options = ["--output", str(output), "--model", str(tiny_model)]
    assert detached(corpus, *options, runner=runner) == 0
    # The worker finds another file than the one that was planned, unless it was faster.
    write_corpus(corpus, TEXTS[:1])
    code = main(["wait", str(output)])
    said = capsys.readouterr().err
    assert code in (1, 2)
    assert "go on by the same command" in said or "have no extractions there" in said


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ([], "the workers of this runner end with the command"),
        (["--runner=PrismRunner"], "the workers of this runner end with the command"),
        (
            ["--runner=PortableRunner", "--job_endpoint=h:1", "--environment_type=LOOPBACK"],
            "the workers of this runner end with the command",
        ),
        (["--runner=DataflowRunner"], "DataflowRunner is asked for a job by project and region"),
        (
            ["--runner=FlinkRunner", "--flink_master=h:1", "--job_endpoint=h:2"],
            "FlinkRunner hands a job that is left to the Flink at flink_master",
        ),
        (
            ["--runner=SparkRunner", "--spark_master_url=spark://h:1"],
            "SparkRunner can't be asked for a job by its id here; FlinkRunner",
        ),
    ],
)
def test_runners_whose_jobs_cannot_be_left(tmp_path, tiny_model, capsys, options, reason):
    corpus = write_corpus(tmp_path / "c.parquet")
    given = ["--output", str(tmp_path / "out"), "--model", str(tiny_model), "--shared-paths"]
    assert main(["extract", str(corpus), *given, "--detach", "--", *options]) == 2
    assert capsys.readouterr().err.startswith(f"pfn-kg: --detach: {reason}")
    assert not (tmp_path / "out").exists()


def test_beam_s_own_way_of_leaving_is_refused(tmp_path, capsys):
    corpus = write_corpus(tmp_path / "c.parquet")
    arguments = ["extract", str(corpus), "--output", str(tmp_path / "out")]
    assert main([*arguments, "--", "--no_wait_until_finish"]) == 2
    assert capsys.readouterr().err == (
        "pfn-kg: --no_wait_until_finish: the command writes down what its job leaves; --detach "
        "leaves the job, and `pfn-kg wait` finishes it\n"
    )


def job(endpoint, job_id="none"):
    return DetachedJob(
        job_id=job_id,
        runner="PortableRunner",
        phase="extract",
        address=endpoint,
        started=time.time(),
        work={},
    )


def test_a_server_that_does_not_know_the_job(tmp_path, runner, capsys):
    endpoint = runner[1].partition("=")[2]
    write_job(str(tmp_path), job(endpoint))
    assert main(["wait", str(tmp_path)]) in (1, 2)
    assert f"the job none of PortableRunner at {endpoint}" in capsys.readouterr().err
    assert (tmp_path / JOB_FILE).exists()


def test_a_server_that_is_away(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("pfn_kg.pipeline.jobs.runner_jobs._AWAY_SECONDS", 0.0)
    write_job(str(tmp_path), job(f"localhost:{free_port()}"))
    assert main(["wait", str(tmp_path)]) == 1
    assert "no answer" in capsys.readouterr().err
    assert (tmp_path / JOB_FILE).exists()


def test_a_damaged_record(tmp_path, capsys):
    (tmp_path / JOB_FILE).write_text("{")
    assert main(["wait", str(tmp_path)]) == 2
    assert f"pfn-kg: {tmp_path / JOB_FILE}: " in capsys.readouterr().err
