"""The example notebook runs from top to bottom and says what its stored outputs say."""

import re

import pytest

from helpers.corpora import ROOT
from pfn_kg.pfn.checkpoint import DEFAULT_MODEL, shipped_models

nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
nbformat = pytest.importorskip("nbformat")

NOTEBOOK = ROOT / "examples" / "first_graph.ipynb"


def printed(notebook):
    """What each cell of code printed; the last digit of a score is the machine's."""
    return [
        re.sub(r"\b[01]\.(\d)\d\b", r"0.\1", "".join(o.get("text", "") for o in cell.outputs))
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def test_the_notebook_runs(monkeypatch):
    if DEFAULT_MODEL not in shipped_models():
        pytest.skip("no model is shipped")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    stored = nbformat.read(NOTEBOOK, as_version=4)
    run = nbformat.read(NOTEBOOK, as_version=4)
    for cell in run.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    where = {"metadata": {"path": str(NOTEBOOK.parent)}}
    nbclient.NotebookClient(run, timeout=600, kernel_name="python3", resources=where).execute()
    for cell in run.cells:
        if cell.cell_type == "code":
            cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr"]
    assert printed(run) == printed(stored)
    images = [
        o for c in run.cells for o in c.get("outputs", ()) if "image/png" in o.get("data", {})
    ]
    assert len(images) == 1
