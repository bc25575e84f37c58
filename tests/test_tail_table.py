"""The tail table of PFN-nested: from gold cells to the triples of a graph."""

import pyarrow.parquet as pq
import pytest

from helpers.corpora import extracted, run, write_corpus
from helpers.output_folders import read_manifest, table_rows
from pfn_kg.pfn.evaluation.gold_spans import GoldSentence
from pfn_kg.pfn.resolution import resolve
from pfn_kg.pfn.training.gold_batches import collate_gold
from pfn_kg.pfn.training.gold_cells import gold_cells
from pfn_kg.pfn.training.save_checkpoint import save_checkpoint
from pfn_kg.pipeline.cli import main
from pfn_kg.schemas.extraction import EXTRACTION_VERSION
from pfn_kg.schemas.records import HeadTriple, Mention


def test_tails_tell_entities_of_one_head_apart():
    mentions = [
        Mention(0, 10, "University", "ORG", 0.9),
        Mention(0, 20, "University of London", "ORG", 0.9),
        Mention(30, 33, "Ada", "PER", 0.9),
    ]
    heads = [HeadTriple(30, "at", 0, 0.8)]
    tails = [HeadTriple(33, "at", 20, 0.7), HeadTriple(33, "at", 10, 0.4)]
    thresholds = {"entity_threshold": 0.5, "relation_threshold": 0.5}
    assert len(resolve(mentions, heads, **thresholds)[1]) == 2
    _, (triple,) = resolve(mentions, heads, **thresholds, tail_triples=tails)
    assert (triple.subject, triple.object) == (2, 1)
    assert resolve(mentions, heads, **thresholds, tail_triples=[])[1] == []
    # Another relation between the same words is no tail of this one.
    other = [HeadTriple(33, "of", 20, 0.9)]
    assert resolve(mentions, heads, **thresholds, tail_triples=other)[1] == []


def test_gold_tails_and_predicted_ones_are_offsets_of_last_words(random_extractor):
    text = "Ada Lovelace was at the University of London"
    extractor = random_extractor(tail_table=True)
    ada, university = (0, 12, "A"), (24, 44, "B")
    gold = GoldSentence(text, {ada, university}, {(ada, "s", university)})
    (windows,) = extractor.inputs.encode([text])
    (cells,) = gold_cells(gold, windows, extractor.inputs)
    assert cells.relations == {(0, 5, 1): 1}
    assert cells.tails == {(1, 7, 1): 1}
    batch = collate_gold([cells], extractor.inputs)
    assert batch["tail_labels"].tolist() == [[0, 1, 7, 1]]
    (found,) = extractor.predict_heads([text], entity_floor=0.0, relation_floor=0.0)
    assert {(t.subject, t.object) for t in found.tail_triples} >= {(12, 44), (44, 12)}
    with_long = extractor.predict_heads(
        [" ".join([text] * 30)], entity_floor=0.2, relation_floor=0.2
    )[0]
    assert with_long.windows > 1
    keys = [t[:3] for t in with_long.tail_triples]
    assert len(keys) == len(set(keys))


@pytest.fixture(scope="module")
def model(random_extractor, tmp_path_factory):
    extractor = random_extractor(tail_table=True)
    extractor.config.label_schema = {
        "entity_types": [{"name": name} for name in extractor.config.entity_types],
        "relations": [{"name": name} for name in extractor.config.relation_types],
    }
    folder = tmp_path_factory.mktemp("models") / "tails"
    save_checkpoint(extractor, folder)
    return folder


def test_a_graph_keeps_what_the_tail_table_says(model, random_extractor, tmp_path):
    corpus = write_corpus(tmp_path / "corpus.parquet")
    thresholds = {"entity_threshold": 0.4, "relation_threshold": 0.5}
    keep = ["--evidence-policy", "all"]
    for rule in ("self-loops", "overlaps"):
        keep += [f"--{rule}-policy", "keep"]
    for name, value in thresholds.items():
        keep += [f"--{name.replace('_', '-')}", str(value)]
    output = tmp_path / "graph"
    assert run(corpus, output, model, *keep) == 0
    texts = pq.read_table(corpus)["text"].to_pylist()
    ids = pq.read_table(corpus)["id"].to_pylist()
    extractor = random_extractor(tail_table=True)
    expected = set()
    for id_, found in zip(ids, extractor.extract_documents(texts, **thresholds), strict=True):
        for triple in found.triples:
            subject, object_ = found.mentions[triple.subject], found.mentions[triple.object]
            expected.add((id_, subject[:2], triple.relation, object_[:2]))
    triples = table_rows(output, "triples")
    found = {
        (
            t["document_id"],
            (t["subject_begin"], t["subject_end"]),
            t["relation"],
            (t["object_begin"], t["object_end"]),
        )
        for t in triples
    }
    counts = read_manifest(output)["build"]["counts"]
    assert counts["triples_without_tails"] > 0
    assert len(expected) > 50
    assert found == expected


def test_extraction_files_of_version_1_are_read(tiny_model, tmp_path, capsys):
    corpus = write_corpus(tmp_path / "corpus.parquet")
    output = tmp_path / "graph"
    assert run(corpus, output, tiny_model) == 0
    assert all(row["tail_triples"] is None for row in extracted(output))
    expected = table_rows(output, "triples")
    assert expected
    for path in (output / "extractions").glob("*.parquet"):
        table = pq.read_table(path)
        metadata = table.schema.metadata
        assert metadata[b"pfn_kg.extraction_version"] == str(EXTRACTION_VERSION).encode()
        old = table.drop_columns(["tail_triples"])
        pq.write_table(
            old.replace_schema_metadata(metadata | {b"pfn_kg.extraction_version": b"1"}), path
        )
    assert main(["build", str(output)]) == 0
    assert table_rows(output, "triples") == expected
    for path in (output / "extractions").glob("*.parquet"):
        table = pq.read_table(path)
        later = table.schema.metadata | {b"pfn_kg.extraction_version": b"3"}
        pq.write_table(table.replace_schema_metadata(later), path)
    assert main(["build", str(output)]) != 0
    assert "extraction format version 3, but this program reads up to 2" in capsys.readouterr().err
