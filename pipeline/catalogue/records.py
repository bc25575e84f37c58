"""What a reader of a catalogue's source gives: entries, classes, and what can't be read."""

from __future__ import annotations

import bz2
import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, NamedTuple, cast

from pfn_kg.transforms.plumbing.files import open_raw


class SourceEntry(NamedTuple):
    """A thing that has names.

    Attributes:
        iri: names it in RDF.
        name: what the source calls it.
        names: its other names.
        classes: that it is an instance of.
        popularity: 0 or more, such as the number of articles on it.
        neighbours: IRIs of related things, the most telling ones first.
    """

    iri: str
    name: str
    names: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    popularity: int = 0
    neighbours: tuple[str, ...] = ()


class SubclassOf(NamedTuple):
    """A class and those that it is a part of.

    Attributes:
        name: of the class.
        parents: classes above it.
    """

    name: str
    parents: tuple[str, ...]


class Unreadable(NamedTuple):
    """A record that can't be read.

    Attributes:
        place: where it is, such as `line 3`.
        reason: why not.
    """

    place: str
    reason: str


#: In any order; an entry may be a class too.
Record = SourceEntry | SubclassOf | Unreadable


@contextmanager
def open_source(path: str) -> Iterator[BinaryIO]:
    """Opens a file for reading, decompressed by what the end of its name says.

    Args:
        path: on any file system that Beam knows.
    """
    with open_raw(path) as raw:
        if path.lower().endswith(".gz"):
            with gzip.open(raw) as file:
                yield cast(BinaryIO, file)
        elif path.lower().endswith(".bz2"):
            with bz2.open(raw) as file:
                yield cast(BinaryIO, file)
        else:
            yield raw
