"""Scores of documents that are annotated in part: an unknown label is no error."""

import json

import pytest

from helpers.training_data import ENCODER
from pfn_kg.pfn.calibration import Calibration
from pfn_kg.pfn.evaluation.annotated_texts import annotated_texts
from pfn_kg.pfn.evaluation.documents import judge_facts, score_documents
from pfn_kg.pfn.evaluation.predictions import predict_reading
from pfn_kg.pfn.extractor import Extractor
from pfn_kg.pfn.readers import read
from pfn_kg.pfn.training.save_checkpoint import save_checkpoint
from pfn_kg.pipeline.cli import main
from pfn_kg.schemas.records import DocumentHeads, HeadTriple, Mention

THRESHOLDS = {"entity_threshold": 0.5, "relation_threshold": 0.5}
DOCUMENT = {
    "title": "Meeting",
    "sents": [["Anna", "met", "John", "in", "Rome", "."], ["Rome", "is", "old", "."]],
    "vertexSet": [
        [{"sent_id": 0, "pos": [0, 1], "type": "A"}],
        [{"sent_id": 0, "pos": [4, 5], "type": "B"}, {"sent_id": 1, "pos": [0, 1], "type": "B"}],
    ],
    "labels": [{"h": 0, "t": 1, "r": "r"}],
}


def write(folder, *documents):
    path = folder / "data.json"
    path.write_text(json.dumps(documents))
    return path


def predicted(text):
    """The gold mentions, and John as an A and old as a C; triples of r and of s."""
    begins = {word: text.index(word) for word in ("Anna", "John", "Rome", "old")}
    types = {"Anna": "A", "John": "A", "Rome": "B", "old": "C"}
    mentions = [Mention(b, b + len(w), w, types[w], 0.9) for w, b in begins.items()]
    triples = [
        HeadTriple(begins[subject], relation, begins[object_], score)
        for subject, relation, object_, score in (
            ("Anna", "r", "Rome", 0.9),
            ("Rome", "r", "Anna", 0.8),
            ("John", "r", "Rome", 0.7),
            ("Anna", "s", "Rome", 0.6),
        )
    ]
    return DocumentHeads(mentions, triples, None, 1, 0, {})


@pytest.mark.parametrize(
    ("annotated", "entities", "facts"),
    [
        # Of all that is predicted, how many mentions and facts the annotation speaks of.
        ({}, 4, 4),
        ({"annotated_entity_types": ["A", "B"]}, 3, 4),
        ({"annotated_entity_types": []}, 2, 4),
        ({"annotated_relations": ["r"]}, 4, 3),
        # A fact that is given counts, whatever its relation.
        ({"annotated_relations": []}, 4, 1),
        ({"annotated_pairs": "mentions"}, 4, 3),
        ({"annotated_relations": ["r"], "annotated_pairs": "mentions"}, 4, 2),
    ],
)
def test_predictions_of_unknown_labels_are_left_out(tmp_path, annotated, entities, facts):
    texts = annotated_texts(read(write(tmp_path, DOCUMENT | annotated), "docred"))
    heads = [predicted(texts[0].text)]
    scores = score_documents(heads, texts, **THRESHOLDS)
    assert scores["entity"]["precision"] == 2 / entities
    assert scores["entity"]["recall"] == 2 / 3
    assert scores["fact"]["precision"] == 1 / facts
    assert scores["fact"]["recall"] == 1
    of_facts, right = judge_facts(heads, texts, thresholds=(0.5, 0.5), calibration=Calibration())
    assert len(of_facts) == len(right) == facts
    assert [score for score, is_right in zip(of_facts, right, strict=True) if is_right] == [
        pytest.approx(0.9)
    ]


@pytest.fixture(scope="module")
def model(random_extractor, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "model"
    save_checkpoint(random_extractor(), folder)
    return folder


def evaluated(capsys, model, path, *options):
    arguments = ["evaluate", "--model", str(model), "--data", str(path), "--format", "docred"]
    assert main([*arguments, *options]) == 0
    return capsys.readouterr()


@pytest.mark.parametrize("window_tokens", [0, 60])
def test_relations_that_the_data_set_lacks_are_left_out(tmp_path, model, capsys, window_tokens):
    """Those of the data set are in `rel_info.json`; without it all are judged."""
    extractor = Extractor.from_pretrained(model)
    floors = {"entity_floor": 0.0, "relation_floor": 0.0, "window_tokens": window_tokens}
    path = write(tmp_path, DOCUMENT | {"labels": []})
    relations, said = extractor.config.relation_types, []
    for names in (None, {"P1": relations[0]}):
        if names:
            path.with_name("rel_info.json").write_text(json.dumps(names))
        found = predict_reading(extractor, read(path, "docred"), **floors)
        assert bool(found.documents) == bool(window_tokens)
        heads = [*found.documents, *found.sentences]
        said.append({triple.relation for one in heads for triple in one.head_triples})
    assert said == [set(relations), {relations[0]}]
    out, err = evaluated(capsys, model, path, "--json")
    assert json.loads(out)["unjudged_relations"] == sorted(relations[1:])
    assert f"lacks {len(relations) - 1} relations of the model" in err


def test_the_command_scores_documents_alone(tmp_path, model, capsys):
    low = "--entity-threshold", "0.1", "--relation-threshold", "0.1", "--json"
    whole = json.loads(evaluated(capsys, model, write(tmp_path, DOCUMENT), *low).out)
    path = write(tmp_path, DOCUMENT | {"annotated_entity_types": ["B"], "annotated_relations": []})
    out, err = evaluated(capsys, model, path, *low)
    partial = json.loads(out)
    assert f"{path} is annotated in part" in err
    # The model, whose weights are random, says a lot; only what is known to be wrong counts.
    assert partial["entity"]["support"] == whole["entity"]["support"] == 3
    assert partial["entity"]["recall"] == whole["entity"]["recall"]
    assert partial["entity"]["precision"] > whole["entity"]["precision"] > 0
    assert partial["fact"]["support"] == 1
    assert partial["fact"]["precision"] in (0, 1)
    assert not {"triple", "official", "macro", "per_type", "analyses"} & partial.keys()
    assert {"triple", "official", "macro", "per_type", "analyses"} < whole.keys()
    text = evaluated(capsys, model, path).out
    assert "entities, strict" in text
    assert "facts of documents" in text
    assert "triples" not in text


@pytest.mark.parametrize("more", [["--paper", "nyt"], ["--plots", "plots"], ["--robustness"]])
def test_figures_that_need_all_labels(tmp_path, model, capsys, more):
    path = write(tmp_path, DOCUMENT, DOCUMENT | {"annotated_relations": ["r"]})
    more = [str(tmp_path / "plots") if part == "plots" else part for part in more]
    arguments = ["evaluate", "--model", str(model), "--data", str(path), "--format", "docred"]
    assert main([*arguments, *more]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"pfn-kg: {more[0]}: needs data with all labels annotated"
    ]


def test_commands_that_need_all_labels(tmp_path, model, capsys):
    path = write(tmp_path, DOCUMENT, DOCUMENT | {"annotated_relations": ["r"]})
    graph = ["evaluate-graph", "--gold", str(path), "--format", "docred", "--model", str(model)]
    assert main(graph) == 2
    assert f"{path}: record 2: annotated in part" in capsys.readouterr().err
    common = ["--format", "docred", "--output", str(tmp_path / "out"), "--encoder", str(ENCODER)]
    assert main(["train", "--data", str(path), "--folds", "2", *common]) == 2
    assert "--data: folds can't have documents annotated in part" in capsys.readouterr().err
    drop = ["--overlapping-entities", "drop", "--train", str(path), "--dev", str(path)]
    assert main(["train", *common, *drop]) == 2
    assert "--overlapping-entities: can't be dropped" in capsys.readouterr().err
    dev = write(tmp_path, DOCUMENT | {"annotated_relations": ["r"]})
    split = ["--train", str(dev), "--dev", str(dev), "--window-tokens", "60"]
    assert main(["train", *common, *split]) == 2
    assert "--dev: all documents are annotated in part" in capsys.readouterr().err
