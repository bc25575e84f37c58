"""Locks: at most one writer, whatever the file system; owners that are gone hold nothing."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from helpers.corpora import ROOT, extract, run, write_corpus
from helpers.extraction_folders import DOCS, write_folder
from helpers.memory_file_system import upload
from helpers.output_folders import graph_files, read_manifest
from pfn_kg.pipeline.build_phase import run_build
from pfn_kg.pipeline.cli import main
from pfn_kg.pipeline.locks import LOCKS, Owner, hold, hold_manifest
from pfn_kg.schemas.errors import ConfigurationError

ELSEWHERE = Owner(
    command="build",
    host="elsewhere",
    machine="elsewhere",
    pid=1,
    process_started="1",
    since="2026-01-02T03:04:05+00:00",
)


def claim(folder, owner, name="0"):
    path = Path(folder) / LOCKS / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(owner.model_dump_json())
    return path


def claims(folder):
    return list((Path(folder) / LOCKS).rglob("*.json"))


def in_a_thread(function):
    """Runs a function beside this one, as another command would."""
    outcome = []

    def call():
        try:
            outcome.append(function())
        except ConfigurationError as error:
            outcome.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    return outcome[0]


def take(folder, take_over=False):
    with hold(str(folder), "remove", take_over=take_over):
        return "held"


@pytest.mark.parametrize("place", ["local", "memory"])
def test_one_holds_and_the_other_is_told_who(tmp_path, memory, place):
    folder = str(tmp_path / "run") if place == "local" else "memory://bucket/run"
    with hold(folder, "build"), hold(folder, "extract"):  # within itself it goes on
        refused = in_a_thread(lambda: take(folder))
        assert str(refused).startswith(
            f"{folder} is in use by `pfn-kg build` (process {os.getpid()} on "
        )
        assert "`take_over`" in str(refused)
        assert in_a_thread(lambda: take(folder, take_over=True)) == "held"
    assert take(folder) == "held"
    assert not claims(folder)
    assert not memory


@pytest.mark.parametrize("place", ["local", "memory"])
def test_never_two_at_once(tmp_path, memory, place):
    folder = str(tmp_path / "run") if place == "local" else "memory://bucket/run"
    inside, most, done = [0], [0], [0]
    counting = threading.Lock()

    def work():
        for _ in range(3):
            try:
                with hold(folder, "build"):
                    with counting:
                        inside[0] += 1
                        most[0] = max(most[0], inside[0])
                        done[0] += 1
                    time.sleep(0.005)
                    with counting:
                        inside[0] -= 1
            except ConfigurationError:
                time.sleep(0.005)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] == 1
    assert done[0] >= 1
    assert take(folder) == "held"


def test_the_manifest_is_waited_for(tmp_path):
    folder, order = str(tmp_path), []

    def second():
        with hold_manifest(folder, "load"):
            order.append("second")

    with hold_manifest(folder, "build"):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.3)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    # An old claim on it is that of a process that was killed.
    old = Path(folder) / LOCKS / "manifest" / "0.json"
    old.parent.mkdir(parents=True, exist_ok=True)
    old.write_text(ELSEWHERE.model_dump_json())
    second()
    assert not old.exists()


def test_a_process_that_is_gone_holds_nothing(tmp_path):
    code = (
        "import os\n"
        "from pfn_kg.pipeline.locks import hold\n"
        f"with hold({str(tmp_path)!r}, 'build'):\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    assert subprocess.run([sys.executable, "-c", code], env=environment).returncode == -9
    assert len(claims(tmp_path)) == 1
    assert take(tmp_path) == "held"
    assert not claims(tmp_path)


def test_a_number_that_another_process_has_now(tmp_path):
    """The claim of a killed process whose number this one got."""
    own = Owner.of_this_process("build")
    if not own.process_started:
        pytest.skip("this system does not say when a process began")
    claim(tmp_path, own.model_copy(update={"process_started": "1"}))
    assert take(tmp_path) == "held"
    claim(tmp_path, own)
    assert "is in use by" in str(in_a_thread(lambda: take(tmp_path)))


@pytest.mark.parametrize("text", ["", "[]", '{"pid": "x"}'])
def test_a_claim_that_names_nobody_holds(tmp_path, text):
    path = claim(tmp_path, ELSEWHERE)
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"that .*0\.json does not name"):
        take(tmp_path)
    assert take(tmp_path, take_over=True) == "held"


COMMANDS = {
    "build": ["build", "RUN"],
    "remove": ["remove", "RUN", "--documents", "a"],
    "rollback": ["rollback", "RUN"],
    "export": ["export", "RUN", "--output", "OUT"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_give_way_in_one_line(tmp_path, capsys, command):
    folder = Path(write_folder(tmp_path / "run", DOCS))
    run_build(str(folder))
    run_build(str(folder))
    locked = tmp_path / "out" if command == "export" else folder
    claim(locked, ELSEWHERE)
    places = {"RUN": str(folder), "OUT": str(tmp_path / "out")}
    arguments = [places.get(word, word) for word in COMMANDS[command]]
    before, manifest = graph_files(folder), (folder / "manifest.json").read_bytes()
    capsys.readouterr()
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert said == (
        f"pfn-kg: {locked} is in use by `pfn-kg build` (process 1 on elsewhere, since "
        "2026-01-02T03:04:05+00:00); wait until it is done, or, if it is not running any more, "
        "use --take-over\n"
    )
    assert (graph_files(folder), (folder / "manifest.json").read_bytes()) == (before, manifest)
    assert main([*arguments, "--take-over"]) == 0
    assert not claims(locked)


def test_run_and_extract_give_way(tmp_path, tiny_model, capsys):
    corpus, output = write_corpus(tmp_path / "a.parquet"), tmp_path / "out"
    claim(output, ELSEWHERE)
    for command in (run, extract):
        assert command(corpus, output, tiny_model) == 2
        assert "is in use by `pfn-kg build`" in capsys.readouterr().err
    assert not (output / "manifest.json").exists()
    assert extract(corpus, output, tiny_model, "--take-over") == 0
    assert read_manifest(output)["state"] == "extracted"


def test_an_export_beside_a_lock_of_memory(memory, tmp_path):
    """The claim is a file among those of the output, and no reason to refuse it."""
    folder = write_folder(tmp_path / "run", DOCS)
    run_build(folder)
    upload({"0.json": ELSEWHERE.model_dump_json().encode()}, f"memory://bucket/out/{LOCKS}")
    assert main(["export", folder, "--output", "memory://bucket/out"]) == 2
    assert main(["export", folder, "--output", "memory://bucket/out", "--take-over"]) == 0
    made = json.loads(memory["memory://bucket/out/manifest.json"])
    assert made["state"] == "done"
    assert not any(LOCKS in name for name in memory)
