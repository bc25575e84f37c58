"""Training data for texts that are not Wikipedia, as one DocRED file with partial annotation.

    python examples/training/partial_data.py FOLDER -o train.json

FOLDER holds the data sets by name: redocred (whole annotation), and, annotated in part,
docred_train200 (facts that are given hold, others are unknown), docred_entities, gum and ner_open
(entities alone), knowledgenet_facts, fire and core_company (some relations between the given
mentions). What a set does not annotate is left open: see `annotated_entity_types`,
`annotated_relations` and `annotated_pairs` in docs. The file `rel_info.json` beside the result
names the relations of Re-DocRED and those that only other sets have.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Document = dict[str, Any]

# FIRE's relations by (relation, type of the head, type of the tail): Wikidata's property.
_FIRE = {
    ("Employeeof", "PER", "ORG"): "P108",
    ("Subsidiaryof", "ORG", "ORG"): "P749",
    ("Locatedin", "ORG", "LOC"): "P159",
    ("Locatedin", "LOC", "LOC"): "P131",
}
#: Relations that Re-DocRED lacks: their names.
MORE_RELATIONS = {"P169": "chief executive officer"}
_CHIEF_EXECUTIVE = re.compile(r"\b(CEO|chief executive)\b", re.IGNORECASE)
# CORE's relations between companies: properties from the head to the tail, and back.
_CORE: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "subsidiary_of": (("P749",), ("P355",)),
    "acquired_by": (("P127",), ()),
    "shareholder_of": ((), ("P127",)),
    "brand_of": (("P127",), ()),
    "competitor_of": ((), ()),
    "collaboration": ((), ()),
    "client_of": ((), ()),
    "merged_with": ((), ()),
}
_CORE_ANNOTATED = ["P749", "P355", "P127"]


def main() -> None:
    """Writes the file."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="holds the data sets by name")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--folds", default="1,2,3", help="folds of KnowledgeNet; default: 1,2,3")
    parser.add_argument("--entity-documents", type=int, default=450, help="of docred_entities")
    args = parser.parse_args()
    folds = {int(fold) for fold in args.folds.split(",")}
    documents = [
        *_redocred(args.folder / "redocred"),
        *_positives(_read(args.folder / "docred_train200" / "train_closed.json")),
        *_entities(_read(args.folder / "docred_entities" / "entities.json"))[
            : args.entity_documents
        ],
        *_gum(args.folder / "gum"),
        *_sentences(_read(args.folder / "ner_open" / "wikigold.json")),
        *knowledgenet(args.folder, folds),
        *_fire(_read(args.folder / "fire" / "train.json")),
        *_core(_read(args.folder / "core_company" / "train.json")),
    ]
    args.output.write_text(json.dumps(documents, ensure_ascii=False), encoding="utf-8")
    write_relation_names(args.folder, args.output)


def relation_names(folder: Path) -> dict[str, str]:
    """The relations by their Wikidata properties: those of Re-DocRED, and more.

    Args:
        folder: holds the data sets by name.
    """
    return _read(folder / "redocred" / "rel_info.json") | MORE_RELATIONS


def write_relation_names(folder: Path, beside: Path) -> None:
    """Writes `rel_info.json` beside a DocRED file."""
    names = json.dumps(relation_names(folder), ensure_ascii=False)
    beside.with_name("rel_info.json").write_text(names, encoding="utf-8")


def _redocred(folder: Path) -> Iterator[Document]:
    """Re-DocRED: where a chief executive is mentioned, that relation is not annotated."""
    known = list(_read(folder / "rel_info.json"))
    for document in _read(folder / "train.json"):
        text = " ".join(token for tokens in document["sents"] for token in tokens)
        has_all = not _CHIEF_EXECUTIVE.search(text)
        yield document if has_all else document | {"annotated_relations": known}


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _positives(documents: list[Document]) -> list[Document]:
    """Facts hold; a pair without one is unknown."""
    return [document | {"annotated_relations": []} for document in documents]


def _entities(documents: list[Document]) -> list[Document]:
    return [document | {"labels": [], "annotated_relations": []} for document in documents]


def _gum(folder: Path) -> Iterator[Document]:
    """GUM annotates no adjectives of nations and no numbers, so places and the rest are open."""
    for path in sorted(folder.glob("*.json")):
        for document in _entities(_read(path)):
            if document["split"] == "train":
                yield document | {"annotated_entity_types": ["PER", "ORG", "TIME"]}


def _document(title: str, tokens: list[str], mentions: list[dict[str, Any]]) -> Document:
    clusters = [[mention | {"sent_id": 0}] for mention in mentions]
    return {"title": title, "sents": [tokens], "vertexSet": clusters, "labels": []}


def _sentences(sentences: list[Any]) -> Iterator[Document]:
    """Wikigold: what it calls MISC is drawn differently, and left out."""
    for number, sentence in enumerate(sentences):
        mentions = [
            {"pos": [e["start"], e["end"]], "type": e["type"]}
            for e in sentence["entities"]
            if e["type"] != "MISC"
        ]
        yield _document(f"wikigold {number}", sentence["tokens"], mentions) | {
            "annotated_entity_types": ["PER", "ORG"],
            "annotated_relations": [],
        }


def knowledgenet(folder: Path, folds: set[int], part: int | None = None) -> Iterator[Document]:
    """KnowledgeNet: each passage by itself, since those between are missing.

    A passage is annotated with some relations, between the given mentions.

    Args:
        folder: holds the data sets by name.
        folds: which of the folds 1 to 3.
        part: every second document, from the first (0) or the second (1); None: all.
    """
    names = relation_names(folder)
    documents = _read(folder / "knowledgenet_facts" / "docred.json")
    documents = [document for document in documents if document["fold"] in folds]
    for document in documents if part is None else documents[part::2]:
        for place, tokens in enumerate(document["sents"]):
            numbers: dict[int, int] = {}
            clusters = []
            for number, mentions in enumerate(document["vertexSet"]):
                inside = [
                    {"pos": m["pos"], "type": m["type"], "sent_id": 0}
                    for m in mentions
                    if m["sent_id"] == place
                ]
                if inside:
                    numbers[number] = len(clusters)
                    clusters.append(inside)
            relations = [r for r in document["annotated_relations"][place] if r in names]
            if not relations or not clusters:
                continue
            yield {
                "title": f"{document['title']} {place}",
                "sents": [tokens],
                "vertexSet": clusters,
                "labels": [
                    {"h": numbers[label["h"]], "t": numbers[label["t"]], "r": label["r"]}
                    for label in document["labels"]
                    if label["h"] in numbers and label["t"] in numbers and label["r"] in relations
                ],
                "annotated_entity_types": [],
                "annotated_relations": relations,
                "annotated_pairs": "mentions",
            }


def _fire(sentences: list[Any]) -> Iterator[Document]:
    """FIRE: people, organisations and places are all annotated; dates are drawn differently."""
    for number, sentence in enumerate(sentences):
        kept = {
            index: entity
            for index, entity in enumerate(sentence["entities"])
            if entity["type6"] in ("PER", "ORG", "LOC")
        }
        places = {index: place for place, index in enumerate(kept)}
        mentions = [{"pos": [e["start"], e["end"]], "type": e["type6"]} for e in kept.values()]
        labels = []
        for relation in sentence["relations"]:
            head, tail = relation["head"], relation["tail"]
            if head in kept and tail in kept:
                types = kept[head]["type6"], kept[tail]["type6"]
                if named := _FIRE.get((relation["type"], *types)):
                    labels.append({"h": places[head], "t": places[tail], "r": named})
                if named == "P108" and _has_title(sentence, head, _CHIEF_EXECUTIVE):
                    labels.append({"h": places[tail], "t": places[head], "r": "P169"})
        yield _document(f"fire {number}", sentence["tokens"], mentions) | {
            "labels": labels,
            "annotated_entity_types": ["PER", "ORG", "LOC"],
            "annotated_relations": ["P108", "P749"],
            "annotated_pairs": "mentions",
        }


def _has_title(sentence: dict[str, Any], person: int, title: re.Pattern[str]) -> bool:
    """Whether a person of FIRE has a title, and one employer, so that it is the title there."""
    of_person = [r for r in sentence["relations"] if r["head"] == person]
    titles = [sentence["entities"][r["tail"]] for r in of_person if r["type"] == "Designation"]
    employers = [r for r in of_person if r["type"] == "Employeeof"]
    return len(employers) == 1 and any(title.search(t["text"]) for t in titles)


def _core(sentences: list[Any]) -> Iterator[Document]:
    """CORE: one pair of companies; passages that call one by a pronoun are left out."""
    for number, sentence in enumerate(sentences):
        types = {relation["type"] for relation in sentence["relations"]}
        named = [entity["text"] for entity in sentence["entities"]]
        if len(types) != 1 or not types <= _CORE.keys() or not all(map(_is_name, named)):
            continue
        mentions = [{"pos": [e["start"], e["end"]], "type": "ORG"} for e in sentence["entities"]]
        labels = []
        for relation in sentence["relations"]:
            forward, back = _CORE[relation["type"]]
            head, tail = relation["head"], relation["tail"]
            labels += [{"h": head, "t": tail, "r": r} for r in forward]
            labels += [{"h": tail, "t": head, "r": r} for r in back]
        yield _document(f"core {number}", sentence["tokens"], mentions) | {
            "labels": labels,
            "annotated_entity_types": [],
            "annotated_relations": _CORE_ANNOTATED,
            "annotated_pairs": "mentions",
        }


def _is_name(text: str) -> bool:
    return (
        text[:1].isupper() and text not in ("It", "Its", "They") and not text.startswith("The co")
    )


if __name__ == "__main__":
    main()
