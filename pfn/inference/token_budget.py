"""How much one batch holds, where no one says."""

from __future__ import annotations

# On a CPU: pieces of a batch of sentences, and windows of several sentences in a batch. A window
# has ten times the steps of a sentence; with few of them side by side the recurrence's products are
# small ones.
_CPU_PIECES, _CPU_WINDOWS = 1024, 8


def default_token_budget(device_type: str, window_tokens: int = 0) -> int:
    """Word pieces of one batch, padding included: what a device reads well at once.

    Args:
        device_type: such as `cpu` or `cuda`.
        window_tokens: pieces of a window of sentences; 0 where each is read by itself.
    """
    if device_type != "cpu":
        return 65536
    return max(_CPU_PIECES, _CPU_WINDOWS * window_tokens)


def default_chunk_documents(device_type: str) -> int:
    """Documents of one chunk: on a GPU so many that a chunk of short ones fills some batches.

    Args:
        device_type: such as `cpu` or `cuda`.
    """
    return 500 if device_type == "cpu" else 2000
