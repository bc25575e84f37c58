"""A file that can't be read is an error; only one that is not there counts as absent."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from apache_beam.io.filesystem import BeamIOError

from helpers.corpora import ROOT, TEXTS, run, write_corpus
from helpers.extraction_folders import DOCS, write_folder
from helpers.memory_file_system import UNREADABLE, upload
from helpers.output_folders import files
from pfn_kg.pipeline.cli import main
from pfn_kg.transforms.plumbing.files import exists, read_if_there


class _Busy(Exception):
    """As cloud clients have them: neither an OSError nor a BeamIOError."""

    code = 503


ERRORS = {
    "rights": PermissionError(13, "Permission denied"),
    "wrapped": BeamIOError("open failed", {"memory://b/out/x": PermissionError(13, "Forbidden")}),
    "busy": _Busy("SlowDown: reduce your request rate"),
}


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
def test_what_can_not_be_read_is_an_error(memory, error):
    memory["memory://b/out/x"] = b"here"
    assert read_if_there("memory://b/out/x") == b"here"
    assert read_if_there("memory://b/out/y") is None
    UNREADABLE["memory://b/out/x"] = error
    with pytest.raises(OSError, match="memory://b/out/x can't be read: ") as raised:
        read_if_there("memory://b/out/x")
    assert "\n" not in str(raised.value)


def test_a_code_that_says_not_found(memory):
    gone = _Busy("gone")
    gone.code = 404
    memory["memory://b/out/x"] = b"here"
    UNREADABLE["memory://b/out/x"] = BeamIOError("open failed", {"memory://b/out/x": gone})
    assert read_if_there("memory://b/out/x") is None


def test_local_files(tmp_path):
    assert read_if_there(str(tmp_path / "x")) is None
    (tmp_path / "x").write_bytes(b"here")
    assert read_if_there(str(tmp_path / "x")) == b"here"
    # Below a file there is nothing, and a folder is no file.
    assert read_if_there(str(tmp_path / "x" / "y")) is None
    assert not exists(str(tmp_path / "x" / "y"))
    assert exists(str(tmp_path / "x"))
    with pytest.raises(OSError, match=f"{tmp_path} can't be read"):
        read_if_there(str(tmp_path))


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
def test_a_run_is_not_overwritten_by_one_that_can_not_read_it(
    tmp_path, tiny_model, memory, capsys, error
):
    write_corpus(tmp_path / "a.parquet", TEXTS[:2])
    output = "memory://b/out"
    assert run(tmp_path / "a.parquet", output, tiny_model, "--no-rdf") == 0
    before = dict(memory)
    UNREADABLE[f"{output}/manifest.json"] = error
    capsys.readouterr()
    for arguments in (
        ["run", str(tmp_path / "a.parquet"), "--output", output, "--model", str(tiny_model)],
        ["build", output],
        ["remove", output, "--documents", "a0"],
        ["export", output, "--output", str(tmp_path / "export")],
        # An export into the folder would find no manifest there, and so take it for its own.
        ["export", str(tmp_path / "done"), "--output", output],
    ):
        if "done" in arguments[1]:
            folder = write_folder(tmp_path / "done", DOCS)
            assert main(["build", folder, "--no-rdf"]) == 0
            capsys.readouterr()
        assert main(arguments) == 1, arguments
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert f"{output}/manifest.json can't be read" in said
    assert memory == before


@pytest.mark.parametrize("name", ["label_schema.yaml", "aliases.parquet", "extractions"])
def test_the_parts_of_a_graph(tmp_path, memory, capsys, name):
    folder = tmp_path / "run"
    write_folder(folder, DOCS)
    (tmp_path / "aliases.csv").write_text("alias,canonical_name\nADA LOVELACE,Ada Lovelace\n")
    upload(files(folder), "memory://b/run")
    memory["memory://b/run/manifest.json"] = (folder / "manifest.json").read_bytes()
    output = "memory://b/run"
    assert main(["build", output, "--no-rdf", "--aliases", str(tmp_path / "aliases.csv")]) == 0
    graph = json.loads(memory["memory://b/run/manifest.json"])["graph"]
    path = {
        "label_schema.yaml": f"{output}/label_schema.yaml",
        "aliases.parquet": f"{output}/{graph}/aliases.parquet",
        "extractions": f"{output}/extractions/chunk0.parquet",
    }[name]
    assert path in memory
    UNREADABLE[path] = ERRORS["busy"]
    capsys.readouterr()
    assert main(["remove", output, "--documents", "a"]) == 1
    assert path in capsys.readouterr().err


def test_a_snapshot_whose_record_cannot_be_read(tmp_path, memory, capsys):
    """It is not taken for an unfinished one, and nothing is deleted for it."""
    folder = tmp_path / "run"
    write_folder(folder, DOCS)
    upload(files(folder), "memory://b/run")
    memory["memory://b/run/manifest.json"] = (folder / "manifest.json").read_bytes()
    output = "memory://b/run"
    assert main(["build", output, "--no-rdf"]) == 0
    graph = json.loads(memory[f"{output}/manifest.json"])["graph"]
    path = f"{output}/{graph}/snapshot.json"
    UNREADABLE[path] = ERRORS["busy"]
    capsys.readouterr()
    assert main(["export", output, "--output", str(tmp_path / "out")]) == 1
    assert f"{path} can't be read" in capsys.readouterr().err
    assert main(["build", output, "--no-rdf", "--keep-builds", "1"]) == 0
    assert path in memory


def test_a_claim_that_cannot_be_read(tmp_path, memory, capsys):
    """Whoever owns it may be at work."""
    folder = tmp_path / "run"
    write_folder(folder, DOCS)
    upload(files(folder), "memory://b/run")
    memory["memory://b/run/manifest.json"] = (folder / "manifest.json").read_bytes()
    claim = "memory://b/run/.locks/00000000000000000000-other.json"
    memory[claim] = b"{}"
    UNREADABLE[claim] = ERRORS["busy"]
    capsys.readouterr()
    assert main(["build", "memory://b/run", "--no-rdf"]) == 2
    assert f"{claim} can't be read" in capsys.readouterr().err
    assert claim in memory


def test_a_folder_that_can_not_be_listed(tmp_path):
    """Also for root, without the capabilities by which it may read everything."""
    corpus = tmp_path / "corpus"
    write_corpus(corpus / "a.parquet", TEXTS[:1])
    write_corpus(corpus / "closed" / "b.parquet", TEXTS[1:2])
    command = [sys.executable, "-m", "pfn_kg", "run", str(corpus), "--output", str(tmp_path / "o")]
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("no setpriv to run without root's rights")
        command = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", *command]
    (corpus / "closed").chmod(0)
    try:
        done = subprocess.run(
            [*command, "--dry-run"],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        (corpus / "closed").chmod(0o700)
    assert done.returncode == 2
    said = done.stderr.strip().splitlines()[-1]
    assert said == (
        f"pfn-kg: CORPUS {corpus}: can't be listed: {corpus}/closed can't be listed: "
        "Permission denied"
    )
    assert not (tmp_path / "o").exists()
