"""What runs on a GPU, without one: the same cells as on the CPU, and nothing waits in between."""

from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from helpers.corpora import TEXTS
from pfn_kg.pfn.inference import head_reader
from pfn_kg.pfn.inference.awaited_counts import finished, places_of, spans_of
from pfn_kg.pfn.inference.batches import _spans_at
from pfn_kg.pfn.inference.decoding import RelationShift, decode, decoding, head_pairs
from pfn_kg.pfn.inference.sentences import split_sentences
from pfn_kg.pfn.model import devices, modeling, task_units
from pfn_kg.pfn.model.attention_mask import unasked_mask
from pfn_kg.pfn.model.step_blocks import StepBlocks
from pfn_kg.pfn.model.step_memories import plain_memories
from pfn_kg.pfn.model.task_units import upper_triangle

pytestmark = pytest.mark.quick

FLOORS = {"entity_floor": 0.3, "relation_floor": 0.3}


def counted_batch(extractor, window_tokens=0):
    """A batch of the texts as it is prepared for a GPU, and as for a CPU."""
    split = [split_sentences(text) for text in TEXTS]
    spelt = [t[s.begin : s.end] for t, of in zip(TEXTS, split, strict=True) for s in of]
    encoded = extractor.inputs.encode_sentences(spelt)
    windows, counts = extractor.inputs.cut(encoded)
    if window_tokens:
        reader = head_reader.HeadReader(
            extractor.model,
            extractor.inputs,
            **FLOORS,
            token_budget=99,
            window_tokens=window_tokens,
        )
        reader._encoded = encoded
        reader._of_texts = np.array([0, len(spelt)])
        windows = reader._joined(windows, counts)
    return (
        extractor.inputs.batch(encoded, windows, counted=True),
        extractor.inputs.batch(encoded, windows),
    )


@pytest.mark.parametrize("positions", ["words", "pieces"])
@pytest.mark.parametrize("max_span", [None, 3])
@pytest.mark.parametrize("window_tokens", [0, 40])
def test_spans_are_counted_beforehand(random_extractor, positions, max_span, window_tokens):
    extractor = random_extractor(1, positions=positions, max_span=max_span)
    counted, plain = counted_batch(extractor, window_tokens)
    found = spans_of(counted["span_widths"], counted["spans"])
    expected = upper_triangle(plain["position_mask"], plain.get("sentence_ids"), max_span)
    assert all(map(torch.equal, found, expected))
    assert ("sentence_ids" in plain) == bool(window_tokens)
    assert np.array_equal(counted["lengths"], plain["position_mask"].sum(1).numpy())


@given(st.lists(st.lists(st.integers(1, 5), max_size=4), min_size=1, max_size=5), st.data())
def test_spans_of_any_sentences(windows, data):
    max_span = data.draw(st.none() | st.integers(1, 4))
    positions = np.array([sum(window) for window in windows])
    numbers = [np.repeat(np.arange(len(w)), w).astype(np.int64) for w in windows]
    widths = np.zeros((len(windows), positions.max()), np.int64)
    mask = np.arange(widths.shape[1]) < positions[:, None]
    widths[mask] = _spans_at(positions, np.concatenate(numbers), max_span)
    ids = torch.zeros(widths.shape, dtype=torch.long)
    ids[torch.from_numpy(mask)] = torch.from_numpy(np.concatenate(numbers))
    found = spans_of(torch.from_numpy(widths), int(widths.sum()))
    expected = upper_triangle(torch.from_numpy(mask), ids, max_span)
    assert all(map(torch.equal, found, expected))


class RefusesToWait(TorchDispatchMode):
    """Refuses what would wait for a GPU."""

    WAITS = ("nonzero", "_local_scalar_dense", "item", "masked_select", "unique", "is_nonzero")
    # What is made of Python's numbers, such as of a list in an index, is copied and waited for.
    WAITS += ("lift_fresh",)

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = function._schema.name.removeprefix("aten::")
        assert not name.startswith(self.WAITS), name
        if name == "repeat_interleave":
            assert kwargs.get("output_size") is not None
        if name in ("index", "index_put", "index_put_"):
            assert all(i is None or i.dtype != torch.bool for i in args[1]), name
        return function(*args, **kwargs)


@pytest.fixture
def ahead(monkeypatch):
    """Takes the ways of a device that runs ahead, with tensors of the CPU."""
    monkeypatch.setattr(devices, "runs_ahead", lambda device: True)


@pytest.mark.parametrize(
    ("seed", "window_tokens", "options"),
    [
        (1, 0, {}),
        (2, 40, {"sentence_distance": True, "reflexive": False}),
        (3, 40, {"tail_table": True, "calibration": {"relation": {"relations": {"r": 0.5}}}}),
        (4, 40, {"positions": "pieces", "bidirectional": True, "layers": 2}),
    ],
)
def test_nothing_waits_within_a_batch(random_extractor, monkeypatch, seed, window_tokens, options):
    extractor = random_extractor(seed, **options)
    counted, plain = counted_batch(extractor, window_tokens)
    expected = decode(extractor.model, plain, **FLOORS)
    monkeypatch.setattr(devices, "runs_ahead", lambda device: True)
    RelationShift.of(extractor.config, None, "cpu")  # once a process
    awaiting, sent, copies = decoding(extractor.model, counted, **FLOORS), None, []
    try:
        while True:
            with RefusesToWait():
                wanted = awaiting.send(sent)
            copies.append(wanted.numel())
            sent = wanted.clone()
    except StopIteration as done:
        found = done.value
    assert len(expected.entities.scores) > 5
    assert len(expected.triples.scores) > 5
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            assert torch.equal(ours.places, theirs.places)
            torch.testing.assert_close(ours.scores, theirs.scores, atol=1e-6, rtol=0)
    # Counts, and all cells in one copy.
    assert all(numbers <= 2 for numbers in copies[:-1])
    assert copies[-1] == 5 * sum(len(cells.scores) for cells in found if cells is not None)


class Largest(TorchDispatchMode):
    """Remembers how many numbers the largest tensor had that was made."""

    numbers = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, tuple | list) else (made,):
            if isinstance(tensor, torch.Tensor):
                self.numbers = max(self.numbers, tensor.numel())
        return made


@pytest.mark.parametrize("is_bounded", [True, False])
def test_pairs_are_never_all_in_memory(random_extractor, ahead, monkeypatch, is_bounded):
    extractor = random_extractor(1)
    encoded = extractor.inputs.encode_sentences(["London Paris " * 50])
    windows, _ = extractor.inputs.cut(encoded)
    batch = extractor.inputs.batch(encoded, windows, counted=True)
    # Each pair of positions with its representation.
    pairs = batch["spans"] * extractor.config.hidden_size
    for name in ("_BLOCK", "_CPU_BLOCK"):
        monkeypatch.setattr(task_units, name, 64 if is_bounded else 1 << 16)
    with Largest() as largest:
        finished(decoding(extractor.model, batch, entity_floor=0.9, relation_floor=0.9))
    assert batch["spans"] > 4000
    # Without the bound they would be, so the bound is what is tested.
    assert (largest.numbers < pairs) == is_bounded


def test_texts_are_read_the_same(random_extractor, ahead, monkeypatch):
    extractor = random_extractor(5, sentence_distance=True)
    split = [split_sentences(text) for text in TEXTS]
    options = {**FLOORS, "token_budget": 60, "window_tokens": 40}
    found = extractor.predict_columns(TEXTS, split, **options)
    monkeypatch.undo()
    expected = extractor.predict_columns(TEXTS, split, **options)
    assert len(expected.mentions.begin) > 5
    assert len(expected.head_triples.subject) > 5
    for ours, theirs in ((found.mentions, expected.mentions), (found[3], expected[3])):
        for column, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(column, other, atol=1e-6)


@pytest.mark.parametrize("is_recorded", [None, False, True])
def test_a_device_gets_its_own_tensors_alone(random_extractor, is_recorded):
    """On tensors without numbers, whose device and shapes PyTorch follows."""
    extractor = random_extractor(2, sentence_distance=True, tail_table=True)
    counted, _ = counted_batch(extractor, 40)
    config = extractor.config
    with torch.device("meta"):
        model = modeling.PFNModel(config).eval()
        batch = {
            name: torch.empty(value.shape, dtype=value.dtype)
            if isinstance(value, torch.Tensor)
            else value
            for name, value in counted.items()
        }
        if is_recorded is not None:
            record = (lambda operations: operations) if is_recorded else None
            encoder = model.partition_filter
            encoder._blocks = StepBlocks(encoder.layers(), plain_memories, record)
        awaiting = decoding(model, batch, **FLOORS)
        shapes, sent = [], None
        for answer in ([5], [3, 9], [4], [2, 4], [6], None):
            wanted = awaiting.send(sent)
            assert wanted.device.type == "meta"
            shapes.append(tuple(wanted.shape))
            sent = answer and np.array(answer)
    assert shapes == [(1,), (2,), (1,), (2,), (1,), (15, 5)]


@given(st.lists(st.booleans(), max_size=40))
def test_places_by_rank(elements):
    mask = torch.tensor(elements, dtype=torch.bool)
    with mock.patch.object(devices, "runs_ahead", return_value=True):
        found = finished(places_of(mask))
        assert torch.equal(finished(places_of(mask, sum(elements))), found)
    assert torch.equal(found, mask.nonzero().squeeze(1))


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5)), max_size=12), st.booleans())
def test_pairs_of_heads(heads, reflexive):
    entities = torch.tensor(heads, dtype=torch.long).view(-1, 2)
    mask = torch.ones(3, 6, dtype=torch.bool)
    expected = [
        (sentence, first, second)
        for sentence, first in sorted(set(heads))
        for other, second in sorted(set(heads))
        if other == sentence and (reflexive or first != second)
    ]
    for ahead in (False, True):
        with mock.patch.object(devices, "runs_ahead", return_value=ahead):
            found = torch.stack(head_pairs(entities, mask, reflexive), 1)
        assert list(map(tuple, found.tolist())) == expected


def test_bert_takes_the_mask_that_is_not_looked_into(random_extractor):
    model = random_extractor(1).model
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    given_ = {"input_ids": torch.tensor([[5, 6, 7, 8], [9, 8, 0, 0]])}
    asked = unasked_mask(model.encoder.config, mask)
    assert asked.shape == (2, 1, 4, 4)
    with torch.no_grad():
        expected = model.encoder(attention_mask=mask, **given_).last_hidden_state
        found = model.encoder(attention_mask=asked, **given_).last_hidden_state
    torch.testing.assert_close(found[mask.bool()], expected[mask.bool()], atol=1e-6, rtol=0)
    other = type(model.encoder.config)(model_type="other")
    other.model_type = "other"
    assert unasked_mask(other, mask) is mask
