"""Where a load keeps the rows that it told a database of, for the next load.

```text
DIR/.loads/<graph and database>/told.json         token, folder, files of each table
DIR/.loads/<graph and database>/<token>/*.parquet as `pfn_kg.sinks.neo4j.told` describes
```

`told.json` is written last. It names a load that the database may hold no more; the token tells.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import NamedTuple

from pfn_kg.pipeline.finished_run import FinishedRun
from pfn_kg.pipeline.folders import delete_folder
from pfn_kg.schemas.load_options import ServerOptions
from pfn_kg.sinks.neo4j.told import KEPT, TOLD_FOLDER, Told
from pfn_kg.transforms.plumbing.files import (
    join,
    make_folder,
    name_of,
    read_bytes,
    read_if_there,
    rename,
    replace,
)
from pfn_kg.transforms.plumbing.listing import list_folder

_FOLDER = ".loads"
_RECORD = "told.json"


class _Record(NamedTuple):
    token: str
    tables: dict[str, int]


class ToldFolders(NamedTuple):
    """The files of two loads; travels to workers.

    Attributes:
        before: the folder of those of the load before.
        now: that of the load that runs, in which `TOLD_FOLDER` is.
    """

    before: str
    now: str

    def read_before(self, name: str) -> bytes:
        """A file of the load before."""
        return read_bytes(join(self.before, name_of(name)))

    def read_now(self, name: str) -> bytes:
        """A file of this load."""
        return read_bytes(join(self.now, *name.split("/")))


def open_told(
    run: FinishedRun, server: ServerOptions, graph: str, tables: Iterable[str], temporary: str
) -> Told:
    """What a load needs to know of the load before it.

    Args:
        run: the graph that is loaded.
        server: the database that it is loaded into.
        graph: its name there.
        tables: those that are loaded.
        temporary: the folder in which the sink's files are put.
    """
    place = _place(run.directory, server, graph)
    now: Mapping[str, int] = Counter(part.table for part in run.parts(tables))
    record = _read(place)
    # A table more or less is rare, and what it holds is then sent as a whole.
    if record is not None and record.tables.keys() - {KEPT} != now.keys():
        record = None
    return Told(
        token=uuid.uuid4().hex,
        before=None if record is None else record.token,
        files=ToldFolders("" if record is None else join(place, record.token), temporary),
        tables=dict(now),
        tables_before={} if record is None else record.tables,
    )


def keep_told(
    directory: str, server: ServerOptions, graph: str, told: Told, temporary: str
) -> None:
    """Keeps the files of a load that is complete in the place of those of the load before.

    Args:
        directory: the output folder.
        server: the database that holds the load.
        graph: its name there.
        told: as `open_told` gave it.
        temporary: as for `open_told`.
    """
    place = _place(directory, server, graph)
    folder = join(place, told.token)
    make_folder(folder)
    files = [file.path for file in list_folder(join(temporary, TOLD_FOLDER), "*.parquet")]
    rename(files, [join(folder, name_of(path)) for path in files])
    record = _Record(told.token, {**told.tables, KEPT: 1})
    before = _read(place)
    replace(join(place, _RECORD), json.dumps(record._asdict()).encode())
    if before is not None:
        delete_folder(join(place, before.token))


def _place(directory: str, server: ServerOptions, graph: str) -> str:
    key = json.dumps([graph, server.uri, server.database]).encode()
    return join(directory, _FOLDER, blake2b(key, digest_size=12).hexdigest())


def _read(place: str) -> _Record | None:
    content = read_if_there(join(place, _RECORD))
    return None if content is None else _Record(**json.loads(content))
