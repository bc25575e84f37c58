"""The options of the build phase: how extractions become a graph and its files."""

from __future__ import annotations

import re
from typing import Any

from pydantic import ValidationError, field_validator

from pfn_kg.schemas.choices import (
    CORRECTIONS,
    FILES,
    NAMES,
    RULES,
    SHARD_ROWS,
    THRESHOLDS,
    AliasIris,
    ConstraintPolicy,
    HeadPolicy,
    Provenance,
    RdfFormat,
    RelationIris,
)
from pfn_kg.schemas.label_schema import LabelSchema, first_reason
from pfn_kg.schemas.link_options import HomonymPolicy, LinkOptions
from pfn_kg.schemas.options import Options, option
from pfn_kg.schemas.rules import NameRules, NearNameOptions, Rules

#: How a language tag of RDF is spelt.
_LANGUAGE_TAG = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*")


class RdfOptions(Options):
    """How the graph is written as RDF.

    Attributes:
        format: of the files; `trig` has a named graph for each document.
        provenance: `none`, `statement` for nodes that RDF 1.1 can say, or `rdf12` for the
            same nodes as RDF 1.2 reifiers.
        language: tag of names; None is none.
        relation_iris: whether properties are the graph's own or matching ones elsewhere.
        alias_iris: whether entities are called by the graph's own IRIs or by those of the
            alias table.
        gzip: whether the files are compressed.
    """

    format: RdfFormat = "turtle"
    provenance: Provenance = option(
        "none",
        "evidence in RDF: none, as statements of RDF 1.1, or as reifiers of RDF 1.2",
        group=FILES,
    )
    language: str | None = None
    relation_iris: RelationIris = option(
        "own",
        "properties of the graph's own namespace, or matching ones of the label schema",
        group=FILES,
    )
    alias_iris: AliasIris = option(
        "same-as",
        "IRIs of the alias table as owl:sameAs of entities, or as the entities' own IRIs",
        group=FILES,
    )
    gzip: bool = False


class ThresholdOptions(Options):
    """Which mentions and triples are accepted (eq. 13).

    Attributes:
        entity_threshold: mentions from this score on; None is the model's own.
        relation_threshold: triples from this score on; None is the model's own.
        across_threshold: triples across sentences from this score on; None is the threshold of
            all triples.
        head_policy: which mentions at one head take part.
    """

    entity_threshold: float | None = option(
        None,
        "accept mentions from this score on",
        group=THRESHOLDS,
        metavar="P",
        default_text="the model's",
        ge=0,
        le=1,
    )
    relation_threshold: float | None = option(
        None,
        "accept triples from this score on",
        group=THRESHOLDS,
        metavar="P",
        common=True,
        default_text="the model's",
        ge=0,
        le=1,
    )
    across_threshold: float | None = option(
        None,
        "accept triples whose arguments stand in two sentences from this score on",
        group=THRESHOLDS,
        metavar="P",
        default_text="as all triples",
        ge=0,
        le=1,
    )
    head_policy: HeadPolicy = option(
        "all",
        "which of several mentions at one head take part in its triples",
        group=THRESHOLDS,
    )


class PolicyOptions(ThresholdOptions):
    """How extractions become a graph.

    Attributes:
        label_schema: in place of the one in the folder.
        constraint_policy: what becomes of triples between types that the label schema does
            not give their relation.
        rules: what becomes of triples that other rules of the label schema speak of.
        names: which names are held for one.
        base_iri: namespace of the graph's IRIs, in place of the label schema's.
        aliases: a file that says which names are of one entity, as in
            `pfn_kg.transforms.merging.alias_table`.
        corrections: a file of what people say of the graph, as in `pfn_kg.schemas.corrections`.
        fuzzy: how alike names are that are of one entity; None compares none.
        catalogue: which catalogue entities are linked to; None is to none.
        homonyms: what becomes of names whose facts contradict.
    """

    label_schema: LabelSchema | None = option(
        None,
        "label schema (YAML) in place of the model's",
        name="schema",
        group=THRESHOLDS,
        metavar="FILE",
        default_text="the model's",
    )
    base_iri: str | None = option(
        None,
        "namespace of the graph's IRIs",
        group=THRESHOLDS,
        metavar="IRI",
        default_text="the label schema's",
    )
    constraint_policy: ConstraintPolicy = option(
        "flag",
        "triples between types for which the label schema does not know the relation",
        group=RULES,
    )
    rules: Rules = Rules()
    names: NameRules = NameRules()
    aliases: str | None = option(
        None,
        "Parquet or CSV file of names of one entity: alias, canonical_name and, where wanted, "
        "type and iri; none: without the table of the last build",
        group=NAMES,
        metavar="FILE",
        default_text="none",
        unset="none",
    )
    corrections: str | None = option(
        None,
        "Parquet, CSV or JSON lines file of corrections: facts and entities as people say they "
        "are; none: without those of the last build",
        group=CORRECTIONS,
        metavar="FILE",
        default_text="none",
        unset="none",
    )
    fuzzy: NearNameOptions | None = None
    catalogue: LinkOptions | None = None
    homonyms: HomonymPolicy = option(
        "keep",
        "names whose documents give two values to a relation with one object: keep them as one "
        "entity, flag them, or split them by context",
        group=NAMES,
    )

    def lower_floors(self, entity: float, relation: float) -> dict[str, float]:
        """The floors that an extraction must have for these thresholds, where its own are higher.

        Args:
            entity: floor of mentions that the extraction would have.
            relation: floor of head triples that it would have.

        Returns:
            `entity_floor` and `relation_floor`, where they change.
        """
        floors = {}
        if self.entity_threshold is not None and self.entity_threshold < entity:
            floors["entity_floor"] = self.entity_threshold
        given = [t for t in (self.relation_threshold, self.across_threshold) if t is not None]
        if given and min(given) < relation:
            floors["relation_floor"] = min(given)
        return floors

    @field_validator("base_iri")
    @classmethod
    def _is_a_namespace(cls, base_iri: str | None) -> str | None:
        if base_iri is not None:
            nothing: dict[str, Any] = {"entity_types": [], "relations": []}
            try:
                LabelSchema.model_validate(nothing | {"base_iri": base_iri})
            except ValidationError as error:
                raise ValueError(first_reason(error).removeprefix("base_iri: ")) from None
        return base_iri

    @field_validator("aliases", "corrections")
    @classmethod
    def _is_a_file(cls, path: str | None) -> str | None:
        if path == "":
            raise ValueError("'' is no file")
        return path


class LabelOptions(Options):
    """How names are tagged in RDF.

    Attributes:
        label_language: language tag of names in RDF; None is the corpus's language, and
            `none` is no tag.
    """

    label_language: str | None = option(
        None,
        "language tag of names in RDF, such as en; none: without a tag",
        group=FILES,
        metavar="TAG",
        default_text="the language of the run",
    )

    @field_validator("label_language")
    @classmethod
    def _is_a_tag(cls, tag: str | None) -> str | None:
        if tag is not None and not is_language_tag(tag):
            raise ValueError(f"{tag!r} is no language tag, such as en")
        return tag


def is_language_tag(text: str) -> bool:
    """Whether a text can be the language tag of an RDF literal (BCP 47, by its form alone)."""
    return _LANGUAGE_TAG.fullmatch(text) is not None


class BuildOptions(PolicyOptions, LabelOptions):
    """How the graph is made of the extractions, and which files it becomes.

    Attributes:
        rdf: how to write Turtle; None is not at all. Its language is not used.
        sentences: whether to write the table `sentences`.
        keep_builds: how many snapshots stay in the folder, the new one among them.
        keep_rows: whether the rows that each chunk comes to stay in the folder, so that later
            builds with the same options work out new and changed chunks alone.
        shard_rows: about how many rows a file holds.
    """

    rdf: RdfOptions | None = option(RdfOptions(), "write Turtle", group=FILES, negatable=True)
    sentences: bool = option(False, "write the table of sentences", group=FILES)
    keep_builds: int = option(
        2,
        "snapshots of the graph that stay in the folder, the new one among them",
        group=FILES,
        metavar="N",
        ge=1,
    )
    keep_rows: bool = option(
        False,
        "keep what each chunk comes to, so that later builds with the same options only work out "
        "what is new",
        group=FILES,
    )
    shard_rows: int = SHARD_ROWS
