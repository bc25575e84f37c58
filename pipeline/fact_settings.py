"""The thresholds and policies of a build, from its options and from the model of the folder."""

from __future__ import annotations

from pfn_kg.pfn.calibration import calibration_of
from pfn_kg.pipeline.manifest import Manifest
from pfn_kg.schemas.build_options import BuildOptions
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.transforms.facts.fact_options import FactOptions


def fact_options(manifest: Manifest, options: BuildOptions) -> FactOptions:
    """The thresholds and policies of a build.

    Args:
        manifest: of the folder; its model has thresholds and calibration.
        options: of the build.

    Raises:
        ConfigurationError: if a threshold is below what the extraction kept.
    """
    return FactOptions(
        entity_threshold=_threshold(manifest, options, "entity"),
        relation_threshold=_threshold(manifest, options, "relation"),
        across_threshold=(
            None
            if options.across_threshold is None
            else _checked(manifest, options.across_threshold, "across", kept="relation")
        ),
        head_policy=options.head_policy,
        constraint_policy=options.constraint_policy,
        sentences=options.sentences,
        rules=options.rules,
        names=options.names,
        fact_calibration=calibration_of(manifest.model.calibration, "fact"),
    )


def _threshold(manifest: Manifest, options: BuildOptions, kind: str) -> float:
    """The threshold that was given, else the model's; never below what extractions hold."""
    given = getattr(options, f"{kind}_threshold")
    threshold: float = getattr(manifest.model, f"{kind}_threshold") if given is None else given
    return _checked(manifest, threshold, kind, kept=kind)


def _checked(manifest: Manifest, threshold: float, kind: str, *, kept: str) -> float:
    """A threshold, unless extractions kept fewer scores than it would accept."""
    floor = getattr(manifest.configuration, f"{kept}_floor")
    if threshold < floor:
        raise ConfigurationError(
            f"{threshold} is below {floor}, from which on scores were kept by the extraction",
            field=f"{kind}_threshold",
        )
    return threshold
