"""Batches side by side: all are read, errors come through, and threads are given back."""

import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import torch

from helpers.corpora import TEXTS
from pfn_kg.pfn.inference import head_reader
from pfn_kg.pfn.inference.parallel_batches import (
    SMALL_BATCH,
    in_stream_of_caller,
    read_batches,
    read_in_line,
)
from pfn_kg.pfn.model import devices
from pfn_kg.schemas.records import Sentence

pytestmark = pytest.mark.quick

CPU = torch.device("cpu")


@pytest.fixture(params=[1, 2, 5])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def threads_of_a_new_thread():
    found = []
    new = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    new.start()
    new.join()
    return found[0]


@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_each_batch_once_on_its_share_of_the_threads(threads, count):
    seen, shares = [], []

    def read(batch):
        seen.append(batch)
        shares.append(torch.get_num_threads())

    read_batches(read, list(range(count)), CPU)
    assert sorted(seen) == list(range(count))
    workers = max(1, min(threads, count))
    assert set(shares) <= {threads // workers}
    assert torch.get_num_threads() == threads_of_a_new_thread() == threads


@pytest.mark.parametrize("pieces", [1, SMALL_BATCH - 1, SMALL_BATCH, None])
def test_a_small_batch_has_one_thread(threads, pieces):
    seen = []
    read_batches(lambda batch: seen.append(torch.get_num_threads()), [0], CPU, pieces=pieces)
    is_small = pieces is not None and pieces < SMALL_BATCH
    assert seen == [1 if is_small else threads]
    assert torch.get_num_threads() == threads_of_a_new_thread() == threads


def test_a_sentence_is_read_by_one_thread(tiny_extractor, threads, monkeypatch):
    used, project = [], tiny_extractor.model.project

    def watched(**batch):
        used.append(torch.get_num_threads())
        return project(**batch)

    monkeypatch.setattr(tiny_extractor.model, "project", watched)
    tiny_extractor.predict_heads(["Anna Bell was born in London ."])
    tiny_extractor.predict_heads(["Anna Bell was born in London ."] * 40)
    assert used[0] == 1
    assert used[-1] == threads


def test_errors_come_through(threads):
    def read(batch):
        raise ValueError(f"batch {batch}")

    with pytest.raises(ValueError, match="batch 0"):
        read_batches(read, [0, 1, 2], CPU)
    assert torch.get_num_threads() == threads_of_a_new_thread() == threads


def test_batches_in_line():
    done, batches = [], list(range(7))

    def step(name, batch):
        done.append((name, batch))
        if (name, batch) in fails:
            raise MemoryError

    def prepare(batch):
        step("prepare", batch)
        return batch + 10

    def start(prepared):
        batch = prepared - 10
        step("start", batch)
        for count in (1, 2):
            got = yield torch.tensor([batch, count])
            assert got.tolist() == [batch, count]
            step(f"go on {count}", batch)
        return batch * 2

    def copy(wanted):
        step("copy", int(wanted[0]))
        return lambda: step("wait", int(wanted[0])) or wanted

    def finish(batch, output):
        assert output == batch * 2
        step("finish", batch)

    def read():
        done.clear()
        read_in_line(prepare, start, copy, finish, lambda batch: step("failed", batch), batches)

    fails = set()
    read()
    for name in ("prepare", "start", "go on 1", "go on 2", "finish"):
        assert [batch for of, batch in done if of == name] == batches
    assert "failed" not in dict(done)
    for number in batches[1:]:
        # A batch is asked for before the one before it is waited for.
        assert done.index(("start", number)) < done.index(("go on 2", number - 1))
    for number in batches[2:]:
        # Two are on the device, and one more is prepared.
        assert done.index(("start", number)) > done.index(("go on 2", number - 2))
        assert done.index(("prepare", number)) > done.index(("start", number - 2))
    fails = {("prepare", 0), ("start", 3), ("wait", 4), ("finish", 5), ("go on 2", 6)}
    read()
    assert sorted(batch for of, batch in done if of == "failed") == [0, 3, 4, 5, 6]
    assert sorted(batch for of, batch in done if of == "finish") == [1, 2, 5]
    batches = []
    read()
    assert not done


def test_a_gpu_s_way_finds_the_same(tiny_extractor, monkeypatch):
    options = {"token_budget": 32, "entity_floor": 0.1, "relation_floor": 0.1}
    expected = tiny_extractor.predict_heads(TEXTS, **options)
    project = tiny_extractor.model.project
    calls = []

    def fail_at_first(**batch):
        calls.append(None)
        if len(calls) == 2:
            raise MemoryError
        return project(**batch)

    monkeypatch.setattr(devices, "runs_ahead", lambda device: True)
    monkeypatch.setattr(tiny_extractor.model, "project", fail_at_first)
    found = tiny_extractor.predict_heads(TEXTS, **options)
    assert len(calls) > 3
    for ours, theirs in zip(found, expected, strict=True):
        assert [m[:4] for m in ours.mentions] == [m[:4] for m in theirs.mentions]
        assert [t[:3] for t in ours.head_triples] == [t[:3] for t in theirs.head_triples]


@pytest.mark.parametrize("is_ahead", [False, True])
def test_a_batch_that_failed_leaves_its_memory_to_its_halves(tiny_extractor, monkeypatch, is_ahead):
    project, held, kept = tiny_extractor.model.project, [], []

    def short_of_memory(**batch):
        kept.append(sum(tensor() is not None for tensor in held))
        tensor = torch.zeros(3)
        held.append(weakref.ref(tensor))
        if len(batch["input_ids"]) > 1:
            raise torch.OutOfMemoryError("no memory left")
        return project(**batch)

    monkeypatch.setattr(devices, "runs_ahead", lambda device: is_ahead)
    monkeypatch.setattr(tiny_extractor.model, "project", short_of_memory)
    found = tiny_extractor.predict_heads(["Anna Bell was born in London ."] * 4)
    assert not any(isinstance(heads, Exception) for heads in found)
    # Four are halved twice; a GPU's way tries them once more.
    assert kept == [0] * (7 + is_ahead)


class OfAGPU:
    """A model of the CPU that says it is on a GPU."""

    device = torch.device("cuda", 0)

    def __init__(self, model):
        self._model = model

    def __getattr__(self, name):
        return getattr(self._model, name)


@pytest.mark.parametrize("is_lost", [False, True])
def test_no_sentence_is_to_blame_for_a_gpu_that_is_lost(tiny_extractor, monkeypatch, is_lost):
    """A sentence that can't be read is one of its text's errors; a lost GPU is one of the run's."""
    asked = []

    def synchronize(device):
        asked.append(device)
        if is_lost:
            raise torch.AcceleratorError("an illegal memory access was encountered")

    def fail(windows):
        raise RuntimeError("can't be read")

    reader = head_reader.HeadReader(
        OfAGPU(tiny_extractor.model),
        tiny_extractor.inputs,
        entity_floor=0.1,
        relation_floor=0.1,
        token_budget=64,
    )
    monkeypatch.setattr(torch.cuda, "synchronize", synchronize)
    monkeypatch.setattr(head_reader, "read_in_line", lambda *steps: list(map(steps[4], steps[5])))
    monkeypatch.setattr(head_reader, "in_stream_of_caller", lambda function, device: function)
    monkeypatch.setattr(reader, "_prepare", fail)
    texts = ["Anna Bell was born in London ."] * 2
    whole = [[Sentence(0, 0, len(text))] for text in texts]
    if is_lost:
        with pytest.raises(torch.AcceleratorError, match="illegal memory access"):
            reader.read(texts, whole)
    else:
        errors = reader.read(texts, whole).errors
        assert [str(errors[text][0]) for text in (0, 1)] == ["can't be read"] * 2
    assert set(asked) == {OfAGPU.device}


def test_batches_are_prepared_in_the_stream_that_reads_them(monkeypatch):
    streams = threading.local()

    @contextmanager
    def stream(chosen):
        streams.current = chosen
        yield
        streams.current = None

    streams.current = "of the caller"
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: streams.current)
    monkeypatch.setattr(torch.cuda, "stream", stream)
    with ThreadPoolExecutor(1) as pool:

        def prepare(batch):
            return batch, getattr(streams, "current", None)

        called = in_stream_of_caller(prepare, torch.device("cuda"))
        assert pool.submit(called, 7).result() == (7, "of the caller")
        assert pool.submit(prepare, 7).result() == (7, None)
    assert in_stream_of_caller(prepare, CPU) is prepare


def test_what_is_found_does_not_depend_on_the_threads(tiny_extractor, threads):
    found = tiny_extractor.predict_heads(
        TEXTS, token_budget=32, entity_floor=0.1, relation_floor=0.1
    )
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    alone = tiny_extractor.predict_heads(
        TEXTS, token_budget=32, entity_floor=0.1, relation_floor=0.1
    )
    torch.set_num_threads(before)
    assert sum(len(heads.mentions) for heads in alone) > 10
    for some, others in zip(found, alone, strict=True):
        assert [m[:4] for m in some.mentions] == [m[:4] for m in others.mentions]
        assert [t[:3] for t in some.head_triples] == [t[:3] for t in others.head_triples]
        scores = [m.score for m in others.mentions]
        assert [m.score for m in some.mentions] == pytest.approx(scores, abs=1e-5)
