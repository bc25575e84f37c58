"""Workers that do not see the output folder: refused before any work, or found out."""

import shutil

import pytest

from helpers.corpora import ROOT, TEXTS, extract, run, write_corpus
from helpers.extraction_folders import DOCS, write_folder
from helpers.output_folders import files, read_manifest
from pfn_kg.pfn import checkpoint
from pfn_kg.pipeline import extract_phase
from pfn_kg.pipeline.build_phase import run_build
from pfn_kg.pipeline.cli import main
from pfn_kg.pipeline.places import remote_runner
from pfn_kg.transforms.extraction.chunk_files import ExtractionFolder
from pfn_kg.transforms.plumbing import signs


@pytest.mark.parametrize(
    ("beam", "runner"),
    [
        ("", None),
        ("--direct_running_mode=multi_processing", None),
        ("--runner=DirectRunner", None),
        ("--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner", None),
        ("--runner=PrismRunner", None),
        ("--runner=PrismRunner --environment_type=DOCKER", "PrismRunner"),
        ("--runner=FlinkRunner", None),
        ("--runner=FlinkRunner --flink_master=[local]", None),
        ("--runner=FlinkRunner --flink_master=jobs:8081", "FlinkRunner"),
        ("--runner=FlinkRunner --flink_master=jobs:8081 --environment_type=LOOPBACK", None),
        ("--runner=FlinkRunner --environment_type=DOCKER", "FlinkRunner"),
        ("--runner=SparkRunner", None),
        ("--runner=SparkRunner --spark_master_url=local[2]", None),
        ("--runner=SparkRunner --spark_master_url=spark://jobs:7077", "SparkRunner"),
        ("--runner=PortableRunner --job_endpoint=jobs:8099", "PortableRunner"),
        ("--runner=PortableRunner --job_endpoint=embed", None),
        (
            "--runner=PortableRunner --job_endpoint=jobs:1 --environment_type=PROCESS",
            "PortableRunner",
        ),
        (
            "--runner=PortableRunner --job_endpoint=jobs:1 "
            "--environment_type=beam:env:embedded_python:v1",
            None,
        ),
        ("--runner=DataflowRunner", "DataflowRunner"),
        ("--runner=DataflowRunner --environment_type=LOOPBACK", "DataflowRunner"),
        ("--runner=some.where.OtherRunner", "OtherRunner"),
    ],
)
def test_where_workers_run(beam, runner):
    assert remote_runner(beam.split()) == runner


FLINK = ("--runner=PortableRunner", "--job_endpoint=localhost:1", "--environment_type=DOCKER")


def test_a_local_output_is_refused_before_work(tmp_path, tiny_model, capsys):
    write_corpus(tmp_path / "in.parquet")
    out = tmp_path / "out"
    done = write_folder(tmp_path / "done", DOCS)
    run_build(done)
    before = files(done)
    model = ["--model", str(tmp_path / "no model is looked for")]
    for arguments, name in (
        (["run", tmp_path / "in.parquet", "--output", out, *model], "--output"),
        (["extract", tmp_path / "in.parquet", "--output", out, *model], "--output"),
        (["run", tmp_path / "in.parquet", "--into", done, *model], "--into"),
        (["build", done], "DIR"),
        (["remove", done, "--documents", "a"], "DIR"),
        (["load", done, "--neo4j-uri", "bolt://localhost:1"], "DIR"),
        (["export", done, "--output", tmp_path / "ex"], "--output"),
    ):
        assert main([*map(str, arguments), "--", *FLINK]) == 2
        said = capsys.readouterr().err
        assert said.startswith(f"pfn-kg: {name}: ")
        assert said.count("\n") == 1
        assert "PortableRunner" in said
        assert "--shared-paths" in said
    assert not out.exists()
    assert files(done) == before


def test_shared_paths_are_believed(tmp_path, capsys):
    """The job server is asked, which is not there."""
    done = write_folder(tmp_path / "done", DOCS)
    assert main(["build", done, "--shared-paths", "--", *FLINK, "--job-server-timeout=1"]) == 1
    assert "another machine" not in capsys.readouterr().err


def test_a_worker_that_sees_another_folder_stops_the_job(tmp_path):
    folder = ExtractionFolder(str(tmp_path / "extractions"))
    other = ExtractionFolder(str(tmp_path / "other"))
    (tmp_path / "extractions").mkdir()
    (tmp_path / "other").mkdir()
    sign = folder.put_sign()
    folder.check_sign(sign)
    with pytest.raises(OSError, match=f"does not see the folder {other.path}"):
        other.check_sign(sign)


@pytest.mark.parametrize("lost", ["all", "last"])
def test_finished_rows_are_compared_with_planned_rows(
    tmp_path, tiny_model, capsys, monkeypatch, lost
):
    """Results that are gone when the pipeline has ended, as after workers of another machine."""
    write_corpus(tmp_path / "in" / "a.parquet", TEXTS)
    output = tmp_path / "out"
    real = extract_phase.job_metrics

    def lose(*arguments):
        chunks = (output / "extractions").glob("*.parquet")
        written = sorted(chunks, key=lambda p: p.stat().st_mtime_ns)
        for path in written if lost == "all" else written[-1:]:
            path.unlink()
        return real(*arguments)

    monkeypatch.setattr(extract_phase, "job_metrics", lose)
    assert extract(tmp_path / "in", output, tiny_model, "--chunk-documents", "2") == 1
    said = capsys.readouterr().err
    assert f"{5 if lost == 'all' else 1} of 5 rows have no extractions there" in said
    assert read_manifest(output)["state"] == "extracting"
    monkeypatch.setattr(extract_phase, "job_metrics", real)
    assert extract(tmp_path / "in", output, tiny_model, "--chunk-documents", "2", "--resume") == 0
    assert read_manifest(output)["extract"]["counts"]["rows"] == 5


def test_an_update_whose_results_are_gone(tmp_path, tiny_model, capsys, monkeypatch):
    write_corpus(tmp_path / "in" / "a.parquet", TEXTS[:2])
    output = tmp_path / "out"
    assert run(tmp_path / "in", output, tiny_model, "--no-rdf", "--chunk-documents", "1") == 0
    before = files(output), read_manifest(output)
    write_corpus(tmp_path / "in" / "a.parquet", [*TEXTS[:2], *TEXTS[3:5]])
    real = extract_phase.job_metrics

    def lose(*arguments):
        new = {name for name in files(output) if name.endswith(".parquet")} - set(before[0])
        (output / min(new)).unlink()
        return real(*arguments)

    monkeypatch.setattr(extract_phase, "job_metrics", lose)
    assert main(["run", str(tmp_path / "in"), "--into", str(output)]) == 1
    assert "rows have no extractions there" in capsys.readouterr().err
    # The graph is what it was, and the next attempt finishes it.
    assert read_manifest(output) == before[1]
    monkeypatch.setattr(extract_phase, "job_metrics", real)
    assert main(["run", str(tmp_path / "in"), "--into", str(output)]) == 0
    assert read_manifest(output)["build"]["counts"]["documents"] == 4


def test_workers_in_containers_of_their_own(tmp_path, tiny_model, capsys, monkeypatch):
    """Processes that lack the folder: taken away while the workers start."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    write_corpus(tmp_path / "in.parquet", TEXTS)
    output = tmp_path / "out"
    real = ExtractionFolder.put_sign

    def put_elsewhere(folder):
        name = real(folder)
        shutil.move(f"{folder.path}/{name}", tmp_path / name)
        return name

    monkeypatch.setattr(ExtractionFolder, "put_sign", put_elsewhere)
    assert extract(tmp_path / "in.parquet", output, tiny_model) == 1
    said = capsys.readouterr().err
    assert f"a worker does not see the folder {output}/extractions" in said
    assert not list((output / "extractions").glob("*.parquet"))


def test_a_worker_of_another_version_is_refused(tmp_path, tiny_model, monkeypatch, capsys):
    write_corpus(tmp_path / "in.parquet")
    here = signs._versions()
    answers = iter([here | {"pfn-kg": "0.0.9"}])
    # The first answer goes into the sign, the others are those of the workers.
    monkeypatch.setattr(signs, "_versions", lambda: next(answers, here))
    assert extract(tmp_path / "in.parquet", tmp_path / "out", tiny_model) == 1
    assert (
        f"a worker has pfn-kg {here['pfn-kg']}, not 0.0.9; its image and the machine that starts "
        "the job need the same versions"
    ) in capsys.readouterr().err


def test_a_worker_with_another_model_is_refused(tmp_path, tiny_model, monkeypatch, capsys):
    write_corpus(tmp_path / "in.parquet")
    monkeypatch.setattr(checkpoint, "model_hash", lambda folder: "of the worker")
    assert extract(tmp_path / "in.parquet", tmp_path / "out", tiny_model) == 1
    said = capsys.readouterr().err
    assert "this worker has another one (hash of the worker) than the job was started with" in said
    assert str(tiny_model) in said
