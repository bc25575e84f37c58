"""`pfn-kg compact`: fewer extraction files, and the same graph."""

import itertools
import shutil
from unittest import mock

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.examples import examples
from helpers.extraction_folders import DOCS, born_in, change, write_folder
from helpers.output_folders import files, listed_chunks, read_manifest, write_manifest
from pfn_kg.pipeline import compact as compaction
from pfn_kg.pipeline.build_phase import run_build
from pfn_kg.pipeline.cli import main
from pfn_kg.pipeline.compact import compact
from pfn_kg.pipeline.manifest import read_extracted
from pfn_kg.pipeline.remove import remove_documents
from pfn_kg.pipeline.snapshots import current_record, extraction_digest
from pfn_kg.schemas.build_options import BuildOptions
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.extraction import JOINED_WORDS
from pfn_kg.transforms.documents.compact_chunks import ListedChunk, neighbours

OPTIONS = BuildOptions(sentences=True, keep_builds=1, shard_rows=4)
DOCUMENTS = st.builds(
    born_in,
    st.sampled_from("abcdef"),
    st.sampled_from(["Ada Lovelace", "Augusta Ada", "Grace Hopper"]),
    st.sampled_from(["London", "Bonn"]),
    st.sampled_from([0.4, 0.6, 0.9]),
)
CHANGES = st.lists(
    st.tuples(st.lists(DOCUMENTS, max_size=3), st.sets(st.sampled_from("abcdef"), max_size=2)),
    min_size=2,
    max_size=4,
)
# What is not there any more is not counted any more.
_GONE = ("removed_rows", "replaced_rows", "redirects")


def built(folder, scratch):
    """The graph and the counts of a first build of the same extractions."""
    shutil.copytree(folder, scratch, ignore=shutil.ignore_patterns("builds", "graph"))
    content = {k: v for k, v in read_manifest(scratch).items() if k not in ("graph", "build")}
    write_manifest(scratch, content)
    counts = run_build(str(scratch), OPTIONS)
    return files(scratch, but=("extractions", "lists")), {
        name: count for name, count in counts.items() if name not in _GONE
    }


def extraction_files(folder):
    return sorted(path.name for path in (folder / "extractions").iterdir())


@given(CHANGES, CHANGES)
@examples(2, shared_fixtures=True)
def test_the_graph_stays_what_it_is(tmp_path_factory, before, after):
    """Also with all that comes later."""
    place = tmp_path_factory.mktemp("run")
    folder, plain = place / "a", place / "b"
    write_folder(folder, DOCS)
    for generation, (docs, removed) in enumerate(before, 1):
        change(folder, generation, docs, removed)
    shutil.copytree(folder, plain)
    done = compact(str(folder))
    assert done.files == len(listed_chunks(folder)) <= done.files_before
    assert extraction_files(folder) == sorted(f"{c['name']}.parquet" for c in listed_chunks(folder))
    assert read_manifest(folder).get("removed") is None
    assert built(folder, place / "a1") == built(plain, place / "b1")
    # Nothing is left to drop, though what was dropped may have made room for fewer files.
    assert compact(str(folder)).dropped_rows == 0
    for generation, (docs, removed) in enumerate(after, 10):
        for each in (folder, plain):
            change(each, generation, docs, removed)
    assert built(folder, place / "a2") == built(plain, place / "b2")


@pytest.fixture
def updated(tmp_path):
    """A folder with a graph of ten runs, of which the last removed and replaced documents."""
    folder = tmp_path / "out"
    write_folder(folder, DOCS)
    for generation in range(1, 10):
        change(folder, generation, [born_in(f"d{generation}", "Ada Lovelace", "Bonn", 0.9)], [])
    change(folder, 10, [born_in("d3", "Ada Lovelace", "London", 0.9)], ["d4"])
    run_build(str(folder), OPTIONS)
    return folder


def test_the_command(updated, capsys):
    graph = files(updated, but=("extractions", "lists"))
    assert main(["compact", str(updated)]) == 0
    assert (
        "14 extraction files are 5 now, without 2 rows that no graph needs"
        in capsys.readouterr().out
    )
    manifest = read_extracted(str(updated))
    # The graph is that of the new files.
    assert current_record(str(updated), manifest).extraction == extraction_digest(manifest)
    assert manifest.state == "done"
    assert files(updated, but=("extractions", "lists")) == graph
    (last,) = [c for c in listed_chunks(updated) if not c["name"].startswith("chunk")]
    assert last["counts"]["rows"] == last["counts"]["documents"] == 8
    table = pq.read_table(updated / "extractions" / f"{last['name']}.parquet")
    assert table["document_id"].to_pylist() == [f"d{n}" for n in (1, 2, 5, 6, 7, 8, 9, 3)]
    assert main(["compact", str(updated)]) == 0
    assert "5 extraction files; none can be made fewer" in capsys.readouterr().out
    # A run that begins anew would not find its chunks.
    assert manifest.last_generation == 10
    remove_documents(str(updated), ["d3"])
    run_build(str(updated), OPTIONS)
    assert main(["verify", str(updated)]) == 0


def test_other_runners_do_the_same(updated, tmp_path):
    shutil.copytree(updated, tmp_path / "other", symlinks=True)
    compact(str(updated))
    compact(str(tmp_path / "other"), ["--runner=FnApiRunner"])
    assert files(tmp_path / "other") == files(updated)


@pytest.mark.parametrize("at", ["update_manifest", "_say_the_same", "delete_all_but"])
def test_whatever_ends_it_leaves_the_folder_whole(updated, tmp_path, at):
    expected = built(updated, tmp_path / "before")
    calls = []

    def fail(*arguments, **options):
        calls.append(at)
        if at == "update_manifest" and len(calls) == 1:  # which only looks at the lists
            return read_extracted(str(updated))
        raise KeyboardInterrupt

    with mock.patch.object(compaction, at, fail), pytest.raises(KeyboardInterrupt):
        compact(str(updated))
    assert built(updated, tmp_path / "killed") == expected
    compact(str(updated))
    assert built(updated, tmp_path / "after") == expected
    assert extraction_files(updated) == sorted(
        f"{c['name']}.parquet" for c in listed_chunks(updated)
    )


def test_a_folder_without_extractions(tmp_path):
    with pytest.raises(ConfigurationError, match="no finished extraction"):
        compact(str(tmp_path))


@pytest.mark.quick
@given(
    st.lists(
        st.builds(
            ListedChunk,
            st.sampled_from([None, "other"]),
            st.fixed_dictionaries(
                {}, optional={"rows": st.integers(1, 9), JOINED_WORDS: st.integers(0, 1)}
            ),
        )
    )
)
def test_neighbours(chunks):
    begins = neighbours(chunks, most_rows=8, most_characters=100)
    assert begins == sorted(set(begins))
    groups = [chunks[a:b] for a, b in itertools.pairwise([*begins, len(chunks)])]
    assert [chunk for group in groups for chunk in group] == chunks
    for group in groups:
        assert len({chunk.model_hash for chunk in group}) == 1
        assert len({chunk.counts.get(JOINED_WORDS, 0) for chunk in group}) == 1
        assert len(group) == 1 or sum(chunk.counts.get("rows", 8) for chunk in group) <= 8
