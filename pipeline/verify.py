"""Whether a graph holds what is promised of every output folder."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from pfn_kg.pipeline.correction_inputs import kept_corrections
from pfn_kg.pipeline.findings import Findings
from pfn_kg.pipeline.finished_run import FinishedRun, read_finished
from pfn_kg.pipeline.snapshots import LINK, RECORD_FILE
from pfn_kg.pipeline.spill import Spill
from pfn_kg.pipeline.verify_files import find_wrong_counts, find_wrong_files, tables_of
from pfn_kg.pipeline.verify_rdf import check_rdf
from pfn_kg.pipeline.verify_tables import check_joins, check_rows
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.transforms.plumbing.files import is_local, local_path
from pfn_kg.transforms.tables.parts import TablePart, count_rows, find_parts


def verify(directory: str) -> list[str]:
    """Checks the current graph of an output folder.

    - The files are those that the build wrote, by size and, where recorded, by hash.
    - Each table has as many rows as the manifest counts, is sorted, and has the documented columns.
    - Texts are as long as their offsets say; subject and object lie in the evidence and are
      spelt there; mentions are spelt in the table `sentences`, if the build wrote it.
    - Every id leads to a row, and rows agree on what they both say: triples with mentions and
      relations, entities and relations with what they count.
    - The RDF has the entities and relations of the tables.

    One file of a table, and about half a million rows of a join, are in memory at a time; joins
    use the disk of this machine.

    Args:
        directory: the output folder.

    Returns:
        One line for each kind of failure, with their number and an example; none if all is right.

    Raises:
        ConfigurationError: if there is no finished graph.
    """
    run = read_finished(directory)
    findings = Findings()
    _check_records(run, findings)
    find_wrong_files(run, findings, hashes=True)
    parts: list[TablePart] = []
    for table in tables_of(run):
        try:
            parts += find_parts(run.graph, [table])
        except ConfigurationError as error:
            findings.add("table that is not whole", str(error))
    find_wrong_counts(run, parts, findings)
    check_rows(parts, findings, corrected=run.has_corrections)
    if findings.lines:
        # What can't be read, or is out of order, would be reported again and again.
        return findings.lines
    with tempfile.TemporaryDirectory(prefix="pfn-kg-verify-") as folder:
        most = max((sum(count_rows(p) for p in parts if p.table == t) for t in _BIG), default=0)
        spill = Spill(Path(folder), most)
        check_joins(parts, spill, findings)
        check_rdf(run, parts, spill, findings)
    return findings.lines


_BIG = ("mentions", "triples", "relations", "entities")


def _check_records(run: FinishedRun, findings: Findings) -> None:
    """The manifest, the snapshot and the link agree."""
    if run.manifest.build != run.build:
        findings.add("manifest with another record of the build", run.snapshot.path)
    if is_local(run.directory):
        link = local_path(run.directory) / LINK
        if link.is_symlink() and os.readlink(link) != run.snapshot.path:
            findings.add("link to another graph", f"{link} to {os.readlink(link)}")
        elif (link / RECORD_FILE).is_file() and not link.is_symlink():
            findings.add("copy of a graph in the place of the link", str(link))
    if run.has_corrections:
        try:
            kept_corrections(run.graph, run.build.options["corrections"])
        except ConfigurationError as error:
            findings.add("other corrections than the graph was built with", error.reason)
