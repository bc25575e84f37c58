"""The wheel: all of it is in it, under one name, and no file of a user's hides any of it."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("pfn", "pipeline", "schemas", "sinks", "transforms")

# Runs beside files that are called like our packages.
IMPORT_ALL = """
import importlib.util, json, pkgutil
import pfn_kg
places = {"pfn_kg": pfn_kg.__file__}
for module in pkgutil.walk_packages(pfn_kg.__path__, "pfn_kg."):
    # The first would run the command; the second needs Triton, which CUDA builds of PyTorch bring.
    if module.name not in ("pfn_kg.__main__", "pfn_kg.pfn.model.memories_kernel"):
        importlib.import_module(module.name)
    places[module.name] = importlib.util.find_spec(module.name).origin
for name in pfn_kg.__all__:
    getattr(pfn_kg, name)
import pfn, pipeline, schemas, sinks, transforms
assert [m.WHOSE for m in (pfn, pipeline, schemas, sinks, transforms)] == ["the user's"] * 5
print(json.dumps(places))
"""


def link(source: str, target: str) -> None:
    """Copies a file, without its bytes where the file system can."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def run(*command: object, **options: object) -> str:
    """Runs a command; gives its output."""
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel built from a copy, since a build leaves folders in its source."""
    work = tmp_path_factory.mktemp("wheel")
    source = work / "source"
    source.mkdir()
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("pfn_kg", *FOLDERS):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, source / name, copy_function=link, ignore=ignore)
    pip = (sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation")
    run(*pip, "--no-index", "--wheel-dir", work / "dist", source)
    (found,) = (work / "dist").glob("*.whl")
    return found


# What the pages of `pfn-kg view` are built from; the wheel has what is built.
SOURCES_OF_PAGES = ROOT / "pipeline" / "view" / "web"


def in_the_checkout() -> set[str]:
    """Each file of the packages, as a wheel should name it."""
    found = {f"pfn_kg/{path.name}" for path in (ROOT / "pfn_kg").iterdir() if path.is_file()}
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*"):
            if path.is_relative_to(SOURCES_OF_PAGES):
                continue
            if path.is_file() and "__pycache__" not in path.parts:
                found.add(f"pfn_kg/{path.relative_to(ROOT).as_posix()}")
    return found


def test_every_file_is_in_it_and_nothing_else(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    top = {name.split("/")[0] for name in names}
    (information,) = (name for name in top if name.endswith(".dist-info"))
    assert top == {"pfn_kg", information}
    packed = {name for name in names if name.startswith("pfn_kg/")}
    assert packed == in_the_checkout()
    assert {
        "pfn_kg/py.typed",
        "pfn_kg/pfn/evaluation/data/table_1.yaml",
        "pfn_kg/pfn/models/pfn-minilm-redocred/config.json",
        "pfn_kg/pfn/models/pfn-minilm-redocred/model.safetensors",
        "pfn_kg/pipeline/view/static/app.js",
        "pfn_kg/pipeline/view/static/licences.txt",
    } <= packed
    entry_points = zipfile.ZipFile(wheel).read(f"{information}/entry_points.txt").decode()
    assert "pfn-kg = pfn_kg.pipeline.cli:main" in entry_points


def test_it_is_imported_beside_files_of_the_same_names(wheel, tmp_path):
    target, users = tmp_path / "installed", tmp_path / "user"
    pip = (sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index")
    run(*pip, "--target", target, wheel)
    users.mkdir()
    for name in FOLDERS:
        (users / f"{name}.py").write_text('WHOSE = "the user\'s"\n')
    # The current folder comes first, as beside a user's script, then the empty installation;
    # all other packages are those of the environment.
    environment = os.environ | {"PYTHONPATH": str(target), "OMP_NUM_THREADS": "1"}
    places = json.loads(run(sys.executable, "-c", IMPORT_ALL, cwd=users, env=environment))
    assert len(places) == sum(name.endswith(".py") for name in in_the_checkout())
    for name, place in places.items():
        assert Path(place).is_relative_to(target), name
