"""What the rows of one table refer to in another, without shuffling either of them.

Ids say in which file of a table their row stands. So only (row, id) goes to that
file, and only what was asked for comes back, to the file that asked:

```
file of A -> (row, id) by file of B -> GroupByKey -> matching rows of B -> by file of A
```
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pfn_kg.transforms.plumbing.ids import shard_of_hex
from pfn_kg.transforms.plumbing.shards import decode, encode, split
from pfn_kg.transforms.tables.parts import TablePart, read_part

#: Row and key column (by its position in `keys`) of what was found, before its columns.
FOUND_ROW, FOUND_KEY = "row", "key"


class Question(NamedTuple):
    """What is asked of another table.

    Attributes:
        table: whose rows ask.
        keys: its columns of ids of the other table.
        other: the table that is asked; sorted and cut by its id.
        id_column: its column of ids.
        columns: what is asked for.
        where: only rows of the other table for which this holds answer.
    """

    table: str
    keys: Sequence[str]
    other: str
    id_column: str
    columns: Sequence[str]
    where: pc.Expression | None = None


class LookUp(beam.PTransform):
    """From `TablePart` to ((table, number of the part that asked), rows as Arrow IPC bytes).

    The rows have `FOUND_ROW`, `FOUND_KEY` and the columns that were asked for; ids
    without an answer are left out, so that a `where` that few rows satisfy costs little.

    Args:
        question: what is asked.
    """

    def __init__(self, question: Question):
        super().__init__()
        self._question = question

    def expand(self, parts: beam.PCollection) -> beam.PCollection:
        """Applies the transform."""
        question = self._question
        files = (
            parts
            | "Other" >> beam.Filter(lambda part: part.table == question.other)
            | "KeyByNumber"
            >> beam.Map(lambda part: (part.number, part)).with_output_types(tuple[int, Any])
        )
        asked = (
            parts
            | "Asking" >> beam.Filter(lambda part: part.table == question.table)
            | "Ask"
            >> beam.FlatMap(
                _ask, question, beam.pvalue.AsDict(table_sizes(parts))
            ).with_output_types(tuple[int, Any])
        )
        return (
            {"file": files, "asked": asked}
            | "GroupByFile" >> beam.CoGroupByKey()
            | "Answer"
            >> beam.FlatMap(_look_up, question).with_output_types(tuple[tuple[str, int], Any])
        )


def table_sizes(parts: beam.PCollection) -> beam.PCollection:
    """From `TablePart` to (table, how many files it has)."""
    return (
        parts
        | "Sizes" >> beam.Map(lambda part: (part.table, part.of))
        | "DistinctSizes" >> beam.Distinct()
    )


def _ask(
    part: TablePart, question: Question, sizes: Mapping[str, int]
) -> Iterator[tuple[int, tuple[int, bytes]]]:
    rows = read_part(part, question.keys)
    shards = sizes[question.other]
    for position, key in enumerate(question.keys):
        ids = rows[key]
        asked = pa.table(
            {
                FOUND_ROW: np.arange(len(ids), dtype=np.int32),
                FOUND_KEY: np.full(len(ids), position, dtype=np.int8),
                "id": ids,
            }
        )
        for number, data in split(asked, shard_of_hex(ids, shards), shards):
            yield number, (part.number, data)


def _look_up(
    group: tuple[int, Mapping[str, Iterable[Any]]], question: Question
) -> Iterator[tuple[tuple[str, int], bytes]]:
    files = list(group[1]["file"])  # none where an id lies in no file: it has no answer
    if not files:
        return
    rows = read_part(files[0], [question.id_column, *question.columns], question.where)
    ids = rows[question.id_column].combine_chunks()
    for number, data in group[1]["asked"]:
        asked = decode(data)
        index = pc.index_in(asked["id"], value_set=ids)
        is_found = pc.is_valid(index)
        if not pc.any(is_found).as_py():
            continue
        answered = asked.select([FOUND_ROW, FOUND_KEY]).filter(is_found)
        answers = rows.select(list(question.columns)).take(index.filter(is_found))
        for name in question.columns:
            answered = answered.append_column(name, answers[name])
        yield (question.table, number), encode(answered)


def scatter(rows: int, answers: pa.Table, *, key: int, column: str) -> pa.Array:
    """A column of what was found by one key, one value a row of the table that asked.

    Args:
        rows: how many rows the part has that asked.
        answers: all that was found for it.
        key: position of the key in the question.
        column: what was asked for; null where nothing was found.
    """
    answers = answers.filter(pc.equal(answers[FOUND_KEY], key))
    index = np.full(rows, -1, dtype=np.int64)
    index[answers[FOUND_ROW].to_numpy()] = np.arange(len(answers))
    taken = pa.array(index, mask=index < 0)
    values = answers[column].combine_chunks()
    return values.take(taken)
