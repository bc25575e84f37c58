"""The lists of chunks and removed documents: in files of their own, which the manifest names."""

import json
import re
import shutil
from pathlib import Path

import apache_beam as beam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.corpora import TEXTS, extract, write_corpus
from helpers.examples import examples
from helpers.extraction_folders import DOCS, LABEL_SCHEMA, write_folder
from helpers.output_folders import (
    graph_files,
    inline_lists,
    listed_chunks,
    read_manifest,
    write_manifest,
)
from pfn_kg.pipeline.build_graph import BuildGraph
from pfn_kg.pipeline.build_phase import run_build
from pfn_kg.pipeline.cli import main
from pfn_kg.pipeline.manifest import Manifest, find_manifest
from pfn_kg.pipeline.manifest_lists import ChunkList, ChunkRecord, RemovedList
from pfn_kg.pipeline.remove import remove_documents
from pfn_kg.pipeline.verify import verify
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.transforms.facts.fact_options import FactOptions

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
COUNTS = st.dictionaries(NAMES, st.integers(0, 2**62), max_size=2)
CHUNKS = st.lists(
    st.builds(
        ChunkRecord,
        name=NAMES,
        generation=st.integers(0, 9),
        model_hash=st.none() | NAMES,
        counts=COUNTS,
    ),
    max_size=4,
)


@examples(30)
@given(CHUNKS, st.dictionaries(NAMES, st.integers(0, 9), max_size=4))
def test_lists_come_back(tmp_path_factory, chunks, removed):
    folder = str(tmp_path_factory.mktemp("lists"))
    made = Manifest(chunks=ChunkList.of(chunks), removed=RemovedList.of(removed))
    for list_ in made.lists:
        list_.save(folder)
    spelt = json.loads(json.dumps(made.model_dump(mode="json", exclude_unset=True)))
    found = Manifest.from_dict(spelt | {"version": made.version})
    assert found.listed_chunks(folder) == tuple(chunks)
    assert found.last_generation == max((c.generation for c in chunks), default=0)
    assert (found.removed.documents(folder) if removed else found.removed) == (removed or None)
    # Equal lists have equal names, whoever writes them.
    again = (
        ChunkList.of(found.listed_chunks(folder)),
        RemovedList.of(dict(reversed(removed.items()))),
    )
    assert [list_.path for list_ in again if list_] == [list_.path for list_ in made.lists]


@pytest.fixture
def folder(tmp_path):
    folder = write_folder(tmp_path / "run", DOCS)
    remove_documents(folder, ["d"])
    run_build(folder)
    assert verify(folder) == []
    return Path(folder)


def lists(folder):
    return {f"lists/{path.name}" for path in (folder / "lists").iterdir()}


def named(folder):
    manifest = read_manifest(folder)
    return {manifest[name]["path"] for name in ("chunks", "removed") if manifest.get(name)}


def damage(path, how):
    data = path.read_bytes()
    if how == "gone":
        path.unlink()
    elif how == "cut":
        path.write_bytes(data[:-1])
    else:
        other = {"chunks": ChunkList.of([]), "removed": RemovedList.of({"another": 0})}[how]
        other.save(str(path.parents[1]))
        shutil.move(path.parents[1] / other.path, path)


@pytest.mark.parametrize(
    ("name", "how", "reason"),
    [
        ("chunks", "gone", "is not there"),
        ("chunks", "cut", "can't be read"),
        ("chunks", "chunks", "has 0 rows in place of"),
        ("removed", "gone", "is not there"),
        ("removed", "removed", "its rows are not those that the manifest names"),
    ],
)
def test_a_list_that_is_not_whole(folder, capsys, name, how, reason):
    path = folder / read_manifest(folder)[name]["path"]
    before = graph_files(folder)
    damage(path, how)
    [line] = verify(str(folder))
    assert line.startswith("list that is not whole")
    assert f"{path}" in line
    assert reason in line
    capsys.readouterr()
    if how != "removed":
        assert main(["build", str(folder)]) == 1
        said = capsys.readouterr().err
        assert str(path) in said
        assert reason in said
    # The graph of before is still there.
    assert graph_files(folder) == before
    with pytest.raises((ConfigurationError, OSError), match=re.escape(str(path))):
        find_manifest(str(folder)).lists[name == "removed"].read(str(folder))


def test_an_extraction_file_that_is_gone(folder):
    [chunk, *_] = listed_chunks(folder)
    path = folder / "extractions" / f"{chunk['name']}.parquet"
    path.unlink()
    assert verify(str(folder)) == [f"missing file of extractions: 1, such as {path}"]


def test_lists_of_former_manifests_go(folder):
    before = lists(folder)
    assert before == named(folder)
    (folder / "lists" / "chunks-0.parquet.1.partial").write_bytes(b"x")
    (folder / "lists" / "chunks-0.parquet").write_bytes(b"x")
    remove_documents(str(folder), ["a"])
    assert named(folder) <= lists(folder)
    assert named(folder) != before
    run_build(str(folder))
    assert lists(folder) == named(folder)
    assert read_manifest(folder)["removed"]["count"] == 2


def test_lists_inside_a_manifest_of_an_older_version(tmp_path, tiny_model):
    corpus, output = write_corpus(tmp_path / "a.parquet", TEXTS[:2]), tmp_path / "out"
    assert extract(corpus, output, tiny_model, "--chunk-documents", "1") == 0
    assert main(["build", str(output), "--no-rdf"]) == 0
    assert main(["remove", str(output), "--documents", "a0"]) == 0
    removed = graph_files(output)
    inline_lists(output)
    before = read_manifest(output)
    assert list(before["removed"].values()) == [0]
    assert verify(str(output)) == []
    assert main(["build", str(output), "--no-rdf"]) == 0
    assert graph_files(output) == removed
    assert lists(output) == named(output)
    # An update compares with the lists, too.
    write_manifest(output, before | {"graph": read_manifest(output)["graph"]})
    assert main(["run", str(corpus), "--into", str(output)]) == 0
    assert read_manifest(output)["extract"]["counts"]["documents"] == 1
    assert [chunk["generation"] for chunk in listed_chunks(output)] == [0, 0, 1]


def test_a_pipeline_does_not_hold_its_lists(tmp_path):
    sizes = []
    for count in (10, 10_000):
        manifest = Manifest(
            chunks=ChunkList.of(ChunkRecord(name=f"chunk {n:5}") for n in range(count)),
            removed=RemovedList.of({f"document {n:5}": 0 for n in range(count)}),
        )
        pipeline = beam.Pipeline()
        chunks, removed = manifest.read_lists(pipeline, str(tmp_path))
        options = FactOptions(entity_threshold=0.5, relation_threshold=0.5)
        _ = chunks | BuildGraph("graph", LABEL_SCHEMA, options, groups=1, removed=removed)
        sizes.append(len(pipeline.to_runner_api().SerializeToString()))
    assert sizes[1] < 1.01 * sizes[0]
