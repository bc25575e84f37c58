"""How long reading took, and in which batches."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class ReadingTime:
    """What one call of a model took, filled in while it reads.

    Attributes:
        model_seconds: from the first batch to the last, waiting for the device included.
        batch_pieces: word pieces of each batch, padding included.
    """

    model_seconds: float = 0.0
    batch_pieces: list[int] = field(default_factory=list)
