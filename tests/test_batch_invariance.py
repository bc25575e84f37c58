"""A text's scores do not depend on what is read beside it."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AlbertConfig, BertConfig, MPNetConfig, RobertaConfig

from helpers.examples import examples
from pfn_kg.pfn.model.configuration import PFNConfig
from pfn_kg.pfn.model.modeling import PFNModel

pytestmark = pytest.mark.quick

TEXTS = [
    "Paris",
    "Anna Bell was born in London .",
    "NATO and John Smith moved from Rome to Zürich in 1990 ; later ACME was founded by Mary Xu .",
    "the of in and",
    "In 2004 IBM works for London , Paris , Rome , Thames and the city of New York at 1815 .",
    # Longer than a window.
    "the Thames in London and " * 20,
    "",
]
FLOOR = 0.02


@pytest.fixture(scope="module")
def alone(tiny_extractor):
    found = [
        tiny_extractor.predict_heads([t], entity_floor=FLOOR, relation_floor=FLOOR)[0]
        for t in TEXTS
    ]
    assert sum(len(f.head_triples) for f in found) > 10
    return found


def agree(found, expected):
    """Same items with the same scores, save those that lie at the floor."""

    def scores(items):
        return {item[:-1]: item.score for item in items}

    assert found.windows == expected.windows
    for ours, theirs in zip(found[:2], expected[:2], strict=True):
        ours, theirs = scores(ours), scores(theirs)
        for key in ours.keys() | theirs.keys():
            assert ours.get(key, FLOOR) == pytest.approx(theirs.get(key, FLOOR), abs=1e-5)


@examples(25)
@given(
    order=st.lists(st.integers(0, len(TEXTS) - 1), min_size=1, max_size=10),
    budget=st.sampled_from([1, 60, 200, 4000]),
)
def test_any_batch_in_any_order(tiny_extractor, alone, order, budget):
    found = tiny_extractor.predict_heads(
        [TEXTS[i] for i in order], token_budget=budget, entity_floor=FLOOR, relation_floor=FLOOR
    )
    for heads, index in zip(found, order, strict=True):
        agree(heads, alone[index])


SIZES = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "vocab_size": 50,
    "max_position_embeddings": 40,
}


@pytest.mark.parametrize(
    "encoder",
    [
        BertConfig(**SIZES),
        AlbertConfig(**SIZES, embedding_size=8, pad_token_id=0),
        RobertaConfig(**SIZES, pad_token_id=1),
        MPNetConfig(**SIZES, pad_token_id=1),
    ],
    ids=lambda config: config.model_type,
)
@pytest.mark.parametrize("word_shapes", [False, True])
@torch.no_grad()
def test_any_encoder(encoder, word_shapes):
    torch.manual_seed(0)
    config = PFNConfig(
        encoder=encoder,
        entity_types=["A", "B"],
        relation_types=["r"],
        hidden_size=12,
        word_shapes=word_shapes,
    )
    model = PFNModel(config).eval()
    lengths = [9, 4, 1]
    ids = torch.randint(5, 50, (3, 9))
    shapes = torch.randint(0, 11, (3, 9))
    mask = torch.arange(9) < torch.tensor(lengths)[:, None]
    if word_shapes:
        model.word_shapes.weight.normal_()

    def tables(rows, length):
        return model(
            input_ids=ids[rows, :length].masked_fill(~mask[rows, :length], encoder.pad_token_id),
            attention_mask=mask[rows, :length].long(),
            position_index=torch.arange(length).expand(len(rows), -1),
            position_mask=mask[rows, :length],
            shape_ids=shapes[rows, :length] if word_shapes else None,
        )

    batch = tables([0, 1, 2], 9)
    for row, length in enumerate(lengths):
        single = tables([row], length)
        for name in ("entity_table", "relation_table"):
            torch.testing.assert_close(
                batch[name][row, :length, :length].sigmoid(),
                single[name][0].sigmoid(),
                atol=1e-5,
                rtol=0,
            )
    if word_shapes:
        model.word_shapes.weight.zero_()
        other = tables([0], 9).relation_table
        assert (other - batch.relation_table[:1]).abs().max() > 1e-4
