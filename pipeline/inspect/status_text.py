"""The state of an output folder as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pfn_kg.pipeline.inspect.run_status import RunStatus, Snapshot
from pfn_kg.pipeline.printable import one_line, padded, width
from pfn_kg.pipeline.styled import Line, Styled

_STYLES = {"finished": "bold green", "failed": "bold red"}
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")
_HASH_DIGITS = 12


def status_lines(status: RunStatus) -> Iterator[Line]:
    """The state of a folder: a line for each thing that is known, under its name."""
    state = Styled(status.state, _STYLES.get(status.state, "bold yellow"))
    rows: list[tuple[str, Line]] = [("folder", [one_line(status.directory)]), ("state", [state])]
    rows += [("locked by", [lock]) for lock in status.locks]
    rows.append(("next", [status.next]))
    if status.state != "never run":
        rows += _corpus(status)
        rows.append(("model", [_model(status.model)]))
    rows += [("graph", _snapshot(snapshot)) for snapshot in status.snapshots]
    rows += [("option", [f"{name} = {value}"]) for name, value in sorted(status.options.items())]
    if status.versions:
        spelt = ", ".join(f"{name} {version}" for name, version in status.versions.items())
        rows.append(("versions", [spelt]))
    for name, version in status.other_versions.items():
        rows.append(("", [Styled(f"installed now: {name} {version}", "yellow")]))
    if sum(status.bytes.values()):
        rows.append(("space", [_space(status.bytes)]))
    rows += [("Neo4j", [f"{name} in {uri}"]) for name, uri in status.loads.items()]
    columns = max(width(name) for name, _ in rows)
    last = ""
    for name, line in rows:
        shown = "" if name == last else name
        yield [Styled(padded(shown, columns), "dim"), "  ", *line]
        last = name


def _corpus(status: RunStatus) -> Iterator[tuple[str, Line]]:
    counts = status.extraction
    details = [
        f"{counts[name]} {spelt}"
        for name, spelt in (("sentences", "sentences"), ("rejected", "rejected"))
        if name in counts
    ]
    if status.removed_documents:
        details.append(f"{status.removed_documents} documents removed")
    said = f"{status.extracted_rows} of {status.corpus_rows} rows extracted"
    yield "corpus", ["; ".join([said, *details])]
    for path, error in status.unreadable_files.items():
        yield "corpus", [Styled(f"not readable: {one_line(path)}: {one_line(error)}", "red")]


def _model(model: Mapping[str, Any]) -> str:
    name = model["name"] or "unknown"
    hash_ = f" ({model['hash'][:_HASH_DIGITS]})" if model["hash"] else ""
    entity, relation = model["entity_threshold"], model["relation_threshold"]
    return f"{one_line(name)}{hash_}; thresholds {entity:g} and {relation:g}"


def _snapshot(snapshot: Snapshot) -> Line:
    counts = ", ".join(f"{count} {name}" for name, count in snapshot.counts.items())
    made = f", made {snapshot.made}" if snapshot.made else ""
    size = f", {spelt_bytes(snapshot.bytes)}" if snapshot.bytes else ""
    current = Styled("current  " if snapshot.is_current else "before   ", "bold")
    return [current, f"{snapshot.path}{made}: {counts}{size}"]


def _space(sizes: Mapping[str, int]) -> str:
    parts = ", ".join(f"{name} {spelt_bytes(size)}" for name, size in sizes.items() if size)
    return f"{spelt_bytes(sum(sizes.values()))} ({parts})"


def spelt_bytes(size: float) -> str:
    """A number of bytes with the unit that gives few digits.

    Example:
        >>> spelt_bytes(1536)
        '1.5 KiB'
    """
    for unit in _UNITS:
        if size < 1024 or unit == _UNITS[-1]:
            return f"{size:.0f} {unit}" if unit == _UNITS[0] else f"{size:.1f} {unit}"
        size /= 1024
    raise AssertionError("the last unit takes any size")
