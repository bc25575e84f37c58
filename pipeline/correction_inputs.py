"""The corrections beside a graph: kept for the next build, and read by workers of this one."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from hashlib import blake2b

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pfn_kg.pipeline.snapshots import CORRECTIONS_FILE
from pfn_kg.schemas.corrections import AnyCorrection, KeepApart, correction_table
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.schemas.rules import NameRules
from pfn_kg.sinks.tables import parquet_bytes
from pfn_kg.transforms.corrections.find_plan import OUTCOMES_FILE
from pfn_kg.transforms.merging.alias_table import AliasTable, expand_keys, released_by
from pfn_kg.transforms.merging.merge_options import Apart
from pfn_kg.transforms.names.entity_keys import EntityKeys
from pfn_kg.transforms.plumbing.files import join, make_folder, read_bytes, read_if_there, replace

_logger = logging.getLogger(__name__)
_SHOWN = 3


def kept_corrections(graph: str, recorded: str) -> str:
    """The path of the corrections that a graph was built with.

    Args:
        graph: the folder of the snapshot.
        recorded: the hash that `keep_corrections` gave.

    Raises:
        ConfigurationError: if there are others there, or none.
    """
    path = join(graph, CORRECTIONS_FILE)
    content = read_if_there(path)
    if content is None or _digest(content) != recorded:
        raise ConfigurationError(
            f"{path} does not have the corrections of the last build; name a file of them",
            field="corrections",
        )
    return path


def keep_corrections(graph: str, corrections: Sequence[AnyCorrection]) -> str:
    """Puts corrections beside the graph, where workers read them too; gives their hash."""
    data = parquet_bytes(correction_table(corrections))
    make_folder(graph)
    replace(join(graph, CORRECTIONS_FILE), data)
    return _digest(data)


def _digest(data: bytes) -> str:
    return blake2b(data, digest_size=16).hexdigest()


def released_names(
    corrections: Sequence[AnyCorrection],
    *,
    label_schema: LabelSchema,
    names: NameRules,
    aliases: AliasTable | None,
) -> frozenset[bytes]:
    """The ids of names that are not what everybody knows of them, as people say.

    Args:
        corrections: of the build; of two names that it keeps apart one stays what is known of it.
        label_schema: of the graph.
        names: which names count as one name.
        aliases: the alias table, if any.
    """
    keys = EntityKeys.of(label_schema, names)
    released = set() if aliases is None else set(released_by(aliases.keys, keys))
    for c in corrections:
        if not isinstance(c, KeepApart) or not {c.type, c.other_type} <= keys.kinds.keys():
            continue
        known = keys._replace(released=frozenset(released))
        ends = [(c.name, c.type), (c.other_name, c.other_type)]
        ids, homes = ([of(*end) for end in ends] for of in (known.id, known.home))
        if ids[0] != ids[1] and homes[0] == homes[1]:
            # The one that goes nowhere keeps the other names.
            released.add(ids[0] if ids[1] == homes[1] else ids[1])
    return frozenset(released)


def apart_entities(
    corrections: Sequence[AnyCorrection],
    *,
    keys: EntityKeys,
    aliases: AliasTable | None,
) -> Apart | None:
    """What alias table, near names and other documents must not make one, by corrections.

    Args:
        corrections: of the build.
        keys: of names.
        aliases: the alias table, if any.
    """
    pairs = [
        (keys.home(c.name, c.type), keys.home(c.other_name, c.other_type))
        for c in corrections
        if isinstance(c, KeepApart) and c.type in keys.kinds and c.other_type in keys.kinds
    ]
    if not pairs:
        return None
    heirs = _alias_heirs({id_ for pair in pairs for id_ in pair}, keys, aliases)
    released = set()
    for one, other in pairs:
        if one == other or heirs.get(one, one) != heirs.get(other, other):
            continue
        # One of the two stays what the alias table makes of it: the one that goes nowhere.
        alone = one if heirs.get(other, other) == other else other
        released.add(alone)
        heirs.pop(alone)
    links: dict[bytes, set[bytes]] = {}
    for one, other in pairs:
        ends = heirs.get(one, one), heirs.get(other, other)
        for end, away in (ends, ends[::-1]):
            links.setdefault(end, set()).add(away)
    return Apart(
        frozenset(released), {id_: frozenset(others - {id_}) for id_, others in links.items()}
    )


def _alias_heirs(
    ids: set[bytes], keys: EntityKeys, aliases: AliasTable | None
) -> dict[bytes, bytes]:
    """Where the alias table sends some ids, if anywhere."""
    if aliases is None:
        return {}
    joins = expand_keys(aliases.keys, keys)
    wanted = pa.array(sorted(ids), joins.schema.field("entity_id").type)
    joins = joins.filter(pc.is_in(joins["entity_id"], value_set=wanted))
    found: dict[bytes, bytes] = {}
    for id_, heir in zip(joins["entity_id"].to_pylist(), joins["heir_id"].to_pylist(), strict=True):
        found[id_] = min(heir, found.get(id_, heir))
    return {id_: heir for id_, heir in found.items() if heir != id_}


def read_outcomes(graph: str) -> pa.Table:
    """What became of each correction of a graph.

    Args:
        graph: the folder of the snapshot.
    """
    return pq.read_table(pa.BufferReader(read_bytes(join(graph, OUTCOMES_FILE))))


def say_what_is_idle(graph: str, outcomes: pa.Table) -> None:
    """Says on standard error which corrections say nothing in a graph, and where that stands."""
    idle = [row for row in outcomes.to_pylist() if not row["is_applied"]]
    if not idle:
        return
    shown = "; ".join(f"row {r['row']} ({r['kind']}): {r['reason']}" for r in idle[:_SHOWN])
    more = f"; and {len(idle) - _SHOWN} more" if len(idle) > _SHOWN else ""
    _logger.warning(
        "%d of %d corrections do not apply, as %s says: %s%s",
        len(idle),
        len(outcomes),
        join(graph, OUTCOMES_FILE),
        shown,
        more,
    )
