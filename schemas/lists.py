"""The Arrow schemas of the lists that a manifest names."""

from __future__ import annotations

import pyarrow as pa

#: The extraction files of a graph. `generation` says how many runs had added to the folder before
#: a chunk was written, `model_hash` is null where it is that of the manifest, and `counts` has what
#: was counted.
CHUNK_LIST_SCHEMA = pa.schema(
    {
        "name": pa.string(),
        "generation": pa.int64(),
        "model_hash": pa.string(),
        "counts": pa.map_(pa.string(), pa.int64()),
    }
)

#: The removed documents. `generation` is the last one that a document is removed from: what a later
#: run says of it counts again.
REMOVED_SCHEMA = pa.schema({"document_id": pa.string(), "generation": pa.int64()})
