"""Batches side by side on the cores of a CPU, or before and behind the one that a GPU reads.

One batch on all cores leaves them waiting for each other between any two of its operations, most
of which are small in the recurrence, and for what is done in Python. Batches know nothing of each
other; so each core reads its own, and what it finds does not depend on how many there are.

A GPU reads one batch after the other, and shall not wait for Python: the next batch is prepared
and the last one is decoded meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Batch = TypeVar("Batch")
Prepared = TypeVar("Prepared")
Output = TypeVar("Output")


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


def read_in_line(
    prepare: Callable[[Batch], Prepared],
    run: Callable[[Prepared], Output],
    finish: Callable[[Batch, Output], None],
    failed: Callable[[Batch], None],
    batches: Sequence[Batch],
) -> None:
    """Prepares, runs and finishes batches, each step of one beside the other steps of others.

    At most one batch is prepared ahead, so that memory is bounded.

    Args:
        prepare: called in a thread, batch after batch.
        run: called here, batch after batch.
        finish: called in another thread, batch after batch.
        failed: called here with each batch of which a step raised an exception, when the others
            are through.
        batches: the batches.
    """
    lost = []
    with ThreadPoolExecutor(1, "prepare") as ahead, ThreadPoolExecutor(1, "finish") as behind:
        prepared = [ahead.submit(prepare, batch) for batch in batches[:1]]
        finished = []
        for number, batch in enumerate(batches):
            ready = prepared.pop()
            prepared = [ahead.submit(prepare, following) for following in batches[number + 1 :][:1]]
            try:
                output = run(ready.result())
            except Exception:
                lost.append(batch)
                continue
            finished.append((batch, behind.submit(finish, batch, output)))
        for batch, done in finished:
            if done.exception() is not None:
                lost.append(batch)
    for batch in lost:
        failed(batch)
