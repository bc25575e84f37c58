"""A file that is replaced is there at every moment, also where that takes several steps."""

import pytest
from apache_beam.io.filesystem import BeamIOError

from helpers.memory_file_system import MemoryFileSystem
from pfn_kg.transforms.plumbing.files import delete, read_if_there, replace

pytestmark = pytest.mark.quick

PATH = "memory://b/out/manifest.json"


class _Killed(BaseException):
    """Nothing catches it, as nothing catches a kill."""


@pytest.fixture
def steps(memory, monkeypatch):
    """A file system that can't rename onto a file that is there, as HDFS.

    Gives a list of what it does; a call that is its own number in `kill` is the last one.
    """
    done, kill = [], []
    remove = MemoryFileSystem.delete

    def step(name, *arguments):
        if kill and len(done) == kill[0]:
            raise _Killed
        done.append((name, *arguments))

    def careful_rename(system, sources, targets):
        if any(target in memory for target in targets):
            raise BeamIOError("rename failed", {targets[0]: FileExistsError(targets[0])})
        step("rename", *targets)
        for source, target in zip(sources, targets, strict=True):
            memory[target] = memory.pop(source)

    def counted_delete(system, paths):
        step("delete", *paths)
        remove(system, paths)

    monkeypatch.setattr(MemoryFileSystem, "rename", careful_rename)
    monkeypatch.setattr(MemoryFileSystem, "delete", counted_delete)
    return done, kill


def test_the_steps(memory, steps):
    done, _ = steps
    replace(PATH, b"old")
    assert done == [("rename", PATH)]
    replace(PATH, b"new")
    assert done[1:] == [("rename", f"{PATH}.new"), ("delete", PATH), ("rename", PATH)]
    assert memory == {PATH: b"new"}


@pytest.mark.parametrize("killed", range(3))
def test_a_kill_at_each_step(memory, steps, killed):
    done, kill = steps
    replace(PATH, b"old")
    kill.append(len(done) + killed)
    with pytest.raises(_Killed):
        replace(PATH, b"new")
    assert read_if_there(PATH) == (b"new" if killed == 2 else b"old")
    assert (PATH in memory) == (killed != 2)
    kill.clear()
    replace(PATH, b"newer")
    assert read_if_there(PATH) == b"newer"
    # And no name of it comes back.
    delete(PATH)
    assert read_if_there(PATH) is None


def test_a_reader_between_two_steps(memory, steps, monkeypatch):
    """The second name is gone when it is looked for, since the file has got its own again."""
    replace(PATH, b"old")
    opened = []
    real = MemoryFileSystem.open

    def slow_open(system, path, *options):
        opened.append(path)
        if len(opened) == 1:
            del memory[PATH]  # the writer is between its steps
            memory[f"{PATH}.new"] = b"new"
        elif len(opened) == 2:
            memory[PATH] = memory.pop(f"{PATH}.new")
        return real(system, path, *options)

    monkeypatch.setattr(MemoryFileSystem, "open", slow_open)
    assert read_if_there(PATH) == b"new"
    assert opened == [PATH, f"{PATH}.new", PATH]


def test_a_rename_that_fails_for_another_reason(memory, monkeypatch):
    replace(PATH, b"old")

    def refuse(system, sources, targets):
        raise BeamIOError("rename failed", {targets[0]: PermissionError(targets[0])})

    monkeypatch.setattr(MemoryFileSystem, "rename", refuse)
    with pytest.raises(BeamIOError):
        replace(PATH, b"new")
    assert read_if_there(PATH) == b"old"
