"""Parity with the official code on tiny random weights, to 1e-5, on single sentences."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from pfn_kg.pfn.official import convert_state_dict, import_checkpoint, read_labels
from pfn_kg.schemas.errors import ConfigurationError

pytestmark = pytest.mark.quick

OFFICIAL = Path(__file__).parent / "data" / "official"
CASE = json.loads((OFFICIAL / "case.json").read_text())
VECTORS = np.load(OFFICIAL / "vectors.npz")
TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def model():
    return import_checkpoint(
        OFFICIAL / "official_state_dict.pt",
        OFFICIAL / "encoder",
        entity_types=list(CASE["ner2idx"]),
        relation_types=list(CASE["rel2idx"]),
    )


def inputs(index):
    ids = torch.tensor(VECTORS[f"single{index}_input_ids"]).reshape(1, -1)
    length = ids.shape[1]
    return {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "position_index": torch.arange(length)[None],
        "position_mask": torch.ones(1, length, dtype=torch.bool),
    }


def close(actual, expected):
    expected = torch.as_tensor(expected, dtype=actual.dtype)
    torch.testing.assert_close(
        actual.reshape(expected.shape), expected, atol=TOLERANCE, rtol=TOLERANCE
    )


@pytest.mark.parametrize("index", range(4))
@torch.no_grad()
def test_features_and_tables(model, index):
    read = model.project(**inputs(index))
    close(read.features.entity, VECTORS[f"single{index}_h_ner"])
    close(read.features.relation, VECTORS[f"single{index}_h_re"])
    close(read.features.shared, VECTORS[f"single{index}_h_share"])
    tables = model(**inputs(index))
    close(tables.entity_table.sigmoid(), VECTORS[f"single{index}_entity_table"])
    close(tables.relation_table.sigmoid(), VECTORS[f"single{index}_relation_table"])


def test_loss_and_gradients(model, monkeypatch):
    # They were taken in training mode with every random mask open.
    monkeypatch.setattr(model.partition_filter, "dropconnect", 0)
    labels = {
        f"{name}_labels": torch.tensor(np.argwhere(VECTORS[f"loss_labels_{name}"][None]))
        for name in ("entity", "relation")
    }
    model.zero_grad()
    loss = model(**inputs(1), **labels).loss
    loss.backward()
    close(loss, VECTORS["loss"])
    expected = {
        name.removeprefix("grad:"): torch.tensor(VECTORS[name])
        for name in VECTORS.files
        if name.startswith("grad:")
    }
    assert len(expected) == 22
    gradients = dict(model.named_parameters())
    # Converting gradients as weights checks the order of every concatenation again.
    for name, gradient in convert_state_dict(expected).items():
        close(gradients[name].grad, gradient)


@torch.no_grad()
def test_padding_does_not_leak_into_scores_as_it_does_in_the_official_code(model):
    lengths = [VECTORS[f"single{i}_input_ids"].size for i in range(4)]
    ids = torch.zeros(4, max(lengths), dtype=torch.long)
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    for i, length in enumerate(lengths):
        ids[i, :length] = torch.tensor(VECTORS[f"single{i}_input_ids"]).reshape(-1)
    tables = model(
        input_ids=ids,
        attention_mask=mask.long(),
        position_index=torch.arange(max(lengths)).expand(4, -1),
        position_mask=mask,
    )
    leaked = 0.0
    for i, length in enumerate(lengths):
        ours = tables.relation_table[i, :length, :length].sigmoid()
        close(ours, VECTORS[f"single{i}_relation_table"])
        official = torch.tensor(VECTORS["batch_relation_table"][i, :length, :length])
        leaked = max(leaked, float((ours - official).abs().max()))
    assert leaked > 0.01


def test_a_nested_checkpoint(tmp_path):
    """The tail unit relates shared features, and pools them with relation features."""
    official = torch.load(OFFICIAL / "official_state_dict.pt", weights_only=True)
    generator = torch.Generator().manual_seed(3)
    nested = {}
    for name, weight in official.items():
        if name.startswith("re."):
            nested[name.replace("re.", "re_head.", 1)] = weight
            nested[name.replace("re.", "re_tail.", 1)] = torch.randn(
                weight.shape, generator=generator
            )
        else:
            nested[name] = weight
    torch.save(nested, tmp_path / "nested.pt")
    model = import_checkpoint(
        tmp_path / "nested.pt",
        OFFICIAL / "encoder",
        entity_types=list(CASE["ner2idx"]),
        relation_types=list(CASE["rel2idx"]),
    )
    assert model.config.tail_table
    with torch.no_grad():
        tables = model(**inputs(0))
        close(tables.relation_table.sigmoid(), VECTORS["single0_relation_table"])
        relation = torch.tensor(VECTORS["single0_h_re"])
        shared = torch.tensor(VECTORS["single0_h_share"])
        linear = torch.nn.functional.linear

        def layer(name, values):
            return linear(values, nested[f"re_tail.{name}.weight"], nested[f"re_tail.{name}.bias"])

        whole = layer("r", torch.cat((relation, shared), -1)).tanh().max(0).values
        length = len(shared)
        pairs = torch.cat(
            (
                shared[:, None].expand(-1, length, -1),
                shared[None].expand(length, -1, -1),
                whole.expand(length, length, -1),
            ),
            -1,
        )
        norm = nested["re_tail.ln.weight"], nested["re_tail.ln.bias"]
        hidden = torch.nn.functional.layer_norm(
            layer("hid2hid", pairs), norm[0].shape, norm[0], norm[1]
        )
        scores = layer("hid2rel", torch.nn.functional.elu(hidden)).sigmoid()
        close(tables.tail_table.sigmoid(), scores)


def test_a_pickle_is_not_loaded(tmp_path):
    import pickle

    path = tmp_path / "evil.pt"
    path.write_bytes(pickle.dumps({"bert.x": print}))
    with pytest.raises(ConfigurationError, match=r"evil\.pt: not a PyTorch state dict"):
        import_checkpoint(path, OFFICIAL / "encoder", entity_types=["A"], relation_types=["b"])


def test_what_does_not_fit_is_named(tmp_path):
    official = OFFICIAL / "official_state_dict.pt"
    with pytest.raises(ConfigurationError, match=r"entity_types: 2 labels, .* has 3"):
        import_checkpoint(
            official, OFFICIAL / "encoder", entity_types=["A", "B"], relation_types=["r"]
        )
    other = tmp_path / "other.pt"
    torch.save({"weight": torch.zeros(2)}, other)
    with pytest.raises(ConfigurationError, match=r"other\.pt: no official PFN checkpoint"):
        import_checkpoint(other, OFFICIAL / "encoder", entity_types=["A"], relation_types=["r"])
    labels = tmp_path / "labels.json"
    labels.write_text('{"A": 0, "B": 2}')
    with pytest.raises(ConfigurationError, match=r"entity_types: .*labels\.json: not a mapping"):
        read_labels(labels, "entity_types")
