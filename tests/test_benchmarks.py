"""The benchmarks run as they are called, with tiny sizes, and print what they are for."""

import importlib
import json
import re
import sys

import pyarrow as pa
import pytest

from helpers.benchmark_calls import printed
from helpers.corpora import ROOT
from helpers.training_data import DOCUMENT, ENCODER
from pfn_kg.schemas.rules import Rules


@pytest.fixture(scope="module")
def documents(tmp_path_factory):
    """Annotated documents, of which a window and a sentence say different things."""
    path = tmp_path_factory.mktemp("data") / "documents.json"
    path.write_text(json.dumps([DOCUMENT | {"title": f"Made up {i}"} for i in range(4)]))
    return path


def rows(text, columns):
    """The numbers of the lines that end in so many."""
    number = r"[-+]?[0-9][0-9,]*(?:\.[0-9]+)?%?"
    return [m for line in text.splitlines() if (m := re.findall(number, line)) if len(m) >= columns]


def test_canonicalise(capsys, monkeypatch):
    said = printed(capsys, monkeypatch, "canonicalise", "--mentions", 200, "--kinds", "exact,fuzzy")
    assert re.search(r"^ +200 exact .*'entities': [1-9]", said, re.MULTILINE)
    assert re.search(r"^ +200 fuzzy .*'merged.fuzzy': ", said, re.MULTILINE)


def test_catalogue(capsys, monkeypatch, documents, tmp_path):
    links = tmp_path / "links.json"
    entities = [
        {"wikidata": f"Q{number}", "wikipedia": cluster[0]["name"]}
        for number, cluster in enumerate(DOCUMENT["vertexSet"])
    ]
    titles = [f"Made up {i}" for i in range(4)]
    links.write_text(json.dumps([{"title": t, "entities": entities} for t in titles]))
    call = [documents, "--on", documents, "--links", links, "--entries", 40]
    said = printed(capsys, monkeypatch, "catalogue", *call, "--confidences", "0,1")
    assert "24 entities of 4 documents, " in said
    assert len(rows(said, 5)) == 2
    assert re.search(r"^1 +0\.0 +0\.0 .* 0$", said, re.MULTILINE)  # nothing is that certain
    said = printed(capsys, monkeypatch, "catalogue", *call, "--fit")
    assert re.search(r"names: Weights\(bias=-?[0-9.]+, popularity=", said)


def test_homonyms(capsys, monkeypatch, documents, tmp_path):
    links = tmp_path / "links.json"
    ids = ["Q1"] * len(DOCUMENT["vertexSet"])
    entities = [{"wikidata": id_, "wikipedia": "Made_up"} for id_ in ids]
    titles = [f"Made up {i}" for i in range(4)]
    links.write_text(json.dumps([{"title": t, "entities": entities} for t in titles]))
    said = printed(capsys, monkeypatch, "homonyms", documents, "--links", links)
    # The same document four times contradicts nothing.
    assert "names of several: 0, 0 contradict, 0 split" in said
    assert re.search(r"^names of one: [1-9][0-9]*, 0 contradict, 0 split$", said, re.MULTILINE)
    assert said.endswith("held apart; wrongly held apart: 0\n")


def test_clusters(capsys, monkeypatch, documents):
    said = printed(capsys, monkeypatch, "clusters", documents, "--rounds", 1)
    # No entity has two mentions, so each is a cluster by itself and no rule joins any.
    assert "4 documents, 24 mentions of entities" in said
    assert re.search(r"^exact names .* 100\.00 +100\.00 +100\.00 +0 +0$", said, re.MULTILINE)
    assert re.search(r"microseconds of cpu a sentence: [\d.]+, with the defaults [\d.]+", said)


def test_gpu(capsys, monkeypatch, tiny_model):
    monkeypatch.syspath_prepend(str(ROOT))
    gpu = importlib.import_module("benchmarks.gpu")
    small = ["--documents", 3, "--budgets", "64,256", "--sequences", "2", "--rounds", 1]
    # A random encoder of base width takes a while on a CPU.
    parts = "encoder,extractor,recurrence,agreement,waits,stages,chunks,processes"
    said = printed(
        capsys, monkeypatch, "gpu", "--device", "cpu", "--model", tiny_model, *small,
        "--parts", parts, "--sample", 20, "--processes", "1", "--sentences", 24, "--chunks", 2,
    )  # fmt: skip
    assert "failed" not in said
    assert len(re.findall(r"sentences/s +[\d.]+ us", said)) == 9
    assert "fp32: 20 of 20 sentences (100.00%)" in said
    ways = r"^ +2 sequences, +\w+, (?:fp32|TF32): +[\d.]+ us a step, differs by 0.*\(no blocks\)"
    assert len(re.findall(ways, said, re.MULTILINE)) == 8
    assert re.search(r"^ +1 processes: 24 sentences, ", said, re.MULTILINE)
    nothing = [*small, "--device", "cpu", "--seconds", 0, "--parts", "large"]
    assert "large: left out" in printed(capsys, monkeypatch, "gpu", "--model", tiny_model, *nothing)
    # A part that fails takes none of the others with it.
    monkeypatch.setitem(gpu.PARTS, "large", lambda *_: [][0])
    failing = [*small, "--device", "cpu", "--parts", "large,waits"]
    said = printed(capsys, monkeypatch, "gpu", "--model", tiny_model, *failing)
    assert "failed: IndexError: list index out of range" in said
    assert "a CPU is not waited for" in said


def test_host(capsys, monkeypatch, tiny_model):
    said = printed(
        capsys, monkeypatch, "host", "--documents", 5, "--model", tiny_model, "--rounds", 1,
        "--copies", 2,
    )  # fmt: skip
    # The outputs in the model's place are as dense as they are said to be.
    assert "5 documents, 40 sentences: 3.00 mentions and 13.00 triples" in said
    assert len(re.findall(r"^  all +-?[\d.]+$", said, re.MULTILINE)) == 5
    assert re.search(r"^  write extractions +-?[\d.]+$", said, re.MULTILINE)


def test_restraint(capsys, monkeypatch, tiny_model):
    said = printed(capsys, monkeypatch, "restraint", "--model", tiny_model, "--texts", 3)
    assert re.search(r"^lists of like sentences: \d+ of \d+ facts found", said, re.MULTILINE)
    assert re.search(r"^denied or planned facts stated: \d of 3 .*: \d of 3", said, re.MULTILINE)
    assert "triples per 100 sentences without facts: poem " in said


def test_news(capsys, monkeypatch, tiny_model):
    options = ("--relations", "--relation-thresholds", 0.5, 1.1)
    said = printed(capsys, monkeypatch, "news", "--model", tiny_model, *options)
    assert said.startswith("part A, 30 items\nentities, exact: F1 ")
    assert re.search(r"^facts from 0.5 on: recall [\d.]+ % of 183", said, re.MULTILINE)
    nothing = "facts from 1.1 on: recall 0.0 % of 183, precision 0.0 % of 0; 0 more"
    assert nothing in said
    assert re.search(r"^facts: recall [\d.]+ % of 183, precision [\d.]+ %", said, re.MULTILINE)
    assert re.search(r"^employer +18 +\d+ +\d+ +\d+$", said, re.MULTILINE)


def test_policies(capsys, monkeypatch, tmp_path, documents, tiny_model):
    from benchmarks import policies

    choices = list(policies.policies())
    assert [name for name, _ in choices[:2]] == [
        "`--head-policy best`",
        "`--head-policy longest`",
    ]
    assert ("`--inverse-policy both`", {"rules": Rules(inverse="both")}) in choices
    assert len(choices) == len({name for name, _ in choices}) > 10
    monkeypatch.setattr(policies, "policies", lambda: choices[-2:])
    said = printed(
        capsys, monkeypatch, "policies", documents, "--model", tiny_model, "--output", tmp_path
    )
    assert re.search(r"^\| facts in the graph \| [\d,]+ \| [\d,]+ \|$", said, re.MULTILINE)
    assert len(re.findall(r"^\| (?:`--|default).*(?: \| [\d,.]+){5} \|$", said, re.MULTILINE)) == 3


def test_inference(capsys, monkeypatch, documents, tiny_model):
    said = printed(
        capsys, monkeypatch, "inference", "--model", tiny_model, "--data", documents,
        "--format", "docred", "--rounds", 1, "--stages", "--device", "cpu",
    )  # fmt: skip
    assert "12 sentences" in said
    (ratio,) = re.findall(r"^ratio: ([\d.]+)$", said, re.MULTILINE)
    assert float(ratio) > 0
    # The shares of the stages, the rest included, are the whole.
    shares = [float(share) for share in re.findall(r"([-\d.]+)%$", said, re.MULTILINE)]
    assert sum(shares) == pytest.approx(100, abs=1)


def test_peers(capsys, monkeypatch):
    """Of the other programs that which is there already."""
    given = ["--python", sys.executable, "--peers", "spacy", "--documents", 3, "--names", 60]
    said = printed(capsys, monkeypatch, "peers", *given, "--turns", 1)
    ours, spacy, names = re.findall(r"^  \w+ +[\d.]+ us of each of .*", said, re.MULTILINE)
    assert re.search(r"ours .* of 24, +1\.00 times ours, 24 sentences$", ours)
    assert re.search(r"spacy .* of 24, +[\d.]+ times ours, 24 sentences$", spacy)
    assert re.search(r"ours .* of 60, +1\.00 times ours, [1-9]\d* pairs of names$", names)


def test_pipeline(capsys, monkeypatch):
    said = printed(capsys, monkeypatch, "pipeline", "--documents", "20,40")
    for line in ("20 documents, extract: wall ", "40 documents, build: wall ", "a sentence: "):
        assert line in said
    assert re.search(r"^peak memory of extract: \d\.\d\d times$", said, re.MULTILINE)
    assert re.search(r"^peak memory of build: -?\d+ bytes a mention more$", said, re.MULTILINE)


def test_removal(capsys, monkeypatch):
    said = printed(capsys, monkeypatch, "removal", "--documents", 30)
    assert re.search(r"^remove .* 1 documents removed, 29 left", said, re.MULTILINE)
    for ratio in ("remove / build", "remove / again", "again / build"):
        assert re.search(rf"^{ratio}: \d+\.\d\d$", said, re.MULTILINE)


def test_rdf_export(capsys, monkeypatch):
    said = printed(
        capsys, monkeypatch, "rdf_export", "--entities", 60, "--relations", 90, "--rounds", 1
    )
    results = [json.loads(line) for line in said.splitlines()]
    assert len(results) == 7
    # Formats hold the same triples, but TriG repeats a fact in the graph of each document.
    by_format = {r["format"]: r["triples"] for r in results if r["provenance"] == "none"}
    repeated = by_format.pop("trig")
    plain = set(by_format.values())
    assert len(plain) == 1
    assert repeated > max(plain)
    assert min(r["triples"] for r in results if r["provenance"] != "none") > max(plain)
    assert results[0]["export_times_rdflib"] > 0


def test_training(capsys, monkeypatch, documents):
    said = printed(
        capsys, monkeypatch, "training", "--data", documents, "--format", "docred",
        "--encoder", ENCODER, "--sentences", 8, "--batch-sizes", 4, "--rounds", 1,
    )  # fmt: skip
    (loss, gradients) = re.findall(r"loss ([\d.e+-]+), of the gradients ([\d.e+-]+)", said)[0]
    assert float(loss) < 1e-4
    assert float(gradients) < 1e-2
    assert re.search(r"^  ours: [\d.]+ sentences/s, 1.00 times our seconds$", said, re.MULTILINE)


def test_windows(capsys, monkeypatch, documents, tiny_model):
    said = printed(
        capsys, monkeypatch, "windows", "--data", documents, "--model", tiny_model,
        "--window-tokens", 64, "--rounds", 1,
    )  # fmt: skip
    alone, windows = rows(said, 7)
    assert (alone[0], windows[0]) == ("0", "64")
    assert float(alone[2]) == 1  # the ratio to itself


def test_mutations(capsys, monkeypatch, tmp_path):
    from benchmarks import mutations

    # Each draw is the same again, is sound Python, and changes the program.
    drawn = mutations.draw(60, 1)
    assert drawn == mutations.draw(60, 1) != mutations.draw(60, 2)
    assert len({mutation.path for mutation in drawn}) == 60
    for mutation in drawn:
        source = (ROOT / mutation.path).read_text()
        changed = mutations.mutated(mutation, source)
        assert mutations.ast.dump(mutations.ast.parse(changed)) != mutations.ast.dump(
            mutations.ast.parse(source)
        )
        assert all((ROOT / test).is_file() for test in mutations.tests_of(mutation.path))
    # A fault that a test notices, and one that none is asked about. The tests need no plugins.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    (fault,) = (
        m
        for m in mutations.mutations_of("a.py", "def f(a, b):\n    return a < b\n")
        if m.text.strip() == "<="
    )
    tree = tmp_path / "tree"
    (tree / "tests").mkdir(parents=True)
    (tree / "a.py").write_text(mutations.mutated(fault, "def f(a, b):\n    return a < b\n"))
    strict = "from a import f\ndef test_f():\n    assert not f(1, 1)\n"
    (tree / "tests" / "test_a.py").write_text(strict)
    assert mutations.run_tests(tree, ["tests/test_a.py"], 600) == "FAILED tests/test_a.py::test_f"
    (tree / "tests" / "test_a.py").write_text(strict.replace("1, 1", "2, 1"))
    assert mutations.run_tests(tree, ["tests/test_a.py"], 600) == ""
    assert mutations.run_tests(tree, ["tests/test_a.py"], 0.01) == mutations.TIMEOUT


@pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")
def test_view(capsys, monkeypatch, tmp_path):
    sizes = ("--entities", 600, "--relations", 2000, "--folder", tmp_path / "graph")
    said = printed(capsys, monkeypatch, "view", *sizes)
    assert re.search(r"^first opening, with the index: [\d.]+ s .*; index \d+ MiB", said, re.M)
    assert re.search(r"^search, one typing error +[\d.]+ ms +[\d.]+ ms", said, re.M)
    assert re.search(r"^document +[\d.]+ ms", said, re.M)
    assert re.search(r"^most memory: \d+ MiB$", said, re.M)


# They read published data sets, in the place of which a small file says nothing.
NEEDS_DATA_SETS = {"beyond_wikipedia", "search", "similar_names"}
# Beside the page that they print.
TESTED_ELSEWHERE = {"costs"}
# Called by others of them.
PARTS = {
    "__init__",
    "arguments",
    "duckdb_build",
    "news_items",
    "peer_programs",
    "processes",
    "view_graph",
}


def test_every_benchmark_is_run():
    tested = {
        name
        for file in ("test_benchmarks.py", "test_neo4j_benchmarks.py")
        for name in re.findall(r"^def test_(\w+)", (ROOT / "tests" / file).read_text(), re.M)
    }
    there = {path.stem for path in (ROOT / "benchmarks").glob("*.py")}
    there -= NEEDS_DATA_SETS | PARTS | TESTED_ELSEWHERE
    assert there <= tested


def test_faults(monkeypatch, capsys):
    said = printed(capsys, monkeypatch, "faults", "--kills", 3, "--commands", "build")
    lines = said.splitlines()
    assert len([line for line in lines if line.endswith("; right")]) == 3
    assert lines[-1].split()[:2] == ["build", "3"]
    assert lines[-1].split()[-1] == "0"


def test_plan(capsys, monkeypatch):
    said = printed(capsys, monkeypatch, "plan", "--documents", 1_000_000)
    assert re.search(r"plan: 2,009 files, [\d,]+ runs of chunks", said)
    chunks = re.search(r"list of ([\d,]+) chunks", said)
    # 900 row groups of two chunks, and small files in packs of at most ten.
    assert 2 * 900 + 200 <= int(chunks[1].replace(",", "")) <= 2 * 900 + 400
    assert re.search(r"^ +mentions +24,000,000 rows, +120 files$", said, re.MULTILINE)


def test_growth(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(ROOT))
    pipeline, growth = (importlib.import_module(f"benchmarks.{n}") for n in ("pipeline", "growth"))
    corpus, folder = tmp_path / "all.parquet", tmp_path / "run"
    pipeline.make_corpus(corpus, 12)
    assert growth.extract(folder, corpus, packed=True)["chunks"] == 1
    built = growth.build(folder, keep_rows=True)
    assert built["counts"]["documents"] == 12
    assert len(list((folder / "rows").rglob("*.rows"))) == 1
    new = tmp_path / "new.parquet"
    pipeline.make_corpus(new, 3, seed=2)
    assert growth.extract(folder, new, packed=True, into=True)["chunks"] == 2
    assert growth.build(folder, keep_rows=True)["counts"]["replaced_rows"] == 3
    text = "Cuser Abc met Jdaauvl Aaaabcd. Jdaauvl Aaaabcd left."
    spelt = growth.misspell(pa.chunked_array([[text]]), share=1)
    assert spelt == ["Cuser Abc met Jdaauvl Aeaabcd. Jdaauvl Aeaabcd left."]
    assert growth.misspell(pa.chunked_array([[text]]), share=0) == [text]
    near = growth.build(folder, keep_rows=True, fuzzy=0.92)
    assert near["counts"]["documents"] == 12
    assert len(list((folder / "rows").rglob("*.names"))) == 2
