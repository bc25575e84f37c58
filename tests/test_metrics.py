"""Beam's metrics: the same on every runner, in the manifest, and on the page about them."""

import pytest

from helpers.beam_runners import prism_options
from helpers.corpora import ROOT, TEXTS, extract, write_corpus
from helpers.output_folders import read_manifest
from pfn_kg.pipeline.cli import main
from pfn_kg.pipeline.metrics_page import PAGE, metrics_page
from pfn_kg.transforms.plumbing.metrics import MEASURES, count, observe

RUNNERS = {"local": [], "FnApiRunner": ["--runner=FnApiRunner"], "Prism": prism_options()}
# What differs from one time to the next.
TIMES = ("model_milliseconds", "host_milliseconds", "model_load_milliseconds")


@pytest.fixture(scope="module")
def metrics(tmp_path_factory, tiny_model):
    """The metrics of both phases by runner; those of times are taken out."""
    folder = tmp_path_factory.mktemp("metrics")
    corpus = write_corpus(folder / "c.parquet", [*TEXTS, None, TEXTS[0]])
    found = {}
    for name, options in RUNNERS.items():
        if options is None:
            continue
        output = folder / name
        beam = ["--", *options] if options else []
        assert extract(corpus, output, tiny_model, "--chunk-documents", "3", *beam) == 0
        assert main(["build", str(output), *beam]) == 0
        found[name] = read_manifest(output)
    return found


def test_they_count_what_the_files_hold(metrics):
    for manifest in metrics.values():
        counted, counts = manifest["extract"]["metrics"], manifest["extract"]["counts"]
        for name in ("documents", "characters", "sentences", "mentions", "head_triples"):
            assert counted.get(name, 0) == counts[name]
        assert counted["rejected_read"] == counts["rejected"] == 1
        assert counted["chunks"] == counted["chunk_sentences"]["count"] == 3
        assert counted["chunk_sentences"]["sum"] == counts["sentences"]
        assert counted["batch_pieces"]["min"] > 0
        assert counted["model_milliseconds"] > 0
        assert counted["model_load_milliseconds"]["count"] == 1
        counted, counts = manifest["build"]["metrics"], manifest["build"]["counts"]
        assert counted["build_chunks"] == 3
        assert counted["build_rejected_read"] == 1
        for name in ("documents", "sentences", "mentions", "triples", "entities", "relations"):
            assert counted.get(f"build_{name}", 0) == counts.get(name, 0)


def test_all_runners_agree(metrics):
    assert len(metrics) >= 2
    without_times = [
        (
            {k: v for k, v in manifest["extract"]["metrics"].items() if k not in TIMES},
            manifest["build"]["metrics"],
        )
        for manifest in metrics.values()
    ]
    assert all(one == without_times[0] for one in without_times)


def test_the_page_is_that_of_the_code():
    assert (ROOT / PAGE).read_text(encoding="utf-8") == metrics_page()


def test_only_documented_metrics_can_be_counted():
    assert len({measure.name for measure in MEASURES}) == len(MEASURES)
    with pytest.raises(KeyError):
        count("no_such_metric")
    with pytest.raises(AssertionError):
        observe("documents", 1)
    # Outside of a pipeline nobody collects.
    count("documents")


def test_they_are_written_for_prometheus(tmp_path, tiny_model):
    from prometheus_client.parser import text_string_to_metric_families

    file, output = tmp_path / "x.prom", tmp_path / "out"
    corpus = write_corpus(tmp_path / "c.parquet")
    assert extract(corpus, output, tiny_model, "--metrics-file", str(file)) == 0
    (family,) = (
        family
        for family in text_string_to_metric_families(file.read_text())
        if family.name == "pfn_kg_metric"
    )
    found = {
        (s.labels["phase"], s.labels["name"], s.labels["statistic"]): s.value
        for s in family.samples
    }
    manifest = read_manifest(output)["extract"]["metrics"]
    assert found["extract", "documents", "sum"] == manifest["documents"] == 5
    assert found["extract", "batch_pieces", "max"] == manifest["batch_pieces"]["max"]
