"""The nightly recipe, run night after night as it stands."""

import json
import os
import py_compile
import subprocess

import pyarrow.parquet as pq
import pytest

from helpers.corpora import ROOT, TEXTS, write_corpus
from helpers.output_folders import graph_folder

NIGHTLY = ROOT / "deploy" / "nightly" / "nightly.sh"


@pytest.fixture
def night(tmp_path, tiny_model, pfn_kg_folder):
    """Runs the script; gives its exit code and what it said on standard error."""

    def run(*arguments, **variables):
        environment = os.environ | {
            "PFN_KG": str(pfn_kg_folder / "pfn-kg"),
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            "EXTRACT_OPTIONS": f"--model {tiny_model}",
        }
        environment.pop("NEO4J_URI", None)
        done = subprocess.run(
            ["bash", NIGHTLY, *map(str, arguments)],
            env=environment | variables,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
        )
        return done.returncode, done.stderr

    return run


def documents(folder):
    return sorted(pq.read_table(graph_folder(folder) / "documents")["document_id"].to_pylist())


def test_nights_add_what_is_new_and_keep_the_last_good_graph(night, tmp_path):
    folder, corpus = tmp_path / "run", tmp_path / "corpus"
    metrics = tmp_path / "metrics"
    metrics.mkdir()
    write_corpus(corpus / "a.parquet", TEXTS[:2])
    assert night(folder, corpus, METRICS=str(metrics))[0] == 0
    assert documents(folder) == ["a0", "a1"]
    assert {file.name for file in metrics.iterdir()} == {"extract.prom", "build.prom"}

    write_corpus(corpus / "b.parquet", TEXTS[2:4])
    assert night(folder, corpus)[0] == 0
    assert documents(folder) == ["a0", "a1", "b0", "b1"]
    good = graph_folder(folder).resolve()

    # A night whose graph is damaged between its build and its check.
    write_corpus(corpus / "c.parquet", TEXTS[4:])
    assert night(folder, corpus, STEPS="extract build")[0] == 0
    bad = graph_folder(folder).resolve()
    assert bad != good
    next((bad / "entities").glob("*.parquet")).unlink()
    code, said = night(folder, corpus, STEPS="verify load", NEO4J_URI="bolt://localhost:1")
    assert code == 1
    assert "nightly: verify failed with exit code 1" in said
    assert "load" not in said
    assert graph_folder(folder).resolve() == good
    assert documents(folder) == ["a0", "a1", "b0", "b1"]

    # The next night has the new document after all.
    assert night(folder, corpus)[0] == 0
    assert documents(folder) == ["a0", "a1", "b0", "b1", "c0"]


def test_documents_that_are_gone_are_removed_from_the_second_night_on(night, tmp_path):
    folder, corpus = tmp_path / "run", tmp_path / "corpus"
    write_corpus(corpus / "a.parquet", TEXTS[:4])
    write_corpus(corpus / "b.parquet", TEXTS[4:])
    sync = {"STEPS": "extract build", "UPDATE_OPTIONS": "--sync --max-gone 0.25"}
    assert night(folder, corpus, **sync)[0] == 0
    (corpus / "b.parquet").unlink()
    assert night(folder, corpus, **sync)[0] == 0
    assert documents(folder) == ["a0", "a1", "a2", "a3"]
    write_corpus(corpus / "a.parquet", TEXTS[:1])
    code, said = night(folder, corpus, **sync)
    assert (code, "3 of 4 documents" in said) == (2, True)


def test_a_first_night_that_was_interrupted_goes_on(night, tmp_path):
    folder, corpus = tmp_path / "run", write_corpus(tmp_path / "a.parquet")
    assert night(folder, corpus, STEPS="extract")[0] == 0
    # As a first extraction that was killed leaves it.
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest = {k: v for k, v in manifest.items() if k not in ("chunks", "extract")}
    (folder / "manifest.json").write_text(json.dumps(manifest | {"state": "extracting"}))
    assert night(folder, corpus)[0] == 0
    assert len(documents(folder)) == 5


def test_it_ends_with_the_code_of_the_step_that_failed(night, tmp_path):
    corpus = write_corpus(tmp_path / "a.parquet")
    assert night(tmp_path / "run")[0] == 2
    assert night(tmp_path / "run", corpus, STEPS="sleep")[0] == 2
    code, said = night(tmp_path / "run", tmp_path / "absent.parquet")
    assert code == 2
    assert said.endswith("nightly: extract failed with exit code 2\n")
    assert night(tmp_path / "run", corpus, STEPS="extract build verify")[0] == 0
    # No server listens there.
    code, said = night(tmp_path / "run", corpus, STEPS="load", NEO4J_URI="bolt://localhost:1")
    assert code in (1, 2)
    assert f"nightly: load failed with exit code {code}" in said


def test_the_dag_has_the_steps_of_the_script(tmp_path):
    file = NIGHTLY.with_name("airflow_dag.py")
    py_compile.compile(str(file), cfile=str(tmp_path / "dag.pyc"), doraise=True)
    steps = ("extract", "build", "verify", "load")
    assert f"for step in {steps!r}:".replace("'", '"') in file.read_text()
    assert f"STEPS:-{' '.join(steps)}" in NIGHTLY.read_text()


def test_airflow_takes_the_dag(monkeypatch):
    pytest.importorskip("airflow", reason="apache-airflow is not installed")
    from airflow.models import DagBag

    found = DagBag(dag_folder=str(NIGHTLY.parent), include_examples=False)
    assert found.import_errors == {}
    assert [task.task_id for task in found.dags["pfn_kg_nightly"].topological_sort()] == [
        "extract",
        "build",
        "verify",
        "load",
    ]
