"""A corpus as the extract phase reads it, without the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pfn_kg.schemas.extract_options import ExtractOptions
from pfn_kg.transforms.reading.chunks import Document, read_documents
from pfn_kg.transforms.reading.plan import plan_extraction


def rows(*corpus: str | Path, **options: Any) -> list[Document]:
    """The documents of a corpus, in order."""
    given = ExtractOptions(corpus=tuple(map(str, corpus)), output="out", **options)
    plan = plan_extraction(given, "model")
    return [document for run in plan.runs for _, document in read_documents(run)]
