"""The lists that a manifest names: chunks, and removed documents, each in a Parquet file beside it.

A list's file is named by its content and never changed. A new list is written before the manifest
that names it, and lists that no manifest names any more are deleted afterwards, so that whoever
reads a manifest finds its lists.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import Field

from pfn_kg.pipeline.manifest_parts import Part
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.transforms.plumbing.files import (
    exists,
    join,
    make_folder,
    write_once,
)
from pfn_kg.transforms.plumbing.listing import (
    delete_all_but,
    delete_partial,
)

# Whoever asks a finished graph needs neither Arrow nor Beam, whose imports take a second.
if TYPE_CHECKING:
    import pyarrow as pa

    from pfn_kg.transforms.documents.removed_documents import FindRemoved
    from pfn_kg.transforms.extraction.chunk_lists import ReadChunkList
    from pfn_kg.transforms.extraction.columns import ChunkFile

#: The folder of the lists.
LISTS = "lists"


class ChunkRecord(Part):
    """An extraction file.

    Attributes:
        name: of the file, without its suffix.
        generation: how many runs had added to the folder before it was written.
        model_hash: of the model that wrote it; None is the manifest's model.
        counts: what was counted in it.
    """

    name: str
    generation: int = 0
    model_hash: str | None = None
    counts: dict[str, int] = Field(default_factory=dict)


class _List(Part):
    """A list in a file of its own.

    Attributes:
        path: of the file, from the output folder.
        count: how many rows it has.
        digest: hash of the rows, whatever the file is like.
        rows: those of a list that may have no file yet; None for what was read from a manifest.
    """

    KIND: ClassVar[str]

    path: str
    count: int
    digest: str
    rows: tuple[Any, ...] | None = Field(None, exclude=True)

    @classmethod
    def _schema(cls) -> pa.Schema:
        raise NotImplementedError

    @classmethod
    def _of(cls, rows: tuple[Any, ...], **fields: Any) -> Self:
        digest = _digest(rows)
        path = f"{LISTS}/{cls.KIND}-{digest}.parquet"
        return cls(path=path, count=len(rows), digest=digest, rows=rows, **fields)

    def place(self, directory: str) -> str:
        """The path of the file."""
        return join(directory, *self.path.split("/"))

    def save(self, directory: str) -> None:
        """Writes the file unless it is there."""
        path = self.place(directory)
        if self.rows is None or exists(path):
            return
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema = self._schema()
        columns = list(zip(*self.rows, strict=True)) or [()] * len(schema)
        table = pa.table([list(column) for column in columns], schema=schema)
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
        make_folder(join(directory, LISTS))
        write_once(path, sink.getvalue().to_pybytes())

    def read(self, directory: str) -> tuple[Any, ...]:
        """The rows, as tuples in the order of the schema's columns.

        Raises:
            OSError: if the file is missing, damaged, or can't be read.
            ConfigurationError: if it holds other rows.
        """
        if self.rows is not None:
            return self.rows
        from pfn_kg.transforms.plumbing.lists import read_list

        path, found = self.place(directory), []
        for batch in read_list(path, self._schema(), self.count):
            columns = [column.to_pylist() for column in batch]
            found += [_plain(row) for row in zip(*columns, strict=True)]
        rows = tuple(found)
        if _digest(rows) != self.digest:
            raise ConfigurationError(f"{path}: its rows are not those that the manifest names")
        return rows


class ChunkList(_List):
    """The extraction files of a graph, in order.

    Attributes:
        last_generation: how many runs have added to the first one.
    """

    KIND = "chunks"

    last_generation: int = 0

    @classmethod
    def _schema(cls) -> pa.Schema:
        from pfn_kg.schemas.lists import CHUNK_LIST_SCHEMA

        return CHUNK_LIST_SCHEMA

    @classmethod
    def of(cls, chunks: Iterable[ChunkRecord]) -> ChunkList:
        """The list of some chunks."""
        rows = tuple((c.name, c.generation, c.model_hash, dict(c.counts)) for c in chunks)
        return cls._of(rows, last_generation=max((row[1] for row in rows), default=0))

    def chunks(self, directory: str) -> tuple[ChunkRecord, ...]:
        """The chunks; for the machine that starts a job, not for a pipeline."""
        names = self._schema().names
        return tuple(
            ChunkRecord.model_construct(**dict(zip(names, row, strict=True)))
            for row in self.read(directory)
        )

    def files(self, directory: str, model_hash: str) -> list[ChunkFile]:
        """The files of the chunks; as `chunks`.

        Args:
            directory: the output folder.
            model_hash: of the manifest's model.
        """
        from pfn_kg.transforms.extraction.chunk_files import ExtractionFolder
        from pfn_kg.transforms.extraction.columns import ChunkFile

        folder = ExtractionFolder(join(directory, "extractions"))
        return [
            ChunkFile(number, folder.file(name), own_hash or model_hash, generation)
            for number, (name, generation, own_hash, _) in enumerate(self.read(directory))
        ]

    def reader(self, directory: str, model_hash: str) -> ReadChunkList:
        """Reads the files of the chunks in a pipeline; the arguments are those of `files`."""
        from pfn_kg.transforms.extraction.chunk_lists import ReadChunkList

        return ReadChunkList(
            self.place(directory),
            count=self.count,
            folder=join(directory, "extractions"),
            model_hash=model_hash,
        )


class RemovedList(_List):
    """The removed documents, sorted by id."""

    KIND = "removed"

    @classmethod
    def _schema(cls) -> pa.Schema:
        from pfn_kg.schemas.lists import REMOVED_SCHEMA

        return REMOVED_SCHEMA

    @classmethod
    def of(cls, documents: Mapping[str, int]) -> RemovedList | None:
        """The list of some documents, by id with the last generation that each is removed from.

        None where there is none.
        """
        return cls._of(tuple(sorted(documents.items()))) if documents else None

    def documents(self, directory: str) -> dict[str, int]:
        """The documents by id, each with the last generation that it is removed from."""
        return dict(self.read(directory))

    def finder(self, directory: str, groups: int) -> FindRemoved:
        """Finds the rows of the documents in a pipeline."""
        from pfn_kg.transforms.documents.removed_documents import FindRemoved

        return FindRemoved(self.place(directory), count=self.count, groups=groups)


def _plain(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row as read: maps come from Arrow as lists of pairs."""
    return tuple(dict(value) if isinstance(value, list) else value for value in row)


def _digest(rows: Iterable[tuple[Any, ...]]) -> str:
    digest = blake2b(digest_size=16)
    for row in rows:
        digest.update(json.dumps(row, sort_keys=True).encode() + b"\n")
    return digest.hexdigest()


def delete_other_lists(directory: str, named: Iterable[_List | None]) -> None:
    """Deletes the lists that the manifest does not name, and what killed commands left of others.

    The caller holds the manifest.

    Args:
        directory: the output folder.
        named: the lists that the manifest names.
    """
    folder = join(directory, LISTS)
    delete_partial(folder)
    kept = {list_.place(directory) for list_ in named if list_ is not None}
    delete_all_but(folder, kept, "*.parquet")
