"""Transforms on elements in memory, as by `EagerPipeline` of xarray-beam's tests."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import DoOutputsTuple, PCollection

from pfn_kg.pipeline.options import pipeline_options

# What was collected, by a number for each PCollection. The local runner works in this process,
# and Beam sends `_collect` by its name, so the list is the one that the caller reads.
_COLLECTED: dict[int, list[Any]] = {}
_numbers = itertools.count()


def eager(transform: Any, elements: Any, *, arguments: Iterable[str] = ()) -> Any:
    """Runs a transform on the local runner.

    Args:
        transform: a PTransform, or a function from a PCollection to one, for transforms that take
            side inputs.
        elements: what goes in: a list, or a mapping of lists for a transform of several
            PCollections by name.
        arguments: options of Beam.

    Returns:
        A list of what comes out, in no certain order. For a transform with several outputs a
        mapping (by tag or by field), or a tuple, of lists.
    """
    with beam.Pipeline(options=pipeline_options(list(arguments))) as pipeline:
        if isinstance(elements, Mapping):
            given: Any = {
                name: pipeline | f"In {name}" >> beam.Create(list(of_name), reshuffle=False)
                for name, of_name in elements.items()
            }
        else:
            given = pipeline | "In" >> beam.Create(list(elements), reshuffle=False)
        out = given | transform if isinstance(transform, beam.PTransform) else transform(given)
        collected = _collected(out)
    return _taken(collected)


def _collected(out: Any) -> Any:
    """The numbers of the lists that the outputs go to, in the shape of the outputs."""
    if isinstance(out, PCollection):
        number = next(_numbers)
        _COLLECTED[number] = []
        _ = out | f"Collect {number}" >> beam.Map(_collect, number)
        return number
    if isinstance(out, DoOutputsTuple):
        tags = [tag for tag in (out._main_tag, *sorted(out._tags)) if tag is not None]
        return {tag: _collected(out[tag]) for tag in tags}
    if hasattr(out, "_asdict"):
        return {name: _collected(part) for name, part in out._asdict().items()}
    return tuple(map(_collected, out))


def _collect(element: Any, number: int) -> None:
    _COLLECTED[number].append(element)


def _taken(collected: Any) -> Any:
    if isinstance(collected, dict):
        return {name: _taken(number) for name, number in collected.items()}
    if isinstance(collected, tuple):
        return tuple(map(_taken, collected))
    return _COLLECTED.pop(collected)
