"""What a build links entities to and how it tells them apart, from its options.

A catalogue is checked before any work, and found again by the next build.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pfn_kg.schemas.build_options import BuildOptions
from pfn_kg.schemas.corrections import (
    AnyCorrection,
    KeepApart,
    MergeEntity,
    RenameEntity,
    RetypeEntity,
    SplitEntity,
)
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.schemas.link_options import LinkOptions
from pfn_kg.transforms.linking.catalogue_file import open_catalogue
from pfn_kg.transforms.linking.link_entities import Linking
from pfn_kg.transforms.linking.split_homonyms import HomonymOptions
from pfn_kg.transforms.names.entity_keys import EntityKeys
from pfn_kg.transforms.plumbing.files import absolute

_DIGEST = "catalogue_digest"


def linking_of(options: LinkOptions | None, label_schema: LabelSchema) -> Linking | None:
    """What links entities; None if nothing does.

    Args:
        options: of the build.
        label_schema: of the graph.

    Raises:
        ConfigurationError: if the file is no catalogue, or has types that the label schema lacks.
    """
    if options is None:
        return None
    catalogue = open_catalogue(absolute(options.path))
    known = {t.name for t in label_schema.entity_types if t.kind == "entity"}
    missing = sorted(set(catalogue.types) - known)
    if missing:
        raise ConfigurationError(
            f"{options.path}: the label schema has no entity type {missing[0]!r}; make the "
            "catalogue again with other types",
            field="catalogue",
        )
    return Linking(catalogue, options.confidence)


def recorded_linking(linking: Linking | None) -> dict[str, Any]:
    """What the record of a build says of its catalogue, for the next build."""
    if linking is None:
        return {}
    options = LinkOptions(path=linking.catalogue.path, confidence=linking.confidence)
    return {"catalogue": options.model_dump(mode="json"), _DIGEST: linking.catalogue.digest}


def check_recorded(options: LinkOptions | None, recorded: Mapping[str, Any]) -> None:
    """Refuses a catalogue that is not the one of the last build any more.

    Args:
        options: as they were recorded.
        recorded: the record of that build.

    Raises:
        ConfigurationError: if it is gone or another one.
    """
    if options is not None and open_catalogue(options.path).digest != recorded.get(_DIGEST):
        raise ConfigurationError(
            f"{options.path} is not the catalogue of the last build any more; name one",
            field="catalogue",
        )


def homonyms_of(
    options: BuildOptions, keys: EntityKeys, corrections: Sequence[AnyCorrection]
) -> HomonymOptions | None:
    """What becomes of names whose facts contradict; None if nothing does.

    Args:
        options: of the build.
        keys: of names.
        corrections: what people say; a name that they say what it is of stays as it is.
    """
    if options.homonyms == "keep":
        return None
    of_entities = MergeEntity | RenameEntity | RetypeEntity | SplitEntity | KeepApart
    known = {
        keys.home(c.name, c.type)
        for c in corrections
        if isinstance(c, of_entities) and c.type in keys.kinds
    }
    return HomonymOptions(options.homonyms, frozenset(known))
