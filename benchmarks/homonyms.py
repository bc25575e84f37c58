"""Names of several people, told apart by their dates: against Wikidata's ids.

    python -m benchmarks.homonyms train.json dev.json test.json --links links.json

The documents are in the format docred, the links as `benchmarks.catalogue` reads them. Mentions,
facts and ids are gold, so what is scored is the rule alone. Prints how many names are of several
ids or of one, how many of each have documents that contradict each other, how many are split, and
the pairs of documents that a split holds apart rightly and wrongly.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from itertools import combinations
from pathlib import Path

from benchmarks.catalogue import Linked, names_of, read_linked
from pfn_kg.pfn.checkpoint import find_model, read_label_schema
from pfn_kg.transforms.linking.catalogue_file import hash_of, lookup_key
from pfn_kg.transforms.linking.homonyms import Occurrence, senses
from pfn_kg.transforms.values.normalise import normalise_value


def occurrences(linked: Linked) -> dict[str, list[tuple[Occurrence, str]]]:
    """For each name its documents, each with the id that the name has there."""
    label_schema = read_label_schema(find_model())
    telling = {r.name for r in label_schema.relations if r.max_objects == 1}
    datatypes = {t.name: t.datatype for t in label_schema.entity_types if t.kind == "value"}
    people = {t.name for t in label_schema.entity_types if t.names == "person"}
    found: dict[str, list[tuple[Occurrence, str]]] = defaultdict(list)
    for number, (document, ids) in enumerate(zip(linked.documents, linked.ids, strict=True)):
        names = [names_of(document, cluster) for cluster in range(len(ids))]
        types = [cluster[0].type for cluster in document.clusters]
        keys = [lookup_key(of[0], None) for of in names]
        claims: dict[int, set[tuple[str, str]]] = defaultdict(set)
        for subject, relation, object_ in document.facts:
            if relation in telling and types[object_] in datatypes:
                value, _ = normalise_value(names[object_][0], datatypes[types[object_]])
                claims[subject].add((relation, value))
        for cluster, id_ in enumerate(ids):
            if id_ is None or types[cluster] not in people:
                continue
            partners = {
                hash_of(key)
                for other, key in enumerate(keys)
                if other != cluster and types[other] not in datatypes
            }
            one = Occurrence(0, f"{number:06}", frozenset(claims[cluster]), frozenset(partners))
            for key in {lookup_key(name, None) for name in names[cluster]}:
                found[key].append((one, id_))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("documents", type=Path, nargs="+", help="in the format docred")
    parser.add_argument("--links", type=Path, required=True, help="Wikidata's ids of entities")
    args = parser.parse_args()
    counts: Counter[str] = Counter()
    for name, documents in sorted(occurrences(read_linked(args.documents, args.links)).items()):
        if len({one.document_id for one, _ in documents}) < 2:
            continue
        kind = "several" if len({id_ for _, id_ in documents}) > 1 else "one"
        told = senses(one for one, _ in documents)
        counts[f"{kind}: names"] += 1
        if len(told) > 1 or any(sense.errs for sense in told):
            counts[f"{kind}: contradict"] += 1
        if len(told) > 1:
            counts[f"{kind}: split"] += 1
            print(f"split, of {kind}: {name}")
        sense_of = {o: number for number, sense in enumerate(told) for o in sense.occurrences}
        for (one, id_), (other, other_id) in combinations(documents, 2):
            is_apart = sense_of[one] != sense_of[other]
            if id_ != other_id:
                counts["pairs of two"] += 1
                counts["pairs of two, held apart"] += is_apart
            else:
                counts["pairs of one, held apart"] += is_apart
    for label in ("several", "one"):
        shown = [counts[f"{label}: {what}"] for what in ("names", "contradict", "split")]
        print(f"names of {label}: {shown[0]}, {shown[1]} contradict, {shown[2]} split")
    print(
        f"pairs of documents on two people: {counts['pairs of two']}, "
        f"{counts['pairs of two, held apart']} held apart; wrongly held apart: "
        f"{counts['pairs of one, held apart']}"
    )


if __name__ == "__main__":
    main()
