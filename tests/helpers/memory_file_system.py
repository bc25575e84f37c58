"""A file system in memory, which Beam finds by its scheme, `memory://`."""

import io
import re
import threading

from apache_beam.io.filesystem import BeamIOError, CompressionTypes, FileMetadata, FileSystem
from apache_beam.io.filesystems import FileSystems

FILES: dict[str, bytes] = {}
#: Files that are there but can't be read, by path: what the file system raises.
UNREADABLE: dict[str, Exception] = {}
_LOCK = threading.Lock()


class _Writer(io.BytesIO):
    """The content appears when the file is closed, as on an object store."""

    def __init__(self, path):
        super().__init__()
        self._path = path

    def close(self):
        if not self.closed:
            with _LOCK:
                FILES[self._path] = self.getvalue()
        super().close()


class MemoryFileSystem(FileSystem):
    """Files in a dictionary. Like an object store it knows no folders."""

    @classmethod
    def scheme(cls):
        return "memory"

    def join(self, basepath, *paths):
        return "/".join([basepath.rstrip("/"), *(path.strip("/") for path in paths)])

    def split(self, path):
        head, _, tail = path.rpartition("/")
        return head, tail

    def mkdirs(self, path):
        pass

    def has_dirs(self):
        return False

    def _list(self, prefix):
        with _LOCK:
            found = {name: len(data) for name, data in FILES.items() if name.startswith(prefix)}
        for name, size in sorted(found.items()):
            yield FileMetadata(name, size, 1.0)

    def create(
        self,
        path,
        mime_type="application/octet-stream",
        compression_type=CompressionTypes.AUTO,
    ):
        assert compression_type == CompressionTypes.UNCOMPRESSED
        return _Writer(path)

    def open(
        self,
        path,
        mime_type="application/octet-stream",
        compression_type=CompressionTypes.AUTO,
    ):
        assert compression_type == CompressionTypes.UNCOMPRESSED
        return io.BytesIO(self._data(path))

    def _data(self, path):
        if path in UNREADABLE:
            raise UNREADABLE[path]
        with _LOCK:
            if path not in FILES:
                raise BeamIOError("not found", {path: FileNotFoundError(path)})
            return FILES[path]

    def copy(self, source_file_names, destination_file_names):
        for source, destination in zip(source_file_names, destination_file_names, strict=True):
            data = self._data(source)
            with _LOCK:
                FILES[destination] = data

    def rename(self, source_file_names, destination_file_names):
        self.copy(source_file_names, destination_file_names)
        self.delete(source_file_names)

    def exists(self, path):
        with _LOCK:
            return path in FILES

    def size(self, path):
        return len(self._data(path))

    def last_updated(self, path):
        self._data(path)
        return 1.0

    def checksum(self, path):
        return str(hash(self._data(path)))

    def metadata(self, path):
        return FileMetadata(path, self.size(path), 1.0)

    def delete(self, paths):
        for path in paths:
            pattern = re.escape(path.rstrip("/")) + "(/.*)?"
            with _LOCK:
                gone = [name for name in FILES if re.fullmatch(pattern, name)]
                for name in gone:
                    del FILES[name]
            if not gone:
                raise BeamIOError("not found", {path: FileNotFoundError(path)})


def upload(files_by_name, folder):
    """Writes files, by name, into a folder on any file system."""
    for name, data in files_by_name.items():
        path = FileSystems.join(folder, name)
        with FileSystems.create(path, compression_type=CompressionTypes.UNCOMPRESSED) as file:
            file.write(data)
