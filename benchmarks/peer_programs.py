"""What `benchmarks.peers` measures, each in a process of its own: ours and other programs' work.

    python benchmarks/peer_programs.py PART PROGRAM FILE ROUNDS

It runs in an environment that has the other program and nothing of ours, so only the standard
library is imported before a program is. The last line that it prints is JSON: seconds of
processor time of each round, without the imports, and how much was found.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

#: Two names are alike from here on.
SIMILARITY = 0.9


def our_sentences(texts: list[str]) -> Callable[[], int]:
    """The sentence splitter of the pipeline."""
    from pfn_kg.pfn.inference.sentences import split_sentences

    return lambda: sum(len(split_sentences(text)) for text in texts)


def spacy_sentences(texts: list[str]) -> Callable[[], int]:
    """spaCy's tokenizer and its sentencizer by rules, the fastest of its ways."""
    import spacy

    pipeline = spacy.blank("en")
    pipeline.add_pipe("sentencizer")
    return lambda: sum(len(list(document.sents)) for document in pipeline.pipe(texts))


def pysbd_sentences(texts: list[str]) -> Callable[[], int]:
    """pySBD, rules for sentence boundaries."""
    import pysbd

    segmenter = pysbd.Segmenter(language="en", clean=False)
    return lambda: sum(len(segmenter.segment(text)) for text in texts)


def our_names(names: list[str]) -> Callable[[], int]:
    """The comparison of names in blocks, as a build with `--fuzzy` does it."""
    import hashlib

    import pyarrow as pa

    from pfn_kg.transforms.merging.near_name_blocks import BLOCK_SCHEMA, blocks_of
    from pfn_kg.transforms.merging.near_name_pairs import edges_of

    size = BLOCK_SCHEMA.field("entity_id").type.byte_width
    ids = [hashlib.blake2b(name.encode(), digest_size=size).digest() for name in names]

    def find() -> int:
        columns = [ids, names, names, [1] * len(names), [False] * len(names)]
        fields = [BLOCK_SCHEMA.field(number) for number in range(1, len(BLOCK_SCHEMA))]
        arrays = [pa.array(c, f.type) for c, f in zip(columns, fields, strict=True)]
        owners, blocks = blocks_of(["person"] * len(names), names)
        rows = pa.array(owners)
        table = pa.table([blocks, *(array.take(rows) for array in arrays)], BLOCK_SCHEMA)
        return len(edges_of(table, SIMILARITY)[0])

    return find


def splink_names(names: list[str]) -> Callable[[], int]:
    """splink on DuckDB, with blocks of the same words and beginnings."""
    import duckdb
    import splink.comparison_library as comparisons
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    rows = [
        {
            "unique_id": number,
            "name": name,
            "first": name.split()[0],
            "last": name.split()[-1],
            "beginnings": " ".join(word[:2] for word in name.split()),
        }
        for number, name in enumerate(names)
    ]
    settings = SettingsCreator(
        link_type="dedupe_only",
        comparisons=[comparisons.JaroWinklerAtThresholds("name", [SIMILARITY])],
        blocking_rules_to_generate_predictions=[
            block_on(name) for name in ("first", "last", "beginnings")
        ],
    )
    connection = duckdb.connect()
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(rows, file)
        file.flush()
        connection.execute("CREATE TABLE given AS SELECT * FROM read_json(?)", [file.name])

    def find() -> int:
        table = DuckDBAPI(connection=connection).register("given")
        linker = Linker(table, settings, log_level=None)
        pairs = linker.inference.predict().physical_name
        found = connection.execute(f"SELECT count(*) FROM {pairs} WHERE gamma_name > 0")
        return int(found.fetchall()[0][0])

    return find


PROGRAMS: dict[str, dict[str, Callable[[list[str]], Callable[[], int]]]] = {
    "sentences": {"ours": our_sentences, "spacy": spacy_sentences, "pysbd": pysbd_sentences},
    "names": {"ours": our_names, "splink": splink_names},
}


def main() -> None:
    """Prints seconds and numbers."""
    part, program, path, rounds = sys.argv[1:]
    with open(path, encoding="utf-8") as file:
        given: list[str] = json.load(file)
    run = PROGRAMS[part][program](given)
    found: dict[str, Any] = {"found": run(), "seconds": []}
    for _ in range(int(rounds)):
        begin = time.process_time()
        run()
        found["seconds"].append(time.process_time() - begin)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
