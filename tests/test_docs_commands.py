"""Shell blocks of README and docs, executed as they stand.

The blocks of a page run in their order, in a folder of their own that has links to what the
repository holds, so that a block finds what an earlier one made. A page that begins with a finished
run, or with a file that readers have, is given one of that name. A block that can't run here says
why in the line before it:

    <!-- not run: needs a cluster -->
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from helpers.corpora import ROOT

PAGES = [
    path
    for path in (
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *sorted((ROOT / "docs").rglob("*.md")),
    )
    if path.exists()
]
FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)[^\n]*\n(?P<body>.*?)^(?P=indent)```", re.M | re.S
)
NOT_RUN = re.compile(r"<!-- not run: \S.* -->\s*\Z")
SHELLS = {"sh", "bash", "shell", "console"}
# The environment that the tests run in takes the place of the one that a reader makes.
MAKES_ENVIRONMENT = re.compile(
    r"(?:python3 -m venv \S+|(?:\S*/)?(?:python -m )?pip install [^&|;\n]*)\s*(?:&& )?"
)


class Block(NamedTuple):
    """A shell block of a page: the line where it begins, its commands, and whether it is run."""

    line: int
    commands: str
    is_run: bool


def blocks_of(text):
    """The shell blocks of a page."""
    found = []
    for match in FENCE.finditer(text):
        if match["language"] in SHELLS:
            begin, indent = match.start(), match["indent"]
            lines = [line.removeprefix(indent) for line in match["body"].splitlines()]
            line = text.count("\n", 0, begin) + 1
            is_run = not NOT_RUN.search(text[:begin])
            found.append(Block(line, "\n".join(lines), is_run))
    return found


def shell_commands(block):
    """A block as this environment runs it: its own programs, and no new environment."""
    commands = MAKES_ENVIRONMENT.sub("", block.commands)
    # A console shows output too; commands are what follows the prompt.
    if any(line.startswith("$ ") for line in commands.splitlines()):
        commands = "\n".join(line[2:] for line in commands.splitlines() if line.startswith("$ "))
    return commands.replace(".venv/bin/", f"{Path(sys.executable).parent}/")


PAGES_WITH_COMMANDS = [
    page for page in PAGES if any(block.is_run for block in blocks_of(page.read_text("utf-8")))
]


@pytest.mark.parametrize("page", PAGES_WITH_COMMANDS, ids=lambda page: str(page.relative_to(ROOT)))
def test_shell_blocks_run(page, tmp_path, example_run, pfn_kg_folder):
    for entry in ROOT.iterdir():
        if not entry.name.startswith(".") and entry.name != "runs":
            (tmp_path / entry.name).symlink_to(entry)
    blocks = [block for block in blocks_of(page.read_text("utf-8")) if block.is_run]
    makes_run = any("--output runs/example" in block.commands for block in blocks)
    if not makes_run and any("runs/example" in block.commands for block in blocks):
        shutil.copytree(example_run[0], tmp_path / "runs" / "example", symlinks=True)
    programs = Path(sys.executable).parent
    environment = os.environ | {
        "PATH": os.pathsep.join([str(pfn_kg_folder), str(programs), os.environ["PATH"]]),
        "PYTHONPATH": str(ROOT),
    }
    # An own server is no part of what a page runs here.
    for name in ("NEO4J_URI", "NEO4J_USERNAME", "NEO4J_PASSWORD", "NEO4J_DATABASE"):
        environment.pop(name, None)
    for block in blocks:
        commands = shell_commands(block).replace(f"{programs}/pfn-kg", "pfn-kg")
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )
        where = f"{page.relative_to(ROOT)}, line {block.line}"
        assert done.returncode == 0, f"{where}:\n{block.commands}\n{done.stdout[-3000:]}"


def test_what_a_block_is():
    text = """
```sh
python3 -m venv .venv && .venv/bin/pip install -q -c c.txt '.[test]' && .venv/bin/pfn-kg run x
```
<!-- not run: needs a cluster -->
```sh
pfn-kg run y
```
1. As a step:

   ```console
   $ echo a
   a
   ```
<!-- not run: -->
```bash
echo no reason
```
```text
pfn-kg z
```
"""
    found = blocks_of(text)
    assert [(block.line, block.is_run) for block in found] == [
        (2, True),
        (6, False),
        (11, True),
        (16, True),
    ]
    assert shell_commands(found[0]) == f"{Path(sys.executable).parent}/pfn-kg run x"
    assert shell_commands(found[2]) == "echo a"
    assert shell_commands(found[3]) == "echo no reason"


def test_some_pages_have_commands_that_run():
    """The README's at least; without this, a mark too many would go unnoticed."""
    assert ROOT / "README.md" in PAGES_WITH_COMMANDS
