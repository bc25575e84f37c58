"""Which row of equal document ids is the document, and why the others are left out."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.eager import eager
from helpers.examples import examples
from helpers.extraction_folders import Doc, row
from pfn_kg.pipeline.manifest_lists import RemovedList
from pfn_kg.schemas.extraction import EXTRACTION_SCHEMA, with_counters
from pfn_kg.transforms.documents.deduplicate import Deduplicate
from pfn_kg.transforms.extraction.columns import ChunkFile

pytestmark = pytest.mark.quick

FILES = ("a.parquet", "b.parquet")


def chunks(folder, rows):
    """One extraction file a chunk: of each (chunk, generation) its rows, in order."""
    found = []
    for number, (generation, of_chunk) in enumerate(rows):
        path = folder / f"{number}.parquet"
        made = [row(Doc(id_, text), file, place) for id_, text, file, place in of_chunk]
        table = pa.Table.from_pylist(made, with_counters(EXTRACTION_SCHEMA, {}))
        pq.write_table(table, path)
        found.append(ChunkFile(number, str(path), "model", generation))
    return found


def losers(folder, rows, removed=None, groups=3):
    """Of each row that is left out (chunk, row): the reason and the place of the winner."""
    listed = RemovedList.of(removed or {})
    if listed is not None:
        listed.save(str(folder))

    def deduplicated(files):
        gone = None
        if listed is not None:
            gone = files | "FindRemoved" >> listed.finder(str(folder), groups)
        return files | Deduplicate(groups, gone)

    found = eager(deduplicated, chunks(folder, rows))
    left_out = {
        (chunk, loser.row): (loser.reason, loser.winner_file, loser.winner_row)
        for chunk, of_chunk in found["losers"]
        for loser in of_chunk
    }
    documents = sum(counts["documents"] for counts in found["sizes"])
    return left_out, documents


def test_the_file_goes_before_the_row(tmp_path):
    rows = [
        (0, [("d", "One.", "b.parquet", 0), ("d", "Other.", "a.parquet", 9)]),
        (0, [("d", "Other.", "b.parquet", 1)]),
    ]
    assert losers(tmp_path, rows) == (
        {(0, 0): ("conflict", "a.parquet", 9), (1, 0): ("duplicate", "a.parquet", 9)},
        1,
    )


def test_what_a_later_run_says_replaces_what_was(tmp_path):
    rows = [
        (0, [("d", "One.", "a.parquet", 0), ("e", "One.", "a.parquet", 1)]),
        (1, [("d", "Other.", "b.parquet", 5)]),
    ]
    assert losers(tmp_path, rows) == ({(0, 0): ("replaced", "b.parquet", 5)}, 2)
    # What was removed up to the generation 1 is no document, whatever its row says.
    of_both = {(chunk, 0): ("removed", "", -1) for chunk in (0, 1)}
    assert losers(tmp_path, rows, {"d": 1}) == (of_both, 1)
    assert losers(tmp_path, rows, {"d": 0}) == ({(0, 0): ("removed", "", -1)}, 2)
    assert losers(tmp_path, rows, {"x": 9}) == losers(tmp_path, rows)


ROWS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from("pqr"),
        st.sampled_from(["One.", "Other."]),
        st.sampled_from(FILES),
        st.integers(0, 9),
    ),
    min_size=1,
    max_size=12,
    # A place in the source is one row of a run.
    unique_by=lambda drawn: (drawn[0], *drawn[3:]),
)


# Ids with the last generation that they are removed from; one is no document.
REMOVED = st.dictionaries(st.sampled_from("pqx"), st.integers(0, 2), max_size=2)


@examples(15)
@given(ROWS, st.sampled_from([1, 4]), REMOVED)
def test_one_row_a_document_is_left(tmp_path_factory, drawn, groups, removed):
    by_generation = [[r[1:] for r in drawn if r[0] == g] for g in range(3)]
    rows = list(enumerate(by_generation))
    left_out, documents = losers(tmp_path_factory.mktemp("chunks"), rows, removed, groups)
    ranked, expected = {}, {}
    for generation, of_chunk in rows:
        for number, (id_, text, file, place) in enumerate(of_chunk):
            if generation <= removed.get(id_, -1):
                expected[generation, number] = ("removed", "", -1)
                continue
            ranked.setdefault(id_, []).append((-generation, file, place, text, number))
    for same in ranked.values():
        same.sort()
        (best, file, place, text, _), *others = same
        for generation, _, _, other, number in others:
            reason = "conflict" if other != text else "duplicate"
            reason = "replaced" if generation != best else reason
            expected[-generation, number] = (reason, file, place)
    assert left_out == expected
    assert documents == len(ranked)
