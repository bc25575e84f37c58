"""`pfn-kg ingest`: the files that people have become a corpus in Parquet."""

from __future__ import annotations

import sys

from pfn_kg.pipeline.arguments import Call, ConfigOptions
from pfn_kg.schemas.ingest_options import IngestOptions
from pfn_kg.schemas.options import Options

#: Those of the file systems where inputs and output lie.
TAKES_BEAM_OPTIONS = True

EPILOG = (
    "Exit codes: 0 where all of it was read; 1 where more files or records than --max-rejected "
    "could not be read, each named in a line, or nothing was; 2 where the call is wrong."
)
_NAMED_FILES = 5

OPTIONS: tuple[type[Options], ...] = (IngestOptions, ConfigOptions)


def main(call: Call) -> int:
    """Runs the command."""
    options = call.of(IngestOptions)
    from pfn_kg.pipeline.ingest.ingest import ingest

    result = ingest(options, _say)
    for encoding, paths in sorted(result.encodings.items()):
        more = len(paths) - _NAMED_FILES
        shown = ", ".join(paths[:_NAMED_FILES]) + (f" and {more} more" if more > 0 else "")
        _say(f"read as {encoding}: {shown}")
    if result.left_out:
        endings = ", ".join(f"{count} {ending}" for ending, count in result.left_out.items())
        _say(f"left out, since no format is known for the ending: {endings}")
    if not result.documents:
        _say(f"no document was read, and {options.output} is not written")
        return 1
    rejected = f", {result.rejected} rejected" if result.rejected else ""
    files = "1 file" if result.files == 1 else f"{result.files} files"
    print(f"{options.output}: {result.documents} documents of {files}{rejected}")
    columns = ",".join(result.metadata_columns)
    print(f"pfn-kg run {options.output} --metadata-columns {columns} --output DIR")
    return int(result.rejected > options.max_rejected)


def _say(line: str) -> None:
    print(f"pfn-kg: {line}", file=sys.stderr)
