import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pfn_kg.pfn.inference.inputs import WORD_PIECES, InputEncoder
from pfn_kg.pfn.model.configuration import PFNConfig
from pfn_kg.pfn.model.word_shape import WORD_SHAPES, word_shape

pytestmark = pytest.mark.quick


def with_options(extractor, **options):
    return InputEncoder(extractor.tokenizer, PFNConfig(**(extractor.config.to_dict() | options)))


def test_words_and_their_pieces(tiny_extractor):
    text = "Playing in London, founders 1990"
    (window,) = tiny_extractor.inputs.encode([text])[0]
    assert [text[b:e] for b, e in window.words] == [
        "Playing",
        "in",
        "London",
        ",",
        "founders",
        "1990",
    ]
    pieces = tiny_extractor.tokenizer.convert_ids_to_tokens(window.pieces)
    assert pieces[0] == "[CLS]"
    assert pieces[-1] == "[SEP]"
    assert [pieces[i] for i in window.first_pieces] == [
        "play",
        "in",
        "london",
        ",",
        "[UNK]",
        "19",
    ]
    assert pieces[window.first_pieces[0] + 1] == "##ing"
    shape = [WORD_SHAPES[s] for s in window.shapes]
    assert shape[0] == shape[-1] == "special"
    assert shape[1] == shape[2] == "title"
    assert shape[window.first_pieces[5]] == "digits-four"


def test_words_without_a_piece_are_left_out(tiny_extractor):
    # A zero-width space and a soft hyphen vanish in the tokenizer.
    text = "Anna \u200b Bell \u00ad"
    (window,) = tiny_extractor.inputs.encode([text])[0]
    assert [text[b:e] for b, e in window.words] == ["Anna", "Bell"]
    assert tiny_extractor.inputs.encode(["", " \t", "\u200b"]) == [[], [], []]


def test_a_word_of_many_pieces_is_cut(tiny_extractor):
    inputs = with_options(tiny_extractor, window_pieces=1000)
    (window,) = inputs.encode(["un" + "##able".replace("##", "") * 90 + " city"])[0]
    assert len(window.pieces) - 2 <= WORD_PIECES + 1
    assert len(window.words) == 2


def test_batches_are_padded_on_the_right(tiny_extractor):
    texts = ["Playing in London", "Paris"]
    windows = [w for found in tiny_extractor.inputs.encode(texts) for w in found]
    batch = tiny_extractor.inputs.collate(windows)
    assert {name: tuple(t.shape) for name, t in batch.items()} == {
        "input_ids": (2, 6),
        "attention_mask": (2, 6),
        "shape_ids": (2, 6),
        "position_index": (2, 3),
        "position_mask": (2, 3),
    }
    assert batch["attention_mask"].sum(1).tolist() == [6, 3]
    assert batch["position_mask"].sum(1).tolist() == [3, 1]
    assert batch["position_index"].tolist() == [[1, 3, 4], [1, 0, 0]]
    pieces = with_options(tiny_extractor, positions="pieces", word_shapes=False)
    batch = pieces.collate(windows)
    assert batch["position_index"][0].tolist() == list(range(6))
    assert "shape_ids" not in batch
    assert pieces.rows(windows[0]) == [1, 3, 4]
    assert tiny_extractor.inputs.rows(windows[0]) == [0, 1, 2]


def test_shapes():
    words = [
        "London",
        "in",
        "1815",
        "15",
        "NATO",
        "A",
        "McKay",
        ",",
        "B2",
        "東",
        "são",
        "Éluard",
        "",
    ]
    assert [WORD_SHAPES[word_shape(w)] for w in words] == [
        "title",
        "lower",
        "digits-four",
        "digits",
        "upper",
        "initial",
        "mixed",
        "punctuation",
        "alphanumeric",
        "other",
        "lower",
        "title",
        "punctuation",
    ]


@given(rate=st.floats(0, 1), seed=st.integers(0, 1000))
def test_words_are_hidden_whole(tiny_extractor, rate, seed):
    inputs = tiny_extractor.inputs
    (window,) = inputs.encode(["Playing in London, founders 1990"])[0]
    torch.manual_seed(seed)
    found = inputs.hide_words(window, rate)
    assert found._replace(pieces=[]) == window._replace(pieces=[])
    mask = inputs.tokenizer.mask_token_id
    ends = [*window.first_pieces[1:], len(window.pieces) - 1]
    for first, end in zip(window.first_pieces, ends, strict=True):
        hidden = [mask] * (end - first)
        assert found.pieces[first:end] in (hidden, window.pieces[first:end])
        assert rate < 1 or found.pieces[first:end] == hidden
    assert found.pieces[0] == window.pieces[0]
    assert found.pieces[-1] == window.pieces[-1]
    assert rate or found == window


def test_a_window_fits_the_positions_of_roberta(tiny_extractor):
    """RoBERTa counts positions from one past the padding's, so it has fewer than it says."""
    from transformers import RobertaConfig, RobertaModel

    config = RobertaConfig(
        vocab_size=40,
        hidden_size=4,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=4,
        max_position_embeddings=20,
        pad_token_id=1,
    )
    model = RobertaModel(config).eval()
    longest = with_options(tiny_extractor, encoder=config.to_dict()).longest
    assert longest == 18
    with torch.no_grad():
        model(torch.full((1, longest), 5))
        with pytest.raises((IndexError, RuntimeError), match="out of"):
            model(torch.full((1, longest + 1), 5))
