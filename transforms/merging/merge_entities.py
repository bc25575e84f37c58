"""Entities across documents: which of them are one, by alias table, near names and documents.

```
names of chunks -> by id --.
alias table     -> by id --+-> moves by aliases
                           '-> names by block -> NearNameHeirs -> heirs
heirs -> by id, with the chunks of the names -> moves by chunk
names of chunks, ids that move -> AcrossDocuments -> moves by chunk
```

No step sees all names: the names of one id meet, the names of a block up to a number, and
the pairs of a component. The result is small: the ids that move to another one, for the
chunks whose names have them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import apache_beam as beam

from pfn_kg.transforms.merging.across_documents import AcrossDocuments
from pfn_kg.transforms.merging.join_aliases import JoinAliases, read_aliases
from pfn_kg.transforms.merging.merge_options import MergeOptions
from pfn_kg.transforms.merging.moves import both_ends, chunks_of_ids, route_moves
from pfn_kg.transforms.merging.near_name_heirs import NearNameHeirs
from pfn_kg.transforms.plumbing.shards import decode


class Merged(NamedTuple):
    """The output of `MergeEntities`.

    Attributes:
        moves: (chunk, list of `pfn_kg.schemas.shuffled_rows.Move`).
        names: rows of NAME_SCHEMA that the alias table gives, as ((`entities`, shard), bytes).
        counts: dictionaries.
        doubtful: `pfn_kg.transforms.merging.doubtful_names.DoubtfulName`; None if similar names are
            not compared.
    """

    moves: beam.PCollection
    names: beam.PCollection
    counts: beam.PCollection
    doubtful: beam.PCollection | None = None


class MergeEntities(beam.PTransform):
    """From (part of the ids, CHUNK_NAME_SCHEMA as Arrow IPC bytes) to `Merged`.

    Args:
        options: which entities become one.
        plan: side input: the number of files of each table.
    """

    def __init__(self, options: MergeOptions, plan: beam.pvalue.AsSingleton):
        super().__init__()
        self._options = options
        self._plan = plan

    def expand(self, names: beam.PCollection) -> Merged:
        """Applies the transform."""
        options, plan = self._options, self._plan
        aliases = (
            names.pipeline
            | "AliasGroups" >> beam.Create(range(options.alias_groups), reshuffle=True)
            | "Aliases"
            >> beam.FlatMap(read_aliases, options, plan).with_output_types(tuple[int, bytes])
        )
        joined = (
            {"names": names, "aliases": aliases}
            | "GroupById" >> beam.CoGroupByKey()
            | "JoinAliases"
            >> beam.ParDo(JoinAliases(options), plan).with_outputs(
                JoinAliases.NAMES,
                JoinAliases.BLOCKS,
                JoinAliases.COUNTS,
                JoinAliases.ENDS,
                main="moves",
            )
        )
        canonical = joined[JoinAliases.NAMES] | "NameTypes" >> beam.Map(_same).with_output_types(
            tuple[tuple[str, int], bytes]
        )
        moves, counts = [joined["moves"]], [joined[JoinAliases.COUNTS]]
        ends = [joined[JoinAliases.ENDS] | "EndTypes" >> _typed()]
        if options.near_names is not None:
            heirs, of_heirs = joined[JoinAliases.BLOCKS] | "NearNames" >> NearNameHeirs(
                options.near_names, plan, options.apart.others
            )
            chunks = names | "ChunksOfIds" >> beam.MapTuple(chunks_of_ids).with_output_types(
                tuple[int, bytes]
            )
            moves.append(
                {"chunks": chunks, "heirs": heirs}
                | "GroupMovesById" >> beam.CoGroupByKey()
                | "MovesOfChunks"
                >> beam.FlatMap(route_moves, "fuzzy").with_output_types(tuple[int, Any])
            )
            counts.append(of_heirs)
            ends.append(
                heirs
                | "EndsOfHeirs"
                >> beam.FlatMap(_ends_of_heirs, plan).with_output_types(tuple[int, bytes])
            )
        doubtful = None
        if options.across_documents:
            taken = ends | "Taken" >> beam.Flatten()
            said, doubtful, of_rules = names | "AcrossDocuments" >> AcrossDocuments(
                options, plan, taken
            )
            moves.append(said)
            counts.append(of_rules)
        return Merged(
            moves | "AllMoves" >> beam.Flatten(),
            canonical,
            counts | "AllCounts" >> beam.Flatten(),
            doubtful,
        )


def _typed() -> beam.PTransform:
    return beam.Map(_same).with_output_types(tuple[int, bytes])


def _ends_of_heirs(
    group: tuple[int, bytes], plan: Mapping[str, int]
) -> Iterator[tuple[int, bytes]]:
    yield from both_ends(decode(group[1]), plan)


def _same(element: Any) -> Any:
    return element
