"""The figures of a graph as a whole, counted once while its index is made."""

from __future__ import annotations

import json
from typing import Any

import duckdb

from pfn_kg.pipeline.finished_run import FinishedRun

#: Bars of the histogram of confidence, each as wide as the others.
CONFIDENCE_BINS = 20
_MOST_REASONS = 50
_BIGGEST = 12


def write_overview(
    database: duckdb.DuckDBPyConnection, run: FinishedRun, tables: dict[str, str]
) -> None:
    """Writes the table `overview`, which has one row and one column: JSON.

    Args:
        database: has the other tables of the index.
        run: the snapshot.
        tables: each table of the snapshot as SQL reads it.
    """

    def rows(query: str) -> list[dict[str, Any]]:
        cursor = database.execute(query)
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    half = "FROM edges WHERE outgoing"
    extraction = run.manifest.extraction
    overview = {
        "counts": rows(
            "SELECT count(*) FILTER (kind = 'entity') AS entities, "
            "count(*) FILTER (kind = 'value') AS values, sum(mentions)::BIGINT AS mentions "
            "FROM nodes"
        )[0]
        | rows(f"SELECT count(*) AS facts, sum(evidence_count)::BIGINT AS evidence {half}")[0]
        | rows("SELECT count(*) AS documents FROM papers")[0]
        | rows(f"SELECT count(*) AS rejected FROM {tables['rejected']}")[0],
        "types": rows(
            "SELECT type AS name, kind, count(*) AS count, sum(mentions)::BIGINT AS mentions "
            "FROM nodes GROUP BY type, kind ORDER BY count DESC, name"
        ),
        "relations": rows(
            "SELECT predicate AS name, count(*) AS count, round(avg(confidence), 4) AS confidence "
            f"{half} GROUP BY predicate ORDER BY count DESC, name"
        ),
        "confidence": _bars(
            rows(
                f"SELECT least(floor(confidence * {CONFIDENCE_BINS}), {CONFIDENCE_BINS - 1})"
                f"::INTEGER AS bin, count(*) AS count {half} GROUP BY bin"
            ),
            CONFIDENCE_BINS,
        ),
        # Bar 0 has those without a fact, bar i those with 2**(i - 1) facts to below 2**i.
        "degree": _bars(
            rows(
                "SELECT CASE WHEN d = 0 THEN 0 ELSE floor(log2(d))::INTEGER + 1 END AS bin, "
                "count(*) AS count FROM (SELECT facts_out + facts_in AS d FROM nodes "
                "WHERE kind = 'entity') GROUP BY bin"
            )
        ),
        "years": rows(
            "SELECT date[:4] AS name, count(*) AS count FROM papers WHERE date IS NOT NULL "
            "GROUP BY 1 ORDER BY 1"
        ),
        "rules": rows(
            "SELECT rule AS name, count(*) AS count FROM (SELECT unnest(flags) AS rule "
            f"FROM {tables['triples']}) GROUP BY rule ORDER BY count DESC, rule"
        ),
        "rejected": rows(
            f"SELECT stage, error, count(*) AS count FROM {tables['rejected']} "
            f"GROUP BY stage, error ORDER BY count DESC, stage, error LIMIT {_MOST_REASONS}"
        ),
        "biggest": rows(
            "SELECT entity_id, name, type, mentions, documents, facts_out + facts_in AS facts "
            "FROM nodes WHERE kind = 'entity' ORDER BY facts DESC, mentions DESC, entity_id "
            f"LIMIT {_BIGGEST}"
        ),
        "throughput": {
            "extract_seconds": extraction.seconds,
            "sentences_per_second": extraction.sentences_per_second,
            "documents_per_second": extraction.documents_per_second,
            "build_seconds": run.build.seconds,
        },
    }
    database.execute("CREATE TABLE overview (json VARCHAR)")
    database.execute("INSERT INTO overview VALUES (?)", [json.dumps(overview, default=str)])


def _bars(rows: list[dict[str, Any]], least: int = 0) -> list[int]:
    """The heights of bars by number, from a query's rows; bars without a row have the height 0."""
    bars = [0] * max([least, *(row["bin"] + 1 for row in rows)])
    for row in rows:
        bars[row["bin"]] = row["count"]
    return bars
