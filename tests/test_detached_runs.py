"""`pfn-kg run --detach`: an extraction that is left, and a build that `pfn-kg wait` starts."""

import json
import os
import shutil
import subprocess
import time

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.corpora import TEXTS, corpus_table, run, write_corpus
from helpers.extraction_folders import DOCS, LABEL_SCHEMA, write_folder
from helpers.job_servers import job_server_with_workers
from helpers.killed_commands import killed_commands
from helpers.output_folders import graph_files, listed_chunks, read_manifest, table_rows
from helpers.ports import free_port, wait_for_port
from pfn_kg.pipeline.build_phase import run_build
from pfn_kg.pipeline.cli import main
from pfn_kg.pipeline.detached import JOB_FILE, DetachedJob, find_job, write_job
from pfn_kg.pipeline.jobs.due_build import DueBuild
from pfn_kg.pipeline.verify import verify
from pfn_kg.schemas.build_options import BuildOptions, RdfOptions
from pfn_kg.schemas.link_options import LinkOptions
from pfn_kg.schemas.options import options_of
from pfn_kg.schemas.rules import NearNameOptions


@pytest.fixture(scope="module")
def runner():
    """Options of Beam for a job server whose workers are a process of their own."""
    with job_server_with_workers() as options:
        yield options


@pytest.fixture
def prism(runner):
    """The same for Prism, with those workers."""
    binary = os.environ.get("PFN_KG_PRISM")
    if not binary:
        pytest.skip("PFN_KG_PRISM names no Prism")
    port = free_port()
    ports = [f"--job_port={port}", "--serve_http=false"]
    server = subprocess.Popen([binary, *ports], stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    try:
        wait_for_port(port, server)
        yield [f"--job_endpoint=localhost:{port}" if "endpoint" in o else o for o in runner]
    finally:
        server.terminate()
        server.wait(30)


@pytest.fixture(scope="module")
def killed_at():
    """Runs `pfn-kg` and kills it at a step."""
    with killed_commands() as function:
        yield function


def leave(corpus, *options, runner):
    return main(["run", str(corpus), *options, "--shared-paths", "--detach", "--", *runner])


def wait(folder, runner, *options):
    return main(["wait", str(folder), *options, "--shared-paths", "--", *runner])


def record_of(folder):
    build = read_manifest(folder)["build"]
    return {name: value for name, value in build.items() if name not in ("seconds", "metrics")}


def done_to(folder):
    """What was done to a folder, without times."""
    return [
        (event["what"], event.get("counts"), event.get("options"))
        for event in read_manifest(folder)["history"]
    ]


def renaming(folder, document):
    """A correction that renames an entity of a document."""
    mentions = table_rows(folder, "mentions")
    ids = {row["entity_id"] for row in mentions if row["document_id"] == document}
    entity = next(row for row in table_rows(folder, "entities") if row["entity_id"] in ids)
    return {
        "kind": "rename",
        "name": entity["name"],
        "type": entity["type"],
        "new_name": "Another Name",
    }


def check_same(folder, attached):
    """A run that was left has come to what an attached one comes to."""
    assert graph_files(folder) == graph_files(attached)
    assert record_of(folder) == record_of(attached)
    assert listed_chunks(folder) == listed_chunks(attached)
    assert done_to(folder) == done_to(attached)
    assert read_manifest(folder)["state"] == "done"
    assert not list((folder / "extractions").glob("*-*"))
    assert not (folder / JOB_FILE).exists()
    assert verify(str(folder)) == []


def said_without_times(text):
    return text.splitlines()[-1].partition(" s of extraction")[0].rpartition(";")[0]


def test_a_run_is_left_and_finished(tmp_path, tiny_model, runner, capsys, monkeypatch):
    corpus = write_corpus(tmp_path / "c.parquet", [*TEXTS[:3], None])
    output, attached = tmp_path / "out", tmp_path / "attached"
    (tmp_path / "aliases.csv").write_text("alias,canonical_name\nParis,Lutetia\n")
    build = ["--chunk-documents", "2", "--aliases", "aliases.csv", "--sentences"]
    build += ["--relation-threshold", "0.2"]
    monkeypatch.chdir(tmp_path)
    assert run(corpus, attached, tiny_model, *build) == 0
    said = said_without_times(capsys.readouterr().out).replace(str(attached), str(output))
    options = ["--output", str(output), "--model", str(tiny_model), *build]
    assert leave(corpus, *options, runner=runner) == 0
    assert f"is started; `pfn-kg wait {output}` finishes it and builds the graph" in (
        capsys.readouterr().out
    )

    # Whoever can't start the build hears of it at once.
    monkeypatch.chdir("/")
    assert main(["wait", str(output)]) == 2
    assert (
        "reads the corpus, and a build follows, which needs Beam's options once more, after `--`: "
        "the workers of this runner end with the command"
    ) in capsys.readouterr().err
    assert main(["status", str(output), "--exit-code"]) == 1
    assert f"reads the corpus, and a build follows; `pfn-kg wait {output}` finishes it" in (
        capsys.readouterr().out
    )
    assert wait(output, runner) == 0
    assert said_without_times(capsys.readouterr().out) == said
    check_same(output, attached)
    assert read_manifest(output)["extract"]["metrics"]["documents"] == 3
    assert read_manifest(output)["build"]["metrics"]["build_documents"] == 3


def test_whoever_waits_is_killed_at_each_step(tmp_path, tiny_model, runner, killed_at, capsys):
    """Another call goes on; an update comes to the same graph as an attached one."""
    corpus = write_corpus(tmp_path / "c.parquet", TEXTS[:4])
    output, attached = tmp_path / "out", tmp_path / "attached"
    assert run(corpus, output, tiny_model, "--chunk-documents", "2", "--no-rdf") == 0
    corrections = tmp_path / "corrections.jsonl"
    corrections.write_text(json.dumps(renaming(output, "c1")) + "\n")
    assert main(["build", str(output), "--corrections", str(corrections), "--no-rdf"]) == 0
    corrections.unlink()  # the graph has its own
    shutil.copytree(output, attached, symlinks=True)
    # Two documents are changed, and one is gone.
    pq.write_table(corpus_table([TEXTS[4], *TEXTS[1:2], TEXTS[3]], "c"), corpus)
    update = ["--sync", "--max-gone", "0.5", "--sentences"]
    assert main(["run", str(corpus), "--into", str(attached), *update]) == 0
    assert leave(corpus, "--into", str(output), *update, runner=runner) == 0

    call = ["wait", output, "--shared-paths", "--", *runner]
    for when, step in (
        ("after", "jobs.wait.write_job"),  # the job has ended
        ("before", "extract_phase.update_manifest"),
        ("before", "extract_phase.delete_partial"),
        ("before", "jobs.wait.write_job"),
        ("after", "jobs.wait.write_job"),  # the extraction is written down
        ("before", "jobs.build.submit"),
        ("before", "jobs.build.write_job"),
        ("after", "jobs.build.write_job"),
        ("after", "jobs.wait.write_job"),  # the job of the build has ended
        ("after", "finish_build.write_record"),
        ("after", "finish_build._publish"),
        ("before", "jobs.wait.forget_job"),
    ):
        assert killed_at(when, step, *call) == -9, (when, step)
        assert find_job(str(output)) is not None
    capsys.readouterr()
    assert wait(output, runner) == 0
    said = capsys.readouterr().out
    assert f"{output}: 2 new or changed and 1 rows unchanged, 1 documents that are gone" in said
    assert "1 of 1 corrections apply" in said
    check_same(output, attached)


def test_prism(tmp_path, tiny_model, prism):
    """The job server of Prism."""
    corpus = write_corpus(tmp_path / "c.parquet")
    output, attached = tmp_path / "out", tmp_path / "attached"
    assert run(corpus, attached, tiny_model, "--no-rdf") == 0
    options = ["--output", str(output), "--model", str(tiny_model), "--no-rdf"]
    assert leave(corpus, *options, runner=prism) == 0
    assert wait(output, prism) == 0
    check_same(output, attached)


def test_a_corpus_that_is_not_whole(tmp_path, tiny_model, runner, capsys):
    corpus = write_corpus(tmp_path / "c.parquet")
    output = tmp_path / "out"
    assert run(corpus, output, tiny_model, "--no-rdf") == 0
    before = graph_files(output)
    write_corpus(corpus, TEXTS[:1])
    update = ["--into", str(output), "--sync"]
    assert leave(corpus, *update, runner=runner) == 0
    assert wait(output, runner) == 2
    assert "--sync: 4 of 5 documents in" in capsys.readouterr().err
    # No later call would come further, and the next one says more.
    assert not (output / JOB_FILE).exists()
    assert graph_files(output) == before
    assert main(["run", str(corpus), *update, "--max-gone", "1", "--no-rdf"]) == 0
    assert len(table_rows(output, "documents")) == 1


@pytest.fixture
def due(tmp_path):
    """A folder whose extraction is written down, and a build is to follow."""
    output = write_folder(tmp_path / "out", DOCS)
    for _ in range(2):
        run_build(output, BuildOptions(rdf=None))
    job = DetachedJob(
        job_id="7",
        runner="PortableRunner",
        phase="extract",
        address="h:1",
        started=time.time(),
        work={},
        then=DueBuild.of(BuildOptions(rdf=None)).model_dump(mode="json"),
        is_written=True,
    )
    write_job(output, job)
    return output


def test_a_build_is_due(due, capsys):
    says = "the job 7 of PortableRunner at h:1 has read the corpus, and a build follows"
    assert main(["status", due, "--exit-code"]) == 1
    assert f"{says}; `pfn-kg wait {due}` finishes it" in capsys.readouterr().out
    assert main(["status", due, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["job"] == says
    for command in (
        ["rollback", due],
        ["compact", due],
        ["remove", due, "--documents", "a"],
        ["extract", due, "--into", due],
    ):
        assert main(command) == 2
        assert f"{says}; `pfn-kg wait {due}` finishes that first" in capsys.readouterr().err


def test_another_build_takes_the_place_of_the_due_one(due, tmp_path, caplog):
    before = find_job(due)
    # One that is refused changes nothing.
    assert main(["build", due, "--aliases", str(tmp_path / "none.csv")]) == 2
    assert find_job(due) == before
    assert main(["build", due, "--no-rdf", "--sentences"]) == 0
    assert "this build takes the place of the one that was to follow" in caplog.text
    assert find_job(due) is None
    assert main(["status", due, "--exit-code"]) == 0


def test_no_build_comes_between(due, capsys):
    write_job(due, find_job(due).model_copy(update={"is_written": False}))
    for command in (["build", due], ["rollback", due]):
        assert main(command) == 2
        assert "reads the corpus, and a build follows; `pfn-kg wait" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ([], "--detach: the workers of this runner end with the command"),
        (
            ["--neo4j-uri", "bolt://localhost:1", "--neo4j-password", "abc"],
            "--detach: not together with --neo4j-uri; `pfn-kg load` loads the graph",
        ),
    ],
)
def test_runs_that_cannot_be_left(tmp_path, tiny_model, capsys, options, reason):
    corpus = write_corpus(tmp_path / "c.parquet")
    assert run(corpus, tmp_path / "out", tiny_model, "--detach", *options) == 2
    assert capsys.readouterr().err.startswith(f"pfn-kg: {reason}")
    assert not (tmp_path / "out").exists()


FILE = st.sampled_from(["/a.parquet", "s3://b/c.csv"])
BUILDS = st.builds(
    BuildOptions,
    label_schema=st.sampled_from([None, LABEL_SCHEMA]),
    relation_threshold=st.none() | st.floats(0, 1),
    aliases=st.none() | FILE,
    corrections=st.none() | FILE,
    fuzzy=st.none() | st.builds(NearNameOptions),
    catalogue=st.none() | st.builds(LinkOptions, path=FILE),
    rdf=st.none() | st.builds(RdfOptions, gzip=st.booleans()),
    label_language=st.sampled_from([None, "none", "de"]),
    keep_builds=st.integers(1, 9),
)


@given(BUILDS)
def test_a_due_build_comes_back(options):
    record = json.loads(DueBuild.of(options).model_dump_json())
    assert DueBuild.model_validate(record).build_options() == options


def test_no_option_of_a_build_is_a_secret():
    """They are written down."""
    assert not [option.name for option in options_of(BuildOptions) if option.place.secret]
