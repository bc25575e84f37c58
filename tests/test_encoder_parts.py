"""The encoder reads a batch in parts."""

from itertools import pairwise
from unittest import mock

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pfn import encoder_parts as parts_module
from pfn.encoder_parts import encoder_parts


def mask_of(lengths):
    return (torch.arange(max(lengths)) < torch.tensor(lengths).unsqueeze(1)).long()


@given(st.lists(st.integers(1, 40), min_size=1, max_size=20), st.integers(1, 200))
@torch.no_grad()
def test_parts_hold_every_piece_once(lengths, pieces):
    mask = mask_of(lengths)
    parts = encoder_parts(mask, pieces)
    assert [row for rows, _ in parts for row in range(rows.start, rows.stop)] == list(
        range(len(lengths))
    )
    assert sum(int(mask[part].sum()) for part in parts) == sum(lengths)
    for part in parts:
        assert mask[part].numel() <= pieces or len(mask[part]) == 1
    # As few as go in: of two neighbours not both go into one part.
    for (left, _), (right, _) in pairwise(parts):
        longest = max(lengths[left.start : right.start + 1])
        assert longest * (right.start + 1 - left.start) > pieces


def test_training_reads_a_batch_whole():
    assert len(encoder_parts(mask_of([5, 3, 2]), 5)) == 1


@pytest.mark.parametrize("variant", [{}, {"positions": "pieces"}, {"word_shapes": False}])
def test_parts_change_no_table(random_extractor, variant):
    extractor = random_extractor(**variant)
    texts = ["Anna Bell was born in London in 1990.", "Rome.", "He met John Smith of Paris there."]
    windows = [window for found in extractor.inputs.encode(texts * 2) for window in found]
    batch = extractor.inputs.collate(windows)
    with torch.no_grad():
        whole = extractor.model(**batch)
        for pieces in (1, 20, 45):
            with mock.patch.object(parts_module, "PIECES", pieces):
                assert len(encoder_parts(batch["attention_mask"])) > 1
                found = extractor.model(**batch)
            for name in ("entity_table", "relation_table"):
                torch.testing.assert_close(found[name], whole[name], rtol=1e-4, atol=1e-5)
