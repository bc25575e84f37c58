"""The folder of rows that builds keep for each other, beside the extractions."""

from __future__ import annotations

import importlib
import os
from functools import cache
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pyarrow as pa

from pfn_kg.pipeline.folders import delete_folder
from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.transforms.extraction.columns import ChunkFile
from pfn_kg.transforms.facts.fact_options import FactOptions
from pfn_kg.transforms.facts.kept_rows import KeptRows
from pfn_kg.transforms.plumbing.files import join, make_folder
from pfn_kg.transforms.plumbing.listing import delete_all_but, list_folder

#: The folder, in the output folder.
ROWS = "rows"
# The code that makes rows, and the tables that it reads.
_CODE = ("pfn_kg.pfn", "pfn_kg.schemas", "pfn_kg.transforms")


def kept_rows(directory: str, label_schema: LabelSchema, options: FactOptions) -> KeptRows:
    """The kept rows of a label schema and of options; makes their folder.

    Args:
        directory: the output folder.
        label_schema: of the graph.
        options: of the graph.
    """
    kept = KeptRows(join(directory, ROWS, rows_digest(label_schema, options)))
    make_folder(kept.folder)
    return kept


def rows_digest(label_schema: LabelSchema, options: FactOptions) -> str:
    """A hash of all that the rows of every chunk depend on, the code among it."""
    spelt = f"{label_schema.to_yaml()}\n{options!r}\n{_code()}\n{pa.__version__} {np.__version__}"
    return blake2b(spelt.encode(), digest_size=16).hexdigest()


@cache
def _code() -> str:
    """A hash of the code; a version number stays the same while code is written."""
    digest = blake2b(digest_size=16)
    for package in _CODE:
        for folder in map(Path, importlib.import_module(package).__path__):
            for path in sorted(p for p in folder.rglob("*") if p.suffix in (".py", ".tsv")):
                digest.update(f"{path.relative_to(folder)}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def clean_rows(directory: str, kept: KeptRows | None, chunks: list[ChunkFile]) -> None:
    """Deletes all that is kept but what the last build could read of the chunks.

    Args:
        directory: the output folder, which the caller holds.
        kept: of the last build; None if it kept none.
        chunks: of the graph.
    """
    folder = join(directory, ROWS)
    if kept is None:
        if list_folder(folder):
            delete_folder(folder)
        return
    begin = len(join(folder, ""))
    own = kept.folder[begin:]
    names = {m.path[begin:].replace(os.sep, "/").partition("/")[0] for m in list_folder(folder)}
    for name in sorted(names - {own}):
        delete_folder(join(folder, name))
    delete_all_but(kept.folder, {path for chunk in chunks for path in kept.paths(chunk.path)})
