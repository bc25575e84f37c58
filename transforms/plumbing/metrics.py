"""The metrics of a pipeline: Beam's counters and distributions, which every runner shows.

All have the namespace `pfn_kg`. `docs/reference/metrics.md` is made from `MEASURES`. A metric
counts what workers did: work that is done again, since a worker was lost, counts again on some
runners. The counts of the manifest come from the files that are there.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Literal, NamedTuple

from apache_beam.metrics import Metrics
from apache_beam.metrics.metricbase import Counter, Distribution

#: The namespace of all metrics.
NAMESPACE = "pfn_kg"

Phase = Literal["extract", "build"]


class Measure(NamedTuple):
    """A metric.

    Attributes:
        name: in the namespace.
        phase: the pipeline that has it.
        kind: a counter has a sum, a distribution also count, least and greatest value.
        description: what it is.
    """

    name: str
    phase: Phase
    kind: Literal["counter", "distribution"]
    description: str


def _counters(phase: Phase, **descriptions: str) -> tuple[Measure, ...]:
    return tuple(Measure(name, phase, "counter", text) for name, text in descriptions.items())


#: All metrics, in the order of the page.
MEASURES: tuple[Measure, ...] = (
    *_counters(
        "extract",
        chunks="chunks whose extraction file was written",
        documents="documents that the model read",
        characters="characters of those documents",
        sentences="sentences of those documents",
        mentions="mentions above the floor",
        head_triples="head triples above the floor",
        rejected_read="rows that could not be read: no id, no text, a file that is damaged",
        rejected_split="documents that could not be split into sentences",
        rejected_extract="sentences that the model could not read",
    ),
    Measure(
        "batch_pieces",
        "extract",
        "distribution",
        "word pieces of a batch, padding included; the count is the number of batches",
    ),
    Measure(
        "chunk_sentences", "extract", "distribution", "sentences of a chunk, which is read at once"
    ),
    *_counters(
        "extract",
        model_milliseconds="spent with batches in the model, waiting for the device included",
        host_milliseconds="spent on a chunk outside the model: splitting it, finding word pieces, "
        "making rows and writing them; reading the corpus is left out",
    ),
    Measure(
        "model_load_milliseconds",
        "extract",
        "distribution",
        "loading the model; the count is the number of processes that loaded it",
    ),
    *_counters(
        "build",
        build_chunks="chunks that became rows of tables",
        build_documents="documents of those chunks, duplicates and removed ones left out",
        build_sentences="sentences of those documents",
        build_mentions="mentions above the threshold",
        build_triples="triples that the rules of documents leave",
        build_rejected_read="rejected rows of the graph, by the stage that rejected them",
        build_rejected_split="likewise",
        build_rejected_extract="likewise",
        build_rejected_deduplicate="documents left out because another text has their id",
        build_entities="entities that were written",
        build_values="values that were written",
        build_relations="relations that were written",
    ),
)

_BY_NAME: Mapping[str, Measure] = {measure.name: measure for measure in MEASURES}


@cache
def _counter(name: str) -> Counter:
    assert _BY_NAME[name].kind == "counter"
    return Metrics.counter(NAMESPACE, name)


@cache
def _distribution(name: str) -> Distribution:
    assert _BY_NAME[name].kind == "distribution"
    return Metrics.distribution(NAMESPACE, name)


def count(name: str, number: int = 1) -> None:
    """Adds to a counter; to be called by a step of a pipeline.

    Args:
        name: of a counter in `MEASURES`.
        number: what is added; nothing is said where it is 0.
    """
    if number:
        _counter(name).inc(number)


def observe(name: str, value: int) -> None:
    """Adds a value to a distribution; to be called by a step of a pipeline.

    Args:
        name: of a distribution in `MEASURES`.
        value: a whole number.
    """
    _distribution(name).update(value)


@contextmanager
def counted_milliseconds(name: str) -> Iterator[None]:
    """Adds what the block takes to a counter of milliseconds."""
    started = time.monotonic()
    try:
        yield
    finally:
        count(name, milliseconds(time.monotonic() - started))


def milliseconds(seconds: float) -> int:
    """Seconds as a whole number of milliseconds."""
    return round(1000 * seconds)
