"""Training on windows of sentences, calibration, and going on from a trained model."""

import itertools
import json
import random
from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers.examples import examples
from helpers.training_data import DOCUMENT, options
from pfn_kg import Extractor
from pfn_kg.pfn.calibration import Calibration
from pfn_kg.pfn.evaluation.annotated_texts import annotated_texts
from pfn_kg.pfn.evaluation.documents import evaluate_reading
from pfn_kg.pfn.evaluation.gold_spans import gold_sentence
from pfn_kg.pfn.evaluation.predictions import sentence_heads
from pfn_kg.pfn.readers import read
from pfn_kg.pfn.training.gold_batches import training_cells
from pfn_kg.pfn.training.save_checkpoint import save_checkpoint
from pfn_kg.pfn.training.windows import WindowBatches, WindowDataset, WindowKey, _fragment
from pfn_kg.pipeline.cli import main

# John Smith lives in London, which the sentence before names; and so does Anna Bell.
ACROSS = DOCUMENT | {
    "labels": [
        *DOCUMENT["labels"],
        {"h": 2, "t": 1, "r": "lives_in", "evidence": []},
        {"h": 3, "t": 5, "r": "seat", "evidence": []},
    ]
}


def long_document(sentences):
    """Each sentence has an entity, and each entity is related to the one before."""
    return {
        "title": "Long",
        "sents": [["Anna", "Bell", "was", "born", "in", "London", "."]] * sentences,
        "vertexSet": [
            [{"name": "London", "sent_id": i, "pos": [5, 6], "type": "LOC"}]
            for i in range(sentences)
        ],
        "labels": [{"h": i, "t": i - 1, "r": "after", "evidence": []} for i in range(1, sentences)],
    }


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "train.json"
    path.write_text(json.dumps([ACROSS]))
    return path


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    output = tmp_path_factory.mktemp("trained") / "made-up"
    train = data.parent / "ten.json"
    train.write_text(json.dumps([ACROSS] * 10))
    more = {"epochs": 25, "patience": 25, "window-tokens": 60, "train": train, "test": data}
    assert main(["train", *options(data, output, **more)]) == 0
    return output


def test_it_learns_facts_across_sentences(trained, data, capsys):
    extractor = Extractor.from_pretrained(trained / "model")
    assert extractor.config.window_tokens == 60
    reading = read(data, "docred")
    found = evaluate_reading(extractor, reading)
    assert found["fact"]["f1"] == 1
    assert found["fact"]["support"] == 5
    inside, across = (found["fact_evidence"][place] for place in ("inside", "across"))
    assert (inside["facts"], across["facts"]) == (3, 2)
    assert inside["precision"] == across["precision"] == 1
    assert found["entity"]["f1"] == 1
    (text,) = annotated_texts(reading)
    (extraction,) = extractor.extract_documents([text.text])
    said = {
        (extraction.mentions[t.subject].text, t.relation, extraction.mentions[t.object].text)
        for t in extraction.triples
    }
    assert ("John Smith", "lives_in", "London") in said
    assert main(["evaluate", "--model", str(trained / "model"), "--data", str(data),
                 "--format", "docred", "--json"]) == 0  # fmt: skip
    printed = json.loads(capsys.readouterr().out)
    assert printed["fact"] == found["fact"]
    assert printed["window_tokens"] == 60
    assert printed["triple"]["support"] == 3
    # A sentence at a time nothing can be found across sentences.
    assert main(["evaluate", "--model", str(trained / "model"), "--data", str(data),
                 "--format", "docred", "--window-tokens", "0", "--json"]) == 0  # fmt: skip
    printed = json.loads(capsys.readouterr().out)
    assert "fact" not in printed
    assert printed["window_tokens"] == 0


def test_going_on_from_a_model_without_a_step(trained, data, tmp_path):
    more = {"epochs": 0, "window-tokens": 40, "start-from": trained / "model"}
    assert main(["train", *options(data, tmp_path / "on", **more)]) == 0
    ours = Extractor.from_pretrained(tmp_path / "on" / "model")
    theirs = Extractor.from_pretrained(trained / "model")
    assert ours.config.window_tokens == 40
    for name, weight in theirs.model.state_dict().items():
        assert weight.equal(ours.model.state_dict()[name]), name


def test_a_model_is_given_the_distance_of_sentences(trained, data, tmp_path, capsys):
    more = {"epochs": 0, "window-tokens": 40, "start-from": trained / "model"}
    given = [*options(data, tmp_path / "on", **more), "--sentence-distance"]
    assert main(["train", *given]) == 0
    ours = Extractor.from_pretrained(tmp_path / "on" / "model")
    state = ours.model.state_dict()
    assert ours.config.sentence_distance
    assert not state.pop("re.distance.weight").any()
    theirs = Extractor.from_pretrained(trained / "model")
    assert all(weight.equal(state.pop(n)) for n, weight in theirs.model.state_dict().items())
    assert not state
    # One that has it keeps it, also where it reads no windows, and can't do without.
    more["start-from"] = tmp_path / "on" / "model"
    for number, tokens in enumerate((40, 0)):
        more["window-tokens"] = tokens
        call = options(data, tmp_path / f"kept{number}", **more)
        # The helper's options say the width of the model.
        place = call.index("--hidden-size")
        assert main(["train", *call[:place], *call[place + 2 :]]) == 0
        kept = Extractor.from_pretrained(tmp_path / f"kept{number}" / "model").config
        assert (kept.sentence_distance, kept.hidden_size) == (True, ours.config.hidden_size)
        capsys.readouterr()
    given = [*options(data, tmp_path / "off", **more), "--no-sentence-distance"]
    assert main(["train", *given]) == 2
    assert "has sentence_distance True, not False" in capsys.readouterr().err


def test_going_on_from_the_mean_of_several(trained, data, tmp_path):
    first = Extractor.from_pretrained(trained / "model", device="cpu")
    for number, weight in enumerate(first.model.parameters()):
        weight.data += 0.25 + number
    save_checkpoint(first, tmp_path / "other")
    start = f"{trained / 'model'},{tmp_path / 'other'}"
    more = {"epochs": 0, "window-tokens": 40, "start-from": start}
    assert main(["train", *options(data, tmp_path / "mean", **more)]) == 0
    mean = Extractor.from_pretrained(tmp_path / "mean" / "model", device="cpu").model
    theirs = Extractor.from_pretrained(trained / "model", device="cpu").model
    for number, (ours, weight) in enumerate(
        zip(mean.parameters(), theirs.parameters(), strict=True)
    ):
        torch.testing.assert_close(ours, weight + (0.25 + number) / 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden-size": 20}, "has hidden_size 16, not 20"),
        ({"start-from": "no such model"}, "no such model is neither"),
        ({"window-tokens": 65}, "--window-tokens: 65, but the model's encoder reads 64"),
    ],
)
def test_wrong_starts(trained, data, tmp_path, capsys, changes, message):
    more = {"epochs": 0, "start-from": trained / "model"} | changes
    assert main(["train", *options(data, tmp_path / "on", **more)]) == 2
    assert message in capsys.readouterr().err


def test_other_labels_get_new_last_layers(trained, tmp_path, caplog):
    document = json.loads(json.dumps(ACROSS))
    for fact in document["labels"]:
        fact["r"] = {"born_in": "birthplace"}.get(fact["r"], fact["r"])
    path = tmp_path / "other.json"
    path.write_text(json.dumps([document]))
    more = {"epochs": 0, "start-from": trained / "model", "window-tokens": 60}
    arguments = options(path, tmp_path / "on", **more)
    assert main(["train", *arguments, "--no-tune-thresholds", "--no-calibrate"]) == 0
    assert "has other labels: 1 of" in caplog.text
    assert "learnt anew, such as birthplace" in caplog.text
    ours = Extractor.from_pretrained(tmp_path / "on" / "model", device="cpu")
    theirs = Extractor.from_pretrained(trained / "model", device="cpu")
    assert ours.config.entity_threshold == ours.config.relation_threshold == 0.5
    state = ours.model.state_dict()
    relations = ours.config.relation_types, theirs.config.relation_types
    assert set(relations[0]) - set(relations[1]) == {"birthplace"}
    for name, weight in theirs.model.state_dict().items():
        if not name.startswith("re.label."):
            assert weight.equal(state[name]), name
            continue
        for row, relation in enumerate(relations[0]):
            is_same = relation in relations[1] and weight[relations[1].index(relation)].equal(
                state[name][row]
            )
            assert is_same == (relation != "birthplace"), name


def test_a_label_that_some_lack_is_the_mean_of_the_others(trained, data, tmp_path):
    document = json.loads(json.dumps(ACROSS))
    document["labels"][0]["r"] = "birthplace"
    path = tmp_path / "other.json"
    path.write_text(json.dumps([document]))
    no_choice = ["--no-tune-thresholds", "--no-calibrate"]
    start = trained / "model"
    for name in ("on", "mean"):
        more = {"epochs": 0, "start-from": start, "window-tokens": 60}
        assert main(["train", *options(path, tmp_path / name, **more), *no_choice]) == 0
        if name == "on":
            other = Extractor.from_pretrained(tmp_path / "on" / "model", device="cpu")
            for weight in other.model.parameters():
                weight.data += 1
            save_checkpoint(other, tmp_path / "moved")
            start = f"{trained / 'model'},{tmp_path / 'moved'}"
    mean = Extractor.from_pretrained(tmp_path / "mean" / "model", device="cpu")
    theirs, moved = mean.config.relation_types, other.model.state_dict()
    for name, weight in mean.model.state_dict().items():
        share = torch.full(weight.shape, 0.5)
        if name.startswith("re.label."):
            share[theirs.index("birthplace")] = 0
        torch.testing.assert_close(weight, moved[name] - share)


def test_thresholds_of_a_start_are_of_scores_without_calibration(trained, data, tmp_path):
    theirs = Extractor.from_pretrained(trained / "model", device="cpu")
    theirs.config.entity_threshold = 0.3
    theirs.config.calibration = {"entity": Calibration(0.8, 0.6, -1)._asdict()}
    save_checkpoint(theirs, tmp_path / "calibrated")
    more = {"epochs": 0, "start-from": tmp_path / "calibrated", "window-tokens": 60}
    arguments = options(data, tmp_path / "on", **more)
    assert main(["train", *arguments, "--no-tune-thresholds", "--no-calibrate"]) == 0
    ours = Extractor.from_pretrained(tmp_path / "on" / "model", device="cpu").config
    assert ours.calibration is None
    assert Calibration(0.8, 0.6, -1).of_score(ours.entity_threshold) == pytest.approx(0.3, abs=1e-3)


def test_windows_need_documents(tmp_path, capsys):
    path = tmp_path / "train.json"
    path.write_text(json.dumps([{"tokens": ["Anna", "sings"], "entities": [], "relations": []}]))
    more = {"window-tokens": 60, "format": "spert"}
    assert main(["train", *options(path, tmp_path / "on", **more)]) == 2
    assert "--window-tokens: --train has no facts of documents" in capsys.readouterr().err


@pytest.mark.parametrize("positions", ["words", "pieces"])
def test_a_window_has_the_cells_of_its_sentences(random_extractor, tmp_path, positions):
    path = tmp_path / "train.json"
    path.write_text(json.dumps([ACROSS]))
    reading = read(path, "docred")
    inputs = random_extractor(positions=positions).inputs
    inputs.config.entity_types = ["LOC", "ORG", "PER"]
    inputs.config.relation_types = ["born_in", "capital_of", "lives_in", "seat", "works_for"]
    alone = training_cells([gold_sentence(s) for s in reading], inputs)
    dataset = WindowDataset(reading, inputs)
    assert len(dataset) == 3

    def said(cells):
        """Cells as texts and labels, wherever their rows are."""
        words = dict(zip(inputs.rows(cells.window), range(len(cells.window.words)), strict=True))
        pieces = [
            cells.window.pieces[cells.window.first_pieces[words[row]]]
            for row in inputs.rows(cells.window)
        ]
        at = dict(zip(inputs.rows(cells.window), pieces, strict=True))
        entities = Counter((at[b], at[e], label) for b, e, label in cells.entities)
        relations = Counter((at[s], at[o], label) for s, o, label in cells.relations)
        return entities, relations

    for batch in WindowBatches(
        dataset, window_tokens=0, batch_size=3, seed=1, epoch=lambda: 0, sentence_pieces=40
    ):
        for key in batch:
            assert dataset[key] == alone[key.begin]
    whole = dataset[WindowKey(0, 0, 3)]
    merged = dataset[WindowKey(0, 0, 3, merged=True)]
    assert merged == whole._replace(window=whole.window._replace(sentences=None))
    entities, relations = said(whole)
    assert entities == sum((said(cells)[0] for cells in alone), Counter())
    inside = sum((said(cells)[1] for cells in alone), Counter())
    assert sum((relations - inside).values()) == 2
    assert not inside - relations
    ids = whole.window.sentences
    rows = dict(zip(inputs.rows(whole.window), ids, strict=True))
    assert all(rows[b] == rows[e] for b, e, _ in whole.entities)
    assert sum(rows[s] != rows[o] for s, o, _ in whole.relations) == 2


@examples(20)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=8), st.integers(1, 8), st.data())
def test_every_sentence_is_in_one_window_an_epoch(
    random_extractor, tmp_path_factory, sizes, size, data
):
    path = tmp_path_factory.mktemp("data") / "train.json"
    path.write_text(json.dumps([long_document(count) for count in sizes]))
    inputs = random_extractor().inputs
    inputs.config.entity_types = ["LOC"]
    inputs.config.relation_types = ["after"]
    dataset = WindowDataset(
        read(path, "docred"), inputs, mention_replacement=data.draw(st.sampled_from([0, 0.5]))
    )
    tokens = data.draw(st.integers(0, 60))
    epoch = data.draw(st.integers(0, 9))
    sampler = WindowBatches(
        dataset,
        window_tokens=tokens,
        batch_size=size,
        seed=7,
        epoch=lambda: epoch,
        sentence_pieces=40,
        fragments=True,
    )
    batches = list(sampler)
    assert len(sampler) == max(1, round(sum(sizes) / size))
    assert len(batches) == min(len(sampler), sum(map(len, batches)))
    assert all(batches)
    seen = Counter(
        (key.document, s) for batch in batches for key in batch for s in range(key.begin, key.end)
    )
    assert seen == Counter((d, s) for d, count in enumerate(sizes) for s in range(count))
    assert batches == list(
        WindowBatches(
            dataset,
            window_tokens=tokens,
            batch_size=size,
            seed=7,
            epoch=lambda: epoch,
            sentence_pieces=40,
            fragments=True,
        )
    )
    for batch in batches:
        for key in batch:
            cells = dataset[key]
            # A fragment keeps the mention that it was cut around.
            assert cells.entities
            rows = len(cells.window.words)
            for first, last, _ in (*cells.entities, *cells.relations):
                assert 0 <= first < rows
                assert 0 <= last < rows
            if key.end - key.begin > 1:
                assert len(cells.window.pieces) <= max(tokens, 0)
                assert len(cells.relations) == key.end - key.begin - 1


@given(st.lists(st.integers(0, 20), min_size=2, max_size=12, unique=True), st.integers(), st.data())
def test_a_fragment_cuts_no_mention(cuts, seed, data):
    """Every mention is whole inside the fragment or outside, and one is inside."""
    cuts = sorted(cuts)
    # Mentions that do not overlap, as first and last row: neighbours may touch.
    mentions = [
        (begin, data.draw(st.integers(begin, end - 1))) for begin, end in itertools.pairwise(cuts)
    ]
    mentions = data.draw(st.permutations(mentions))
    begin, end = _fragment(mentions, 21, random.Random(seed))
    assert 0 <= begin < end <= 21
    inside = [m for m in mentions if begin <= m[0] and m[1] < end]
    outside = [m for m in mentions if m[1] < begin or end <= m[0]]
    assert inside
    assert sorted(inside + outside) == sorted(mentions)


def test_sentences_of_a_document_have_what_was_found_in_them(tiny_extractor):
    texts = ["Anna Bell was born in London.", "John Smith moved from Rome to Paris in 1990."]
    from pfn_kg.schemas.records import Sentence

    joined = " ".join(texts)
    sentences = [Sentence(0, 0, len(texts[0])), Sentence(1, len(texts[0]) + 1, len(joined))]
    (heads,) = tiny_extractor.predict_documents(
        [joined], [sentences], entity_floor=0.1, relation_floor=0.1, window_tokens=0
    )
    expected = tiny_extractor.predict_heads(texts, entity_floor=0.1, relation_floor=0.1)
    for found, alone in zip(sentence_heads(heads, sentences), expected, strict=True):
        assert [m[:4] for m in found.mentions] == [m[:4] for m in alone.mentions]
        assert [t[:3] for t in found.head_triples] == [t[:3] for t in alone.head_triples]
