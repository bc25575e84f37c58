"""Builds a graph again with corrections: `python -m pfn_kg.pipeline.view.rebuild DIR FILE`.

All other options are those of the last build of the folder.
"""

from __future__ import annotations

import sys

from pfn_kg.pipeline.build_phase import recorded_options, run_build
from pfn_kg.pipeline.logs import configure_logging
from pfn_kg.pipeline.manifest import read_extracted
from pfn_kg.schemas.errors import ConfigurationError


def main(directory: str, corrections: str) -> int:
    """Builds; gives the exit code of a command."""
    configure_logging(False)
    try:
        options = recorded_options(directory, read_extracted(directory))
        counts = run_build(directory, options.changed(corrections=corrections))
    except ConfigurationError as error:
        print(error, flush=True)
        return 2
    print(
        f"{counts.get('documents', 0)} documents, {counts.get('entities', 0)} entities, "
        f"{counts.get('relations', 0)} relations",
        flush=True,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
