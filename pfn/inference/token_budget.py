"""How much one batch holds, where no one says."""

from __future__ import annotations


def default_token_budget(device_type: str) -> int:
    """Word pieces of one batch, padding included: what a device reads well at once.

    Args:
        device_type: such as `cpu` or `cuda`.
    """
    return 1024 if device_type == "cpu" else 65536


def default_chunk_documents(device_type: str) -> int:
    """Documents of one chunk: on a GPU so many that a chunk of short ones fills some batches.

    Args:
        device_type: such as `cpu` or `cuda`.
    """
    return 500 if device_type == "cpu" else 2000
