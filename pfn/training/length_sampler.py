"""The order of training sentences: batches of like length, in random order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import Sampler

# Batches that are sorted together: enough for little padding, few enough for new company in
# each epoch.
_SORTED_BATCHES = 50


class LengthSampler(Sampler[int]):
    """Draws items so that each batch holds like lengths, and batches come in random order.

    `transformers` has a sampler for the first alone: its batches get shorter and shorter, so on
    a small data set each epoch begins with the longest sentences and ends with the shortest,
    just before the model is scored.

    Args:
        batch_size: items a batch.
        lengths: of the items.
        seed: of the order; each pass draws another.
    """

    def __init__(self, batch_size: int, lengths: Sequence[int], seed: int):
        self._batch_size = batch_size
        self._lengths = lengths
        self._generator = torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        """The items of one pass.

        The longest whole batch is the first: if it is too much for the memory, that shows at once.
        """
        items = torch.randperm(len(self._lengths), generator=self._generator).tolist()
        together = _SORTED_BATCHES * self._batch_size
        batches: list[list[int]] = []
        for begin in range(0, len(items), together):
            part = sorted(items[begin : begin + together], key=lambda i: -self._lengths[i])
            batches += [
                part[at : at + self._batch_size] for at in range(0, len(part), self._batch_size)
            ]
        # What is cut into batches afterwards must fall into these: the incomplete one comes last.
        whole = [batch for batch in batches if len(batch) == self._batch_size]
        rest = [batch for batch in batches if len(batch) < self._batch_size]
        order = torch.randperm(len(whole), generator=self._generator).tolist()
        longest = max(order, key=lambda n: self._lengths[whole[n][0]], default=None)
        order.sort(key=lambda n: n != longest)
        for batch in [*(whole[n] for n in order), *rest]:
            yield from batch
