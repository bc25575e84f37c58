"""What was done to an output folder: events that follow from two states of its manifest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from pfn_kg.pipeline.manifest import Manifest
from pfn_kg.pipeline.manifest_parts import HistoryEvent

#: So many events are kept.
MOST_EVENTS = 100

# Of the counts, those that people ask for.
_EXTRACTED = ("documents", "sentences", "mentions", "head_triples", "rejected")
_BUILT = ("documents", "mentions", "triples", "entities", "values", "relations", "rejected")
# What says where, and not what became of it.
_PLACES = ("corpus", "device", "keep_builds")


def with_events(before: Manifest | None, after: Manifest, command: str) -> Manifest:
    """A manifest with what was done since another one in its history.

    Args:
        before: the manifest as it was; None where there was none.
        after: as it is to be written.
        command: what writes it.
    """
    events = tuple(_events(before or Manifest(), after, command))
    if not events:
        return after
    return after.changed(history=(*after.history, *events)[-MOST_EVENTS:])


def _events(before: Manifest, after: Manifest, command: str) -> Iterator[HistoryEvent]:
    time = datetime.now(UTC).isoformat(timespec="seconds")
    is_extraction = after.extract is not None and after.extract != before.extract
    if is_extraction:
        extraction = after.extraction
        counts = _chosen(extraction.counts, _EXTRACTED)
        if extraction.gone_documents:
            counts["gone_documents"] = extraction.gone_documents
        yield HistoryEvent(
            what="extract",
            time=time,
            seconds=extraction.seconds,
            counts=counts,
            options=_changed(before.configuration.recorded(), after.configuration.recorded()),
        )
    elif after.removed != before.removed and after.removed is not None:
        gone = after.removed.count - (0 if before.removed is None else before.removed.count)
        yield HistoryEvent(what="remove", time=time, counts={"documents": gone})
    if after.graph is not None and after.graph != before.graph and after.build is not None:
        is_old = command == "rollback"
        yield HistoryEvent(
            what="rollback" if is_old else "build",
            time=time,
            snapshot=after.graph,
            seconds=None if is_old else after.build.seconds,
            counts=_chosen(after.build.counts, _BUILT),
            options=_changed(
                {} if before.build is None else before.build.options, after.build.options
            ),
        )


def _chosen(counts: Mapping[str, int], names: tuple[str, ...]) -> dict[str, int]:
    return {name: counts[name] for name in names if name in counts}


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The options that have another value; none where there were none before."""
    if not before:
        return {}
    names = sorted(set(before) | set(after))
    return {
        name: (before.get(name), after.get(name))
        for name in names
        if name not in _PLACES and before.get(name) != after.get(name)
    }
