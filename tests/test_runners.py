"""Whatever runs the pipeline, and however it cuts the work, the files are the same."""

import pytest

from helpers.beam_runners import flink, prism_options
from helpers.corpora import (
    ROOT,
    TEXTS,
    extract,
    extracted,
    run,
    write_corpus,
)
from helpers.output_folders import files, graph_files, read_manifest, table_rows
from pfn_kg.pipeline.cli import main

OPTIONS = ("--chunk-documents", "2")


@pytest.fixture(scope="module")
def expected(tmp_path_factory, tiny_model):
    """A corpus, and what the default runner makes of it."""
    folder = tmp_path_factory.mktemp("expected")
    texts = [f"{text} This is number {i}." for i, text in enumerate(TEXTS * 2)]
    write_corpus(folder / "in" / "a.parquet", texts[:3])
    write_corpus(folder / "in" / "b.parquet", [*texts[3:], None])
    # The same id in two files: which one stays must not depend on who comes first.
    write_corpus(folder / "in" / "c" / "a.parquet", texts[:2])
    assert run(folder / "in", folder / "out", tiny_model, *OPTIONS) == 0
    return folder / "in", files(folder / "out")


@pytest.fixture
def check(tmp_path, tiny_model, expected, monkeypatch):
    """Runs with options of Beam and compares all files."""
    # Workers in processes of their own find the packages as this process does.
    monkeypatch.setenv("PYTHONPATH", str(ROOT))

    def compare(*beam, options=()):
        corpus, wanted = expected
        output = tmp_path / "out"
        assert run(corpus, output, tiny_model, *OPTIONS, *options, "--", *beam) == 0
        found = files(output)
        assert sorted(found) == sorted(wanted)
        assert [name for name in found if found[name] != wanted[name]] == []

    return compare


def test_same_again(check):
    check()


def test_beam_s_local_runner(check):
    check("--runner=FnApiRunner")


def test_threads(check):
    check("--direct_running_mode=multi_threading", "--direct_num_workers=2")


def test_processes(check):
    check("--direct_running_mode=multi_processing", "--direct_num_workers=2")


def test_prism(check):
    options = prism_options()
    if not options:
        pytest.skip("PFN_KG_PRISM names no Prism binary")
    check(*options)


def test_update(tmp_path, tiny_model, expected, monkeypatch):
    """On Prism where there is one, else in threads."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    threads = ["--direct_running_mode=multi_threading", "--direct_num_workers=2"]
    beam = prism_options() or threads
    corpus, wanted = expected
    output = tmp_path / "out"
    assert run(corpus / "a.parquet", output, tiny_model, *OPTIONS) == 0
    assert main(["run", str(corpus), "--into", str(output), "--", *beam]) == 0
    # The second text of equal ids says nothing new, so it has no chunk.
    assert read_manifest(output)["extract"]["unchanged_rows"] == 5

    wanted = {n: data for n, data in wanted.items() if not n.startswith(("extractions", "lists"))}
    assert graph_files(output) == wanted
    assert main(["remove", str(output), "--documents", "b0", "--", *beam]) == 0
    assert main(["run", str(corpus), "--into", str(output), "--", *beam]) == 0
    assert read_manifest(output)["extract"]["counts"]["documents"] == 1
    assert table_rows(output, "documents")[3]["document_id"] == "b0"


def test_flink(check, tmp_path):
    with flink(tmp_path) as options:
        check(*options)


def test_another_token_budget_changes_no_row(tmp_path, tiny_model, expected):
    corpus, _ = expected
    found = []
    for budget in (32, 4096):
        output = tmp_path / str(budget)
        assert extract(corpus, output, tiny_model, "--token-budget", str(budget)) == 0
        found.append(_scores(extracted(output)))
    few, many = found
    assert len(many) > 50
    # At the floor, a score may fall on either side.
    for row in few.keys() ^ many.keys():
        assert (few.get(row) or many.get(row)) == pytest.approx(0.1, abs=1e-4)
    shared = sorted(few.keys() & many.keys())
    assert [few[row] for row in shared] == pytest.approx([many[row] for row in shared], abs=1e-4)


def _scores(rows):
    scores = {}
    for row in rows:
        place = (row["source_file"], row["source_row"])
        for m in row["mentions"]:
            scores[(*place, m["begin"], m["end"], m["type"])] = m["score"]
        for t in row["head_triples"]:
            scores[(*place, t["subject"], t["object"], t["relation"])] = t["score"]
    return scores


def test_precision_reaches_the_model(tmp_path, tiny_model, expected):
    corpus, _ = expected
    found = {}
    for precision in ("fp32", "bf16"):
        output = tmp_path / precision
        assert extract(corpus / "a.parquet", output, tiny_model, "--precision", precision) == 0
        found[precision] = _scores(extracted(output))
    full, half = found["fp32"], found["bf16"]
    shared = full.keys() & half.keys()
    assert len(shared) > 0.8 * len(full)
    # A bf16 number has three decimal digits.
    assert all(half[row] == pytest.approx(full[row], abs=0.1) for row in shared)
    assert sum(half[row] != full[row] for row in shared) > 0.9 * len(shared)
