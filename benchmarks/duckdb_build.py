"""The build's group-bys, joins, confidence and sorted Parquet in DuckDB, one thread.

What a data engineer would write over the same extraction files: no rules, no short forms, no
merging, no redirects, no RDF, names keyed by lower case alone, MD5 as ids. It is a bound that the
build is compared with (`benchmarks/pipeline.py`).
"""

from __future__ import annotations

import time
from pathlib import Path

_TABLES = {
    "documents": """
        SELECT document_id, any_value(title) AS title, any_value(metadata) AS metadata,
            any_value(content_hash) AS content_hash, min(source_file) AS source_file,
            min(source_row) AS source_row, any_value(length(text)) AS characters,
            any_value(len(sentences)) AS sentences
        FROM live GROUP BY document_id ORDER BY document_id
    """,
    "mentions": """
        SELECT md5(concat_ws('|', document_id, m.begin, m.end, m.type)) AS mention_id, document_id,
            m.sentence AS sentence_index, m.begin AS begin, m.end AS "end",
            substring(text, m.begin + 1, m.end - m.begin) AS text, m.type AS type,
            m.score AS score,
            md5(concat_ws('|', m.type, lower(trim(regexp_replace(
                substring(text, m.begin + 1, m.end - m.begin), '\\s+', ' ', 'g'))))) AS entity_id
        FROM (SELECT document_id, text, unnest(mentions) AS m FROM live)
        WHERE m.score >= 0.5 ORDER BY mention_id
    """,
    "entities": """
        WITH spelt AS (
            SELECT entity_id, type, text, count(*) AS mentions FROM mentions GROUP BY ALL
        ), seen AS (
            SELECT entity_id, count(DISTINCT document_id) AS documents FROM mentions GROUP BY ALL
        )
        SELECT entity_id, type,
            list(text ORDER BY mentions DESC, length(text) DESC, text)[1] AS name,
            list(text ORDER BY mentions DESC, length(text) DESC, text)[2:] AS aliases,
            sum(mentions) AS mentions, any_value(documents) AS documents
        FROM spelt JOIN seen USING (entity_id) GROUP BY entity_id, type ORDER BY entity_id
    """,
    "triples": """
        WITH heads AS (
            SELECT document_id, text, sentences, t.subject AS s, t.relation AS relation,
                t.object AS o, t.score AS score
            FROM (SELECT document_id, text, sentences, unnest(head_triples) AS t FROM live)
            WHERE t.score >= 0.5
        ), resolved AS (
            SELECT h.document_id, h.relation, h.score,
                a.mention_id AS subject_mention_id, b.mention_id AS object_mention_id,
                a.text AS subject_text, b.text AS object_text, a.type AS subject_type,
                b.type AS object_type, a.begin AS subject_begin, a.end AS subject_end,
                b.begin AS object_begin, b.end AS object_end,
                a.entity_id AS subject_entity_id, b.entity_id AS object_entity_id,
                h.sentences[least(a.sentence_index, b.sentence_index) + 1].begin AS evidence_begin,
                h.sentences[greatest(a.sentence_index, b.sentence_index) + 1].end AS evidence_end,
                h.text AS document_text
            FROM heads h
            JOIN mentions a ON a.document_id = h.document_id AND a.begin = h.s
            JOIN mentions b ON b.document_id = h.document_id AND b.begin = h.o
        )
        SELECT md5(concat_ws('|', subject_mention_id, relation, object_mention_id)) AS triple_id,
            * EXCLUDE document_text,
            substring(document_text, evidence_begin + 1, evidence_end - evidence_begin)
                AS evidence_text,
            md5(concat_ws('|', subject_entity_id, relation, object_entity_id)) AS relation_id
        FROM resolved ORDER BY triple_id
    """,
    "relations": """
        WITH best AS (
            SELECT relation_id, document_id, count(*) AS triples, max(score) AS score,
                arg_max(triple_id, score) AS triple_id,
                arg_max(md5(lower(evidence_text)), score) AS sentence_key,
                any_value(subject_entity_id) AS subject_id, any_value(relation) AS predicate,
                any_value(object_entity_id) AS object_id
            FROM triples GROUP BY relation_id, document_id
        ), distinct_evidence AS (
            SELECT relation_id, max(score) AS score, arg_max(triple_id, score) AS triple_id,
                sum(triples) AS triples, count(*) AS documents,
                any_value(subject_id) AS subject_id, any_value(predicate) AS predicate,
                any_value(object_id) AS object_id
            FROM best GROUP BY relation_id, sentence_key
        )
        SELECT relation_id, any_value(subject_id) AS subject_id,
            any_value(predicate) AS predicate, any_value(object_id) AS object_id,
            least(1 - product(1 - score), 0.999) AS confidence, sum(triples) AS evidence_count,
            sum(documents) AS document_count,
            list(triple_id ORDER BY score DESC, triple_id)[:5] AS evidence
        FROM distinct_evidence GROUP BY relation_id ORDER BY relation_id
    """,
}


def build(extractions: Path, folder: Path) -> dict[str, float]:
    """Builds the tables.

    Args:
        extractions: folder of extraction files.
        folder: where the tables go, a file each.

    Returns:
        Seconds (wall and process), and the numbers of rows.
    """
    import duckdb

    folder.mkdir(parents=True)
    start = time.perf_counter(), time.process_time()
    found = {}
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute(
            f"CREATE TEMP TABLE live AS SELECT * FROM read_parquet('{extractions}/*.parquet') "
            "WHERE text IS NOT NULL QUALIFY row_number() OVER "
            "(PARTITION BY document_id ORDER BY source_file, source_row) = 1"
        )
        for name, query in _TABLES.items():
            connection.execute(f"CREATE TEMP TABLE {name} AS {query}")
            connection.execute(
                f"COPY {name} TO '{folder}/{name}.parquet' (FORMAT parquet, COMPRESSION zstd)"
            )
            found[name] = connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
    wall, cpu = time.perf_counter() - start[0], time.process_time() - start[1]
    return {"wall": wall, "cpu": cpu, **found}
