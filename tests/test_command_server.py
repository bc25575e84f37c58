"""The `pfn-kg` that tests of pages and scripts call is the program that its users call."""

import os
import re
import signal
import subprocess
import sys

import pytest

from helpers.corpora import ROOT


def ended(command, folder, **others):
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | others.pop("variables", {}),
        capture_output=True,
        text=True,
        **others,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("arguments", "others"),
    [
        (["--version"], {}),
        (["no-command"], {}),
        (["status", "absent"], {}),
        (["status", "absent"], {"variables": {"COLUMNS": "40"}}),
        (["predict", "--model", "MODEL", "-"], {"input": "Ada Lovelace was born in Łódź.\n"}),
        (["build", "absent", "--log-format", "json", "--debug"], {}),
    ],
)
def test_it_says_and_ends_as_the_program_does(
    pfn_kg_folder, tiny_model, tmp_path, arguments, others
):
    arguments = [str(tiny_model) if word == "MODEL" else word for word in arguments]
    code, out, err = ended([pfn_kg_folder / "pfn-kg", *arguments], tmp_path, **others)
    expected = ended([sys.executable, "-m", "pfn_kg", *arguments], tmp_path, **others)
    assert (code, out) == expected[:2]
    # A record in JSON has its time.
    times = re.compile(r'"time": *"[^"]*"')
    assert times.sub("", err) == times.sub("", expected[2])


@pytest.fixture
def reading(pfn_kg_folder, tiny_model):
    """A call that reads its input, and waits for more."""
    running = subprocess.Popen(
        [pfn_kg_folder / "pfn-kg", "predict", "--model", tiny_model, "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    # More than a pipe holds: when it is written, the program reads.
    running.stdin.write(b"Ada Lovelace was born in London. " * 8_000)
    running.stdin.flush()
    yield running
    running.stdin.close()


def test_signals_reach_it(reading):
    reading.send_signal(signal.SIGTERM)
    assert reading.stderr.read() == b"pfn-kg: terminated\n"
    assert reading.wait() == 143


def test_a_call_that_is_killed_is_gone(reading):
    reading.kill()
    # Who reads what it says comes to the end, so nobody is left who could say anything.
    assert reading.stdout.read() == b""
    assert reading.wait() == -signal.SIGKILL
