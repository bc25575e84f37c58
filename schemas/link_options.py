"""The options that link entities to a catalogue."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import field_validator

from pfn_kg.schemas.choices import NAMES
from pfn_kg.schemas.options import Options, option

#: What becomes of a name whose facts contradict: nothing, it is flagged, or it is split.
HomonymPolicy: TypeAlias = Literal["keep", "flag", "split"]


class LinkOptions(Options):
    """Which entries of a catalogue entities are.

    Attributes:
        path: a file that `pfn-kg catalogue` made.
        confidence: of a link, from here on.
    """

    path: str = option(
        ...,
        "catalogue that `pfn-kg catalogue` made: entities of one entry are one and get its IRI; "
        "none: without that of the last build",
        name="catalogue",
        group=NAMES,
        metavar="FILE",
        default_text="none",
        unset="none",
    )
    confidence: float = option(
        0.5,
        "link a name to an entry of `catalogue` from this confidence on",
        name="catalogue_confidence",
        group=NAMES,
        metavar="P",
        ge=0,
        le=1,
    )

    @field_validator("path")
    @classmethod
    def _is_a_file(cls, path: str) -> str:
        if path == "":
            raise ValueError("'' is no file")
        return path
