"""Progress of a local run, on standard error."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import TextIO


class Progress:
    """Prints now and then what the finished chunks hold, while the run goes on.

    Args:
        total: rows to be read.
        finished: gives the counters of the chunks that were finished since it was last
            asked.
        stream: where to print.
        seconds: between two lines.
    """

    def __init__(
        self,
        total: int,
        finished: Callable[[], list[dict[str, int]]],
        stream: TextIO | None = None,
        seconds: float = 5.0,
    ):
        self._total = total
        self._finished = finished
        self._stream = stream or sys.stderr
        self._seconds = seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._started = time.monotonic()
        self._before: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()

    def __enter__(self) -> Progress:
        # What was there before is no progress of this run.
        for counters in self._finished():
            self._before.update(counters)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._update()
        if error is None:
            self._print()

    def _watch(self) -> None:
        while not self._stop.wait(self._seconds):
            if self._update():
                self._print()

    def _update(self) -> bool:
        try:
            finished = self._finished()
        except (OSError, ValueError):
            return False
        for counters in finished:
            self._counts.update(counters)
        return bool(finished)

    def _print(self) -> None:
        line = progress_line(
            self._counts, self._before["rows"], self._total, time.monotonic() - self._started
        )
        print(line, file=self._stream, flush=True)


def progress_line(counts: Counter[str], before: int, total: int, seconds: float) -> str:
    """One line: documents, sentences, rates, rejected, time left.

    Args:
        counts: of this run so far.
        before: rows that an earlier run had finished.
        total: rows in all.
        seconds: since this run began.
    """
    done = counts["rows"]
    rate = done / seconds if seconds else 0.0
    left = max(total - before - done, 0)
    remaining = _duration(left / rate) if rate and left else "0 s" if not left else "unknown"
    return (
        f"extract: {before + done}/{total} documents, {counts['sentences']} sentences "
        f"({counts['sentences'] / max(seconds, 1e-9):.0f}/s), {counts['mentions']} mentions and "
        f"{counts['head_triples']} head triples above the floor, {counts['rejected']} rejected, "
        f"{remaining} left"
    )


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
