"""The Partition Filter Network as a library: reading text, training, evaluation.

Example:
    >>> from pfn import Extractor
    >>> extractor = Extractor.from_pretrained()  # doctest: +SKIP
    >>> extractor.extract(["Ada Lovelace was born in London."])  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pfn.extractor import Extractor

__all__ = ["Extractor"]


def __getattr__(name: str) -> Any:
    # Late, so that what needs no model (`pfn.checkpoint`, say) does not load PyTorch.
    if name == "Extractor":
        from pfn.extractor import Extractor

        return Extractor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
