"""Corpus, model and output on a file system that is not the local one."""

import io
import re
import threading

import pyarrow.parquet as pq
import pytest
from apache_beam.io.filesystem import BeamIOError, CompressionTypes, FileMetadata, FileSystem
from apache_beam.io.filesystems import FileSystems

from helpers.corpora import TEXTS, run, write_corpus
from helpers.output_folders import files
from pfn_kg.pipeline.cli import main

_FILES: dict[str, bytes] = {}
_LOCK = threading.Lock()


class _Writer(io.BytesIO):
    """The content appears when the file is closed, as on an object store."""

    def __init__(self, path):
        super().__init__()
        self._path = path

    def close(self):
        if not self.closed:
            with _LOCK:
                _FILES[self._path] = self.getvalue()
        super().close()


class MemoryFileSystem(FileSystem):
    """Files in a dictionary. Like an object store it knows no folders."""

    @classmethod
    def scheme(cls):
        return "memory"

    def join(self, basepath, *paths):
        return "/".join([basepath.rstrip("/"), *(path.strip("/") for path in paths)])

    def split(self, path):
        head, _, tail = path.rpartition("/")
        return head, tail

    def mkdirs(self, path):
        pass

    def has_dirs(self):
        return False

    def _list(self, prefix):
        with _LOCK:
            found = {name: len(data) for name, data in _FILES.items() if name.startswith(prefix)}
        for name, size in sorted(found.items()):
            yield FileMetadata(name, size, 1.0)

    def create(
        self,
        path,
        mime_type="application/octet-stream",
        compression_type=CompressionTypes.AUTO,
    ):
        assert compression_type == CompressionTypes.UNCOMPRESSED
        return _Writer(path)

    def open(
        self,
        path,
        mime_type="application/octet-stream",
        compression_type=CompressionTypes.AUTO,
    ):
        assert compression_type == CompressionTypes.UNCOMPRESSED
        return io.BytesIO(self._data(path))

    def _data(self, path):
        with _LOCK:
            if path not in _FILES:
                raise BeamIOError("not found", {path: FileNotFoundError(path)})
            return _FILES[path]

    def copy(self, source_file_names, destination_file_names):
        for source, destination in zip(source_file_names, destination_file_names, strict=True):
            data = self._data(source)
            with _LOCK:
                _FILES[destination] = data

    def rename(self, source_file_names, destination_file_names):
        self.copy(source_file_names, destination_file_names)
        self.delete(source_file_names)

    def exists(self, path):
        with _LOCK:
            return path in _FILES

    def size(self, path):
        return len(self._data(path))

    def last_updated(self, path):
        self._data(path)
        return 1.0

    def checksum(self, path):
        return str(hash(self._data(path)))

    def metadata(self, path):
        return FileMetadata(path, self.size(path), 1.0)

    def delete(self, paths):
        for path in paths:
            pattern = re.escape(path.rstrip("/")) + "(/.*)?"
            with _LOCK:
                gone = [name for name in _FILES if re.fullmatch(pattern, name)]
                for name in gone:
                    del _FILES[name]
            if not gone:
                raise BeamIOError("not found", {path: FileNotFoundError(path)})


@pytest.fixture
def memory():
    _FILES.clear()
    yield _FILES
    _FILES.clear()


def upload(files_by_name, folder):
    for name, data in files_by_name.items():
        path = FileSystems.join(folder, name)
        with FileSystems.create(path, compression_type=CompressionTypes.UNCOMPRESSED) as file:
            file.write(data)


def test_the_whole_job(tmp_path, tiny_model, memory, capsys):
    write_corpus(tmp_path / "in" / "a.parquet", TEXTS[:3])
    write_corpus(tmp_path / "in" / "deep" / "b.parquet", [*TEXTS[3:], ""])
    upload(files(tmp_path / "in"), "memory://bucket/in")
    upload(files(tiny_model), "memory://bucket/model")
    given = dict(memory)

    output = "memory://bucket/out"
    assert run("memory://bucket/in", output, "memory://bucket/model") == 0
    assert {name: memory[name] for name in given} == given
    made = {name.removeprefix(f"{output}/"): memory[name] for name in memory if name not in given}
    assert not any("partial" in name or ".build" in name for name in made)

    # All as on the local file system, but for the paths of the corpus.
    assert run(tmp_path / "in", tmp_path / "out", tiny_model) == 0
    local = files(tmp_path / "out")
    graph = {
        "mentions",
        "triples",
        "entities",
        "relations",
        "rdf",
        "redirects",
        "label_schema.yaml",
    }
    for name, data in local.items():
        if name.partition("/")[0] in graph:
            assert made[name] == data, name
    documents = pq.read_table(io.BytesIO(made["documents/part-00000-of-00001.parquet"]))
    assert set(documents["source_file"].to_pylist()) == {
        "memory://bucket/in/a.parquet",
        "memory://bucket/in/deep/b.parquet",
    }
    assert len(made) == len(local) + 1  # the manifest

    # And again, in the same place.
    capsys.readouterr()
    assert run("memory://bucket/in", output, "memory://bucket/model") == 2
    assert "holds a run already" in capsys.readouterr().err
    assert run("memory://bucket/in", output, "memory://bucket/model", "--resume") == 0
    assert main(["build", output, "--no-rdf"]) == 0
    assert not any(name.startswith(f"{output}/rdf/") for name in memory)
    assert (
        memory[f"{output}/triples/part-00000-of-00001.parquet"]
        == (made["triples/part-00000-of-00001.parquet"])
    )


def test_what_is_not_there(memory, tiny_model, capsys):
    assert run("memory://bucket/in", "memory://bucket/out", tiny_model) == 2
    assert "CORPUS memory://bucket/in" in capsys.readouterr().err
    write = {"a.parquet": b"x"}
    upload(write, "memory://bucket/in")
    assert run("memory://bucket/in", "memory://bucket/out", "memory://bucket/model") == 2
    assert "--model" in capsys.readouterr().err
    assert run("nowhere://bucket/in", "memory://bucket/out", tiny_model) == 2
    assert "nowhere://bucket/in" in capsys.readouterr().err
    assert list(memory) == ["memory://bucket/in/a.parquet"]
