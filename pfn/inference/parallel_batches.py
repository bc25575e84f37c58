"""Batches side by side on the cores of a CPU.

One batch on all cores leaves them waiting for each other between any two of its operations, most
of which are small in the recurrence, and for what is done in Python. Batches know nothing of each
other; so each core reads its own, and what it finds does not depend on how many there are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Batch = TypeVar("Batch")


def read_batches(
    read: Callable[[Batch], None], batches: Sequence[Batch], device: torch.device
) -> None:
    """Calls a function with each batch: on a CPU several at a time, else one after the other.

    Args:
        read: what is called; in threads of which each has its share of PyTorch's threads.
        batches: the largest ones first, so that the last to end are small.
        device: where the model is.
    """
    threads = torch.get_num_threads()
    workers = min(threads, len(batches)) if device.type == "cpu" else 1
    if workers < 2:
        for batch in batches:
            read(batch)
        return
    pool = ThreadPoolExecutor(
        workers, "batches", initializer=torch.set_num_threads, initargs=(threads // workers,)
    )
    try:
        for _ in pool.map(read, batches):
            pass
    finally:
        pool.shutdown(cancel_futures=True)
        # Threads to come would have the workers' share.
        torch.set_num_threads(threads)
