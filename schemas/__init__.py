"""Records, Arrow schemas, label schema and configuration: what the packages share."""

from schemas.errors import ConfigurationError
from schemas.records import (
    DocumentExtraction,
    Extraction,
    HeadExtraction,
    HeadTriple,
    Mention,
    Sentence,
    Triple,
)

__all__ = [
    "ConfigurationError",
    "DocumentExtraction",
    "Extraction",
    "HeadExtraction",
    "HeadTriple",
    "Mention",
    "Sentence",
    "Triple",
]
