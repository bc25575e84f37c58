"""Accuracy of links to a catalogue, over annotated documents with Wikidata's ids.

The catalogue is made up around real ids: 10,000 entries with the names, types and facts that the
documents give their entities, of which a part is held back. One id in seven is not in it, so that
nothing fits. The other entries share the name of a real one and differ in type, popularity and
relations. The seed is fixed.

    python -m benchmarks.catalogue train.json dev.json test.json --on dev.json test.json \
        --links links.json
    python -m benchmarks.catalogue train.json dev.json test.json --on train.json \
        --links links.json --fit

The catalogue is of all documents, and those of --on are linked. They are in the format docred.
LINKS is a JSON list of `title` and `entities`, for each
entity of a document its `wikidata` id and `wikipedia` title, or null. Prints, for each confidence,
how many of the linked entities are right (precision), how many of those in the catalogue are linked
rightly (recall), and how many of all entities have the right entry or rightly none (accuracy); and
the same for the most popular entry of a name. With --fit: the weights of
`pfn_kg.transforms.linking.evidence`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pfn_kg.pfn.checkpoint import find_model, read_label_schema
from pfn_kg.pfn.readers.docred import GoldDocument, read_docred_documents
from pfn_kg.pipeline.build_phase import BuildOptions, run_build
from pfn_kg.pipeline.catalogue.records import SourceEntry
from pfn_kg.pipeline.catalogue.write_catalogue import CatalogueWriter
from pfn_kg.pipeline.gold_extractions import gold_extractions
from pfn_kg.pipeline.graph_evaluation import document_ids
from pfn_kg.schemas.extraction import EXTRACTION_SCHEMA, with_counters
from pfn_kg.schemas.link_options import LinkOptions
from pfn_kg.transforms.facts.fact_options import FactOptions
from pfn_kg.transforms.linking.candidates import match
from pfn_kg.transforms.linking.catalogue_file import Catalogue, entry_keys, open_catalogue
from pfn_kg.transforms.linking.evidence import (
    WEIGHTS,
    Weights,
    document_supports,
    features,
    named_entities,
    prior_units,
)
from pfn_kg.transforms.linking.occurrences import lookups_of, occurrences_of_chunk

ENTRIES = 10_000
_IRI = "http://www.wikidata.org/entity/"
_HELD_BACK, _FACTS_KEPT, _NAMES_KEPT = 1 / 7, 0.5, 0.8
_CHUNK_DOCUMENTS = 50


class Linked(NamedTuple):
    """Annotated documents with the ids of their entities.

    Attributes:
        documents: as they were read.
        ids: for each document and cluster, Wikidata's id; None is unknown.
        titles: for each id, the title of its article.
    """

    documents: list[GoldDocument]
    ids: list[list[str | None]]
    titles: dict[str, str]


def read_linked(paths: Sequence[Path], links: Path) -> Linked:
    """Reads documents that have links."""
    of_title = {one["title"]: one["entities"] for one in json.loads(links.read_text())}
    documents, ids, titles = [], [], {}
    for path in paths:
        raw = json.loads(path.read_text())
        for record, document in zip(raw, read_docred_documents(path), strict=True):
            if (known := of_title.get(record["title"])) is None:
                continue
            documents.append(document)
            ids.append([one and one.get("wikidata") for one in known])
            titles |= {
                one["wikidata"]: one["wikipedia"].split("_(")[0].replace("_", " ")
                for one in known
                if one and one.get("wikidata") and one.get("wikipedia")
            }
    return Linked(documents, ids, titles)


def names_of(document: GoldDocument, cluster: int) -> list[str]:
    """The texts of an entity's mentions."""
    return [document.text[m.begin : m.end] for m in document.clusters[cluster]]


def made_entries(linked: Linked, count: int, seed: int = 0) -> list[SourceEntry]:
    """The catalogue, in an order that says nothing."""
    rng = np.random.default_rng(seed)
    names: dict[str, Counter[str]] = defaultdict(Counter)
    types: dict[str, Counter[str]] = defaultdict(Counter)
    related: dict[str, set[str]] = defaultdict(set)
    for document, ids in zip(linked.documents, linked.ids, strict=True):
        for number, id_ in enumerate(ids):
            if id_ is not None:
                names[id_].update(names_of(document, number))
                types[id_][document.clusters[number][0].type] += 1
        for subject, _, object_ in document.facts:
            one, other = ids[subject], ids[object_]
            if one and other and one != other:
                related[one].add(other)
                related[other].add(one)
    known = sorted(names)
    type_of = {id_: min(of, key=lambda t: (-of[t], t)) for id_, of in types.items()}
    held_back = {id_ for id_ in known if rng.random() < _HELD_BACK}
    entries = []
    for id_ in known:
        kept = [one for one in sorted(related[id_]) if rng.random() < _FACTS_KEPT]
        spelt = [name for name in sorted(names[id_]) if rng.random() < _NAMES_KEPT]
        popularity = int(rng.lognormal(2 + np.log(sum(types[id_].values())), 1))
        if id_ not in held_back:
            label = linked.titles.get(id_) or sorted(names[id_])[0]
            entries.append(_entry(id_, label, spelt, type_of[id_], popularity, kept))
    all_types = sorted(set(type_of.values()))
    while len(entries) < count:
        like = known[int(rng.integers(len(known)))]
        name = sorted(names[like])[int(rng.integers(len(names[like])))]
        of_type = type_of[like]
        if rng.random() < 0.3:
            of_type = all_types[int(rng.integers(len(all_types)))]
        popularity = int(rng.lognormal(2 + np.log(sum(types[like].values())), 1))
        elsewhere = known[int(rng.integers(len(known)))]
        near = sorted(related[elsewhere])[:8]
        # Whether a name is an entry's label or another name of it shall say nothing here.
        label = name if rng.random() < 0.5 else f"{name} of {len(entries)}"
        entries.append(_entry(f"M{len(entries)}", label, [name], of_type, popularity, near))
    rng.shuffle(entries)  # type: ignore[arg-type]
    return entries


def _entry(
    id_: str, name: str, names: list[str], type_: str, popularity: int, near: list[str]
) -> SourceEntry:
    neighbours = tuple(_IRI + one for one in near)
    return SourceEntry(_IRI + id_, name, tuple(names), (type_,), popularity, neighbours)


def write_catalogue(linked: Linked, count: int, path: Path) -> set[str]:
    """Writes the catalogue; returns its IRIs."""
    entries = made_entries(linked, count)
    types = {entry.classes[0] for entry in entries}
    CatalogueWriter({name: name for name in sorted(types)}, None).write(entries, str(path))
    return {entry.iri for entry in entries}


def write_folder(linked: Linked, folder: Path) -> None:
    """Writes the documents as if a model had found their mentions."""
    (folder / "extractions").mkdir(parents=True)
    label_schema = read_label_schema(find_model())
    (folder / "label_schema.yaml").write_text(label_schema.to_yaml(), encoding="utf-8")
    schema, chunks = with_counters(EXTRACTION_SCHEMA, {}), []
    ids = document_ids(linked.documents)
    rows = gold_extractions(linked.documents, ids, label_schema).cast(schema)
    for begin in range(0, len(rows), _CHUNK_DOCUMENTS):
        chunks.append({"name": f"c{begin}"})
        part = rows.slice(begin, _CHUNK_DOCUMENTS)
        pq.write_table(part, folder / "extractions" / f"c{begin}.parquet")
    manifest = {
        "state": "extracted",
        "model": {"hash": "gold", "entity_threshold": 0.5, "relation_threshold": 0.5},
        "chunks": chunks,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def linked_iris(folder: Path) -> dict[tuple[str, int, int], str | None]:
    """The IRI of the entity of each mention, by its place."""
    graph = folder / "graph"
    entities = pq.read_table(graph / "entities", columns=["entity_id", "same_as"]).to_pydict()
    iris = dict(zip(entities["entity_id"], entities["same_as"], strict=True))
    columns = ["document_id", "begin", "end", "entity_id"]
    mentions = pq.read_table(graph / "mentions", columns=columns).to_pydict()
    rows = zip(*(mentions[name] for name in columns), strict=True)
    return {(id_, begin, end): iris[entity] for id_, begin, end, entity in rows}


def most_popular(
    gold: Sequence[tuple[list[tuple[str, int, int]], str]], linked: Linked, path: Path
) -> dict[tuple[str, int, int], str | None]:
    """For each mention the most popular entry of its name, whatever its type."""
    rows = pq.read_table(path, columns=["key", "popularity", "iri"]).to_pydict()
    best: dict[str, tuple[int, str]] = {}
    for key, popularity, iri in zip(*rows.values(), strict=True):
        best[key] = max((popularity, iri), best.get(key, (-1, "")))
    texts = dict(zip(document_ids(linked.documents), linked.documents, strict=True))
    found: dict[tuple[str, int, int], str | None] = {}
    for places, _ in gold:
        for id_, begin, end in places:
            keys = entry_keys(texts[id_].text[begin:end])
            known = [best[key] for key in keys if key in best]
            found[id_, begin, end] = max(known)[1] if known else None
    return found


def gold_entities(linked: Linked) -> list[tuple[list[tuple[str, int, int]], str]]:
    """The places and the IRI of each entity with an id; values are no entities."""
    kinds = {t.name: t.kind for t in read_label_schema(find_model()).entity_types}
    gold = []
    for id_, document, ids in zip(
        document_ids(linked.documents), linked.documents, linked.ids, strict=True
    ):
        for cluster, wikidata in zip(document.clusters, ids, strict=True):
            places = [(id_, m.begin, m.end) for m in cluster if kinds.get(m.type) == "entity"]
            if wikidata is not None and places:
                gold.append((places, _IRI + wikidata))
    return gold


def score(
    gold: Sequence[tuple[list[tuple[str, int, int]], str]],
    found: Mapping[tuple[str, int, int], str | None],
    there: set[str],
) -> dict[str, float]:
    """Precision, recall and accuracy over entities; an entity has the IRI of most mentions."""
    right = linked = known = correct = 0
    for places, iri in gold:
        votes = Counter(found[place] for place in places)
        chosen = min(votes, key=lambda one: (-votes[one], one or ""))
        linked += chosen is not None
        known += iri in there
        right += chosen == iri
        correct += chosen == (iri if iri in there else None)
    return {
        "precision": right / max(linked, 1),
        "recall": right / max(known, 1),
        "accuracy": correct / max(len(gold), 1),
        "linked": linked,
    }


class Case(NamedTuple):
    """A name in a document: the features of its entries, and which one is right (-1: none)."""

    features: np.ndarray
    right: int


def cases(linked: Linked, catalogue: Catalogue, weights: Weights) -> list[Case]:
    """What the weights are fitted to: each entity of each document by itself."""
    label_schema = read_label_schema(find_model())
    found = []
    for document, ids in zip(linked.documents, linked.ids, strict=True):
        chunk = gold_extractions([document], ["gold"], label_schema)
        keys, _ = occurrences_of_chunk(
            chunk, losers=[], label_schema=label_schema, options=FactOptions(0.5, 0.5)
        )
        lookups = lookups_of(keys, catalogue)
        groups = sorted(set(lookups["group"].to_pylist()))
        tables = [match(lookups, catalogue.read(group)) for group in groups]
        if not tables:
            continue
        named = named_entities(pa.concat_tables(tables))
        entities = [named[one] for one in sorted(named)]
        units = {of.id: prior_units(of, weights) for of in entities}
        iris = defaultdict(set)
        for cluster, wikidata in enumerate(ids):
            for name in names_of(document, cluster):
                for of in entities:
                    if wikidata and any(key == name.lower() for key in of.keys):
                        iris[of.id].add(_IRI + wikidata)
        for of, supports in zip(entities, document_supports(entities, units), strict=True):
            if len(iris[of.id]) == 1:
                (iri,) = iris[of.id]
                order = [entry.iri for entry in of.entries]
                right = order.index(iri) if iri in order else -1
                found.append(Case(features(of, supports), right))
    return found


def fitted(some: Sequence[Case], decay: float = 1e-3) -> Weights:
    """The weights with the greatest likelihood, by gradient descent of second order."""
    import torch

    most = max(len(case.features) for case in some)
    table = np.zeros((len(some), most + 1, len(WEIGHTS)))
    there = np.zeros((len(some), most + 1), dtype=bool)
    there[:, most] = True  # no entry at all, whose logit is 0
    for number, case in enumerate(some):
        table[number, : len(case.features)] = case.features
        there[number, : len(case.features)] = True
    rights = torch.tensor([case.right % (most + 1) for case in some])
    x, absent = torch.tensor(table), torch.tensor(~there)
    weights = torch.zeros(len(WEIGHTS), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Any:
        optimizer.zero_grad()
        logits = (x @ weights).masked_fill(absent, -torch.inf)
        total = torch.nn.functional.cross_entropy(logits, rights) + decay * (weights**2).sum()
        total.backward()
        return total

    optimizer.step(loss)
    return Weights(*(round(weight, 2) for weight in weights.tolist()))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("documents", type=Path, nargs="+", help="in the format docred")
    parser.add_argument("--on", type=Path, nargs="+", required=True, help="those that are linked")
    parser.add_argument("--links", type=Path, required=True, help="Wikidata's ids of entities")
    parser.add_argument("--entries", type=int, default=ENTRIES, help="of the catalogue")
    parser.add_argument("--fit", action="store_true", help="fit the weights instead")
    parser.add_argument("--confidences", default="0,0.3,0.5,0.7,0.9")
    args = parser.parse_args()
    linked = read_linked(args.on, args.links)
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "catalogue.parquet"
        there = write_catalogue(read_linked(args.documents, args.links), args.entries, path)
        if args.fit:
            # What other names say depends on the weights too: put them there, and fit again.
            some = cases(linked, open_catalogue(str(path)), WEIGHTS)
            print(f"{len(some)} names: {fitted(some)}")
            return
        folder = Path(temporary) / "run"
        write_folder(linked, folder)
        gold = gold_entities(linked)
        known = sum(iri in there for _, iri in gold)
        print(
            f"{len(gold)} entities of {len(linked.documents)} documents, {known} in the catalogue"
        )
        print(f"{'confidence':12}{'precision':>10}{'recall':>8}{'accuracy':>10}{'linked':>8}")
        _print("popularity", score(gold, most_popular(gold, linked, path), there))
        for confidence in map(float, args.confidences.split(",")):
            options = LinkOptions(path=str(path), confidence=confidence)
            run_build(str(folder), BuildOptions(rdf=None, catalogue=options))
            _print(f"{confidence:g}", score(gold, linked_iris(folder), there))


def _print(label: str, scores: Mapping[str, float]) -> None:
    cells = [f"{100 * scores[name]:.1f}" for name in ("precision", "recall", "accuracy")]
    print(f"{label:12}{cells[0]:>10}{cells[1]:>8}{cells[2]:>10}{scores['linked']:8.0f}", flush=True)


if __name__ == "__main__":
    main()
