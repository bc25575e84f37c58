"""Batches side by side on the cores of a CPU, or before and behind the one that a GPU reads.

One batch on all cores leaves them waiting for each other between any two of its operations, most
of which are small in the recurrence, and for what is done in Python. Batches know nothing of each
other; so each core reads its own, and what it finds does not depend on how many there are. A single
small batch is read by one core.

A GPU reads one batch after the other, and shall not wait for Python: the next batch is prepared
and the last one is decoded meanwhile.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor

from pfn_kg.pfn.inference.awaited_counts import Awaiting

Batch = TypeVar("Batch")
Prepared = TypeVar("Prepared")
Output = TypeVar("Output")


#: Pieces below which a batch is read by one core. Its operations take some ten microseconds, and
#: where another process has one of the cores, each waits for it for milliseconds.
SMALL_BATCH = 128


def read_batches(
    read: Callable[[Batch], None],
    batches: Sequence[Batch],
    device: torch.device,
    *,
    pieces: int | None = None,
) -> None:
    """Calls a function with each batch: on a CPU several at a time, else one after the other.

    Args:
        read: what is called; in threads of which each has its share of PyTorch's threads.
        batches: the largest ones first, so that the last to end are small.
        device: where the model is.
        pieces: of all batches, padding included; below `SMALL_BATCH`, a single batch has one
            thread. None if they are not known.
    """
    threads = torch.get_num_threads()
    workers = min(threads, len(batches)) if device.type == "cpu" else 1
    is_small = workers == 1 and device.type == "cpu" and pieces is not None and pieces < SMALL_BATCH
    share = 1 if is_small else threads // max(workers, 1)
    if workers < 2 and share == threads:
        for batch in batches:
            read(batch)
        return
    pool = ThreadPoolExecutor(
        max(workers, 1), "batches", initializer=torch.set_num_threads, initargs=(share,)
    )
    try:
        for _ in pool.map(read, batches):
            pass
    finally:
        pool.shutdown(cancel_futures=True)
        # Threads to come would have the workers' share.
        torch.set_num_threads(threads)


def copy_to_cpu(wanted: Tensor) -> Callable[[], Tensor]:
    """Asks for a copy of a tensor; what is returned waits for it."""
    if wanted.device.type != "cuda":
        return wanted.cpu
    # Only to pinned memory a GPU copies while Python goes on.
    copy = torch.empty(wanted.shape, dtype=wanted.dtype, pin_memory=True)
    copy.copy_(wanted, non_blocking=True)
    done = torch.cuda.Event()
    done.record(torch.cuda.current_stream(wanted.device))

    def wait() -> Tensor:
        done.synchronize()
        return copy

    return wait


def in_stream_of_caller(
    function: Callable[[Batch], Prepared], device: torch.device
) -> Callable[[Batch], Prepared]:
    """A function that asks a GPU in the stream that is the current one here, in any thread.

    A thread begins in the default stream. What it asks for there, another stream may read before
    it is done.

    Args:
        function: what is called.
        device: that it asks.
    """
    if device.type != "cuda":
        return function
    stream = torch.cuda.current_stream(device)

    def called(batch: Batch) -> Prepared:
        with torch.cuda.stream(stream):
            return function(batch)

    return called


def read_in_line(
    prepare: Callable[[Batch], Prepared],
    start: Callable[[Prepared], Awaiting[Output]],
    copy: Callable[[Tensor], Callable[[], Tensor]],
    finish: Callable[[Batch, Output], None],
    failed: Callable[[Batch], None],
    batches: Sequence[Batch],
) -> None:
    """Prepares, runs and finishes batches, each step of one beside the other steps of others.

    Two batches run by turns, so that a device has something to do while one waits for what it
    found in the other. At most one more is prepared ahead, so that memory is bounded.

    Args:
        prepare: called in a thread, batch after batch.
        start: called here, batch after batch; yields the tensors that it waits for.
        copy: asks for a tensor, called here; what it returns waits for the tensor.
        finish: called in another thread, batch after batch.
        failed: called here with each batch of which a step raised an exception, when the others
            are through.
        batches: the batches.
    """
    lost: list[Batch] = []
    finished: list[tuple[Batch, Future[None]]] = []
    running: deque[tuple[Batch, Awaiting[Output], Callable[[], Tensor]]] = deque()
    with ThreadPoolExecutor(1, "prepare") as ahead, ThreadPoolExecutor(1, "finish") as behind:

        def go_on(batch: Batch, awaiting: Awaiting[Output], got: Tensor | None) -> None:
            """Runs a batch up to what it waits for next."""
            try:
                wanted = next(awaiting) if got is None else awaiting.send(got)
                running.append((batch, awaiting, copy(wanted)))
            except StopIteration as done:
                finished.append((batch, behind.submit(finish, batch, done.value)))

        def attempt(batch: Batch, step: Callable[[], None]) -> None:
            try:
                step()
            except Exception:
                lost.append(batch)

        def begin(batch: Batch, ready: Future[Prepared]) -> None:
            go_on(batch, start(ready.result()), None)

        def turn() -> None:
            batch, awaiting, wait = running.popleft()
            attempt(batch, lambda: go_on(batch, awaiting, wait()))

        prepared = [ahead.submit(prepare, batch) for batch in batches[:1]]
        for number, batch in enumerate(batches):
            ready = prepared.pop()
            prepared = [ahead.submit(prepare, following) for following in batches[number + 1 :][:1]]
            attempt(batch, partial(begin, batch, ready))
            while len(running) > 1:
                turn()
        while running:
            turn()
        for batch, done in finished:
            if done.exception() is not None:
                lost.append(batch)
    for batch in lost:
        failed(batch)
