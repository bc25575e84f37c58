"""A BERT that is read without padding says what it says with padding."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import BertConfig

from helpers.examples import examples
from pfn_kg.pfn.model.bert_rows import reads_rows
from pfn_kg.pfn.model.configuration import PFNConfig
from pfn_kg.pfn.model.modeling import PFNModel

pytestmark = pytest.mark.quick


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    encoder = BertConfig(
        hidden_size=16,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=32,
        vocab_size=50,
        max_position_embeddings=40,
        initializer_range=0.3,
    )
    config = PFNConfig(
        encoder=encoder, entity_types=["A"], relation_types=["r"], hidden_size=8, word_shapes=True
    )
    model = PFNModel(config).eval()
    with torch.no_grad():
        model.word_shapes.weight.normal_()
    return model


@examples(40)
@given(
    # How many pieces each sequence has, and which of them positions read.
    sequences=st.lists(
        st.integers(1, 9).flatmap(
            lambda pieces: st.tuples(
                st.just(pieces), st.sets(st.integers(0, pieces - 1), min_size=1).map(sorted)
            )
        ),
        min_size=1,
        max_size=6,
    ),
    is_right=st.booleans(),
)
def test_padding_changes_nothing(model, sequences, is_right):
    pieces = max(count for count, _ in sequences)
    length = max(len(read) for _, read in sequences)
    torch.manual_seed(len(sequences))
    ids = torch.randint(5, 50, (len(sequences), pieces))
    shapes = torch.randint(0, 11, ids.shape)
    attention = torch.zeros_like(ids)
    index = torch.zeros(len(sequences), length, dtype=torch.long)
    mask = torch.zeros_like(index, dtype=torch.bool)
    for row, (count, read) in enumerate(sequences):
        first = 0 if is_right else pieces - count
        attention[row, first : first + count] = 1
        index[row, : len(read)] = torch.tensor(read) + first
        mask[row, : len(read)] = True
    batch = (ids, attention, index, mask, shapes)
    assert not reads_rows(model.encoder)
    expected = model.encode(*batch).detach()
    with torch.no_grad():
        assert reads_rows(model.encoder)
        found = model.encode(*batch)
    assert found.shape == expected.shape
    assert not found[~mask].any()
    torch.testing.assert_close(found[mask], expected[mask], atol=1e-5, rtol=1e-5)
    # What is padding is not looked at.
    ids[attention == 0] = 7
    with torch.no_grad():
        assert torch.equal(model.encode(*batch), found)


def test_training_and_other_attention_read_padding_too(model):
    with torch.no_grad():
        model.encoder.train()
        assert not reads_rows(model.encoder)
        model.encoder.eval()
        config = BertConfig(**model.encoder.config.to_diff_dict(), attn_implementation="eager")
        assert not reads_rows(type(model.encoder)(config).eval())
