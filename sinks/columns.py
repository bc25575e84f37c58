"""Small kernels over columns that sinks share."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc


def translate(names: pa.ChunkedArray | pa.Array, translation: Mapping[str, str]) -> pa.Array:
    """A column of names in other words.

    Args:
        names: without nulls.
        translation: of each name that may occur.

    Raises:
        ValueError: if a name has no translation; what a graph is called stands in its
            label schema.
    """
    index = pc.index_in(names, value_set=pa.array(list(translation), names.type))
    if isinstance(index, pa.ChunkedArray):
        index = index.combine_chunks()
    if index.null_count:
        unknown = names.filter(pc.is_null(index))[0].as_py()
        raise ValueError(f"the label schema has no {unknown!r}")
    return pa.array(list(translation.values()), names.type).take(index)
