"""Batches side by side: all are read, errors come through, and threads are given back."""

import threading

import pytest
import torch

from helpers.corpora import TEXTS
from pfn_kg.pfn.inference.parallel_batches import read_batches

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


def test_errors_come_through(threads):
    def read(batch):
        raise ValueError(f"batch {batch}")

    with pytest.raises(ValueError, match="batch 0"):
        read_batches(read, [0, 1, 2], CPU)
    assert torch.get_num_threads() == threads_of_a_new_thread() == threads


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
