"""Facts that a build loses: by labels that the model does not know, or against the last graph."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.label_schema import LabelSchema

#: A build that keeps less than this share of the last graph's facts says so.
KEPT_SHARE = 0.8

_logger = logging.getLogger(__name__)
_SHOWN = 10


def check_labels(given: LabelSchema, of_model: LabelSchema) -> None:
    """Refuses a label schema with types or relations that the model does not have.

    Such a label would never occur, and most likely it is the new name of one of the model's, whose
    facts would all vanish. A label schema that leaves labels out is accepted: so a graph is made
    without them.

    Args:
        given: the user's.
        of_model: that of the extractions.

    Raises:
        ConfigurationError: names the labels, and those of the model that are left out.
    """
    for kind, wanted, known in (
        ("entity type", _types(given), _types(of_model)),
        ("relation", _relations(given), _relations(of_model)),
    ):
        if unknown := [name for name in wanted if name not in known]:
            left_out = [name for name in known if name not in wanted]
            rest = f"; it leaves out {_listed(left_out)}" if left_out else ""
            raise ConfigurationError(
                f"the model of these extractions has no {kind} {_listed(unknown)}{rest}; names "
                "stay as the model has them (other names in Neo4j and RDF are fields of their own)",
                field="schema",
            )


def say_what_is_lost(counts: Mapping[str, int], before: Mapping[str, int] | None) -> None:
    """Says on standard error what a build left out for its label schema, and against the last one.

    Args:
        counts: of the build.
        before: of the last build of the same folder; None without one.
    """
    mentions = counts.get("mentions_of_unknown_type", 0)
    triples = counts.get("head_triples_of_unknown_relation", 0)
    if mentions or triples:
        _logger.warning(
            "the label schema leaves out labels of the model: %d mentions and %d head triples were "
            "left out for it",
            mentions,
            triples,
        )
    for name in ("relations", "entities"):
        last, now = (before or {}).get(name, 0), counts.get(name, 0)
        if now < KEPT_SHARE * last:
            _logger.warning(
                "this graph has %d %s, the last one had %d (%.0f %% fewer)",
                now,
                name,
                last,
                100 * (1 - now / last),
            )


def _types(label_schema: LabelSchema) -> list[str]:
    return [type_.name for type_ in label_schema.entity_types]


def _relations(label_schema: LabelSchema) -> list[str]:
    return [relation.name for relation in label_schema.relations]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(map(repr, names[:_SHOWN])) + more
