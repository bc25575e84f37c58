"""Turns JSON lines or text files into Parquet with the columns id, title and text.

python examples/to_parquet.py articles.jsonl -o corpus.parquet --id-field key --text-field body
python examples/to_parquet.py letters/*.txt -o corpus.parquet
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

SCHEMA = pa.schema([("id", pa.string()), ("title", pa.string()), ("text", pa.large_string())])
ROW_GROUP = 1000


def documents(path: Path, id_field: str, title_field: str, text_field: str) -> Iterator[dict]:
    """Yields the documents of a file: one a line in JSON lines, else the whole file."""
    if path.suffix not in (".json", ".jsonl", ".ndjson"):
        yield {"id": path.stem, "title": path.stem, "text": path.read_text(encoding="utf-8")}
        return
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
                identifier, text = record[id_field], record[text_field]
            except (ValueError, KeyError, TypeError) as error:
                sys.exit(f"{path}: line {number}: {type(error).__name__}: {error}")
            yield {"id": str(identifier), "title": record.get(title_field), "text": text}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("-o", "--output", required=True, type=Path)
    parser.add_argument("--id-field", default="id")
    parser.add_argument("--title-field", default="title")
    parser.add_argument("--text-field", default="text")
    args = parser.parse_args()
    rows: list[dict] = []
    with pq.ParquetWriter(args.output, SCHEMA) as writer:
        for path in args.files:
            for document in documents(path, args.id_field, args.title_field, args.text_field):
                rows.append(document)
                if len(rows) == ROW_GROUP:
                    writer.write_table(pa.Table.from_pylist(rows, SCHEMA))
                    rows.clear()
        if rows:
            writer.write_table(pa.Table.from_pylist(rows, SCHEMA))


if __name__ == "__main__":
    main()
