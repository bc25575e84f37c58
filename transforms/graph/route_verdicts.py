"""From the verdicts of the graph's rules to the files whose rows they concern.

```
verdicts -> by file of `relations` --.
                                     |-- same relation -> verdicts, by file of each table
triples  -> by file of `relations` --'
```

So a worker that writes a file has the verdicts on its rows, and not those of the whole graph. Of
triples only ids of relations that a rule speaks of travel, and none where there is one file.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pfn_kg.schemas.shuffled_rows import CLAIM_SCHEMA
from pfn_kg.transforms.facts.graph_rules import GraphRules, Verdict
from pfn_kg.transforms.graph.table_shards import Shard
from pfn_kg.transforms.plumbing.ids import from_arrow, shard_of, shard_of_hex, to_hex
from pfn_kg.transforms.plumbing.shards import decode, decode_all, encode, split, split_rows


def claims(
    triples: pa.Table, rules: GraphRules, plan: Mapping[str, int]
) -> Iterator[tuple[int, bytes]]:
    """Which files have triples of the relations that rules speak of.

    Args:
        triples: rows of the table `triples`, with ids as bytes.
        rules: of the graph.
        plan: the number of files of each table.

    Yields:
        The number of a file of `relations`, and CLAIM_SCHEMA as bytes.
    """
    if plan["triples"] == 1:
        return
    spoken_of = pc.is_in(triples["relation"], value_set=pa.array(rules.predicates, pa.string()))
    rows = triples.select(["relation", "relation_id", "triple_id"]).filter(spoken_of)
    if not len(rows):
        return
    files = shard_of(from_arrow(rows["triple_id"]), plan["triples"])
    found = pa.table([rows["relation_id"], pa.array(files, pa.int32())], schema=CLAIM_SCHEMA)
    found = _distinct(found)
    yield from split(
        found, shard_of(from_arrow(found["relation_id"]), plan["relations"]), plan["relations"]
    )


class RouteVerdicts(beam.PTransform):
    """From `Verdict` to ((table, number of the file), `Verdict`).

    Args:
        claims: what `claims` gives.
        plan: side input: the number of files of each table.
    """

    def __init__(self, claims: beam.PCollection, plan: beam.pvalue.AsSingleton):
        super().__init__()
        self._claims = claims
        self._plan = plan

    def expand(self, verdicts: beam.PCollection) -> beam.PCollection:
        """Applies the transform."""
        spoken = verdicts | "ByRelation" >> beam.FlatMap(_by_file, self._plan).with_output_types(
            tuple[int, Any]
        )
        return (
            {"verdicts": spoken, "claims": self._claims}
            | "GroupByFile" >> beam.CoGroupByKey()
            | "Route"
            >> beam.FlatMap(_route, self._plan).with_output_types(tuple[tuple[str, int], Any])
        )


def _by_file(verdict: Verdict, plan: Mapping[str, int]) -> Iterator[tuple[int, tuple[str, bytes]]]:
    ids, shards = decode(verdict.relation_ids), plan["relations"]
    for number, part in split(ids, shard_of_hex(ids["relation_id"], shards), shards):
        yield number, (verdict.rule, part)


def _route(
    group: tuple[int, Mapping[str, Iterable[Any]]], plan: Mapping[str, int]
) -> Iterator[tuple[Shard, Verdict]]:
    number, joined = group
    by_rule: defaultdict[str, list[pa.Table]] = defaultdict(list)
    for rule, part in joined["verdicts"]:
        by_rule[rule].append(decode(part))
    if not by_rule:
        return
    claimed = decode_all(joined["claims"])
    if claimed is not None:
        claimed = _distinct(claimed).combine_chunks()
        hexadecimal = to_hex(from_arrow(claimed["relation_id"]))
    for rule, parts in by_rule.items():
        ids = pa.concat_tables(parts).combine_chunks()
        yield ("relations", number), Verdict(rule, len(ids), encode(ids))
        if plan["triples"] == 1:
            yield ("triples", 0), Verdict(rule, len(ids), encode(ids))
        elif claimed is not None:
            is_meant = pc.is_in(hexadecimal, value_set=ids["relation_id"].combine_chunks())
            of_file = pa.table([hexadecimal.filter(is_meant)], names=["relation_id"])
            files = claimed["file"].filter(is_meant).to_numpy().astype(np.int64)
            for file, some in split_rows(of_file, files, plan["triples"]):
                yield ("triples", file), Verdict(rule, len(some), encode(some))


def _distinct(found: pa.Table) -> pa.Table:
    names = CLAIM_SCHEMA.names
    return found.group_by(names, use_threads=False).aggregate([]).select(names).cast(CLAIM_SCHEMA)
