"""How good a graph is: its mentions, entities and facts against annotated documents.

Everything is counted per document. A mention is right if its borders and its type are.
An argument of a triple stands for the gold entity that has a mention with exactly its
borders. A fact is (subject, relation, object); it is counted once a document, and it is
right if gold has it between the entities that its arguments stand for.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from pfn_kg.pfn.calibration import reliability
from pfn_kg.pfn.evaluation.annotated_texts import Argument, Fact, fact_between
from pfn_kg.pfn.evaluation.fact_evidence import by_evidence
from pfn_kg.pfn.evaluation.scores import Counts, f1_of
from pfn_kg.pfn.readers.docred import GoldDocument

#: Why a gold fact is missing in the graph; of several the first.
LOSSES = (
    "beyond_sentence",
    "mention_missed",
    "merge_error",
    "wrong_direction",
    "wrong_relation",
    "wrong_type",
    "relation_missed",
)

Place = tuple[int, int]


class GraphDocument(NamedTuple):
    """What a graph says of one document: rows of its tables `mentions` and `triples`.

    A triple has the `confidence` of its relation too.
    """

    mentions: Sequence[Mapping[str, Any]]
    triples: Sequence[Mapping[str, Any]]


def by_document(
    mentions: Iterable[Mapping[str, Any]], triples: Iterable[Mapping[str, Any]]
) -> dict[str, GraphDocument]:
    """The rows of the two tables by document id."""
    documents: dict[str, GraphDocument] = defaultdict(lambda: GraphDocument([], []))
    for row in mentions:
        documents[row["document_id"]].mentions.append(row)  # type: ignore[attr-defined]
    for row in triples:
        documents[row["document_id"]].triples.append(row)  # type: ignore[attr-defined]
    return dict(documents)


def score_graph(gold: Mapping[str, GoldDocument], graph: Mapping[str, GraphDocument]) -> dict:
    """Scores a graph against gold documents.

    Args:
        gold: by document id.
        graph: likewise; a document that is missing has nothing.

    Returns:
        `mention`, `entity_cluster` (clusters that are equal, as sets of borders; with
        `b_cubed` and `pairwise` in it) and `fact`, each with precision, recall, f1 and
        support; `per_relation`, the same for the facts of each relation; `calibration`, how
        reliable the confidence of the graph's relations is (`error` and `bins` of
        `pfn_kg.pfn.calibration.reliability`, each relation once a document); `fact_evidence`, facts
        inside a sentence and across sentences (`pfn_kg.pfn.evaluation.fact_evidence`); and
        `loss_by_stage`,
        for each of `LOSSES` how many gold facts are missing for that
        reason and their share of all that are.
    """
    mentions, clusters, facts = Counts(), Counts(), Counts()
    b_cubed, pairwise = _Sums(), _Sums()
    losses: Counter[str] = Counter()
    confidences: list[float] = []
    inside: list[bool] = []
    right: list[bool] = []
    for id_, document in gold.items():
        extracted = graph.get(id_, GraphDocument([], []))
        mentions.add(
            {(row["begin"], row["end"], row["type"]) for row in extracted.mentions},
            {(m.begin, m.end, m.type) for cluster in document.clusters for m in cluster},
            2,
        )
        found = _graph_clusters(extracted)
        meant = [frozenset((m.begin, m.end) for m in c) for c in document.clusters]
        clusters.add({(c, 0) for c in found}, {(c, 0) for c in meant}, 1)
        b_cubed.add(*_b_cubed(found, meant))
        pairwise.add(*_pairwise(found, meant))
        stated = _facts(document, extracted)
        facts.add(set(stated), set(document.facts), 1)
        losses.update(_losses(document, extracted, set(stated)))
        confidences += (said.confidence for said in stated.values())
        inside += (said.inside for said in stated.values())
        right += [fact in document.facts for fact in stated]
    missing = losses.total()
    return {
        "mention": mentions.scores(),
        "entity_cluster": clusters.scores()
        | {"b_cubed": b_cubed.scores(), "pairwise": pairwise.scores()},
        "fact": facts.scores(),
        "fact_evidence": by_evidence(inside, right),
        "loss_by_stage": {
            name: {"facts": losses[name], "share": losses[name] / missing if missing else 0.0}
            for name in LOSSES
        },
        "per_relation": facts.by_class(),
        "calibration": reliability(confidences, right)._asdict(),
    }


class _Sums:
    """Precision and recall as sums over what was found and what is gold."""

    def __init__(self) -> None:
        self._right = [0.0, 0.0]
        self._of = [0, 0]

    def add(self, right: tuple[float, float], of: tuple[int, int]) -> None:
        for side in (0, 1):
            self._right[side] += right[side]
            self._of[side] += of[side]

    def scores(self) -> dict[str, float | int]:
        precision, recall = (
            r / n if n else 0.0 for r, n in zip(self._right, self._of, strict=True)
        )
        return {
            "precision": precision,
            "recall": recall,
            "f1": f1_of(precision, recall),
            "support": self._of[1],
        }


def _graph_clusters(extracted: GraphDocument) -> list[frozenset[Place]]:
    clusters: dict[str, set[Place]] = {}
    for row in extracted.mentions:
        clusters.setdefault(row["entity_id"], set()).add((row["begin"], row["end"]))
    return [frozenset(cluster) for cluster in clusters.values()]


def _b_cubed(
    said: Sequence[frozenset[Place]], meant: Sequence[frozenset[Place]]
) -> tuple[tuple[float, float], tuple[int, int]]:
    """B-cubed (Bagga and Baldwin, 1998) over mentions that the graph found by itself.

    A mention that only one side has counts as wrong on that side.
    """

    def side(ours: Sequence[frozenset[Place]], theirs: Sequence[frozenset[Place]]) -> float:
        of: dict[Place, frozenset[Place]] = {place: c for c in theirs for place in c}
        nothing: frozenset[Place] = frozenset()
        return sum(len(c & of.get(place, nothing)) / len(c) for c in ours for place in c)

    return (side(said, meant), side(meant, said)), (sum(map(len, said)), sum(map(len, meant)))


def _pairwise(
    said: Sequence[frozenset[Place]], meant: Sequence[frozenset[Place]]
) -> tuple[tuple[float, float], tuple[int, int]]:
    def pairs(clusters: Sequence[frozenset[Place]]) -> set[tuple[Place, Place]]:
        return {(a, b) for c in clusters for a in c for b in c if a < b}

    ours, theirs = pairs(said), pairs(meant)
    right = len(ours & theirs)
    return (right, right), (len(ours), len(theirs))


class _Stated(NamedTuple):
    """How the graph states a fact: how surely, and whether one sentence does so."""

    confidence: float
    inside: bool


def _facts(document: GoldDocument, extracted: GraphDocument) -> dict[Fact, _Stated]:
    """What the graph says, between gold entities where it can be told which."""
    of_place = _entities_at(document)
    said: dict[Fact, _Stated] = {}
    for row in extracted.triples:
        subjects, objects = (_stands_for(row, end, of_place) for end in ("subject", "object"))
        fact = fact_between(subjects, row["relation"], objects, document.facts)
        before = said.get(fact, _Stated(0.0, False))
        said[fact] = _Stated(
            max(before.confidence, row["confidence"]),
            before.inside or row["evidence_sentences"] == 1,
        )
    return said


def _entities_at(document: GoldDocument) -> dict[Place, list[int]]:
    entities: dict[Place, list[int]] = {}
    for number, cluster in enumerate(document.clusters):
        for place in dict.fromkeys((m.begin, m.end) for m in cluster):
            entities.setdefault(place, []).append(number)
    return entities


def _stands_for(
    row: Mapping[str, Any], end: str, of_place: Mapping[Place, list[int]]
) -> Sequence[Argument]:
    return of_place.get((row[f"{end}_begin"], row[f"{end}_end"])) or [row[f"{end}_entity_id"]]


def _losses(document: GoldDocument, extracted: GraphDocument, said: set[Fact]) -> Iterable[str]:
    """Why each gold fact that the graph lacks is missing."""
    of_place = _entities_at(document)
    # Of each gold entity the entities of the graph that its mentions are part of.
    graph_entities: dict[int, set[str]] = defaultdict(set)
    types: dict[int, set[str]] = defaultdict(set)
    for row in extracted.mentions:
        for number in of_place.get((row["begin"], row["end"]), ()):
            graph_entities[number].add(row["entity_id"])
            types[number].add(row["type"])
    stated = {
        (r["subject_entity_id"], r["relation"], r["object_entity_id"]) for r in extracted.triples
    }
    related = {(subject, object_) for subject, _, object_ in said}
    for subject, relation, object_ in sorted(document.facts - said):
        ends = document.clusters[subject], document.clusters[object_]
        sentences = [{m.sentence for m in cluster} for cluster in ends]
        if not sentences[0] & sentences[1]:
            yield "beyond_sentence"
        elif not graph_entities[subject] or not graph_entities[object_]:
            yield "mention_missed"
        elif any(
            (s, relation, o) in stated
            for s in graph_entities[subject]
            for o in graph_entities[object_]
        ):
            # The graph says it of these entities, by mentions of others that it holds for them.
            yield "merge_error"
        elif (object_, relation, subject) in said:
            yield "wrong_direction"
        elif (subject, object_) in related:
            yield "wrong_relation"
        elif any(
            not types[number] & {m.type for m in document.clusters[number]}
            for number in (subject, object_)
        ):
            yield "wrong_type"
        else:
            yield "relation_missed"
