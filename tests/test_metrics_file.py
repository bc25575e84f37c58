"""`--metrics-file`: the manifest's figures, as Prometheus' own parser reads them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from helpers.corpora import extract, run, write_corpus
from pfn_kg.pipeline.cli import main
from pfn_kg.pipeline.manifest import Manifest
from pfn_kg.pipeline.manifest_parts import BuildRecord, ExtractionRecord
from pfn_kg.pipeline.metrics_file import metrics_text


def samples(text):
    """Value by name and labels; the parser refuses what Prometheus would refuse."""
    found = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation
        assert family.type == "gauge"
        for sample in family.samples:
            key = sample.name, frozenset(sample.labels.items())
            assert key not in found
            found[key] = sample.value
    return found


def of_kind(found, name):
    return {dict(labels)["kind"]: value for (n, labels), value in found.items() if n == name}


def test_a_run_leaves_the_figures_of_its_manifest(tmp_path, tiny_model):
    corpus = write_corpus(tmp_path / "d.parquet")
    output, file = tmp_path / "run", tmp_path / "pfn-kg.prom"
    assert run(corpus, output, tiny_model, "--metrics-file", str(file)) == 0
    manifest = json.loads((output / "manifest.json").read_text())
    found = samples(file.read_text())
    assert of_kind(found, "pfn_kg_extract_items") == manifest["extract"]["counts"]
    assert of_kind(found, "pfn_kg_build_items") == manifest["build"]["counts"]
    assert manifest["build"]["counts"]["documents"] == 5
    directory = frozenset({("directory", str(output))})
    assert found["pfn_kg_extract_seconds", directory] == manifest["extract"]["seconds"]
    assert found["pfn_kg_build_seconds", directory] == manifest["build"]["seconds"]
    (labels,) = (dict(labels) for name, labels in found if name == "pfn_kg_info")
    assert labels["model_hash"] == manifest["model"]["hash"]
    assert labels["version"] == manifest["versions"]["pfn-kg"]
    # Nothing is left beside it.
    assert {path.name for path in tmp_path.iterdir()} == {"d.parquet", "run", "pfn-kg.prom"}


def test_extract_and_build_write_what_there_is(tmp_path, tiny_model):
    corpus = write_corpus(tmp_path / "d.parquet")
    output, file = tmp_path / "run", tmp_path / "pfn-kg.prom"
    assert extract(corpus, output, tiny_model, "--metrics-file", str(file)) == 0
    found = samples(file.read_text())
    assert of_kind(found, "pfn_kg_extract_items")["documents"] == 5
    assert not of_kind(found, "pfn_kg_build_items")
    assert main(["build", str(output), "--metrics-file", str(file)]) == 0
    assert of_kind(samples(file.read_text()), "pfn_kg_build_items")["documents"] == 5


@pytest.mark.parametrize(
    ("name", "reason"),
    [("", "is no file"), (".", "is no file"), ("absent/x", "there is no folder")],
)
def test_a_place_that_cannot_be_written_is_refused_before_any_work(
    tmp_path, tiny_model, capsys, name, reason
):
    corpus = write_corpus(tmp_path / "d.parquet")
    place = str(tmp_path / name) if name else ""
    assert run(corpus, tmp_path / "run", tiny_model, "--metrics-file", place) == 2
    line = capsys.readouterr().err
    assert line.startswith("pfn-kg: --metrics-file: ")
    assert reason in line
    assert not (tmp_path / "run").exists()


def test_a_run_that_fails_leaves_the_file_as_it_was(tmp_path, tiny_model):
    file = tmp_path / "pfn-kg.prom"
    file.write_text("as it was\n")
    assert main(["build", str(tmp_path / "absent"), "--metrics-file", str(file)]) == 2
    assert file.read_text() == "as it was\n"


TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)


@given(
    directory=TEXTS,
    model=TEXTS,
    extracted=st.dictionaries(TEXTS, st.integers(0, 2**53), max_size=4),
    built=st.dictionaries(TEXTS, st.integers(0, 2**53), max_size=4),
    seconds=st.floats(0, allow_infinity=False),
)
def test_any_name_and_number_comes_back(directory, model, extracted, built, seconds):
    manifest = Manifest.model_validate({"model": {"name": model}}).model_copy(
        update={
            "extract": ExtractionRecord(counts=extracted, seconds=seconds),
            "build": BuildRecord(counts=built, seconds=seconds),
        }
    )
    text = metrics_text(manifest, directory)
    found = samples(text)
    assert of_kind(found, "pfn_kg_extract_items") == extracted
    assert of_kind(found, "pfn_kg_build_items") == built
    assert found["pfn_kg_build_seconds", frozenset({("directory", directory)})] == seconds
    assert {dict(labels)["directory"] for _, labels in found} == {directory}
