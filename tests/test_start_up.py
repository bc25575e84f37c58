"""Commands load no library that they don't need: what start-up costs is mostly imports."""

import json
import subprocess
import sys

import pytest

from helpers.extraction_folders import DOCS, write_folder
from pfn_kg.pipeline.build_phase import run_build

HEAVY = ["torch", "transformers", "apache_beam", "pyarrow", "rdflib", "neo4j"]


def loaded(arguments):
    """Which heavy libraries a process has loaded when a command is done."""
    code = (
        "import json, sys\n"
        "from pfn_kg.pipeline.cli import main\n"
        "code = main(sys.argv[1:])\n"
        f"print(json.dumps([code, [n for n in {HEAVY} if n in sys.modules]]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    code, found = json.loads(done.stdout.splitlines()[-1])
    assert code == 0
    return found


@pytest.mark.parametrize("arguments", [["--help"], ["predict", "--help"]])
def test_help_loads_none(arguments):
    assert loaded(arguments) == []


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = write_folder(tmp_path_factory.mktemp("graph") / "run", DOCS)
    run_build(folder)
    return folder


def test_a_question_loads_none(run):
    assert loaded(["query", run, "ASK {}"]) == []


def test_a_build_loads_no_model(run):
    found = loaded(["build", run, "--no-rdf"])
    assert found == ["apache_beam", "pyarrow"]


def test_predict_loads_the_model_s_alone(tiny_model):
    found = loaded(["predict", "Anna Bell was born in London .", "--model", str(tiny_model)])
    assert found == ["torch", "transformers"]
