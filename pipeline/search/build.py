"""Making the index of a search from the tables of a graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pfn_kg.pipeline.search.index import SearchIndex, numbers
from pfn_kg.pipeline.search.sparse import Rows, rows_of
from pfn_kg.transforms.names.search_forms import search_form, words_of

#: Reads some columns of a table of the graph.
ReadTable = Callable[[str, Sequence[str]], pa.Table]

_PLACE = 1 << 32  # more than any offset in a document
#: The weight of the edge between a document and the entity that its title names.
_TITLE_WEIGHT = 2.0


def build_index(read: ReadTable, *, has_sentences: bool) -> SearchIndex:
    """Makes the index.

    Args:
        read: reads the graph.
        has_sentences: whether it has the table `sentences`; else the evidence of its facts is
            what is searched.
    """
    entities = read("entities", ("entity_id", "name", "type", "value", "aliases"))
    entities = entities.sort_by("entity_id")
    # The order of a table's rows depends on how many files it has.
    documents = read("documents", ("document_id", "title")).sort_by("document_id")
    relations = read(
        "relations", ("relation_id", "subject_id", "predicate", "object_id", "confidence")
    )
    relations = relations.sort_by("relation_id")
    facts = pa.table(
        {
            "relation_id": relations["relation_id"],
            "subject": _places(relations["subject_id"], entities["entity_id"]),
            "predicate": relations["predicate"],
            "object": _places(relations["object_id"], entities["entity_id"]),
            "confidence": relations["confidence"],
        }
    )
    names = _names(entities)
    columns = ("document_id", "evidence_begin", "evidence_end", "relation_id", "score")
    triples = read("triples", columns)
    triple_documents = _places(triples["document_id"], documents["document_id"])
    if has_sentences:
        sentences = _sentences(read, documents)
        of_triple, states = _overlapping(
            sentences,
            triple_documents,
            numbers(triples, "evidence_begin"),
            numbers(triples, "evidence_end"),
        )
    else:
        sentences, states = _evidence(read, triple_documents)
        of_triple = np.arange(len(triple_documents))
    words, postings, sizes = _words(sentences["text"], documents["title"])
    sentences = sentences.append_column("words", pa.array(sizes[: len(sentences)]))
    of_documents = np.bincount(
        numbers(sentences, "document"),
        weights=sizes[: len(sentences)],
        minlength=len(documents),
    ).astype(np.int64)
    documents = documents.append_column("words", pa.array(of_documents + sizes[len(sentences) :]))
    mentions = read("mentions", ("document_id", "begin", "end", "entity_id"))
    of_mention, places = _overlapping(
        sentences,
        _places(mentions["document_id"], documents["document_id"]),
        numbers(mentions, "begin"),
        numbers(mentions, "end"),
    )
    fact = _places(triples["relation_id"], facts["relation_id"])
    first_sentence = len(entities) + len(facts)
    first_document = first_sentence + len(sentences)
    every_fact = len(entities) + np.arange(len(facts))
    confidence = numbers(facts, "confidence")
    titled, entitled = _titles(documents["title"], names)
    edges = _edges(
        [
            (numbers(facts, "subject"), every_fact, confidence),
            (numbers(facts, "object"), every_fact, confidence),
            (
                len(entities) + fact[of_triple],
                first_sentence + states,
                numbers(triples, "score")[of_triple],
            ),
            (
                _places(mentions["entity_id"], entities["entity_id"])[of_mention],
                first_sentence + places,
                np.ones(len(places)),
            ),
            (
                first_sentence + np.arange(len(sentences)),
                first_document + numbers(sentences, "document"),
                np.ones(len(sentences)),
            ),
            (entitled, first_document + titled, np.full(len(titled), _TITLE_WEIGHT)),
        ],
        first_document + len(documents),
    )
    return SearchIndex(
        documents=documents,
        sentences=sentences,
        entities=entities.select(["entity_id", "name", "type"]),
        facts=facts,
        names=names,
        words=words,
        postings=postings,
        edges=edges,
        complete=has_sentences,
    )


def name_words(text: str) -> list[str]:
    """The words of a text as the index has them."""
    return words_of(search_form(text))


def _places(values: pa.ChunkedArray, known: pa.ChunkedArray) -> np.ndarray:
    """The row that each id has among the known ones, all of which are there."""
    found = pc.index_in(values.combine_chunks(), known.combine_chunks())
    return found.to_numpy(zero_copy_only=False).astype(np.int64)


def _names(entities: pa.Table) -> pa.Table:
    """The names, aliases and values of all entities."""
    found: set[tuple[str, int]] = set()
    columns = (entities[name].to_pylist() for name in ("name", "value", "aliases"))
    for number, (name, value, aliases) in enumerate(zip(*columns, strict=True)):
        for text in (name, value, *(aliases or ())):
            if text and (form := " ".join(name_words(text))):
                found.add((form, number))
    rows = sorted(found)
    return pa.table(
        {
            "name": pa.array([form for form, _ in rows], pa.string()),
            "entity": pa.array([number for _, number in rows], pa.int64()),
        }
    )


def _sentences(read: ReadTable, documents: pa.Table) -> pa.Table:
    """All sentences, in the order of documents and places."""
    rows = read("sentences", ("document_id", "sentence_index", "begin", "end", "text"))
    number = _places(rows["document_id"], documents["document_id"])
    table = rows.drop_columns(["document_id"]).add_column(0, "document", pa.array(number))
    order = np.lexsort((numbers(rows, "begin"), number))
    return table.take(pa.array(order)).combine_chunks()


def _evidence(read: ReadTable, documents: np.ndarray) -> tuple[pa.Table, np.ndarray]:
    """The texts that are evidence of a fact, each once, and which of them that of a triple is."""
    rows = read("triples", ("evidence_begin", "evidence_end", "evidence_text"))
    keys = np.stack([documents, numbers(rows, "evidence_begin"), numbers(rows, "evidence_end")], 1)
    units, first, of_triple = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    table = pa.table(
        {
            "document": pa.array(units[:, 0]),
            "sentence_index": pa.nulls(len(units), pa.int32()),
            "begin": pa.array(units[:, 1].astype(np.int32)),
            "end": pa.array(units[:, 2].astype(np.int32)),
            "text": rows["evidence_text"].take(pa.array(first)),
        }
    )
    return table, of_triple.reshape(-1)


def _overlapping(
    sentences: pa.Table, documents: np.ndarray, begins: np.ndarray, ends: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The sentences that some spans lie in.

    Returns:
        Numbers of spans, and for each of these a sentence.
    """
    of_document = numbers(sentences, "document").astype(np.int64) * _PLACE
    starts = of_document + numbers(sentences, "begin")
    base = documents * _PLACE
    first = np.searchsorted(starts, base + begins, side="right") - 1
    last = np.searchsorted(starts, base + ends, side="left")
    spans = np.repeat(np.arange(len(begins)), np.maximum(last - first, 0))
    offset = np.arange(len(spans)) - np.searchsorted(spans, spans, side="left")
    found = first[spans] + offset
    # Where sentences are missing, the one before may end before the span begins.
    stops = of_document + numbers(sentences, "end")
    held = found >= 0
    held[held] = stops[found[held]] > (base + begins)[spans[held]]
    return spans[held], found[held]


def _words(texts: pa.ChunkedArray, titles: pa.ChunkedArray) -> tuple[pa.Table, Rows, np.ndarray]:
    """The words of sentences and titles, where each occurs, and how many words each text has."""
    numbers_of: dict[str, int] = {}
    word, text, often = _Growing(), _Growing(), _Growing()
    sizes = np.zeros(len(texts) + len(titles), np.int64)
    for number, content in enumerate(_each(texts, titles)):
        spelt = name_words(content or "")
        sizes[number] = len(spelt)
        for one, count in Counter(spelt).items():
            word.add(numbers_of.setdefault(one, len(numbers_of)))
            text.add(number)
            often.add(count)
    order = sorted(numbers_of)
    rank = np.empty(len(order), np.int64)
    rank[[numbers_of[one] for one in order]] = np.arange(len(order))
    cells = rows_of(rank[word.array()], text.array(), often.array(), len(order))
    return pa.table({"word": pa.array(order, pa.string())}), cells, sizes


class _Growing:
    """Numbers that are added one by one, packed."""

    def __init__(self) -> None:
        self._parts: list[np.ndarray] = []
        self._last: list[int] = []

    def add(self, number: int) -> None:
        self._last.append(number)
        if len(self._last) == 1 << 16:
            self._pack()

    def array(self) -> np.ndarray:
        self._pack()
        return np.concatenate(self._parts)

    def _pack(self) -> None:
        self._parts.append(np.array(self._last, np.int32))
        self._last = []


def _each(*columns: pa.ChunkedArray) -> Iterable[str | None]:
    for column in columns:
        for chunk in column.chunks:
            for value in chunk:
                yield value.as_py()


def _titles(titles: pa.ChunkedArray, names: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Documents whose titles are names, each with the entities that have the name."""
    forms = [" ".join(name_words(title or "")) for title in titles.to_pylist()]
    wanted: dict[str, list[int]] = {}
    for document, form in enumerate(forms):
        wanted.setdefault(form, []).append(document)
    found = [
        (document, entity)
        for name, entity in zip(names["name"].to_pylist(), numbers(names, "entity"), strict=True)
        for document in wanted.get(name, ())
    ]
    pairs = np.array(found, np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def _edges(parts: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]], nodes: int) -> Rows:
    """Edges in both directions."""
    one, other, weight = (np.concatenate(column) for column in zip(*parts, strict=True))
    return rows_of(
        np.concatenate([one, other]),
        np.concatenate([other, one]),
        np.concatenate([weight, weight]),
        nodes,
    )
