"""Documents per second of the build phase alone, beside a plain read of its input.

The extractions are made up: skewed names, ten sentences, thirty mentions and fifteen
head triples a document. The ratio to the plain read moves less with the machine than
either figure does. Run from the checkout: `python -m benchmarks.build --documents 20000`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.build import BuildOptions, build
from schemas.extraction import EXTRACTION_SCHEMA, with_counters
from schemas.label_schema import LabelSchema

LABEL_SCHEMA = LabelSchema.from_dict(
    {
        "entity_types": [
            {"name": "PER"},
            {"name": "LOC"},
            {"name": "TIME", "kind": "value", "datatype": "xsd:date"},
        ],
        "relations": [{"name": f"relation {i}"} for i in range(20)],
    }
)
SENTENCES, MENTIONS_A_SENTENCE = 10, 3


def make_folder(folder: Path, documents: int, chunk_documents: int, seed: int = 0) -> None:
    """Writes made-up extractions of that many documents."""
    rng = np.random.default_rng(seed)
    (folder / "extractions").mkdir(parents=True)
    chunks = []
    for begin in range(0, documents, chunk_documents):
        end = min(begin + chunk_documents, documents)
        rows = [_document(rng, number) for number in range(begin, end)]
        table = pa.Table.from_pylist(rows, with_counters(EXTRACTION_SCHEMA, {}))
        pq.write_table(table, folder / "extractions" / f"{begin:09d}.parquet", compression="zstd")
        chunks.append({"name": f"{begin:09d}"})
    (folder / "label_schema.yaml").write_text(LABEL_SCHEMA.to_yaml())
    manifest = {"state": "extracted", "model": {"hash": "made-up"}, "chunks": chunks}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def _document(rng: np.random.Generator, number: int) -> dict:
    text, sentences, mentions, triples = "", [], [], []
    for index in range(SENTENCES):
        begin, heads = len(text), []
        for which in rng.zipf(1.3, MENTIONS_A_SENTENCE) % 200_000:
            if which % 10 == 9:
                name, type_ = str(1500 + which % 500), "TIME"
            else:
                name, type_ = f"Name{which} Family{which % 997}", "PER" if which % 2 else "LOC"
            heads.append(len(text))
            mentions.append(
                {
                    "begin": len(text),
                    "end": len(text) + len(name),
                    "type": type_,
                    "score": float(rng.random()),
                    "sentence": index,
                }
            )
            text += f"{name} was seen with some other words near "
        sentences.append({"begin": begin, "end": len(text)})
        for _ in range(1 + index % 2):
            subject, object_ = rng.choice(heads, 2, replace=False)
            triples.append(
                {
                    "subject": int(subject),
                    "relation": f"relation {rng.integers(20)}",
                    "object": int(object_),
                    "score": float(rng.random()),
                    "sentence": index,
                }
            )
    return {
        "source_file": "made-up.parquet",
        "source_row": number,
        "document_id": f"d{number}",
        "content_hash": f"{number:032x}",
        "text": text,
        "sentences": sentences,
        "mentions": mentions,
        "head_triples": triples,
        "rejected": [],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--chunk-documents", type=int, default=500)
    parser.add_argument("--no-rdf", action="store_true")
    parser.add_argument("beam", nargs="*", help="options of Beam, after --")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "run"
        make_folder(folder, args.documents, args.chunk_documents)
        started = time.perf_counter()
        for file in sorted((folder / "extractions").iterdir()):
            pq.read_table(file, use_threads=False)
        read = time.perf_counter() - started
        started = time.perf_counter()
        counts = build(
            str(folder), BuildOptions(**({"rdf": None} if args.no_rdf else {})), args.beam
        )
        built = time.perf_counter() - started
    print(
        json.dumps(
            {
                "documents": args.documents,
                "triples": counts["triples"],
                "seconds": round(built, 2),
                "documents_per_second": round(args.documents / built),
                "times_a_plain_read": round(built / read, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
