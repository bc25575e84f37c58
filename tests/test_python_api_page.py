"""The examples of docs/reference/python_api.md, run as written, print what the page says."""

import contextlib
import inspect
import io
import os
import re
from pathlib import Path

import pytest

import pfn_kg

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "python_api.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCK = re.compile(
    r"(?P<mark><!-- not run: [^>]+ -->\n)?```python\n(?P<code>.*?)```\n"
    r"(?:\n```text\n(?P<output>.*?)```)?",
    re.DOTALL,
)


@pytest.fixture(scope="module")
def place(example_run, tmp_path_factory):
    """A folder where the README's first command was run."""
    place = tmp_path_factory.mktemp("page")
    (place / "runs").mkdir()
    os.symlink(example_run[0], place / "runs" / "example")
    return place


def test_the_examples_print_what_the_page_says(place, monkeypatch):
    monkeypatch.chdir(place)
    namespace = {"__name__": "page"}
    blocks = list(BLOCK.finditer(TEXT))
    assert len(blocks) == TEXT.count("```python")
    for block in blocks:
        line = TEXT[: block.start()].count("\n") + 1
        # The line numbers of the page, for whoever must mend it.
        code = compile("\n" * line + block["code"], str(PAGE), "exec")
        if block["mark"]:
            continue
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            exec(code, namespace)
        assert said.getvalue() == (block["output"] or ""), f"{PAGE}: the block of line {line}"


def test_every_public_name_and_method_is_on_the_page():
    for name in pfn_kg.__all__:
        assert f"`{name}" in TEXT, name
    for name in ("Extractor", "Graph"):
        for method, value in vars(getattr(pfn_kg, name)).items():
            if method.startswith("_") or not inspect.getdoc(value):
                continue
            assert re.search(rf"[`.]{method}\b", TEXT), f"{name}.{method}"
