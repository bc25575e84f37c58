"""The user's alias table: which names are of one entity, and what it is called elsewhere.

Parquet or CSV with the columns `alias` and `canonical_name`, and, where wanted, `type`
and `iri`. All of it is checked before any work, since a table that contradicts itself
would make another graph each time its rows came in another order. Rows are counted from
1, the header of a CSV file not among them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pyoxigraph

from pfn_kg.schemas.characters import shown_name
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.schemas.rules import NameRules
from pfn_kg.schemas.shuffled_rows import ID_TYPE
from pfn_kg.transforms.names.entity_keys import EntityKeys
from pfn_kg.transforms.plumbing.files import read_bytes
from pfn_kg.transforms.tables.aggregate import one_array

#: The columns of an alias table, as it is kept in the output folder.
ALIAS_SCHEMA = pa.schema(
    {
        "alias": pa.string(),
        "type": pa.string(),  # null: any type of entities
        "canonical_name": pa.string(),
        "iri": pa.string(),  # of the same thing elsewhere, or null
    }
)

#: What the pipeline joins with: each name once, the canonical ones among them.
KEY_SCHEMA = pa.schema(
    {
        "alias": pa.string(),
        "type": pa.string(),  # null: any type of entities
        "name": pa.string(),
        "same_as": pa.string(),
    }
)

#: The same by id: for the entity that a name's own key gives, where it goes.
JOIN_SCHEMA = pa.schema(
    {
        "entity_id": ID_TYPE,
        "heir_id": ID_TYPE,
        "type": pa.string(),
        "name": pa.string(),
        "same_as": pa.string(),
    }
)

_OPTIONAL = ("type", "iri")


class AliasTable(NamedTuple):
    """An alias table that says what can be meant.

    Attributes:
        rows: as in ALIAS_SCHEMA, in the order in which they were given.
        keys: as in KEY_SCHEMA.
    """

    rows: pa.Table
    keys: pa.Table


def read_alias_table(path: str, label_schema: LabelSchema, names: NameRules) -> AliasTable:
    """Reads and checks an alias table.

    Args:
        path: of a Parquet or CSV file (UTF-8), on any file system that Beam knows.
        label_schema: whose types of entities the names may have.
        names: what is taken off a name.

    Raises:
        ConfigurationError: naming the file, the column and the row, or both rows where
            two of them contradict each other.
    """
    rows = _Reader(path).read()
    return AliasTable(rows, _Checker(path, label_schema, names).keys(rows))


class _Reader:
    def __init__(self, path: str):
        self._path = path

    def read(self) -> pa.Table:
        try:
            data = read_bytes(self._path)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or " ".join(str(error).split())
            self._fail(reason)
        try:
            # By what it is: a name says little about a file.
            is_parquet = data[:4] == b"PAR1"
            table = pq.read_table(pa.BufferReader(data)) if is_parquet else self._csv(data)
        except (pa.ArrowException, OSError) as error:
            self._fail(str(error).splitlines()[0])
        return self._with_columns(table)

    def _csv(self, data: bytes) -> pa.Table:
        options = pa_csv.ConvertOptions(
            column_types={name: pa.string() for name in ALIAS_SCHEMA.names},
            strings_can_be_null=False,
        )
        parse = pa_csv.ParseOptions(newlines_in_values=True)
        return pa_csv.read_csv(pa.BufferReader(data), parse_options=parse, convert_options=options)

    def _with_columns(self, table: pa.Table) -> pa.Table:
        known = ALIAS_SCHEMA.names
        for name in table.column_names:
            # An `iris` that is passed over would be a loss that nobody sees.
            if name not in known:
                self._fail(f"column {name!r}: not one of {', '.join(known)}")
            if table.column_names.count(name) > 1:
                self._fail(f"column {name!r}: is there twice")
        columns = {}
        for name in known:
            if name not in table.column_names:
                if name not in _OPTIONAL:
                    self._fail(f"has no column {name!r}")
                columns[name] = pa.nulls(len(table), pa.string())
                continue
            column = table[name]
            type_ = column.type
            if pa.types.is_dictionary(type_):
                type_ = type_.value_type
            if not (
                pa.types.is_string(type_)
                or pa.types.is_large_string(type_)
                or pa.types.is_null(type_)
            ):
                self._fail(f"column {name!r}: {column.type} is not text")
            column = column.cast(pa.string()).combine_chunks()
            empty = pc.equal(pc.utf8_trim_whitespace(column), "")
            columns[name] = pc.if_else(empty, pa.scalar(None, pa.string()), column)
        return pa.table(columns, schema=ALIAS_SCHEMA)

    def _fail(self, reason: str) -> NoReturn:
        raise ConfigurationError(f"{self._path}: {reason}", field="aliases") from None


class _Checker:
    """Checks a table as columns of codes, since it may have millions of rows."""

    def __init__(self, path: str, label_schema: LabelSchema, rules: NameRules):
        self._path = path
        self._kinds = {t.name: t.kind for t in label_schema.entity_types}
        self._keys = EntityKeys.of(label_schema, rules)

    def keys(self, rows: pa.Table) -> pa.Table:
        """The table KEY_SCHEMA of sound rows."""
        for name in ("alias", "canonical_name"):
            if rows[name].null_count:
                row = pc.index(pc.is_null(rows[name]), True).as_py()
                self._fail(f"column {name!r}, row {row + 1}: is empty")
        self._check_types(rows["type"])
        self._check_iris(rows["iri"])
        types_of = rows["type"].to_pylist()
        aliases, canonical = (
            list(map(self._keys.key, rows[name].to_pylist(), types_of))
            for name in ("alias", "canonical_name")
        )
        # One code a name, whichever column it is in; one a type, 0 where there is none.
        of_name = _codes([*aliases, *canonical])
        alias, heir = of_name[: len(rows)], of_name[len(rows) :]
        names = list(map(shown_name, rows["canonical_name"].to_pylist()))
        spelling = _codes(names)
        type_ = _codes([name or "" for name in types_of])
        is_typed = pc.is_valid(rows["type"]).to_numpy()

        for codes, column in ((alias, "alias"), (heir, "canonical_name")):
            if rows_at_odds := _contradiction(codes, is_typed):
                self._contradict(
                    "type", rows_at_odds, f"{rows[column][rows_at_odds[1]]} has a type in one alone"
                )
        types = int(type_.max(initial=0)) + 1
        if rows_at_odds := _contradiction(heir, spelling):
            one, other = (names[row] for row in rows_at_odds)
            self._contradict(
                "canonical_name", rows_at_odds, f"{one!r} and {other!r} differ in spelling"
            )
        if rows_at_odds := _contradiction(alias * types + type_, heir):
            one, other = (names[row] for row in rows_at_odds)
            said = f"{rows['alias'][rows_at_odds[1]]} is of {one!r} and of {other!r}"
            self._contradict("canonical_name", rows_at_odds, said)
        self._check_chains(alias, heir, type_=type_, is_typed=is_typed, names=names)
        iris = self._iris_of_heirs(rows["iri"], heir * types + type_, heir)
        found_keys = {
            "alias": pa.concat_arrays([one_array(rows["alias"]), pa.array(names, pa.string())]),
            "type": pa.concat_arrays([one_array(rows["type"])] * 2),
            "name": pa.array(names * 2, pa.string()),
            "same_as": pa.concat_arrays([iris] * 2),
        }
        distinct = np.unique(of_name * types + np.tile(type_, 2), return_index=True)[1]
        return pa.table(found_keys, schema=KEY_SCHEMA).take(pa.array(np.sort(distinct)))

    def _check_types(self, types: pa.ChunkedArray) -> None:
        for name in pc.unique(types).to_pylist():
            kind = self._kinds.get(name)
            if name is None or kind == "entity":
                continue
            row = pc.index(types, name).as_py() + 1
            reason = "the label schema has no such type"
            if kind is not None:
                reason = "a type of values, which are never merged"
            self._fail(f"column 'type', row {row}: {name!r}: {reason}")

    def _check_iris(self, iris: pa.ChunkedArray) -> None:
        for row, iri in enumerate(iris.to_pylist(), 1):
            if iri is None:
                continue
            try:
                pyoxigraph.NamedNode(iri)
            except ValueError as error:
                self._fail(f"column 'iri', row {row}: {iri!r} is no IRI: {error}")

    def _check_chains(
        self,
        alias: np.ndarray,
        heir: np.ndarray,
        *,
        type_: np.ndarray,
        is_typed: np.ndarray,
        names: Sequence[str],
    ) -> None:
        """Refuses a canonical name that is an alias of another one: which is it?"""
        goes_on = np.flatnonzero((alias != heir) & np.isin(alias, heir))
        onward: dict[int, list[int]] = {}
        for row in goes_on.tolist():
            onward.setdefault(int(alias[row]), []).append(row)
        for row in np.flatnonzero(np.isin(heir, alias[goes_on])).tolist():
            for other in onward[int(heir[row])]:
                if type_[row] == type_[other] or not (is_typed[row] and is_typed[other]):
                    said = f"{names[row]!r} is canonical and an alias of {names[other]!r}"
                    self._contradict("canonical_name", (row, other), said)

    def _iris_of_heirs(
        self, iris: pa.ChunkedArray, typed_heir: np.ndarray, heir: np.ndarray
    ) -> pa.Array:
        """The IRI of each row's entity, which one of its rows gives."""
        given = np.flatnonzero(pc.is_valid(iris).to_numpy())
        values = iris.take(pa.array(given))
        code = _codes(values.to_pylist())
        if rows_at_odds := _contradiction(typed_heir[given], code):
            one, other = (values[row] for row in rows_at_odds)
            said = f"one entity has two IRIs, {one} and {other}"
            self._contradict("iri", tuple(given[list(rows_at_odds)].tolist()), said)
        # An entity of two types may be one thing; entities of two names are not.
        if rows_at_odds := _contradiction(code, heir[given]):
            said = f"{values[rows_at_odds[1]]} is of two entities"
            self._contradict("iri", tuple(given[list(rows_at_odds)].tolist()), said)
        known, first = np.unique(typed_heir[given], return_index=True)
        if not len(known):
            return pa.nulls(len(typed_heir), pa.string())
        place = np.minimum(np.searchsorted(known, typed_heir), len(known) - 1)
        is_known = known[place] == typed_heir
        return one_array(values).take(pa.array(first[place], mask=~is_known))

    def _contradict(self, column: str, rows: tuple[int, ...], said: str) -> NoReturn:
        one, other = sorted(rows)
        self._fail(f"column {column!r}, rows {one + 1} and {other + 1}: {said}")

    def _fail(self, reason: str) -> NoReturn:
        raise ConfigurationError(
            f"{self._path}: {' '.join(reason.split())}", field="aliases"
        ) from None


def _codes(texts: Sequence[str]) -> np.ndarray:
    encoded = pa.array(texts, pa.string()).dictionary_encode()
    return encoded.indices.to_numpy().astype(np.int64)


def _contradiction(groups: np.ndarray, values: np.ndarray) -> tuple[int, int] | None:
    """The first row whose value is not that of its group's first row, behind that row."""
    if not len(groups):
        return None
    _, first, number = np.unique(groups, return_index=True, return_inverse=True)
    differs = np.flatnonzero(values != values[first][number])
    if not len(differs):
        return None
    row = int(differs[0])
    return int(first[number[row]]), row


def expand_keys(table: pa.Table, keys: EntityKeys) -> pa.Table:
    """What a join by id needs, as in JOIN_SCHEMA.

    Args:
        table: as in KEY_SCHEMA.
        keys: of names; its kinds are those of the types that a row without one speaks of, and what
            it released is what `released_by` says of the table.
    """
    joins: list[tuple[bytes, bytes, str, str, str | None]] = []
    for alias, type_, name, same_as in _typed_rows(table, keys):
        heir = keys.id(name, type_)
        rest = (heir, type_, name, same_as)
        joins.append((keys.home(alias, type_), *rest))
        # Other names of what everybody knows go where the table calls it so.
        home = keys.home(name, type_)
        if home not in (heir, joins[-1][0]):
            joins.append((home, *rest))
    columns = zip(*dict.fromkeys(joins), strict=True) if joins else [()] * len(JOIN_SCHEMA)
    arrays = [pa.array(c, f.type) for c, f in zip(columns, JOIN_SCHEMA, strict=True)]
    return pa.table(arrays, schema=JOIN_SCHEMA)


def released_by(table: pa.Table, keys: EntityKeys) -> frozenset[bytes]:
    """The ids of aliases that the table says to be of something else than everybody knows.

    Args:
        table: as in KEY_SCHEMA.
        keys: of names, with nothing released.
    """
    return frozenset(
        keys.id(alias, type_)
        for alias, type_, name, _ in _typed_rows(table, keys)
        if keys.known(alias, type_) is not None
        and keys.home(alias, type_) != keys.home(name, type_)
    )


def _typed_rows(table: pa.Table, keys: EntityKeys) -> Iterator[tuple[str, str, str, str | None]]:
    for row in zip(*(table[name].to_pylist() for name in KEY_SCHEMA.names), strict=True):
        alias, of_type, name, same_as = row
        for type_ in keys.kinds if of_type is None else (of_type,):
            yield alias, type_, name, same_as
