"""Progress of a run, on standard error: by the files of a local one, by the metrics of a job."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

from pfn_kg.pipeline.logs import tell

if TYPE_CHECKING:
    from pfn_kg.pipeline.job_metrics import Metrics
    from pfn_kg.transforms.plumbing.metrics import Phase


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
        self._stream = stream
        self._seconds = seconds
        self._stop = threading.Event()
        self._lock = threading.Lock()
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

    def finished_rows(self) -> int:
        """How many rows are finished now, those of earlier runs included."""
        self._update()
        return self._before["rows"] + self._counts["rows"]

    def _watch(self) -> None:
        while not self._stop.wait(self._seconds):
            if self._update():
                self._print()

    def _update(self) -> bool:
        with self._lock:
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
        tell(line, stream=self._stream, rows=self._before["rows"] + self._counts["rows"])


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


class JobProgress:
    """Prints now and then what a job on a runner has counted, while it goes on.

    Args:
        phase: of the job.
        metrics: gives what is counted by now; nothing where that is not known.
        seconds: between two questions.
    """

    def __init__(self, phase: Phase, metrics: Callable[[], Metrics], seconds: float = 30.0):
        self._phase = phase
        self._metrics = metrics
        self._seconds = seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> JobProgress:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        # The runner may not answer any more, and nobody waits for it.
        self._thread.join(1.0)

    def _watch(self) -> None:
        last: Metrics = {}
        while not self._stop.wait(self._seconds):
            metrics = self._metrics()
            if metrics and metrics != last and not self._stop.is_set():
                last = metrics
                tell(job_line(self._phase, metrics), metrics=metrics)


def job_line(phase: Phase, metrics: Metrics) -> str:
    """One line: what the workers of a job have counted by now.

    Args:
        phase: of the job.
        metrics: by name.
    """
    begin = "build_" if phase == "build" else ""
    kinds = ("documents", "sentences", "mentions", "triples" if begin else "head_triples")
    counts = {kind: metrics.get(f"{begin}{kind}", 0) for kind in kinds}
    rejected = sum(
        value
        for name, value in metrics.items()
        if name.startswith(f"{begin}rejected_") and isinstance(value, int)
    )
    said = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in counts.items())
    return f"{phase}: {said}, {rejected} rejected"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
