"""Builds that outlive their command: `pfn-kg wait` makes what an attached build makes."""

import shutil

import pytest

from helpers.corpora import ROOT, process
from helpers.extraction_folders import DOCS, write_folder
from helpers.job_servers import job_server_with_workers
from helpers.output_folders import graph_files, read_manifest
from pfn_kg.pipeline import finish_build
from pfn_kg.pipeline.build_phase import run_build
from pfn_kg.pipeline.cli import main
from pfn_kg.pipeline.detached import JOB_FILE
from pfn_kg.pipeline.jobs import wait
from pfn_kg.pipeline.snapshots import BUILDS
from pfn_kg.pipeline.verify import verify
from pfn_kg.schemas.build_options import BuildOptions
from pfn_kg.transforms.plumbing import signs

OPTIONS = ("--no-rdf", "--keep-rows", "--shared-paths")


@pytest.fixture(scope="module")
def runner():
    """Options of Beam for a job server whose workers are a process of their own."""
    with job_server_with_workers() as options:
        yield options


@pytest.fixture
def folder(tmp_path):
    """A folder of extractions that has a graph, and one that an attached build has made of it."""
    output, attached = tmp_path / "out", tmp_path / "attached"
    write_folder(output, DOCS)
    run_build(str(output), BuildOptions(rdf=None))
    shutil.copytree(output, attached, symlinks=True)
    run_build(str(attached), BuildOptions(rdf=None, keep_rows=True))
    return output, attached


def leave(folder, runner, *options):
    return main(["build", str(folder), *OPTIONS, *options, "--detach", "--", *runner])


def record_of(folder):
    build = read_manifest(folder)["build"]
    return {name: value for name, value in build.items() if name not in ("seconds", "metrics")}


def test_a_build_is_left_and_finished(folder, runner, capsys):
    output, attached = folder
    before = read_manifest(output)["graph"]
    assert leave(output, runner) == 0
    assert f"is started; `pfn-kg wait {output}` finishes it" in capsys.readouterr().out
    # Readers have the graph before it, and nobody else changes the folder.
    assert read_manifest(output)["graph"] == before
    refused = f"builds the graph; `pfn-kg wait {output}` finishes that first"
    for command in (
        ["build", str(output)],
        ["compact", str(output)],
        ["remove", str(output), "--documents", "a"],
    ):
        assert main(command) == 2
        assert refused in capsys.readouterr().err
    assert main(["status", str(output)]) == 0
    said = capsys.readouterr().out
    assert f"builds the graph; `pfn-kg wait {output}` finishes it" in said

    assert main(["wait", str(output)]) == 0
    assert "3 documents" in capsys.readouterr().out
    assert graph_files(output) == graph_files(attached)
    assert record_of(output) == record_of(attached)
    assert read_manifest(output)["build"]["metrics"]["build_documents"] == 3
    assert read_manifest(output)["state"] == "done"
    assert not (output / JOB_FILE).exists()
    assert verify(str(output)) == []
    assert main(["rollback", str(output)]) == 0
    assert read_manifest(output)["graph"] == before


def test_the_command_is_killed_once_the_job_is_recorded(folder, runner):
    output, attached = folder
    started = process("build", output, *OPTIONS, "--detach", "--", *runner)
    while not (output / JOB_FILE).exists():
        assert started.poll() is None or (output / JOB_FILE).exists(), started.communicate()[1]
    started.kill()
    started.communicate()
    assert main(["wait", str(output)]) == 0
    assert graph_files(output) == graph_files(attached)


def test_whoever_finishes_is_killed(folder, runner, monkeypatch, capsys):
    """After each step of the end, another call goes on without the runner."""
    output, attached = folder
    assert leave(output, runner) == 0
    real = {name: getattr(finish_build, name) for name in ("write_record", "_publish", "clean")}

    def killed(*arguments, **options):
        raise KeyboardInterrupt

    def published(*arguments):
        real["_publish"](*arguments)
        raise KeyboardInterrupt

    for name, instead in (("write_record", killed), ("_publish", published), ("clean", killed)):
        monkeypatch.setattr(finish_build, name, instead)
        with pytest.raises(KeyboardInterrupt):
            wait.finish_job(str(output))
        monkeypatch.setattr(finish_build, name, real[name])
        monkeypatch.setattr(wait, "runner_job", killed)
    assert main(["wait", str(output)]) == 0
    assert graph_files(output) == graph_files(attached)
    assert record_of(output) == record_of(attached)
    assert not (output / JOB_FILE).exists()


def test_a_build_that_fails(folder, runner, capsys):
    output, _ = folder
    before = graph_files(output)
    chunk = next((output / "extractions").glob("*.parquet"))
    chunk.write_bytes(chunk.read_bytes()[:100])
    assert leave(output, runner) == 0
    assert main(["wait", str(output)]) == 1
    said = capsys.readouterr().err
    assert f"FAILED; the graph before it stays; build again by `pfn-kg build {output}`" in said
    assert graph_files(output) == before
    assert read_manifest(output)["state"] == "failed"
    assert len(list((output / BUILDS).iterdir())) == 1
    assert not (output / JOB_FILE).exists()


def test_another_build_was_faster(folder, runner, capsys):
    output, _ = folder
    assert leave(output, runner) == 0
    # As after a command that was begun before the job was recorded.
    record = (output / JOB_FILE).read_bytes()
    (output / JOB_FILE).unlink()
    run_build(str(output), BuildOptions(rdf=None))
    current = read_manifest(output)["graph"]
    (output / JOB_FILE).write_bytes(record)
    assert main(["wait", str(output)]) == 2
    assert "another build has finished since this one began" in capsys.readouterr().err
    assert read_manifest(output)["graph"] == current
    assert not (output / JOB_FILE).exists()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--detach"], "--detach: the workers of this runner end with the command"),
        (
            ["--detach", "--neo4j-uri", "bolt://localhost:1"],
            "--detach: not together with --neo4j-uri; `pfn-kg load` loads the graph",
        ),
    ],
)
def test_builds_that_cannot_be_left(folder, capsys, options, reason):
    output, _ = folder
    assert main(["build", str(output), *options]) == 2
    assert capsys.readouterr().err.startswith(f"pfn-kg: {reason}")
    assert not (output / JOB_FILE).exists()


def test_a_worker_of_another_version_is_refused(folder, monkeypatch, capsys):
    output, _ = folder
    before = graph_files(output)
    here = signs._versions()
    answers = iter([here | {"pfn-kg": "0.0.9"}])
    # The first answer goes into the sign, the others are those of the workers.
    monkeypatch.setattr(signs, "_versions", lambda: next(answers, here))
    assert main(["build", str(output)]) == 1
    assert (
        f"a worker has pfn-kg {here['pfn-kg']}, not 0.0.9; its image and the machine that starts "
        "the job need the same versions"
    ) in capsys.readouterr().err
    assert graph_files(output) == before
    assert read_manifest(output)["state"] == "failed"


def test_workers_of_another_image(folder, tmp_path):
    """Workers in processes of their own, to which another version is installed."""
    output, _ = folder
    installed = tmp_path / "image" / "pfn_kg-0.0.9.dist-info"
    installed.mkdir(parents=True)
    metadata = "Metadata-Version: 2.1\nName: pfn-kg\nVersion: 0.0.9\n"
    (installed / "METADATA").write_text(metadata, encoding="utf-8")
    places = f"{installed.parent}:{ROOT}"
    with job_server_with_workers(PYTHONPATH=places) as options:
        running = process("build", output, *OPTIONS, "--", *options)
        _, said = running.communicate(timeout=300)
    assert running.returncode == 1
    here = signs._versions()["pfn-kg"]
    assert f"a worker has pfn-kg 0.0.9, not {here}; its image" in said.splitlines()[-1]
    assert verify(str(output)) == []
