"""The variants of Table 2 and the tail table: shapes, gradients, batches, saving, decoding."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, BertConfig

from pfn_kg.pfn.extractor import Extractor
from pfn_kg.pfn.inference.decoding import decode, decode_tables
from pfn_kg.pfn.model.configuration import PFNConfig
from pfn_kg.pfn.model.modeling import PFNModel
from pfn_kg.pfn.model.partition_filter import PartitionFilterEncoder, cummax
from pfn_kg.pfn.training.save_checkpoint import save_checkpoint

TOKENIZER = Path(__file__).parent / "data" / "official" / "encoder"
ENCODER, HIDDEN, TYPES, RELATIONS = 16, 12, 2, 3
VARIANTS = {
    "default": {},
    "two layers": {"layers": 2},
    "three layers": {"layers": 3},
    "bidirectional": {"bidirectional": True},
    "bidirectional, no global": {"bidirectional": True, "global_representation": False},
    "two bidirectional layers, mirrored": {
        "layers": 2,
        "bidirectional": True,
        "entity_gate": "mirrored",
    },
    "no global": {"global_representation": False},
    "sequential": {"encoding": "sequential"},
    "parallel": {"encoding": "parallel"},
    "sequential, all": {
        "encoding": "sequential",
        "layers": 2,
        "bidirectional": True,
        "global_representation": False,
    },
    "coarse": {"chunk_size": 4},
    "coarsest": {"chunk_size": 2},
    "selective": {"decoding": "selective"},
    "tail table": {"tail_table": True},
    "tail table, selective, coarse": {
        "tail_table": True,
        "decoding": "selective",
        "chunk_size": 6,
    },
}
F = "partition_filter"
# Parameters whose shape a variant changes or adds, beside the default's.
SHAPES = {
    "default": {
        f"{F}.input_transform.weight": (60, 16),
        f"{F}.hidden_transform.weight": (60, 12),
        f"{F}.cell_transform.weight": (12, 36),
        "ner.global_representation.linear.weight": (12, 24),
        "ner.pair.weight": (12, 36),
        "re.label.weight": (3, 12),
    },
    "two layers": {
        f"{F}.layers.0.0.input_transform.weight": (60, 16),
        f"{F}.layers.1.0.input_transform.weight": (60, 12),
        "re.pair.weight": (12, 36),
    },
    "three layers": {f"{F}.layers.2.0.cell_transform.weight": (12, 36)},
    "bidirectional": {
        f"{F}.layers.0.1.input_transform.weight": (60, 16),
        "ner.global_representation.linear.weight": (12, 48),
        "ner.pair.weight": (12, 60),
    },
    "bidirectional, no global": {"ner.pair.weight": (12, 48)},
    "two bidirectional layers, mirrored": {f"{F}.layers.1.1.input_transform.weight": (60, 24)},
    "no global": {"ner.pair.weight": (12, 24)},
    "sequential": {
        f"{F}.entity.weight_ih_l0": (48, 16),
        f"{F}.relation.weight_ih_l0": (48, 12),
        "re.global_representation.linear.weight": (12, 12),
    },
    "parallel": {f"{F}.relation.weight_ih_l0": (48, 16)},
    "sequential, all": {
        f"{F}.relation.weight_ih_l1_reverse": (48, 24),
        "re.pair.weight": (12, 48),
    },
    "coarse": {
        f"{F}.input_transform.weight": (28, 16),
        f"{F}.hidden_transform.bias": (28,),
        f"{F}.cell_transform.weight": (12, 36),
    },
    "coarsest": {f"{F}.hidden_transform.weight": (20, 12)},
    "selective": {"re.pair.weight": (12, 36)},
    "tail table": {"re_tail.pair.weight": (12, 36), "re_tail.label.weight": (3, 12)},
    "tail table, selective, coarse": {f"{F}.input_transform.weight": (36, 16)},
}


def build(options, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        config = PFNConfig(
            encoder=BertConfig(
                hidden_size=ENCODER,
                num_hidden_layers=1,
                num_attention_heads=2,
                intermediate_size=16,
                vocab_size=400,
                max_position_embeddings=64,
            ),
            entity_types=["A", "B"],
            relation_types=["r", "s", "t"],
            hidden_size=HIDDEN,
            **options,
        )
        model = PFNModel(config)
        with torch.no_grad():
            # Scores all over [0, 1], so that something is accepted and something is not.
            model.encoder.get_input_embeddings().weight.normal_()
            for unit in filter(None, (model.ner, model.re, model.re_tail)):
                unit.label.weight.mul_(6)
    return model


@pytest.fixture(params=VARIANTS)
def variant(request):
    return request.param


def batch_of(lengths, seed=0):
    generator = torch.Generator().manual_seed(seed)
    longest = max(lengths)
    mask = torch.arange(longest) < torch.tensor(lengths)[:, None]
    ids = torch.randint(5, 300, mask.shape, generator=generator).masked_fill(~mask, 0)
    index = torch.arange(longest).expand_as(mask)
    return {
        "input_ids": ids,
        "attention_mask": mask.long(),
        "position_index": index,
        "position_mask": mask,
    }


def labels(model):
    gold = torch.tensor([(0, 1, 2, 0), (0, 4, 4, 1), (1, 0, 1, 1)])
    relations = torch.tensor([(0, 1, 4, 2), (1, 0, 0, 0)])
    found = {"entity_labels": gold, "relation_labels": relations}
    if model.config.tail_table:
        found["tail_labels"] = torch.tensor([(0, 2, 4, 2), (1, 1, 1, 0)])
    return found


def test_every_variant_has_its_shapes(variant):
    shapes = {name: tuple(w.shape) for name, w in build(VARIANTS[variant]).named_parameters()}
    assert SHAPES[variant].items() <= shapes.items()
    has_global = any("global_representation" in name for name in shapes)
    assert has_global == VARIANTS[variant].get("global_representation", True)
    assert any(name.startswith("re_tail.") for name in shapes) == ("tail" in variant)


def test_forward_and_backward(variant):
    model = build(VARIANTS[variant]).train()
    found = model(**batch_of([7, 3, 5]), **labels(model), return_tables=True)
    assert found.entity_table.shape == (3, 7, 7, TYPES)
    assert found.relation_table.shape == (3, 7, 7, RELATIONS)
    assert (found.tail_table is not None) == model.config.tail_table
    found.loss.backward()
    without = [n for n, w in model.named_parameters() if w.grad is None and "pooler" not in n]
    assert not without
    silent = {n for n, w in model.named_parameters() if not w.grad.any() and w.ndim > 1}
    # Of the encoder some weights may be idle: positions that no sentence reaches.
    assert not {n for n in silent if not n.startswith("encoder.")}


def test_a_step_lowers_the_loss(variant):
    model = build(VARIANTS[variant]).eval()
    batch = batch_of([7, 3, 5]) | labels(model)
    optimiser = torch.optim.SGD(model.parameters(), lr=1e-3)
    before = model(**batch).loss
    before.backward()
    optimiser.step()
    assert model(**batch).loss < before


@torch.no_grad()
def test_a_sentence_does_not_depend_on_its_batch(variant):
    model = build(VARIANTS[variant]).eval()
    lengths = [9, 4, 1]
    batch = batch_of(lengths)
    together = model(**batch)
    for row, length in enumerate(lengths):
        alone = model(**{name: t[row : row + 1, :length] for name, t in batch.items()})
        for table in filter(lambda name: together[name] is not None, together.keys()):
            torch.testing.assert_close(
                together[table][row, :length, :length], alone[table][0], atol=2e-5, rtol=0
            )


@torch.no_grad()
def test_saved_and_loaded_it_is_the_same(variant, tmp_path):
    model = build(VARIANTS[variant]).eval()
    before = model(**batch_of([6, 2]))
    save_checkpoint(Extractor(model, AutoTokenizer.from_pretrained(TOKENIZER)), tmp_path / "model")
    extractor = Extractor.from_pretrained(tmp_path / "model", device="cpu")
    for name, value in VARIANTS[variant].items():
        assert getattr(extractor.config, name) == value
    after = extractor.model(**batch_of([6, 2]))
    for name in before:
        torch.testing.assert_close(after[name], before[name], atol=1e-5, rtol=1e-5)
    assert extractor.extract(["Anna Bell was born in London ."])


@torch.no_grad()
def test_pruned_decoding_is_eq_13(variant):
    model = build(VARIANTS[variant]).eval()
    batch = batch_of([8, 5])
    pruned, full = (
        decode(model, batch, entity_floor=0.5, relation_floor=0.5),
        decode_tables(model(**batch), entity_floor=0.5, relation_floor=0.5),
    )
    assert len(full.entities.scores)
    assert len(full.triples.scores)
    assert (pruned.tails is None) == (not model.config.tail_table)
    for found, expected in zip(pruned, full, strict=True):
        if found is not None:
            assert found.places.tolist() == expected.places.tolist()
            torch.testing.assert_close(found.scores, expected.scores, atol=1e-5, rtol=0)


def test_half_of_a_bidirectional_encoder_is_the_other_on_the_sequence_turned_round():
    torch.manual_seed(1)
    forward = PartitionFilterEncoder(5, 4).double().eval()
    backward = PartitionFilterEncoder(5, 4, reverse=True).double().eval()
    backward.load_state_dict(forward.state_dict())
    x = torch.randn(1, 6, 5, dtype=torch.float64)
    mask = torch.ones(1, 6, dtype=torch.bool)
    for ours, theirs in zip(
        (*backward.encode(x, mask)[0], backward.encode(x, mask)[1]),
        (*forward.encode(x.flip(1), mask)[0], forward.encode(x.flip(1), mask)[1]),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs.flip(1), atol=1e-12, rtol=0)


def test_a_layer_reads_the_hidden_states_of_the_one_below():
    model = build({"layers": 2}).eval()
    below, above = (layer[0] for layer in model.partition_filter.layers)
    x = torch.randn(2, 5, ENCODER)
    mask = torch.arange(5) < torch.tensor([[5], [3]])
    features, hidden = below.encode(x, mask)
    # eq. 7: h_t is made of the last memories, of which the features are tanh.
    memories = torch.cat([feature.atanh() for feature in features], -1)
    expected = below.cell_transform(memories).tanh() * mask[..., None]
    torch.testing.assert_close(hidden, expected, atol=1e-4, rtol=1e-4)
    for ours, theirs in zip(model.partition_filter(x, mask), above(hidden, mask), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_chunks_share_their_gates():
    torch.manual_seed(1)
    encoder = PartitionFilterEncoder(5, 6, dropconnect=0, chunk_size=2).double().eval()
    x = torch.randn(1, 1, 5, dtype=torch.float64)
    projected = (encoder.input_transform(x) + encoder.hidden_transform.bias)[0, 0]
    candidate = projected[:6].tanh()
    gates = [np.tile(cummax(gate).detach().numpy(), 3) for gate in projected[6:].split(2)]
    # At the first step the previous cell is zero: only the candidate's gates matter.
    entity, relation = gates[2], 1 - gates[3]
    for found, gate in zip(encoder(x), (entity, relation, entity * relation), strict=True):
        expected = np.tanh(gate * candidate.detach().numpy())
        np.testing.assert_allclose(found[0, 0].detach().numpy(), expected, atol=1e-12)


def test_fine_grained_is_one_chunk():
    one, other = build({}).eval(), build({"chunk_size": HIDDEN}).eval()
    batch = batch_of([5])
    assert torch.equal(one(**batch).relation_table, other(**batch).relation_table)
    with pytest.raises(ValueError, match="chunk_size 5 does not divide hidden_size 12"):
        build({"chunk_size": 5})


@pytest.mark.parametrize("encoding", ["sequential", "parallel"])
def test_one_way_or_no_interaction(encoding):
    model = build({"encoding": encoding})
    x = torch.randn(1, 5, ENCODER)
    for task in ("entity", "relation"):
        model.zero_grad()
        getattr(model.partition_filter(x), task).sum().backward()
        touched = {
            part
            for part in ("entity", "relation")
            if getattr(model.partition_filter, part).weight_ih_l0.grad is not None
        }
        alone = encoding == "parallel" or task == "entity"
        assert touched == ({task} if alone else {"entity", "relation"})


def test_selective_decoding_learns_from_accepted_pairs_alone():
    batch = batch_of([6])
    gold = {
        "entity_labels": torch.tensor([(0, 0, 1, 0)]),
        "relation_labels": torch.tensor([(0, 0, 3, 1)]),
    }
    losses = {}
    for decoding in ("universal", "selective"):
        model = build({"decoding": decoding}).eval()
        with torch.no_grad():
            model.ner.label.bias.fill_(-1e4)
        losses[decoding] = model(**batch, **gold).loss
        losses[decoding].backward()
        idle = model.re.label.weight.grad is None or not model.re.label.weight.grad.any()
        assert idle == (decoding == "selective")
    assert losses["selective"] < losses["universal"]
    # Where every span is accepted, so is every pair, and there is no difference.
    found = []
    for decoding in ("universal", "selective"):
        model = build({"decoding": decoding, "tail_table": True}).eval()
        with torch.no_grad():
            model.ner.label.bias.fill_(100)
        found.append(model(**batch, **gold, tail_labels=gold["relation_labels"]).loss)
    torch.testing.assert_close(*found)
