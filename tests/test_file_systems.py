"""Corpus, model and output on a file system that is not the local one."""

import io
import json
import re

import pyarrow.parquet as pq
import pytest
from apache_beam.io.filesystems import FileSystems

from helpers.corpora import TEXTS, run, write_corpus
from helpers.memory_file_system import upload
from helpers.output_folders import files
from pfn_kg.pipeline.cli import main
from pfn_kg.transforms.plumbing.listing import list_folder


def test_the_whole_job(tmp_path, tiny_model, memory, capsys):
    write_corpus(tmp_path / "in" / "a.parquet", TEXTS[:3])
    write_corpus(tmp_path / "in" / "deep" / "b.parquet", [*TEXTS[3:], ""])
    upload(files(tmp_path / "in"), "memory://bucket/in")
    upload(files(tiny_model), "memory://bucket/model")
    given = dict(memory)

    output = "memory://bucket/out"
    assert run("memory://bucket/in", output, "memory://bucket/model") == 0
    assert {name: memory[name] for name in given} == given
    made = {
        re.sub(r"^builds/[^/]*/", "", name.removeprefix(f"{output}/")): memory[name]
        for name in memory
        if name not in given
    }
    assert not any("partial" in name or ".locks" in name for name in made)

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
    # Names of chunks depend on where the corpus is.
    made_of, local_of = (
        {name for name in names if not name.startswith(("extractions/", "lists/"))}
        for names in (made, local)
    )
    assert made_of == local_of | {"manifest.json", "snapshot.json", "files.parquet"}
    assert len(made) == len(local) + 3

    # And again, in the same place.
    capsys.readouterr()
    assert run("memory://bucket/in", output, "memory://bucket/model") == 2
    assert "holds a run already" in capsys.readouterr().err
    assert run("memory://bucket/in", output, "memory://bucket/model", "--resume") == 0
    assert main(["build", output, "--no-rdf"]) == 0
    graph = f"{output}/{json.loads(memory[f'{output}/manifest.json'])['graph']}"
    assert not any(name.startswith(f"{graph}/rdf/") for name in memory)
    assert (
        memory[f"{graph}/triples/part-00000-of-00001.parquet"]
        == made["triples/part-00000-of-00001.parquet"]
    )
    # The one before it is kept, the first one is not.
    of_builds = {name.split("/")[5] for name in memory if name.startswith(f"{output}/builds/")}
    assert len(of_builds) == 2
    assert main(["verify", output]) == 0
    assert main(["rollback", output]) == 0
    graph = f"{output}/{json.loads(memory[f'{output}/manifest.json'])['graph']}"
    assert memory[f"{graph}/rdf/ontology.ttl"] == made["rdf/ontology.ttl"]


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


@pytest.mark.parametrize("pattern", ["**", "*", "*/*", "part-*.parquet", "b*", "deep/**"])
def test_local_folders_are_listed_as_beam_lists_them(tmp_path, pattern):
    for name in ("a.txt", "b.parquet", ".hidden", "part-1.parquet", "deep/b", "deep/er/c [0].txt"):
        path = tmp_path / "folder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    folder = str(tmp_path / "folder")
    matched = FileSystems.match([f"{folder}/{pattern}"])[0].metadata_list
    expected = {(m.path, m.size_in_bytes, m.last_updated_in_seconds) for m in matched}
    found = [
        (m.path, m.size_in_bytes, m.last_updated_in_seconds) for m in list_folder(folder, pattern)
    ]
    assert set(found) == expected
    assert found == sorted(found)
    with_scheme = list_folder(f"file://{folder}", pattern)
    assert [m.path.removeprefix("file://") for m in with_scheme] == [path for path, *_ in found]
    assert list_folder(str(tmp_path / "none"), pattern) == []
