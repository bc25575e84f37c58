"""Making the index: tables of small numbers, sorted by what they are asked for.

The tables of a snapshot are sorted by ids, which are hashes, so the facts of one entity or
document are spread over all of their files. The index holds the same rows by number: entities
and documents are numbered in the order of their ids, and each table is sorted by the number
that it is looked up by. Texts stay in the snapshot.

| table | one row per | sorted by |
| --- | --- | --- |
| nodes | entity or value, with its number | number |
| papers | document, with its number and date | number |
| edges | end of a fact | entity, then confidence |
| places | piece of evidence | relation_id |
| document_facts | piece of evidence | document, then place |
| document_mentions | mention | document, then place |
| entity_documents | entity and document | entity |
| spellings | entity and spelling of its mentions | entity |
| text_files | document whose text is in an extraction file | document |
| keys | word that begins a part of a name | key |
| popular | short text that many keys begin with, with the best of those | prefix |
| misspelt | word of names with one letter left out | hash |
| overview | all of it in one row, as JSON | |
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterable
from pathlib import Path

import duckdb
import pyarrow as pa

from pfn_kg.pipeline.finished_run import FinishedRun
from pfn_kg.pipeline.view.index.dates import dates_of
from pfn_kg.pipeline.view.index.statistics import write_overview
from pfn_kg.transforms.names.search_forms import keys_of, search_form
from pfn_kg.transforms.plumbing.files import join, local_path

#: Changes whenever the tables of the index change.
INDEX_VERSION = 1
#: Of a text of at most so many characters that more keys begin with than the second number, the
#: best keys are found while the index is made: a look at all of them takes too long.
POPULAR_CHARACTERS = 5
_POPULAR_KEYS = 2_000
#: How many of them; a search gives no more entities.
MOST_FOUND = 100
#: Memory of DuckDB while an index is made; what needs more goes to temporary files.
_BUILD_MEMORY = "512MB"
_THREADS = 2
_BATCH_ROWS = 50_000
# Shorter words have too many neighbours, and longer ones are no words.
_SHORTEST_WORD, _LONGEST_WORD = 4, 24

_NODES = """
CREATE TABLE nodes AS
SELECT row_number() OVER (ORDER BY entity_id)::INTEGER AS number, entity_id, kind, name, type,
    mentions::INTEGER AS mentions, documents::INTEGER AS documents,
    0::INTEGER AS facts_out, 0::INTEGER AS facts_in
FROM {entities} ORDER BY entity_id
"""

_EDGES = """
CREATE TEMP TABLE ends AS
SELECT relation_id, s.number AS subject, o.number AS object, predicate, confidence,
    evidence_count::INTEGER AS evidence_count, document_count::INTEGER AS document_count
FROM {relations} r JOIN nodes s ON r.subject_id = s.entity_id
    JOIN nodes o ON r.object_id = o.entity_id;
CREATE TABLE edges AS
SELECT * FROM (
    SELECT subject AS entity, object AS other, true AS outgoing, predicate, confidence,
        evidence_count, document_count, relation_id FROM ends
    UNION ALL
    SELECT object, subject, false, predicate, confidence, evidence_count, document_count,
        relation_id FROM ends
) ORDER BY entity, confidence DESC, relation_id, outgoing;
CREATE OR REPLACE TABLE nodes AS
SELECT n.* EXCLUDE (facts_out, facts_in), coalesce(d.facts_out, 0)::INTEGER AS facts_out,
    coalesce(d.facts_in, 0)::INTEGER AS facts_in
FROM nodes n LEFT JOIN (
    SELECT entity, count(*) FILTER (outgoing) AS facts_out,
        count(*) FILTER (NOT outgoing) AS facts_in
    FROM edges GROUP BY entity
) d ON n.number = d.entity ORDER BY number;
DROP TABLE ends
"""

_EVIDENCE = """
CREATE TABLE document_facts AS
SELECT d.number AS document, t.relation_id, t.triple_id, t.relation AS predicate,
    s.number AS subject, o.number AS object, t.score,
    t.subject_begin, t.subject_end, t.object_begin, t.object_end
FROM {triples} t JOIN papers d USING (document_id)
    JOIN nodes s ON t.subject_entity_id = s.entity_id
    JOIN nodes o ON t.object_entity_id = o.entity_id
ORDER BY document, least(t.subject_begin, t.object_begin), t.triple_id;
CREATE TABLE places AS
SELECT relation_id, document, triple_id, score FROM document_facts
ORDER BY relation_id, score DESC, triple_id
"""

_MENTIONS = """
CREATE TABLE document_mentions AS
SELECT d.number AS document, m."begin", m."end", m.type, m.score, n.number AS entity
FROM {mentions} m JOIN papers d USING (document_id) JOIN nodes n USING (entity_id)
ORDER BY document, m."begin", m."end" DESC;
CREATE TABLE entity_documents AS
SELECT entity, document, count(*)::INTEGER AS mentions FROM document_mentions
GROUP BY entity, document ORDER BY entity, mentions DESC, document;
CREATE TABLE spellings AS
SELECT n.number AS entity, m.text, count(*)::INTEGER AS mentions,
    count(DISTINCT m.document_id)::INTEGER AS documents
FROM {mentions} m JOIN nodes n USING (entity_id)
GROUP BY n.number, m.text ORDER BY entity, mentions DESC, m.text
"""

_POPULAR = """
CREATE TABLE popular AS
SELECT key[:l] AS prefix,
    min({{'rank': rank, 'mentions': -mentions, 'entity': entity}}, {most}) AS best
FROM keys, range(1, {characters} + 1) lengths(l) WHERE length(key) >= l
GROUP BY prefix HAVING count(*) > {many} ORDER BY prefix
"""

_MISSPELT = """
CREATE TEMP TABLE words AS
SELECT DISTINCT word FROM (SELECT regexp_extract(key, '^[\\pL\\pN]+') AS word FROM keys)
WHERE length(word) BETWEEN {shortest} AND {longest} AND regexp_matches(word, '\\pL');
CREATE TABLE misspelt AS
SELECT DISTINCT hash(word[:i - 1] || word[i + 1:]) AS hash, word
FROM (SELECT word, unnest(range(1, length(word) + 2)) AS i FROM words) ORDER BY hash, word;
DROP TABLE words
"""


def build_index(run: FinishedRun, path: Path) -> None:
    """Writes the index of a snapshot into a new file.

    Args:
        run: the snapshot, on a local file system.
        path: of a file that is not there.
    """
    with tempfile.TemporaryDirectory(prefix="pfn-kg-view-", dir=path.parent) as spill:
        database = duckdb.connect(
            str(path), config={"memory_limit": _BUILD_MEMORY, "threads": _THREADS}
        )
        try:
            database.execute(f"SET temp_directory = '{_quoted(spill)}'")
            database.execute("SET enable_progress_bar = false")
            _fill(database, run)
        finally:
            database.close()


def _fill(database: duckdb.DuckDBPyConnection, run: FinishedRun) -> None:
    tables = {
        name: table_source(run, name)
        for name in ("entities", "relations", "triples", "mentions", "documents", "rejected")
    }
    database.execute(_NODES.format(**tables))
    _write_papers(database, tables["documents"])
    database.execute(_EDGES.format(**tables))
    database.execute(_EVIDENCE.format(**tables))
    database.execute(_MENTIONS.format(**tables))
    _write_text_files(database, run)
    _write_keys(database, tables["entities"])
    database.execute(
        _POPULAR.format(characters=POPULAR_CHARACTERS, many=_POPULAR_KEYS, most=2 * MOST_FOUND)
    )
    database.execute(_MISSPELT.format(shortest=_SHORTEST_WORD, longest=_LONGEST_WORD))
    write_overview(database, run, tables)


def table_source(run: FinishedRun, name: str) -> str:
    """A table of a snapshot as SQL reads it."""
    return files_source(part.path for part in run.parts([name]))


def files_source(paths: Iterable[str], options: str = "") -> str:
    """Parquet files as one table of SQL.

    Args:
        paths: of this machine.
        options: of `read_parquet`, with a comma in front.
    """
    listed = ", ".join(f"'{_quoted(str(local_path(path)))}'" for path in paths)
    return f"read_parquet([{listed}]{options})"


def _quoted(path: str) -> str:
    return path.replace("'", "''")


def _write_papers(database: duckdb.DuckDBPyConnection, documents: str) -> None:
    """Writes the table of documents, with the date that the metadata of each gives, if any."""
    rows = database.sql(f"SELECT document_id, metadata FROM {documents}").to_arrow_table()
    dates = dates_of(rows["metadata"].to_pylist())
    dated = pa.table({"document_id": rows["document_id"], "date": pa.array(dates, pa.string())})
    database.register("dated", dated)
    database.execute(
        f"""
        CREATE TABLE papers AS
        SELECT row_number() OVER (ORDER BY document_id)::INTEGER AS number, document_id, title,
            date, content_hash, characters::INTEGER AS characters,
            sentences::INTEGER AS sentences
        FROM {documents} JOIN dated USING (document_id) ORDER BY document_id
        """
    )
    database.unregister("dated")


def _write_text_files(database: duckdb.DuckDBPyConnection, run: FinishedRun) -> None:
    """Finds the extraction file of each document: tables have no texts.

    A file that no longer counts may hold an earlier text of a document, so the hash of the text
    must be that of the table. The output folder may also be without its extractions.
    """
    folder = local_path(join(run.directory, "extractions"))
    paths = sorted(map(str, folder.glob("*.parquet")))
    database.execute("CREATE TABLE text_files (document INTEGER, path VARCHAR)")
    if not paths:
        return
    source = files_source(paths, ", filename = true, union_by_name = true")
    database.execute(
        f"""
        INSERT INTO text_files
        SELECT d.number, min(parse_filename(e.filename)) FROM {source} e
            JOIN papers d USING (document_id, content_hash)
        WHERE e.text IS NOT NULL GROUP BY d.number ORDER BY d.number
        """
    )


def _write_keys(database: duckdb.DuckDBPyConnection, entities: str) -> None:
    """Writes the keys that names, aliases and values are found by.

    `rank` says how good a match of the whole key is: 0 for a name, 1 for an alias or a value,
    2 and 3 for what begins at a later word of the same.
    """
    database.execute(
        "CREATE TEMP TABLE new_keys (key VARCHAR, entity INTEGER, rank TINYINT, mentions INTEGER)"
    )
    cursor = database.cursor()
    reader = cursor.sql(
        f"""
        SELECT n.number, e.name, coalesce(e.aliases, []) AS aliases, e.value, n.mentions
        FROM {entities} e JOIN nodes n USING (entity_id)
        """
    ).to_arrow_reader(_BATCH_ROWS)
    for batch in reader:
        columns = [column.to_pylist() for column in batch.columns]
        keys = _keys(columns)
        database.register("batch", keys)
        database.execute("INSERT INTO new_keys SELECT * FROM batch")
        database.unregister("batch")
    cursor.close()
    database.execute(
        """
        CREATE TABLE keys AS
        SELECT key, entity, min(rank) AS rank, any_value(mentions) AS mentions FROM new_keys
        GROUP BY key, entity ORDER BY key, mentions DESC, entity;
        DROP TABLE new_keys
        """
    )


def _keys(columns: list[list]) -> pa.Table:
    keys: list[str] = []
    numbers: list[int] = []
    ranks: list[int] = []
    counts: list[int] = []
    for number, name, aliases, value, mentions in zip(*columns, strict=True):
        others = [*aliases, *([] if value is None else [value])]
        for text, is_name in itertools.chain([(name, True)], ((other, False) for other in others)):
            for key, is_whole in keys_of(search_form(text)):
                keys.append(key)
                numbers.append(number)
                ranks.append((0 if is_name else 1) + (0 if is_whole else 2))
                counts.append(mentions)
    return pa.table(
        {
            "key": pa.array(keys, pa.string()),
            "entity": pa.array(numbers, pa.int32()),
            "rank": pa.array(ranks, pa.int8()),
            "mentions": pa.array(counts, pa.int32()),
        }
    )
