"""Texts as vectors: against sentence-transformers itself, in any batches and of any length."""

import json
import shutil

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoConfig, AutoModel, AutoTokenizer

from helpers.examples import examples
from helpers.texts import TEXT
from pfn_kg import ConfigurationError
from pfn_kg.pfn.inference.embedding import TextEmbedder

TEXTS = [
    "Ada Lovelace was born in London in 1815.",
    "",
    "Łódź",
    "The Danube flows through Vienna, Budapest and Belgrade. " * 3,
]
MEAN = {"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory, tiny_model):
    """Makes folders of a small encoder as sentence-transformers has them."""
    place = tmp_path_factory.mktemp("encoders")

    def make(name="plain", pooling=MEAN, kinds=("Transformer", "Pooling", "Normalize"), longest=64):
        folder = place / name
        tokenizer = AutoTokenizer.from_pretrained(tiny_model)
        config = AutoConfig.from_pretrained(tiny_model).encoder
        with torch.random.fork_rng():
            torch.manual_seed(1)
            model = AutoModel.from_config(config, add_pooling_layer=False)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": longest}))
        modules = []
        for number, kind in enumerate(kinds):
            path = "" if number == 0 else f"{number}_{kind}"
            module = f"sentence_transformers.models.{kind}"
            modules.append({"idx": number, "name": str(number), "path": path, "type": module})
            if kind == "Pooling":
                (folder / path).mkdir()
                options = {"word_embedding_dimension": config.hidden_size, **pooling}
                (folder / path / "config.json").write_text(json.dumps(options))
        (folder / "modules.json").write_text(json.dumps(modules))
        return folder

    return make


@pytest.fixture(scope="module")
def plain(encoder):
    return TextEmbedder(encoder(), device="cpu")


@pytest.fixture(scope="module")
def checkpoint(tiny_model):
    return TextEmbedder(tiny_model, device="cpu")


@pytest.mark.parametrize(
    "pooling",
    [MEAN, {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}],
    ids=["mean", "first"],
)
def test_vectors_are_those_of_sentence_transformers(encoder, pooling):
    theirs = pytest.importorskip("sentence_transformers", reason="not installed")
    folder = encoder("theirs" + str(pooling["pooling_mode_cls_token"]), pooling)
    expected = theirs.SentenceTransformer(str(folder), device="cpu").encode(
        TEXTS, normalize_embeddings=True, convert_to_numpy=True
    )
    ours = TextEmbedder(folder, device="cpu").embed(TEXTS)
    assert ours.dtype == np.float32
    assert ours == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", ["plain", "checkpoint"])
def test_rows_have_length_1_and_the_same_texts_the_same_bytes(request, name):
    embedder = request.getfixturevalue(name)
    vectors = embedder.embed(TEXTS)
    assert vectors.shape == (len(TEXTS), embedder.width)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(len(TEXTS)), abs=1e-6)
    assert embedder.embed(TEXTS).tobytes() == vectors.tobytes()
    assert embedder.embed([]).shape == (0, embedder.width)


@pytest.fixture(scope="module")
def budgets(tiny_model):
    return [TextEmbedder(tiny_model, device="cpu", batch_tokens=n) for n in (1, 40, 200)]


@examples(20)
@given(texts=st.lists(TEXT, min_size=1, max_size=5), number=st.integers(0, 2))
def test_a_vector_depends_on_its_text_alone(checkpoint, budgets, texts, number):
    together = budgets[number].embed(texts)
    alone = np.concatenate([checkpoint.embed([text]) for text in texts])
    assert together == pytest.approx(alone, abs=1e-5)


def test_a_long_text_is_the_mean_of_its_windows(encoder):
    embedder = TextEmbedder(encoder("short", longest=7), device="cpu")
    # Two special pieces and five others.
    words = ["in", "was", "the", "of", "and"]
    first, second = " ".join(words), " ".join(words[::-1])
    assert embedder._reader.pieces([first]).bounds[-1] == 5
    apart = embedder.embed([first, second])
    (whole,) = embedder.embed([f"{first} {second}"])
    # The mean of all pieces; the two halves have as many pieces but sums of other lengths.
    sums = [embedder._reader.pieces([text]) for text in (first, second)]
    expected = sum(embedder._read(p, p.bounds[:1], p.bounds[1:])[0] for p in sums)
    assert whole == pytest.approx(expected / np.linalg.norm(expected), abs=1e-5)
    assert not np.allclose(whole, apart[0], atol=1e-3)


def test_a_checkpoint_reads_the_shapes_of_words(checkpoint):
    upper, lower = checkpoint.embed(["NATO met", "nato met"])
    assert not np.allclose(upper, lower, atol=1e-4)


def test_the_shipped_model_is_the_default():
    embedder = TextEmbedder(device="cpu")
    assert embedder.embed(["London"]).shape == (1, embedder.width)


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("max", {"pooling": {"pooling_mode_max_tokens": True}}, "pools by pooling_mode_max_tokens"),
        ("dense", {"kinds": ("Transformer", "Pooling", "Dense")}, "has a module Dense"),
    ],
)
def test_parts_that_it_cannot_compute_are_refused(encoder, name, change, said):
    with pytest.raises(ConfigurationError, match=said):
        TextEmbedder(encoder(name, **change), device="cpu")


def test_a_folder_without_a_model_is_refused(tmp_path, encoder):
    with pytest.raises(ConfigurationError, match=r"no config\.json"):
        TextEmbedder(tmp_path)
    folder = encoder("damaged")
    (folder / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(ConfigurationError, match="can't be loaded"):
        TextEmbedder(folder, device="cpu")
    with pytest.raises(ConfigurationError, match="can't be used"):
        TextEmbedder(shutil.copytree(folder, tmp_path / "copy"), device="nothing")


def test_bf16_is_near_single_precision_and_has_another_key(encoder):
    folder = encoder("precisions")
    exact, rounded = (
        TextEmbedder(folder, device="cpu", precision=name) for name in ("fp32", "bf16")
    )
    assert exact.key != rounded.key
    cosines = (exact.embed(TEXTS) * rounded.embed(TEXTS)).sum(axis=1)
    assert cosines == pytest.approx(np.ones(len(TEXTS)), abs=1e-2)
    assert TextEmbedder(folder, device="cpu").key == exact.key  # `auto`, as tests have it
