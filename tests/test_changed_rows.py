"""Rows of a corpus that a graph does not have yet, by `ChangedRuns` on files of both kinds."""

from dataclasses import replace
from hashlib import blake2b
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.eager import eager
from helpers.examples import examples
from helpers.extraction_folders import Doc, row
from pfn_kg.pipeline.manifest_lists import RemovedList
from pfn_kg.schemas.extract_options import ExtractOptions
from pfn_kg.schemas.extraction import EXTRACTION_SCHEMA, with_counters
from pfn_kg.transforms.documents.changed_rows import ChangedRuns, document_version
from pfn_kg.transforms.extraction.chunk_files import ExtractionFolder
from pfn_kg.transforms.extraction.columns import ChunkFile
from pfn_kg.transforms.reading.chunks import read_chunks
from pfn_kg.transforms.reading.plan import plan_extraction


class Row(NamedTuple):
    id: str
    text: str
    title: str | None = None


def runs_of(folder, corpus):
    """The runs of a file of some rows, of which three are in each row group."""
    file = folder / "corpus.parquet"
    columns = {name: [row[i] for row in corpus] for i, name in enumerate(Row._fields)}
    schema = pa.schema([(name, pa.string()) for name in columns])
    pq.write_table(pa.table(columns, schema), file, row_group_size=3)
    options = ExtractOptions(
        corpus=[str(file)], output="out", id_column="id", token_budget=100, chunk_documents=2
    )
    return plan_extraction(options, "model").runs


def wanted_rows(folder, live, corpus, removed=None):
    """The rows of a corpus that are new to a graph of some documents, two in a chunk."""
    chunks = []
    for begin in range(0, len(live), 2):
        rows = [
            row(Doc(r.id, r.text, title=r.title), "before.parquet", begin + n)
            # As a document is read.
            | {"content_hash": blake2b(r.text.encode(), digest_size=16).hexdigest()}
            for n, r in enumerate(live[begin : begin + 2])
        ]
        path = folder / f"chunk{begin}.parquet"
        pq.write_table(pa.Table.from_pylist(rows, with_counters(EXTRACTION_SCHEMA, {})), path)
        chunks.append(ChunkFile(begin // 2, str(path), "m"))
    listed = RemovedList.of(removed or {})
    if listed is not None:
        listed.save(str(folder))

    def changed_runs(inputs):
        live = inputs["live"]
        gone = None
        if listed is not None:
            gone = live | "FindRemoved" >> listed.finder(str(folder), 3)
        return inputs["runs"] | ChangedRuns(live, gone, groups=3)

    runs = list(enumerate(runs_of(folder, corpus)))
    changed = eager(changed_runs, {"live": chunks, "runs": runs})
    assert all(run.wanted for run in changed)
    return sorted(row for run in changed for row in run.wanted)


LIVE = [Row("a", "One."), Row("b", "Two.", "B"), Row("c", "Three.")]


@pytest.mark.parametrize(
    ("corpus", "expected"),
    [
        (LIVE, []),
        (LIVE[::-1], []),
        ([*LIVE, Row("d", "Four.")], [3]),
        ([Row("a", "Another."), *LIVE[1:]], [0]),
        ([LIVE[0], Row("b", "Two.", "Another title"), LIVE[2]], [1]),
        ([LIVE[0], Row("b", "Two."), LIVE[2]], [1]),
        # The first of several rows with one id says what the document is.
        ([*LIVE, Row("a", "Another.")], []),
        ([Row("a", "Another."), *LIVE], [0, 1]),
        ([*LIVE, Row("d", ""), Row("e", "Five.")], [3, 4]),
    ],
)
def test_rows_that_are_new_or_changed(tmp_path, corpus, expected):
    assert wanted_rows(tmp_path, LIVE, corpus) == expected


def test_a_removed_document_is_new_again(tmp_path):
    assert wanted_rows(tmp_path, LIVE, LIVE, removed={"b": 0}) == [1]


IDS = st.sampled_from("abcd")
ROWS = st.lists(st.builds(Row, IDS, st.sampled_from(["One.", "Two."])), min_size=1, max_size=7)


@given(ROWS, ROWS)
@examples(10, shared_fixtures=True)
def test_what_is_wanted_makes_the_graph_that_of_the_corpus(tmp_path_factory, live, corpus):
    """The wanted rows, taken in, leave nothing that is wanted: as a whole, not row by row."""
    first = {row.id: row for row in reversed(live)}
    folder = tmp_path_factory.mktemp("run")
    wanted = wanted_rows(folder, live, corpus)
    said = {row.id: row for row in reversed(corpus)}
    changed = {id_ for id_, row in said.items() if first.get(id_) != row}
    assert wanted == [n for n, row in enumerate(corpus) if row.id in changed]


def test_versions_tell_all_parts_apart():
    versions = [
        document_version("h", title=None, metadata=None),
        document_version("h", title="", metadata=None),
        document_version("h", title=None, metadata=""),
        document_version("h", title="m", metadata=None),
        document_version("h", title=None, metadata="m"),
        document_version("", title="m", metadata=None),
        document_version(None, title="m", metadata=None),
        document_version(None, title=None, metadata=None, errors=["e"]),
        document_version(None, title=None, metadata=None, errors=["e", "e"]),
    ]
    assert len(set(versions)) == len(versions)
    # A text's errors are not part of what the document says.
    assert document_version("h", title=None, metadata=None, errors=["e"]) == versions[0]


def empty_rows(count):
    return pa.table({f.name: pa.nulls(count, f.type) for f in EXTRACTION_SCHEMA}).select(
        EXTRACTION_SCHEMA.names
    )


def test_finished_chunks_are_those_up_to_the_first_that_is_missing(tmp_path):
    folder = ExtractionFolder(str(tmp_path / "run"))
    # All rows in one run, which a plan spreads over workers.
    run = replace(runs_of(tmp_path, LIVE)[0], begin=0, end=3)
    chunks = list(read_chunks(run, folder.next_row))
    assert [(c.begin, c.end) for c in chunks] == [(0, 2), (2, 3)]
    first, second = chunks
    # The later one is there, but nobody knows where it begins.
    folder.write(second, empty_rows(1), {"sentences": 5})
    assert list(folder.finished(run)) == []
    assert folder.next_row(second.name, 2) == 3
    assert folder.counters(first.name) is None
    folder.write(first, empty_rows(2), {"sentences": 7})
    finished = list(folder.finished(run))
    assert [(c.name, c.counters["sentences"]) for c in finished] == [
        (first.name, 7),
        (second.name, 5),
    ]
    assert [c.counters["rows"] for c in finished] == [2, 1]
    assert list(read_chunks(run, folder.next_row)) == []
    # A chunk that exists is never written again.
    before = (tmp_path / "run" / f"{first.name}.parquet").read_bytes()
    folder.write(first, empty_rows(2), {"sentences": 8})
    assert (tmp_path / "run" / f"{first.name}.parquet").read_bytes() == before
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == sorted(
        f"{c.name}.parquet" for c in chunks
    )


def test_a_chunk_that_cannot_be_read_is_named(tmp_path):
    folder = ExtractionFolder(str(tmp_path))
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(OSError, match=r"broken\.parquet can't be read"):
        folder.counters("broken")
