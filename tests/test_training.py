"""The commands train and evaluate, from annotated sentences to a model that knows them."""

import json
from pathlib import Path

import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from helpers.training_data import DOCUMENT, ENCODER, options
from pfn_kg import Extractor
from pfn_kg.pfn.checkpoint import read_label_schema
from pfn_kg.pfn.readers import read
from pfn_kg.pfn.training.options import TrainingOptions
from pfn_kg.pfn.training.save_checkpoint import save_checkpoint
from pfn_kg.pfn.training.train import train
from pfn_kg.pfn.training.trainer import PFNTrainer
from pfn_kg.pfn.training.weight_average import WeightAverage
from pfn_kg.pipeline.cli import main


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "train.json"
    path.write_text(json.dumps([DOCUMENT]))
    return path


# To choose thresholds for a model that has learnt nothing, and says everything, takes long.
AS_THEY_ARE = ("--no-tune-thresholds", "--no-calibrate")


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """A finished training that knows its three sentences by heart."""
    output = tmp_path_factory.mktemp("trained") / "made-up"
    # Ten times the same, so that an evaluation and a checkpoint come after ten times the steps.
    train = data.parent / "ten.json"
    train.write_text(json.dumps([DOCUMENT] * 10))
    more = {"epochs": 15, "patience": 15, "train": train, "test": data}
    assert main(["train", *options(data, output, **more)]) == 0
    return output


def test_it_learns_three_sentences_by_heart(trained):
    metrics = json.loads((trained / "metrics.json").read_text())
    for split in ("dev", "test"):
        assert metrics[split]["entity"]["f1"] == 1
        assert metrics[split]["triple"]["f1"] == 1
    assert metrics["sentences"] == {"train": 30, "dev": 3, "test": 3}
    (found,) = Extractor.from_pretrained(trained, device="cpu").extract(
        ["Anna Bell was born in London."]
    )
    (triple,) = found.triples
    assert found.mentions[triple.subject].text == "Anna Bell"
    assert triple.relation == "born_in"
    assert found.mentions[triple.object].text == "London"


def test_its_label_schema_counts_argument_types(trained):
    schema = read_label_schema(trained / "model")
    assert [t.name for t in schema.entity_types] == ["LOC", "ORG", "PER"]
    (arguments,) = schema.relation("works_for").arguments
    assert (arguments.subject, arguments.object, arguments.count) == ("PER", "ORG", 10)


def test_its_model_card(trained):
    _, front, text = (trained / "model" / "README.md").read_text().split("---\n", 2)
    front = yaml.safe_load(front)
    assert front["library_name"] == "pfn-kg"
    results = front["model-index"][0]["results"]
    assert [(r["task"]["name"], r["dataset"]["split"]) for r in results] == [
        (task, split)
        for split in ("dev", "test")
        for task in ("NER", "Joint entity and relation extraction")
    ]
    assert {(r["dataset"]["split"], r["metrics"][-1]["value"]) for r in results} == {
        ("dev", 100.0),
        ("test", 100.0),
    }
    assert "| test | triples | 100.0 | 100.0 | 100.0 | 3 |" in text
    assert "| head_learning_rate | 0.01 |" in text
    assert "capital_of" in text
    assert str(ENCODER.parent) not in text


def test_evaluate(trained, data, capsys):
    arguments = ["evaluate", "--model", str(trained), "--data", str(data), "--format", "docred"]
    assert main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"entity", "triple", "per_type", "official"} <= set(found)
    assert found["entity"] == {"precision": 1, "recall": 1, "f1": 1, "support": 6}
    assert found["official"]["triple"]["f1"] == 1
    assert set(found["per_type"]["triple"]) == {"born_in", "works_for", "capital_of"}
    assert found["unknown_labels"] == []
    assert main([*arguments, "--limit", "1", "--entity-threshold", "1"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[2:] == ["0.00", "0.00", "0.00", "2"]


def test_evaluate_says_what_the_model_cannot(tiny_model, data, capsys):
    arguments = ["--model", str(tiny_model), "--data", str(data), "--format", "docred", "--json"]
    assert main(["evaluate", *arguments]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["unknown_labels"] == ["capital_of"]
    assert "the model can't say 1 labels" in err


def test_resume_and_early_stopping(data, tmp_path, capsys):
    output = tmp_path / "resumed"
    # Nothing is learnt, so dev never gets better.
    frozen = {"head-learning-rate": 1e-9, "encoder-learning-rate": 0, "hidden-size": 8}
    short = [*options(data, output, epochs=6, patience=2, **frozen), *AS_THEY_ARE]
    assert main(["train", *short]) == 0
    history = json.loads((output / "metrics.json").read_text())["history"]
    assert [entry["epoch"] for entry in history] == [1, 2, 3]
    assert main(["train", *short]) == 2
    assert "holds a training; --resume goes on with it" in capsys.readouterr().err
    longer = [*options(data, output, epochs=6, patience=5, **frozen), *AS_THEY_ARE]
    assert main(["train", *longer, "--resume"]) == 0
    history = json.loads((output / "metrics.json").read_text())["history"]
    assert [entry["epoch"] for entry in history] == [1, 2, 3, 4, 5, 6]


def test_options_from_a_file(data, tmp_path):
    config = tmp_path / "training.yaml"
    output = tmp_path / "out"
    values = {"train": str(data), "dev": str(data), "format": "docred", "encoder": str(ENCODER)}
    values |= {"hidden_size": 8, "epochs": 9, "threads": 1, "half-precision": True}
    config.write_text(yaml.safe_dump(values))
    flags = ["--config", str(config), "--output", str(output), "--epochs", "1", "--no-word-shapes"]
    assert main(["train", *flags, *AS_THEY_ARE]) == 0
    used = json.loads((output / "metrics.json").read_text())["options"]
    assert (used["hidden_size"], used["epochs"], used["word_shapes"]) == (8, 1, False)
    # They are not only recorded: the model was made and trained so.
    model = Extractor.from_pretrained(output, device="cpu").model
    assert (model.config.hidden_size, model.config.word_shapes) == (8, False)
    assert model.word_shapes is None
    history = json.loads((output / "metrics.json").read_text())["history"]
    assert [entry["epoch"] for entry in history] == [1]
    assert json.loads((output / "model" / "config.json").read_text())["dtype"] == "float16"


@pytest.fixture
def trainer(data, tmp_path, monkeypatch):
    """The trainer that `train` sets up over thirty sentences, before its first step."""
    path = tmp_path / "thirty.json"
    path.write_text(json.dumps([DOCUMENT] * 10))
    found = []
    monkeypatch.setattr(PFNTrainer, "train", lambda self, **_: found.append(self))
    reading = read(path, "docred")
    of_training = TrainingOptions(
        hidden_size=8, epochs=1, threads=1, batch_size=2, weight_decay=0.25,
        encoder_learning_rate=1e-3, head_learning_rate=1e-2, tune_thresholds=False,
        calibrate=False,
    )  # fmt: skip
    train(reading, reading, encoder=str(ENCODER), output=tmp_path / "out", options=of_training)
    (made,) = found
    return made


def test_matrices_decay_and_the_encoder_has_a_rate_of_its_own(trainer):
    names = {parameter: name for name, parameter in trainer.model.named_parameters()}
    seen = set()
    for group in trainer.create_optimizer().param_groups:
        for parameter in group["params"]:
            name = names[parameter]
            seen.add(name)
            # Biases and the weights of norms are vectors.
            assert group["weight_decay"] == (0.25 if parameter.ndim > 1 else 0), name
            assert group["lr"] == (1e-3 if name.startswith("encoder.") else 1e-2), name
    assert seen == set(names.values())


def test_a_resumed_epoch_has_an_order_of_its_own(trainer):
    """After a resume the sampler is new, and must not repeat the order of the first epoch."""
    orders = []
    for epoch in (0, 1, 1):
        trainer.state.epoch = epoch
        orders.append(list(trainer._get_train_sampler()))
    first, second, again = orders
    assert sorted(first) == sorted(second) == list(range(30))
    assert first != second == again


def test_gradients_are_clipped_and_the_rate_warms_up(data, tmp_path, monkeypatch):
    steps = []
    create = PFNTrainer.create_optimizer

    def watch(optimizer, *_):
        gradients = [p.grad for g in optimizer.param_groups for p in g["params"]]
        norm = torch.cat([g.flatten() for g in gradients if g is not None]).norm()
        steps.append((float(norm), max(g["lr"] for g in optimizer.param_groups)))

    def create_optimizer(self, *args):
        optimizer = create(self, *args)
        optimizer.register_step_pre_hook(watch)
        return optimizer

    monkeypatch.setattr(PFNTrainer, "create_optimizer", create_optimizer)
    # Three sentences, one a batch: twelve steps, of which the first half warms up.
    changes = {"epochs": 4, "batch-size": 1, "clip": 0.01, "warmup": 0.5, "hidden-size": 8}
    assert main(["train", *options(data, tmp_path / "out", **changes), *AS_THEY_ARE]) == 0
    norms, rates = zip(*steps, strict=True)
    assert norms == pytest.approx([0.01] * 12, rel=1e-3)
    rising = [0.01 * step / 6 for step in range(6)]
    falling = [0.01 * (12 - step) / 6 for step in range(6, 12)]
    assert rates == pytest.approx([*rising, *falling])


def test_what_is_measured_is_what_is_stored(data, tmp_path):
    reading = read(data, "docred")
    few = TrainingOptions(
        hidden_size=8, epochs=0, threads=1, tune_thresholds=False, calibrate=False
    )
    extractor, _ = train(
        reading, reading, encoder=str(ENCODER), output=tmp_path, options=few, half_precision=True
    )
    save_checkpoint(extractor, tmp_path / "model", half_precision=True)
    stored = Extractor.from_pretrained(tmp_path / "model", device="cpu").model.state_dict()
    for name, weight in extractor.model.state_dict().items():
        assert weight.equal(stored[name]), name


def test_bf16_is_for_the_encoder_in_training_alone(random_extractor):
    extractor = random_extractor(dropout=0.0, dropconnect=0.0)
    model, sentences = extractor.model, ["Anna Bell was born in London.", "NATO left Rome."]
    windows = [window for found in extractor.inputs.encode(sentences) for window in found]
    batch = extractor.inputs.collate(windows)
    cells = torch.tensor([[0, 0, 1, 1], [1, 0, 0, 0]])

    def step():
        model.zero_grad()
        loss = model(**batch, entity_labels=cells, relation_labels=cells[:1]).loss
        loss.backward()
        return loss, {name: w.grad.clone() for name, w in model.named_parameters()}

    for module in model.encoder.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    model.train()
    loss, gradients = step()
    model.encoder_autocast = torch.bfloat16
    rounded, of_rounded = step()
    assert loss.dtype == rounded.dtype == torch.float32
    assert loss != rounded
    assert rounded.item() == pytest.approx(loss.item(), rel=0.01)
    for name, gradient in gradients.items():
        assert of_rounded[name].dtype == torch.float32
        assert (of_rounded[name] - gradient).norm() <= 0.1 * gradient.norm() + 1e-5, name
    model.eval()
    with torch.no_grad():
        read = model(**batch).entity_table
        model.encoder_autocast = None
        assert read.equal(model(**batch).entity_table)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": "many"}, "--epochs: 'many' is not a whole number"),
        ({"warmup": 1}, "--warmup: 1.0 is not below 1"),
        ({"precision": "fp16"}, "--precision: 'fp16' is not one of fp32, bf16"),
        ({"layers": 0}, "--layers: 0 is not above 0"),
        ({"chunk-size": 7}, "--chunk-size: 7 does not divide the hidden size 16"),
        ({"encoding": "parallel", "chunk-size": 8}, "--chunk-size: only the joint encoding has"),
        ({"encoding": "both"}, "--encoding: 'both' is not one of joint, sequential, parallel"),
        ({"format": "xml"}, "--format: 'xml' is not one of docred"),
        ({"train": "nowhere.json"}, "--train: there is no file nowhere.json"),
        ({"encoder": "/nowhere"}, "--encoder: /nowhere is no folder of a model"),
        ({"output": ""}, "--output: is missing"),
    ],
)
def test_wrong_options(data, tmp_path, capsys, changes, message):
    arguments = options(data, **{"output": tmp_path / "out"} | changes)
    assert main(["train", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_variants_are_options(data, tmp_path):
    output = tmp_path / "variant"
    flags = ["--bidirectional", "--tail-table", "--no-global-representation"]
    flags += ["--no-tune-thresholds"]
    changes = {"epochs": 1, "precision": "bf16"}
    changes |= {"encoding": "sequential", "layers": 2, "decoding": "selective"}
    assert main(["train", *options(data, output, **changes), *flags]) == 0
    config = Extractor.from_pretrained(output, device="cpu").config
    assert config.tail_features == "shared"
    assert (config.encoding, config.layers, config.decoding) == ("sequential", 2, "selective")
    assert (config.bidirectional, config.tail_table, config.global_representation) == (
        True,
        True,
        False,
    )


def test_a_schema_must_know_the_data(data, tmp_path, capsys):
    schema = tmp_path / "schema.yaml"
    schema.write_text("entity_types: [{name: PER}]\nrelations: [{name: born_in}]\n")
    assert main(["train", *options(data, tmp_path / "out", schema=schema)]) == 2
    assert "--schema: entity_types lacks 'LOC', which the data has" in capsys.readouterr().err


def test_without_accelerate(data, tmp_path, capsys, monkeypatch):
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main(["train", *options(data, tmp_path / "out")]) == 2
    assert "'.[train]'` in a clone" in capsys.readouterr().err


def test_the_average_of_weights_is_kept_and_resumed(data, tmp_path):
    def arguments(name, epochs):
        averaged = {"ema-decay": 0.5, "hidden-size": 8, "schedule": "constant", "warmup": 0}
        return ["train", *options(data, tmp_path / name, epochs=epochs, **averaged), *AS_THEY_ARE]

    assert main(arguments("once", 2)) == 0
    # All sentences are one batch, so an epoch is a step.
    first, second = sorted((tmp_path / "once" / "checkpoints").glob("checkpoint-*"))
    before, after = (load_file(folder / "average.safetensors") for folder in (first, second))
    for name, tensor in load_file(second / "model.safetensors").items():
        expected = (0.5 * before[f"module.{name}"] + tensor) / 1.5
        torch.testing.assert_close(after[f"module.{name}"], expected)
    assert main(arguments("parts", 1)) == 0
    assert main([*arguments("parts", 2), "--resume"]) == 0
    (last,) = (tmp_path / "parts" / "checkpoints").glob("checkpoint-2")
    resumed = load_file(last / "average.safetensors")
    for name, tensor in after.items():
        torch.testing.assert_close(resumed[name], tensor)


@given(st.lists(st.floats(-9, 9, width=32), min_size=1, max_size=30), st.floats(0, 0.999))
def test_weights_count_by_how_long_ago_they_were(weights, decay):
    model = torch.nn.Linear(1, 1, bias=False)
    average = WeightAverage(model, decay)
    for weight in weights:
        model.weight.data.fill_(weight)
        average.on_step_end(None, None, None)
    counts = [decay**ago for ago in reversed(range(len(weights)))]
    expected = sum(w * c for w, c in zip(weights, counts, strict=True)) / sum(counts)
    with average.applied():
        assert model.weight.item() == pytest.approx(expected, abs=1e-4)
    assert model.weight.item() == weights[-1]


def test_what_is_kept_is_the_average(data, tmp_path):
    output = tmp_path / "averaged"
    arguments = options(data, output, epochs=90, patience=90, **{"ema-decay": 0.8})
    assert main(["train", *arguments]) == 0
    (last,) = (output / "checkpoints").glob("checkpoint-90")
    best = json.loads((last / "trainer_state.json").read_text())["best_model_checkpoint"]
    average = load_file(Path(best) / "average.safetensors")
    own = load_file(Path(best) / "model.safetensors")
    kept = load_file(output / "model" / "model.safetensors")
    assert all(torch.equal(average[f"module.{name}"], tensor) for name, tensor in kept.items())
    assert not all(torch.equal(own[name], tensor) for name, tensor in kept.items())
    # Those of the kept model are the scores of the best epoch.
    metrics = json.loads((output / "metrics.json").read_text())
    scores = max(metrics["history"], key=lambda entry: entry["eval_score"])
    assert metrics["dev"]["entity"]["f1"] >= scores["eval_entity_f1"] > 0
