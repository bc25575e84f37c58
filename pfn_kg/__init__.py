"""pfn-kg turns document corpora into knowledge graphs.

This package holds the public names. Everything else lies in the packages below it, which are the
folders of the repository: `pfn_kg.pfn` is the model, `pfn_kg.transforms` the Beam transforms,
`pfn_kg.sinks` the output formats, `pfn_kg.schemas` the records and `pfn_kg.pipeline` the command
line.

Example:
    >>> from pfn_kg import Extractor
    >>> extractor = Extractor.from_pretrained()  # doctest: +SKIP
    >>> extractor.extract(["Ada Lovelace was born in London."])  # doctest: +SKIP
    >>> from pfn_kg import Graph
    >>> Graph.open("runs/example").neighbours("Munich")  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pfn_kg.pfn.extractor import Extractor
    from pfn_kg.pfn.inference.head_columns import HeadColumns, MentionColumns, TripleColumns
    from pfn_kg.pipeline.graph import Graph
    from pfn_kg.pipeline.read_graph import ReadGraph
    from pfn_kg.pipeline.search.answers import (
        Found,
        FoundDocument,
        FoundEntity,
        FoundFact,
        FoundSentence,
    )
    from pfn_kg.pipeline.write_files import WriteFiles
    from pfn_kg.pipeline.write_neo4j import WriteNeo4j
    from pfn_kg.pipeline.write_rdf import WriteRdf
    from pfn_kg.schemas.errors import ConfigurationError
    from pfn_kg.schemas.extraction import Rejection
    from pfn_kg.schemas.label_schema import LabelSchema
    from pfn_kg.schemas.records import (
        DocumentExtraction,
        DocumentHeads,
        Extraction,
        HeadExtraction,
        HeadTriple,
        Mention,
        Sentence,
        Triple,
    )
    from pfn_kg.sinks.interface import RejectedRow, Rows, Sink, Written
    from pfn_kg.transforms.extraction.texts import ExtractedText, ExtractTexts

__all__ = [
    "ConfigurationError",
    "DocumentExtraction",
    "DocumentHeads",
    "ExtractTexts",
    "ExtractedText",
    "Extraction",
    "Extractor",
    "Found",
    "FoundDocument",
    "FoundEntity",
    "FoundFact",
    "FoundSentence",
    "Graph",
    "HeadColumns",
    "HeadExtraction",
    "HeadTriple",
    "LabelSchema",
    "Mention",
    "MentionColumns",
    "ReadGraph",
    "RejectedRow",
    "Rejection",
    "Rows",
    "Sentence",
    "Sink",
    "Triple",
    "TripleColumns",
    "WriteFiles",
    "WriteNeo4j",
    "WriteRdf",
    "Written",
    "__version__",
]

# Where each public name is defined. A name is imported when it is first used, because the model
# needs PyTorch and the transforms need Beam, and each of the two takes seconds to import.
_HOMES = {
    "ConfigurationError": "schemas.errors",
    "DocumentExtraction": "schemas.records",
    "DocumentHeads": "schemas.records",
    "ExtractTexts": "transforms.extraction.texts",
    "ExtractedText": "transforms.extraction.texts",
    "Extraction": "schemas.records",
    "Extractor": "pfn.extractor",
    "Found": "pipeline.search.answers",
    "FoundDocument": "pipeline.search.answers",
    "FoundEntity": "pipeline.search.answers",
    "FoundFact": "pipeline.search.answers",
    "FoundSentence": "pipeline.search.answers",
    "Graph": "pipeline.graph",
    "HeadColumns": "pfn.inference.head_columns",
    "HeadExtraction": "schemas.records",
    "HeadTriple": "schemas.records",
    "LabelSchema": "schemas.label_schema",
    "Mention": "schemas.records",
    "MentionColumns": "pfn.inference.head_columns",
    "ReadGraph": "pipeline.read_graph",
    "RejectedRow": "sinks.interface",
    "Rejection": "schemas.extraction",
    "Rows": "sinks.interface",
    "Sentence": "schemas.records",
    "Sink": "sinks.interface",
    "Triple": "schemas.records",
    "TripleColumns": "pfn.inference.head_columns",
    "WriteFiles": "pipeline.write_files",
    "WriteNeo4j": "pipeline.write_neo4j",
    "WriteRdf": "pipeline.write_rdf",
    "Written": "sinks.interface",
}

_HERE = Path(__file__).parent
if not (_HERE / "schemas").is_dir() and (_HERE.parent / "schemas").is_dir():
    # In a checkout the packages lie beside this folder, not inside it. An installation maps them
    # here (setup.py); a process that starts in the checkout finds this folder first.
    __path__.append(str(_HERE.parent))


def __getattr__(name: str) -> Any:
    if name == "__version__":
        try:
            return version("pfn-kg")
        except PackageNotFoundError:
            return "unknown"
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
