"""A document: its text with mentions in colour, and the facts that it states."""

from __future__ import annotations

from typing import Any

from pfn_kg.pipeline.view.data.metadata import link_of, metadata_of
from pfn_kg.pipeline.view.data.spans import Span, cut
from pfn_kg.pipeline.view.data.store import NotInGraphError, Store
from pfn_kg.transforms.names.search_forms import search_form
from pfn_kg.transforms.plumbing.files import join, local_path

#: A longer document is shown in parts of so many characters.
PART_CHARACTERS = 50_000
_MOST_FACTS = 500


def document(store: Store, document_id: str, *, begin: int = 0) -> dict[str, Any]:
    """A document, or a part of a long one.

    Args:
        store: the graph.
        document_id: its id.
        begin: offset where the part begins.

    Returns:
        Among others `pieces`, the text cut at its mentions, whose marks are mentions;
        `text_from`, where the text is from: `extractions`, `sentences` (what lies between two
        sentences is then a space) or None if there is none; `end`, where the part ends; and
        `facts`, those that the part states.

    Raises:
        NotInGraphError: if no document has the id.
    """
    paper = store.row("SELECT * FROM papers WHERE document_id = ?", [document_id])
    if paper is None:
        raise NotInGraphError(f"document {document_id}")
    number = paper["number"]
    row = store.row("SELECT * FROM documents WHERE document_id = ?", [document_id])
    assert row is not None  # the index is of this snapshot
    text, source = _text(store, paper)
    begin = max(0, min(begin, paper["characters"]))
    end = min(begin + PART_CHARACTERS, paper["characters"])
    part = None if text is None else text[begin:end]
    mentions = store.rows(
        'SELECT m."begin", m."end", m.type, m.score, n.entity_id AS entity, n.name, n.kind '
        "FROM document_mentions m JOIN nodes n ON n.number = m.entity "
        'WHERE m.document = ? AND m."begin" < ? AND m."end" > ? '
        'ORDER BY m."begin", m."end" DESC',
        [number, end, begin],
    )
    spans = [Span(m["begin"], m["end"], place) for place, m in enumerate(mentions)]
    metadata = metadata_of(row["metadata"])
    return {
        "id": document_id,
        "title": row["title"],
        "date": paper["date"],
        "link": link_of(metadata),
        "metadata": {name: _shown(value) for name, value in metadata.items()},
        "source_file": row["source_file"],
        "source_row": row["source_row"],
        "characters": row["characters"],
        "sentences": row["sentences"],
        "begin": begin,
        "end": end,
        "text_from": source,
        "pieces": [] if part is None else cut(part, spans, begin),
        "mentions": mentions,
        **_facts(store, number, begin, end),
        "rejected": store.rows(
            "SELECT stage, sentence_index, error FROM rejected WHERE document_id = ? LIMIT 50",
            [document_id],
        ),
    }


def find_documents(store: Store, text: str, *, limit: int = 20) -> list[dict[str, Any]]:
    """Documents by a part of their title or the begin of their id, without regard to case.

    Args:
        store: the graph.
        text: what someone typed; nothing finds the first documents.
        limit: most rows.
    """
    wanted = search_form(text)
    return store.rows(
        "SELECT document_id AS id, title, date, sentences FROM papers "
        "WHERE starts_with(lower(document_id), lower(?)) "
        "OR contains(lower(strip_accents(coalesce(title, ''))), ?) ORDER BY number LIMIT ?",
        [text.strip(), wanted, limit],
    )


def _text(store: Store, paper: dict[str, Any]) -> tuple[str | None, str | None]:
    """The text of a document, and where it is from."""
    file = store.row("SELECT path FROM text_files WHERE document = ?", [paper["number"]])
    if file is not None:
        path = local_path(join(store.run.directory, "extractions", file["path"]))
        if path.is_file():
            found = store.row(
                "SELECT text FROM read_parquet(?) WHERE document_id = ? AND content_hash = ? "
                "AND text IS NOT NULL LIMIT 1",
                [str(path), paper["document_id"], paper["content_hash"]],
            )
            if found is not None:
                return found["text"], "extractions"
    if not store.has_sentences:
        return None, None
    sentences = store.rows(
        'SELECT "begin", "end", text FROM sentences WHERE document_id = ? ORDER BY "begin"',
        [paper["document_id"]],
    )
    text = ""
    for sentence in sentences:
        text = text.ljust(sentence["begin"]) + sentence["text"]
    return text.ljust(paper["characters"]), "sentences"


def _facts(store: Store, number: int, begin: int, end: int) -> dict[str, Any]:
    where = (
        "WHERE f.document = ? AND least(f.subject_begin, f.object_begin) >= ? "
        "AND least(f.subject_begin, f.object_begin) < ?"
    )
    total = store.row(f"SELECT count(*) AS n FROM document_facts f {where}", [number, begin, end])
    rows = store.rows(
        "SELECT f.relation_id AS id, f.predicate, f.score, "
        "f.subject_begin, f.subject_end, f.object_begin, f.object_end, "
        "s.entity_id AS subject_id, s.name AS subject_name, s.type AS subject_type, "
        "o.entity_id AS object_id, o.name AS object_name, o.type AS object_type "
        "FROM document_facts f JOIN nodes s ON s.number = f.subject "
        f"JOIN nodes o ON o.number = f.object {where} "
        "ORDER BY least(f.subject_begin, f.object_begin), f.triple_id LIMIT ?",
        [number, begin, end, _MOST_FACTS],
    )
    return {"facts": rows, "fact_count": total["n"] if total else 0}


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else str(value)
