"""Fits the score of `--similar-names` on annotated documents whose entities have ids.

    python -m benchmarks.similar_names --links links.json train.json dev.json test.json

The files are of the format DocRED, and the links as `pfn-kg evaluate-graph --links` reads them. The
logistic regression is fitted on the first file, with figures of five folds; those of the others are
what it says of names that it has not seen. A graph is built of the annotated mentions and facts of
each file with the default rules, so that the pairs are those that these rules leave. A pair counts
if both names have an id, which is that of most of their mentions.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from pfn_kg.pfn.checkpoint import find_model, read_label_schema
from pfn_kg.pfn.readers.docred import read_docred_documents
from pfn_kg.pfn.readers.entity_links import read_entity_links
from pfn_kg.pfn.readers.relation_ids import documents_with_names, names_of_ids
from pfn_kg.pipeline.build_phase import run_build
from pfn_kg.pipeline.finished_run import read_finished
from pfn_kg.pipeline.gold_extractions import write_gold_run
from pfn_kg.pipeline.graph_evaluation import document_ids, linked_mentions
from pfn_kg.schemas.build_options import BuildOptions
from pfn_kg.transforms.facts.entity_rows import document_hashes, fact_hash, lowest_names
from pfn_kg.transforms.merging.name_vectors import vectors_of
from pfn_kg.transforms.merging.similar_names import Described, Evidence, evidence
from pfn_kg.transforms.merging.vector_blocks import TABLES, near_pairs, signatures
from pfn_kg.transforms.names.entity_keys import EntityKeys
from pfn_kg.transforms.tables.parts import read_part

_MENTIONS = ("document_id", "begin", "end", "type", "entity_id")
_FOLDS = 5
#: Of the squared weights.
_RIDGE = 1.0


class Judged(NamedTuple):
    """A pair of names, what speaks for it, and whether it is of one thing."""

    one: str
    other: str
    said: Evidence
    is_one: bool


def judged_pairs(gold_file: str, links_file: str, folder: str) -> list[Judged]:
    """The candidates of a file whose names have ids."""
    every = read_docred_documents(gold_file)
    linked = read_entity_links(links_file, every)
    gold = [every[number] for number in sorted(linked)]
    links = dict(enumerate(linked[number] for number in sorted(linked)))
    schema = read_label_schema(find_model())
    gold = documents_with_names(gold, names_of_ids(schema))
    write_gold_run(f"{folder}/gold", gold, document_ids(gold), schema)
    options = BuildOptions(rdf=None)
    run_build(f"{folder}/gold", options)
    run = read_finished(f"{folder}/gold")
    rows = {
        table: [row for part in run.parts([table]) for row in read_part(part).to_pylist()]
        for table in ("entities", "relations", "mentions")
    }
    kinds = {t.name: t.kind for t in schema.entity_types}
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    for mention in linked_mentions(gold, links, rows["mentions"], kinds):
        if mention.entity is not None:
            votes[mention.entity][mention.identity] += 1
    identity = {
        entity: min(v.items(), key=lambda i: (-i[1], i[0]))[0] for entity, v in votes.items()
    }
    entities = described(rows, EntityKeys.of(schema, options.names))
    judged = []
    for one, other in candidates(entities):
        said = evidence(one, other)
        ids = [identity.get(e.id.hex()) for e in (one, other)]
        if said is not None and None not in ids:
            judged.append(Judged(one.name, other.name, said, ids[0] == ids[1]))
    return judged


def described(rows: Mapping[str, Sequence[dict[str, Any]]], keys: EntityKeys) -> list[Described]:
    """The entities of a graph as `pfn_kg.transforms.merging.similar_name_heirs` describes them."""
    entities, relations = rows["entities"], rows["relations"]
    names = {row["entity_id"]: row for row in entities}
    documents: dict[str, set[str]] = defaultdict(set)
    for mention in rows["mentions"]:
        documents[mention["entity_id"]].add(mention["document_id"])
    facts: dict[str, set[bytes]] = defaultdict(set)
    partners: dict[str, set[str]] = defaultdict(set)
    for row in relations:
        ends = row["subject_id"], row["object_id"]
        for end, other, direction in ((*ends, b">"), (*ends[::-1], b"<")):
            facts[end].add(fact_hash(row["predicate"], direction, bytes.fromhex(other)))
            partners[end].add(names[other]["name"] or names[other]["value"])
    found = [row for row in entities if row["kind"] == "entity"]
    texts = [", ".join(lowest_names(partners[row["entity_id"]])) for row in found]
    vectors, contexts = vectors_of([row["name"] for row in found]), vectors_of(texts)
    return [
        Described(
            bytes.fromhex(row["entity_id"]),
            row["type"],
            keys.key(row["name"], row["type"]),
            row["name"],
            row["mentions"],
            vector.tobytes(),
            context.tobytes() if text else b"",
            frozenset(sorted(facts[row["entity_id"]])[:64]),
            frozenset(keys.key(name, None) for name in lowest_names(partners[row["entity_id"]])),
            frozenset(document_hashes(documents[row["entity_id"]])),
        )
        for row, text, vector, context in zip(found, texts, vectors, contexts, strict=True)
    ]


def candidates(entities: Sequence[Described]) -> list[tuple[Described, Described]]:
    """The pairs that are near each other in a table of signatures."""
    vectors = np.stack([np.frombuffer(e.vector, np.int8) for e in entities])
    sides = signatures(vectors)
    found = set()
    for table in range(TABLES):
        blocks = sides[:, table] >> 28
        for block in np.unique(blocks):
            rows = np.flatnonzero(blocks == block)
            pairs, _, _ = near_pairs(sides[rows, table], vectors[rows])
            found |= {(int(rows[a]), int(rows[b])) for a, b in pairs}
    return [(entities[a], entities[b]) for a, b in sorted(found)]


def fit(said: np.ndarray, is_one: np.ndarray) -> np.ndarray:
    """Weights and bias of a logistic regression with a ridge, by Newton's method."""
    inputs = np.hstack([said, np.ones((len(said), 1))])
    ridge = _RIDGE * np.diag([*np.ones(said.shape[1]), 0])
    weights = np.zeros(inputs.shape[1])
    for _ in range(50):
        odds = probability(said, weights)
        gradient = inputs.T @ (odds - is_one) + ridge @ weights
        hessian = (inputs * (odds * (1 - odds))[:, None]).T @ inputs + ridge
        step = np.linalg.solve(hessian + 1e-9 * np.eye(len(weights)), gradient)
        weights -= step
        if np.abs(step).max() < 1e-9:
            break
    return weights


def probability(said: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The scores of pairs."""
    return 1 / (1 + np.exp(-(said @ weights[:-1] + weights[-1])))


def threshold(scores: np.ndarray, is_one: np.ndarray, precision: float) -> float:
    """The lowest score from which on pairs are right so often; above 1 if there is none."""
    order = np.argsort(-scores, kind="stable")
    right = np.cumsum(is_one[order]) / np.arange(1, len(order) + 1)
    good = np.flatnonzero(right >= precision)
    return float(scores[order[good[-1]]]) if len(good) else 1.01


def folds_of(pairs: Sequence[Judged]) -> np.ndarray:
    """A fold for each pair: pairs that share a name are in one, as far as the lower name tells."""
    names = sorted({min(p.one, p.other) for p in pairs})
    fold = {name: number % _FOLDS for number, name in enumerate(names)}
    return np.array([fold[min(p.one, p.other)] for p in pairs])


def table_of(scores: np.ndarray, is_one: np.ndarray) -> list[dict[str, float]]:
    """Precision and recall of candidates from scores on."""
    rows = []
    for limit in (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98):
        said = scores >= limit
        right = int((said & is_one).sum())
        rows.append(
            {
                "from": limit,
                "pairs": int(said.sum()),
                "right": right,
                "precision": round(right / max(1, int(said.sum())), 3),
                "recall": round(right / max(1, int(is_one.sum())), 3),
            }
        )
    return rows


def main() -> None:
    """Prints the weights, and the figures of each file as JSON lines."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.add_argument("--links", required=True)
    parser.add_argument("--precision", type=float, default=0.98)
    parser.add_argument("--show", type=int, default=0, metavar="N", help="print the best N pairs")
    parser.add_argument("--pairs", metavar="FILE", help="write the pairs as JSON lines")
    args = parser.parse_args()
    weights = None
    for file in args.files:
        with tempfile.TemporaryDirectory(prefix="similar-names-") as folder:
            pairs = judged_pairs(file, args.links, folder)
        if args.pairs:
            with open(args.pairs, "a", encoding="utf-8") as lines:
                lines.writelines(json.dumps([file, *pair]) + "\n" for pair in pairs)
        said = np.array([pair.said for pair in pairs])
        is_one = np.array([pair.is_one for pair in pairs])
        if weights is None:
            weights = fit(said, is_one)
            fold = folds_of(pairs)
            scores = np.zeros(len(pairs))
            for number in range(_FOLDS):
                held = fold == number
                scores[held] = probability(said[held], fit(said[~held], is_one[~held]))
            print(
                json.dumps(
                    dict(zip((*Evidence._fields, "bias"), weights.round(3).tolist(), strict=True))
                )
            )
        else:
            scores = probability(said, weights)
        counted = {"file": file, "pairs": len(pairs), "right": int(is_one.sum())}
        print(json.dumps(counted | {"threshold": threshold(scores, is_one, args.precision)}))
        for row in table_of(scores, is_one):
            print(json.dumps(row))
        for place in np.argsort(-scores, kind="stable")[: args.show].tolist():
            pair = pairs[place]
            numbers = " ".join(f"{value:.2f}" for value in pair.said)
            print(f"{scores[place]:.3f} {pair.is_one!s:5} {pair.one} | {pair.other} | {numbers}")


if __name__ == "__main__":
    main()
