"""Reading by arrays gives what reading word by word and cell by cell gives, to the last bit."""

import pickle

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from helpers.corpora import TEXTS
from helpers.examples import examples
from helpers.plain_reading import plain_batch, plain_flat, plain_heads, plain_windows
from helpers.texts import TEXT
from pfn_kg.pfn.inference.accepted_cells import WordCells
from pfn_kg.pfn.inference.flat_entities import flat_mentions
from pfn_kg.pfn.inference.head_columns import HeadColumns
from pfn_kg.pfn.inference.inputs import InputEncoder
from pfn_kg.pfn.inference.ranges import bounds_of, ranges
from pfn_kg.pfn.inference.resolved_heads import resolved_records
from pfn_kg.pfn.inference.segmentation import segment
from pfn_kg.pfn.inference.sentences import split_sentences
from pfn_kg.pfn.inference.word_pieces import WordPieces
from pfn_kg.pfn.inference.words import find_words
from pfn_kg.pfn.model.configuration import PFNConfig
from pfn_kg.pfn.resolution import HEAD_POLICIES, resolve_heads
from pfn_kg.schemas.records import DocumentHeads, HeadTriple, Mention

pytestmark = pytest.mark.quick

# Any code points, the ones of few words among them; and texts as they are.
ANY = TEXT | st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
SPECIAL = {
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "mask_token": "[MASK]",
}


class Contextual(PreTrainedTokenizerFast):
    """A tokenizer whose pieces of a word depend on whether another one stands before it."""

    def __call__(self, *args, **kwargs):
        encoding = super().__call__(*args, **kwargs)
        for number, pieces in enumerate(encoding["input_ids"]):
            encoding["input_ids"][number] = [
                piece if word == 0 else piece + 1000
                for word, piece in zip(encoding.word_ids(number), pieces, strict=True)
            ]
        return encoding


def tokenizer(kind):
    """A small tokenizer of the kind of an encoder."""
    special = list(SPECIAL.values())
    if kind == "roberta":
        made = Tokenizer(models.BPE())
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=special, show_progress=False)
    elif kind == "albert":
        made = Tokenizer(models.Unigram())
        made.normalizer = normalizers.Sequence(
            [normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()]
        )
        made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
        trainer = trainers.UnigramTrainer(
            vocab_size=120, special_tokens=special, unk_token="[UNK]", show_progress=False
        )
    else:
        made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        made.normalizer = normalizers.BertNormalizer(lowercase=kind == "bert")
        made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(
            vocab_size=200, special_tokens=special, show_progress=False
        )
    made.train_from_iterator(TEXTS, trainer)
    kinds = {"contextual": Contextual}
    return kinds.get(kind, PreTrainedTokenizerFast)(tokenizer_object=made, **SPECIAL)


KINDS = ("bert", "mpnet", "roberta", "albert", "contextual")


@pytest.fixture(scope="module")
def encoders(tiny_extractor):
    options = {"window_pieces": 9, "window_overlap": 4, "word_shapes": True}
    config = PFNConfig(**(tiny_extractor.config.to_dict() | options))
    return {kind: InputEncoder(tokenizer(kind), config) for kind in KINDS}


@given(st.lists(ANY, max_size=6))
@example([])
@example(["", ""])
@example(["a", "b", "", " c", "東d"])
@example(["\x1f", "Ada\x1cwas\x1e\x1fborn", "cafe\u0301\u200b"])
def test_words(texts):
    words = find_words(texts, "bert-isolated")
    spelt = words.spelt()
    assert [words.joined[b:e] for b, e in zip(words.begin, words.end, strict=True)] == spelt
    for number, text in enumerate(texts):
        mine = slice(words.bounds[number], words.bounds[number + 1])
        begin, end = (c[mine] - words.texts[number] for c in (words.begin, words.end))
        assert list(zip(begin.tolist(), end.tolist(), strict=True)) == segment(text)
        assert spelt[mine] == [text[b:e] for b, e in segment(text)]


def test_words_of_no_unicode():
    with pytest.raises(UnicodeEncodeError) as plain:
        segment("a \ud800 b")
    with pytest.raises(UnicodeEncodeError) as found:
        find_words(["c", "a \ud800 b"], "bert-isolated")
    assert str(found.value) == str(plain.value)


@examples(60)
@given(kind=st.sampled_from(KINDS), texts=st.lists(ANY, max_size=5))
@example(kind="bert", texts=["Anna Bell", "", "\u200b", "Ada \u200b was", "x" * 200])
def test_windows(encoders, kind, texts):
    inputs = encoders[kind]
    found = inputs.encode(texts)
    assert found == [plain_windows(inputs, text) for text in texts]
    # Words that were met before give the same again.
    assert inputs.encode(texts[::-1]) == found[::-1]
    words = [segment(text)[::2] for text in texts]
    assert [[w.words for w in of] for of in inputs.encode(texts, [segment(t) for t in texts])] == [
        [w.words for w in of] for of in found
    ]
    for text, some, windows in zip(texts, words, inputs.encode(texts, words), strict=True):
        assert {span for w in windows for span in w.words} <= set(some), text


def test_which_tokenizers_read_a_word_alone(encoders):
    alone = {kind: WordPieces(inputs.tokenizer, 64).by_word for kind, inputs in encoders.items()}
    assert alone == {kind: kind != "contextual" for kind in KINDS}


def test_few_words_are_kept(encoders):
    inputs = encoders["bert"]
    some = WordPieces(inputs.tokenizer, 64, kept=60)
    whole = WordPieces(inputs.tokenizer, 64)
    for text in [*TEXTS, *TEXTS]:
        spelt = [text[b:e] for b, e in segment(text)]
        bounds = [0, len(spelt)]
        for ours, theirs in zip(some.of(spelt, bounds), whole.of(spelt, bounds), strict=True):
            assert np.array_equal(ours, theirs)
        assert some._size <= 60 + whole._size
    assert len(some._numbers) < len(whole._numbers)


def test_a_word_that_cannot_be_read_is_not_remembered(encoders, monkeypatch):
    pieces = WordPieces(encoders["bert"].tokenizer, 64)
    expected = pieces.of(["Anna", "Bell"], [0, 2])
    fresh = WordPieces(encoders["bert"].tokenizer, 64)
    fresh.of(["Anna"], [0, 1])

    def fail(words):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(fresh, "_tokenise", fail)
        with pytest.raises(MemoryError):
            fresh.of(["Bell", "Anna"], [0, 2])
    found = fresh.of(["Anna", "Bell"], [0, 2])
    assert all(np.array_equal(f, e) for f, e in zip(found, expected, strict=True))
    copy = pickle.loads(pickle.dumps(fresh)).of(["Anna", "Bell"], [0, 2])
    assert all(np.array_equal(f, e) for f, e in zip(copy, expected, strict=True))


@examples(40)
@given(
    positions=st.sampled_from(["words", "pieces"]),
    kind=st.sampled_from(KINDS),
    texts=st.lists(ANY.filter(segment), min_size=1, max_size=4),
    joined=st.booleans(),
)
def test_batches(encoders, positions, kind, texts, joined):
    like = encoders[kind]
    config = PFNConfig(**(like.config.to_dict() | {"positions": positions}))
    inputs = InputEncoder(like.tokenizer, config)
    windows = [w for of in inputs.encode(texts) for w in of]
    if not windows:
        return
    if joined:
        windows.append(inputs.join(windows, range(len(windows))))
    found, expected = inputs.collate(windows), plain_batch(inputs, windows)
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype, name
        assert found[name].equal(tensor), name


VARIANTS = ({}, {"positions": "pieces"}, {"tail_table": True, "flat_entities": True})


@pytest.fixture(scope="module")
def readers(random_extractor):
    options = {"window_pieces": 14, "window_overlap": 6, "word_shapes": True}
    return [random_extractor(**options, **variant) for variant in VARIANTS]


@examples(40)
@given(
    variant=st.integers(0, len(VARIANTS) - 1),
    texts=st.lists(st.lists(st.sampled_from(TEXTS) | ANY, max_size=3).map(" ".join), max_size=4),
    window_tokens=st.sampled_from([0, 20, 50]),
    token_budget=st.sampled_from([1, 60, 1000]),
)
@example(variant=0, texts=[" ".join(TEXTS[:4])], window_tokens=50, token_budget=60)
@example(variant=1, texts=[TEXTS[0] * 3, "", TEXTS[1]], window_tokens=20, token_budget=60)
@example(variant=2, texts=[" ".join(TEXTS[:4]), TEXTS[0]], window_tokens=50, token_budget=1000)
def test_what_is_found(readers, variant, texts, window_tokens, token_budget):
    extractor = readers[variant]
    sentences = [split_sentences(text) for text in texts]
    options = {"token_budget": token_budget, "window_tokens": window_tokens}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        expected = plain_heads(extractor, texts, sentences, floor=0.4, **options)
        found = extractor.predict_documents(
            texts, sentences, entity_floor=0.4, relation_floor=0.4, **options
        )
        assert found == expected
        columns = extractor.predict_columns(
            texts, sentences, entity_floor=0.4, relation_floor=0.4, **options
        )
    finally:
        torch.set_num_threads(threads)
    for policy in HEAD_POLICIES:
        thresholds = {"entity_threshold": 0.5, "relation_threshold": 0.5, "head_policy": policy}
        resolved = resolved_records(columns, texts, **thresholds)
        assert resolved == [resolve_heads(heads, **thresholds) for heads in expected]


@st.composite
def documents(draw):
    scores = st.sampled_from([float(np.float32(i / 10)) for i in range(1, 10)])
    text = "x" * 40
    spans = st.tuples(st.integers(0, 30), st.integers(1, 9), st.sampled_from(["A", "B"]))
    places = st.tuples(st.integers(0, 39), st.integers(0, 39), st.sampled_from(["r", "s"]))
    found = []
    for _ in range(draw(st.integers(0, 3))):
        mentions = sorted(
            Mention(b, b + width, text[b : b + width], type_, score)
            for (b, width, type_), score in draw(st.dictionaries(spans, scores)).items()
        )
        triples = [
            HeadTriple(s, r, o, score)
            for (s, o, r), score in sorted(draw(st.dictionaries(places, scores)).items())
        ]
        error = {0: ValueError()} if draw(st.booleans()) else {}
        found.append(DocumentHeads(mentions, triples, None, draw(st.integers(1, 3)), 0, error))
    return [text] * len(found), found


@given(documents())
def test_columns_are_the_records(given):
    texts, records = given
    assert HeadColumns.of(records).records(texts) == records
    for heads in records:
        assert flat_mentions(heads.mentions) == plain_flat(heads.mentions)


@given(st.data())
def test_the_best_of_equal_cells_stays(data):
    words = data.draw(st.sampled_from([5, 1 << 40, 1 << 61]))
    cells = data.draw(
        st.lists(
            st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 2), st.integers(1, 9))
        )
    )
    columns = np.array(cells, np.int64).reshape(-1, 4).T
    found = WordCells(*columns[:3], columns[3].astype(np.float32)).best(words, 3)
    best = {}
    for *key, score in cells:
        best[tuple(key)] = max(score, best.get(tuple(key), 0))
    assert list(zip(*(c.tolist() for c in found), strict=True)) == [
        (*key, score) for key, score in sorted(best.items())
    ]


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 5))))
def test_ranges(runs):
    begins, counts = np.array(runs, np.int64).reshape(-1, 2).T
    expected = [number for begin, count in runs for number in range(begin, begin + count)]
    assert ranges(begins, counts).tolist() == expected
    assert bounds_of(counts).tolist() == [sum(counts[:i]) for i in range(len(runs) + 1)]
