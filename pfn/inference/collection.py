"""Many small records at once, without the garbage collector looking at them again and again."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collection_paused() -> Iterator[None]:
    """Collects no garbage inside; for making records, which refer to nothing that refers to them.

    Each time that a quarter more objects are there than before, the collector looks at all of
    them: half of the time that it takes to make a hundred thousand records.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
