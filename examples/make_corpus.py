"""Makes the example corpus: documents of Re-DocRED's test part, as text in Parquet.

python examples/make_corpus.py redocred/test.json examples/corpus/wikipedia.parquet
"""

import sys
from itertools import groupby

import pyarrow as pa
import pyarrow.parquet as pq

from pfn_kg.pfn.readers import read

DOCUMENTS = 40


def main() -> None:
    rows = []
    for title, sentences in groupby(read(sys.argv[1], "docred"), key=lambda s: s.document_id):
        text = " ".join(sentence.text for sentence in sentences)
        rows.append({"id": f"redocred-{len(rows)}", "title": title, "text": text})
        if len(rows) == DOCUMENTS:
            break
    pq.write_table(pa.Table.from_pylist(rows), sys.argv[2])


if __name__ == "__main__":
    main()
