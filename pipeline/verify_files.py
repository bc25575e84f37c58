"""The cheap part of `pfn-kg verify`: files, their sizes, and their numbers of rows."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa

from pfn_kg.pipeline.findings import Findings
from pfn_kg.pipeline.finished_run import FinishedRun
from pfn_kg.pipeline.manifest import HERE
from pfn_kg.pipeline.query_store import STORE_PREFIX, TEMPORARY_PREFIX
from pfn_kg.pipeline.snapshots import FILES_FILE, RECORD_FILE, file_hash, recorded_files
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.tables import TABLE_SCHEMAS
from pfn_kg.transforms.plumbing.files import join
from pfn_kg.transforms.plumbing.listing import list_folder
from pfn_kg.transforms.tables.parts import TablePart, count_rows, find_parts

_READERS = 16
_STORES = (STORE_PREFIX, TEMPORARY_PREFIX)
_NOT_LISTED = (RECORD_FILE, FILES_FILE)


def tables_of(run: FinishedRun) -> list[str]:
    """The tables that a graph has; `sentences` is there only where the build wrote it."""
    has_sentences = bool(run.build.options.get("sentences"))
    return [name for name in TABLE_SCHEMAS if name != "sentences" or has_sentences]


def check_files(run: FinishedRun) -> None:
    """Refuses a graph whose files are not those that its build wrote.

    Sizes and numbers of rows are compared with the record of the snapshot; no file is read
    beyond its footer.

    Raises:
        ConfigurationError: names the first difference.
    """
    findings = Findings()
    find_wrong_files(run, findings)
    if not findings.lines:
        parts = find_parts(run.graph, _present(run))
        find_wrong_counts(run, parts, findings)
    if findings.lines:
        raise ConfigurationError(
            f"{run.graph}: {findings.lines[0]}; build the graph again by "
            f"`pfn-kg build {run.directory}`"
        )


def _present(run: FinishedRun) -> list[str]:
    # A graph of an older version has no list of its files, and may lack tables.
    if run.snapshot.path != HERE:
        return tables_of(run)
    begin = len(join(run.graph, ""))
    names = {m.path[begin:].split(os.sep)[0].split("/")[0] for m in list_folder(run.graph, "*/*")}
    return [name for name in tables_of(run) if name in names]


def find_wrong_files(run: FinishedRun, findings: Findings, *, hashes: bool = False) -> None:
    """Compares the files of a snapshot with the list that its build made.

    Args:
        run: the graph; one of an older version has no such list, and nothing is compared.
        findings: gets what is wrong.
        hashes: whether files are read and compared by their hashes, and others looked for.
    """
    if run.snapshot.path == HERE:
        return
    listed = recorded_files(run.graph)
    begin = len(join(run.graph, ""))
    found = {
        metadata.path[begin:].replace(os.sep, "/"): metadata for metadata in list_folder(run.graph)
    }
    whole: list[tuple[str, str, str]] = []
    for row in listed.to_pylist():
        path = row["path"]
        if path not in found:
            findings.add("missing file", path)
        elif found[path].size_in_bytes != row["bytes"]:
            size = found[path].size_in_bytes
            findings.add(
                "file of another size", f"{path} with {size} bytes in place of {row['bytes']}"
            )
        elif row["blake2b"] is not None:
            whole.append((path, found[path].path, row["blake2b"]))
    if not hashes:
        return
    with ThreadPoolExecutor(_READERS) as pool:
        for (path, _, expected), digest in zip(
            whole, pool.map(lambda file: file_hash(file[1]), whole), strict=True
        ):
            if digest != expected:
                findings.add("file with other content than its build wrote", path)
    for path in sorted(found.keys() - set(listed["path"].to_pylist()) - set(_NOT_LISTED)):
        if path.startswith(_STORES):  # made by whoever asked
            continue
        findings.add("file that its build did not write", path)


def find_wrong_counts(run: FinishedRun, parts: list[TablePart], findings: Findings) -> None:
    """Compares the numbers of rows in the footers of files with the counts of the build."""
    with ThreadPoolExecutor(_READERS) as pool:
        rows: Counter[str] = Counter({part.table: 0 for part in parts})
        try:
            for part, count in zip(parts, pool.map(count_rows, parts), strict=True):
                rows[part.table] += count
        except (ConfigurationError, OSError, pa.ArrowException) as error:
            findings.add("unreadable file", " ".join(str(error).split()))
            return
    counts = run.build.counts
    for table, expected in _expected_rows(counts).items():
        if table in rows and rows[table] != expected:
            findings.add(
                "table with another number of rows than the manifest counts",
                f"{table} with {rows[table]} rows in place of {expected}",
            )


def _expected_rows(counts: Mapping[str, int]) -> dict[str, int]:
    if not counts:
        return {}
    expected = {name: counts.get(name, 0) for name in TABLE_SCHEMAS}
    # Entities and values share a table, and are counted apart.
    expected["entities"] += counts.get("values", 0)
    return expected
