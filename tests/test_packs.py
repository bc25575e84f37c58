"""Chunks that span files and row groups: which rows share one, its name, and what a run reads."""

import itertools
import random

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.corpora import TEXTS, corpus_table, extract, extracted, rejections, run, write_corpus
from helpers.examples import examples
from helpers.output_folders import files, listed_chunks, read_manifest
from pfn_kg.pipeline.cli import main
from pfn_kg.pipeline.extract_phase import run_extraction
from pfn_kg.pipeline.prepare_extraction import prepare_extraction
from pfn_kg.schemas.extract_options import ExtractOptions
from pfn_kg.transforms.extraction.run_lists import RunList, _runs
from pfn_kg.transforms.reading.chunks import read_chunks
from pfn_kg.transforms.reading.columns import Columns
from pfn_kg.transforms.reading.packs import PlannedRun, packed_runs
from pfn_kg.transforms.reading.plan import plan_extraction
from pfn_kg.transforms.reading.runs import ChunkRun, RunPack


def short_run(number, rows, most=500, row_group=0):
    return ChunkRun(
        file=f"/corpus/{number:06d}.parquet",
        size=1,
        version="1",
        fingerprint=f"f{number}",
        row_group=row_group,
        group_begin=0,
        begin=0,
        end=rows,
        columns=Columns("text", "id", None),
        batch_rows=1,
        chunk_documents=most,
        chunk_characters=1000,
    )


def names_of(sizes):
    """The name of the one chunk that each run of some files makes, by number of the file."""
    runs = packed_runs(PlannedRun(short_run(n, rows), 100) for n, rows in sizes.items())
    return {run.chunk_name(run.begin) for run in runs}


SIZES = st.dictionaries(st.integers(0, 10**6), st.integers(1, 20), min_size=1, max_size=60)


@pytest.mark.quick
@given(SIZES, st.integers(1, 40), st.randoms(use_true_random=False))
def test_packs_hold_every_run_once_in_order_of_the_paths(sizes, most, rng):
    planned = [PlannedRun(short_run(n, min(rows, most), most), 100) for n, rows in sizes.items()]
    runs = packed_runs(planned)
    flat = [one for run in runs for one in (run.runs if isinstance(run, RunPack) else [run])]
    assert flat == sorted((p.run for p in planned), key=lambda run: run.file)
    assert all(run.end - run.begin <= most for run in runs)
    assert len({run.chunk_name(run.begin) for run in runs}) == len(runs)
    # Two neighbours would not have fitted into half a chunk.
    sizes_of = [run.end - run.begin for run in runs]
    assert all(a + b > most / 2 for a, b in itertools.pairwise(sizes_of))
    rng.shuffle(planned)
    assert packed_runs(planned) == runs


@pytest.mark.quick
def test_a_pack_is_bounded_in_bytes_too():
    planned = [PlannedRun(short_run(n, 1), 300_000) for n in range(200)]
    assert {len(run.runs) for run in packed_runs(planned)} <= set(range(7, 14))


@pytest.mark.quick
def test_a_file_more_or_less_moves_few_packs():
    rng = random.Random(0)
    sizes = {n: rng.randint(1, 5) for n in range(0, 16_000, 2)}
    names, moved = names_of(sizes), []
    assert 60 < len(names) < 100
    for _ in range(4):
        moved.append(len(names - names_of(sizes | {rng.randrange(16_000) | 1: 2})))
        without = dict(sizes)
        del without[rng.choice(list(sizes))]
        moved.append(len(names - names_of(without)))
    assert min(moved) == 1
    assert sum(moved) / len(moved) < 6


@pytest.mark.quick
def test_long_runs_and_unreadable_files_stay_alone(tmp_path):
    write_corpus(tmp_path / "b.parquet", TEXTS[:1])
    (tmp_path / "c.parquet").write_bytes(b"no Parquet")
    write_corpus(tmp_path / "a.parquet", TEXTS)
    write_corpus(tmp_path / "d.parquet", TEXTS[:1])
    options = ExtractOptions(corpus=[str(tmp_path)], output="out", chunk_documents=4)
    runs = plan_extraction(options, "model").runs
    kinds = [type(run).__name__ for run in runs]
    assert kinds == ["ChunkRun", "ChunkRun", "ChunkRun", "RunPack"]  # two of them of a.parquet
    assert [run.file[-9] for run in runs[-1].runs] == ["b", "d"]
    assert runs[-1].place(0) == f"row 0 of {tmp_path / 'b.parquet'}"
    assert runs[-1].place(1) == f"row 0 of {tmp_path / 'd.parquet'}"


@pytest.mark.quick
@given(st.lists(st.integers(0, 9), min_size=1, max_size=6), st.integers(1, 10), st.data())
@examples(20)
def test_chunks_of_a_pack(tmp_path_factory, sizes, characters, data):
    """Each row once, in chunks that end where they are too long; a chunk that is lost is reread."""
    folder = tmp_path_factory.mktemp("in")
    for number, rows in enumerate(sizes):
        pq.write_table(corpus_table(["ab"] * rows, f"{number}-"), folder / f"{number}.parquet")
    options = ExtractOptions(corpus=[str(folder)], output="out")
    short = [
        ChunkRun(
            **{name: getattr(one, name) for name in ChunkRun.__slots__}
            | {"chunk_characters": characters}
        )
        for run in plan_extraction(options, "model").runs
        for one in (run.runs if isinstance(run, RunPack) else [run])
    ]
    if not short:
        return
    pack = RunPack(tuple(short))
    chunks = list(read_chunks(pack, lambda *_: None))
    assert [d.document_id for c in chunks for d in c.documents] == [
        f"{number}-{row}" for number, rows in enumerate(sizes) for row in range(rows)
    ]
    assert all(d.source_file.endswith(f"{d.document_id[0]}.parquet") for d in chunks[0].documents)
    assert [(c.begin, c.end) for c in chunks] == [
        (n, min(n + max(characters // 2, 1), pack.end))
        for n in range(0, pack.end, max(characters // 2, 1))
    ]
    lost = data.draw(st.sampled_from(chunks))
    ends = {c.name: c.end for c in chunks if c is not lost}
    assert list(read_chunks(pack, lambda name, row: ends.get(name))) == [lost]


@pytest.mark.quick
def test_packs_travel_as_they_are(tmp_path):
    from pfn_kg.transforms.extraction.chunk_files import ExtractionFolder

    runs = [RunPack((short_run(0, 2), short_run(1, 3))), short_run(2, 4)]
    folder = ExtractionFolder(str(tmp_path))
    sign = folder.put_sign()
    RunList(folder.path, sign, runs)
    assert list(_runs(sign, folder.path, 2)) == list(enumerate(runs))


def small_files(folder, texts, each=2):
    for begin in range(0, len(texts), each):
        table = corpus_table(texts, "d").slice(begin, each)
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, folder / f"{begin:03d}.parquet")
    return folder


@pytest.fixture(scope="module")
def texts():
    return [f"{text} This is number {i}." for i, text in enumerate(TEXTS * 4)]


def without_places(rows):
    return sorted(
        ({k: v for k, v in row.items() if k not in ("source_file", "source_row")} for row in rows),
        key=lambda row: row["document_id"],
    )


def test_small_files_are_read_as_one_large_one(tmp_path, tiny_model, texts):
    """Ten files of two documents make the chunk, and so the scores, of one file of twenty."""
    small = small_files(tmp_path / "small", texts)
    pq.write_table(corpus_table(texts, "d"), tmp_path / "large.parquet")
    # In any order in which they are listed.
    listed = sorted(map(str, small.iterdir()), reverse=True)
    for name, corpus in (("a", [tmp_path / "large.parquet"]), ("b", listed), ("c", [small])):
        options = ["--output", str(tmp_path / name), "--model", str(tiny_model)]
        assert main(["extract", *map(str, corpus), *options]) == 0
        assert len(listed_chunks(tmp_path / name)) == 1
    large, backwards, forwards = (extracted(tmp_path / name) for name in "abc")
    assert backwards == forwards
    assert len(forwards) == 20
    places = {(row["source_file"], row["source_row"]) for row in forwards}
    assert places == {(path, row) for path in listed for row in (0, 1)}

    def in_order(rows):
        return sorted(rows, key=lambda row: row["document_id"])

    for one, other in zip(in_order(large), in_order(forwards), strict=True):
        for column in ("document_id", "title", "content_hash", "sentences"):
            assert one[column] == other[column]
        for column in ("mentions", "head_triples"):
            assert [{**item, "score": None} for item in one[column]] == [
                {**item, "score": None} for item in other[column]
            ]
            assert [item["score"] for item in one[column]] == pytest.approx(
                [item["score"] for item in other[column]], abs=1e-5
            )


def test_what_cannot_be_read_in_a_pack_is_named(tmp_path, tiny_model):
    folder = tmp_path / "in"
    write_corpus(folder / "a.parquet", [TEXTS[0], None])
    write_corpus(folder / "b.parquet", TEXTS[1:3])
    write_corpus(folder / "c.parquet", [" ", TEXTS[4]])
    broken = folder / "b.parquet"
    data = bytearray(broken.read_bytes())
    data[4:40] = bytes(36)  # its first column's page
    broken.write_bytes(data)
    assert extract(folder, tmp_path / "out", tiny_model) == 0
    assert len(listed_chunks(tmp_path / "out")) == 1
    found = rejections(tmp_path / "out")
    assert [place[:2] for place in found] == [
        ("a.parquet", 1),
        ("b.parquet", 0),
        ("b.parquet", 1),
        ("c.parquet", 0),
    ]
    assert read_manifest(tmp_path / "out")["extract"]["counts"]["documents"] == 2


def test_an_update_reads_what_changed_in_small_files(tmp_path, tiny_model, texts):
    corpus, output = small_files(tmp_path / "in", texts), tmp_path / "out"
    assert run(corpus, output, tiny_model) == 0
    changed = [*texts[:7], "Marie Curie lived in Paris.", *texts[8:], "Rome is in Italy."]
    small_files(corpus, changed)
    command = ["run", str(corpus), "--into", str(output)]
    assert main(command) == 0
    new = extracted(output)[20:]
    assert sorted(row["document_id"] for row in new) == ["d20", "d7"]
    assert read_manifest(output)["extract"]["unchanged_rows"] == 19
    assert main(command) == 0
    assert read_manifest(output)["extract"]["unchanged_rows"] == 21
    assert len(extracted(output)) == 22


def test_a_run_of_an_older_version_goes_on_as_it_was_begun(tmp_path, tiny_model, texts):
    """Its chunks stay within a file, so that those that are there are found by their names."""
    corpus, output = small_files(tmp_path / "in", texts[:8]), tmp_path / "out"
    options = ExtractOptions(corpus=[str(corpus)], output=str(output), model=str(tiny_model))
    prepared = prepare_extraction(options)
    plan = plan_extraction(prepared.options, prepared.model_hash, packed=False)
    run_extraction(prepared._replace(plan=plan))
    assert "chunks_span_files" not in read_manifest(output)["configuration"]
    before = files(output / "extractions")
    assert len(before) == 4
    lost = sorted(before)[1]
    (output / "extractions" / lost).unlink()
    assert extract(corpus, output, tiny_model, "--resume") == 0
    assert files(output / "extractions") == before
    assert read_manifest(output)["extract"]["resumed_rows"] == 6
    # A run of this version says that its chunks span files, and keeps to it.
    assert extract(corpus, tmp_path / "new", tiny_model) == 0
    assert read_manifest(tmp_path / "new")["configuration"]["chunks_span_files"] is True
    names = files(tmp_path / "new" / "extractions")
    assert len(names) == 1
    assert extract(corpus, tmp_path / "new", tiny_model, "--resume") == 0
    assert files(tmp_path / "new" / "extractions") == names
