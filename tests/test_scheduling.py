"""How the files of tests are shared among workers."""

import os
import subprocess
import sys

import pytest

from helpers.corpora import ROOT
from helpers.scheduling import COSTLY, SLOW, unit_of

TESTS = ROOT / "tests"


@pytest.mark.quick
def test_slow_files_are_there():
    assert [
        name for name in SLOW if name not in COSTLY.values() and not (TESTS / name).is_file()
    ] == []
    assert len(set(SLOW)) == len(SLOW)


@pytest.mark.quick
def test_files_of_a_costly_fixture_are_together():
    def unit(name):
        return unit_of(name, (TESTS / name).read_text(encoding="utf-8"))

    assert unit("test_neo4j.py") == unit("test_graph_transforms.py") == "neo4j"
    assert unit("test_docs_commands.py") == unit("test_examples.py") == "commands"
    # It has a server of its own, and this one none.
    assert unit("test_neo4j_faults.py") == "test_neo4j_faults.py"
    assert unit("test_neo4j_writer.py") == "test_neo4j_writer.py"


def test_workers_begin_with_the_slow_files(tmp_path):
    """Real workers, over files whose tests write down where they run."""
    said = "    with open('order', 'a') as file: file.write(f'{worker_id} {__name__}\\n')\n"
    one = f"def test_0(worker_id):\n{said}"
    shared = (
        f"import pytest\n@pytest.fixture\ndef neo4j(): pass\ndef test(worker_id, neo4j):\n{said}"
    )
    files = {
        "test_many.py": "".join(one.replace("_0", f"_{number}") for number in range(30)),
        "test_benchmarks.py": one,
        "test_y.py": shared,
        "test_z.py": shared,
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    plugins = [word for name in ("xdist", "helpers.scheduling") for word in ("-p", name)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, "-n", "2", "--dist", "loadfile"],
        cwd=tmp_path,
        env=os.environ
        | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(TESTS)])}
        | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    order = [line.split() for line in (tmp_path / "order").read_text().splitlines()]
    begin = {}
    for worker, file in order:
        begin.setdefault(worker, file)
    assert set(begin.values()) == {"test_benchmarks", "test_y"}
    assert len({worker for worker, file in order if file in ("test_y", "test_z")}) == 1
    assert len(order) == 33
