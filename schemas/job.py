"""The configuration of both phases: what is read, and by which rules the graph is made."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.label_schema import first_reason

#: Taken as the title where no column is named and the file has one of this name.
DEFAULT_TITLE_COLUMN = "title"

#: A chunk ends before the document that would take it beyond this many characters.
CHUNK_CHARACTERS = 4_000_000

#: Scores are kept from here, so that thresholds can be moved without the model.
DEFAULT_FLOOR = 0.1


#: What becomes of triples between types that the label schema does not give their relation.
ConstraintPolicy: TypeAlias = Literal["drop", "flag", "keep"]
CONSTRAINT_POLICIES: tuple[ConstraintPolicy, ...] = ("drop", "flag", "keep")


#: How a relation that can be read both ways is said: as the text does, in one direction,
#: or in both.
MirrorPolicy: TypeAlias = Literal["keep", "one", "both"]
MIRROR_POLICIES: tuple[MirrorPolicy, ...] = ("keep", "one", "both")
#: What becomes of a triple whose types fit its relation only the other way round.
DirectionPolicy: TypeAlias = Literal["keep", "flip"]
DIRECTION_POLICIES: tuple[DirectionPolicy, ...] = ("keep", "flip")
#: Which triples of a fact in a document stay: those whose arguments stand nearest, or all.
EvidencePolicy: TypeAlias = Literal["nearest", "all"]
EVIDENCE_POLICIES: tuple[EvidencePolicy, ...] = ("nearest", "all")


class Rules(NamedTuple):
    """What becomes of triples that a rule of the label schema speaks of.

    Attributes:
        direction: of those whose types fit only the other way round.
        self_loops: of those between an entity and itself.
        overlaps: of those whose arguments share characters of the text.
        symmetric: of those of symmetric relations.
        inverse: of those of relations with an inverse.
        max_objects: of relations of the graph beyond the best of a subject.
        acyclic: of relations of the graph that close a cycle.
        evidence: which triples of a fact stay where a document says it several times.
    """

    direction: DirectionPolicy = "keep"
    self_loops: ConstraintPolicy = "flag"
    overlaps: ConstraintPolicy = "flag"
    symmetric: MirrorPolicy = "keep"
    inverse: MirrorPolicy = "keep"
    max_objects: ConstraintPolicy = "flag"
    acyclic: ConstraintPolicy = "flag"
    evidence: EvidencePolicy = "nearest"


class NameRules(NamedTuple):
    """Which names are held for one, without a model: each a switch (docs/entities.md).

    The first three are of keys, so they hold for all documents; the others send a short
    form to the long one that the same document has.

    Attributes:
        possessives: "Google's" is Google.
        legal_suffixes: of organisations: "Google LLC" is Google.
        articles: "the United States" is United States.
        bracketed: in "European Union (EU)", "EU" is the European Union.
        initials: "EU" is the European Union, wherever both stand.
        last_names: of people: "Lovelace" is Ada Lovelace.
        first_names: of people: "Ada" is Ada Lovelace.
        first_words: of organisations: "Enron" is Enron Corporation of Texas.
    """

    possessives: bool = True
    legal_suffixes: bool = True
    articles: bool = True
    bracketed: bool = True
    initials: bool = True
    last_names: bool = True
    first_names: bool = False
    first_words: bool = False


class ExtractOptions(BaseModel):
    """What the extract phase reads, by which model, and where it writes.

    Attributes:
        corpus: Parquet files, folders or globs on any file system that Beam knows.
        output: the output folder.
        id_column: column of document ids; `none` derives them from content.
        text_column: column of texts.
        title_column: column of titles; None takes `title` where there is one.
        metadata_columns: columns that travel to documents/.
        language: of the texts, for the sentence splitter.
        model: folder or shipped name; None is the default model.
        device: `auto`, `cpu`, `cuda` ...
        precision: `auto`, `fp32`, `bf16` ...
        token_budget: number of sentences times longest sentence of a batch, in
            tokens; None takes the model's default.
        window_tokens: word pieces of a window of consecutive sentences that are read together; 0
            reads one sentence at a time; None takes the model's own.
        chunk_documents: documents in a chunk at most.
        entity_floor: mentions below this score are not kept.
        relation_floor: head triples below this score are not kept.
        resume: whether to go on with what lies in the output folder.
        into: whether the output folder holds a graph that is added to.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    corpus: list[str] = Field(min_length=1)
    output: str = Field(min_length=1)
    id_column: str = "id"
    text_column: str = "text"
    title_column: str | None = None
    metadata_columns: list[str] = []
    language: str = "en"
    model: str | None = None
    device: str = "auto"
    precision: Literal["auto", "fp32", "fp16", "bf16"] = "auto"
    token_budget: int | None = Field(default=None, ge=1)
    window_tokens: int | None = Field(default=None, ge=0)
    chunk_documents: int = Field(default=500, ge=1)
    entity_floor: float = Field(default=DEFAULT_FLOOR, ge=0, le=1)
    relation_floor: float = Field(default=DEFAULT_FLOOR, ge=0, le=1)
    resume: bool = False
    into: bool = False

    @model_validator(mode="after")
    def _columns_are_distinct(self) -> ExtractOptions:
        if len(set(self.metadata_columns)) < len(self.metadata_columns):
            raise ValueError("metadata_columns: a column is named twice")
        return self

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> ExtractOptions:
        """Validates options as the command line or a caller gives them.

        Raises:
            ConfigurationError: names the option and the reason.
        """
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise ConfigurationError(_as_option(first_reason(error))) from None

    def what_extractions_depend_on(self) -> dict[str, Any]:
        """The options that change what a chunk's file holds, model and place aside."""
        return self.model_dump(exclude={"corpus", "output", "model", "device", "resume", "into"})


#: What an update takes from the run that it adds to, unless it is given.
RECORDED_OPTIONS = (
    "id_column",
    "text_column",
    "title_column",
    "metadata_columns",
    "language",
    "precision",
    "token_budget",
    "window_tokens",
    "chunk_documents",
    "entity_floor",
    "relation_floor",
)

RunState = Literal["extracting", "extracted", "building", "done", "failed"]


def _as_option(reason: str) -> str:
    field, separator, rest = reason.partition(":")
    return f"--{field.replace('_', '-')}{separator}{rest}"
