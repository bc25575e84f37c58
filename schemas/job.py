"""The options of both phases: what is read, by which rules the graph is made, where it goes.

Each group of options is one model; see `pfn_kg.schemas.options` for what is made from it.
"""

from __future__ import annotations

import re
from typing import Any, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import ConfigDict, ValidationError, field_validator

from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.label_schema import LabelSchema, first_reason
from pfn_kg.schemas.options import Names, Options, Texts, option, validate

#: Taken as the title where no column is named and the file has one of this name.
DEFAULT_TITLE_COLUMN = "title"

#: A chunk ends before the document that would take it beyond this many characters.
CHUNK_CHARACTERS = 4_000_000

#: Scores are kept from here, so that thresholds can be moved without the model.
DEFAULT_FLOOR = 0.1

#: How many rows a file of a table is planned to hold; texts are long, so fewer of those.
SHARD_ROWS = 200_000

#: Rows in one transaction of a load.
BATCH_ROWS = 5_000

#: Below this similarity, names that are alike say nothing any more.
LEAST_SIMILARITY = 0.7

#: Which mentions at one head take part in its triples.
HeadPolicy: TypeAlias = Literal["all", "best", "longest"]
#: Of the text encoder's products.
Precision: TypeAlias = Literal["auto", "fp32", "fp16", "bf16"]
#: What becomes of triples between types that the label schema does not give their relation.
ConstraintPolicy: TypeAlias = Literal["drop", "flag", "keep"]
#: How a relation that can be read both ways is said: as the text does, in one direction,
#: or in both.
MirrorPolicy: TypeAlias = Literal["keep", "one", "both"]
#: What becomes of a triple whose types fit its relation only the other way round.
DirectionPolicy: TypeAlias = Literal["keep", "flip"]
#: Which triples of a fact in a document stay: those whose arguments are nearest, or all.
EvidencePolicy: TypeAlias = Literal["nearest", "all"]
RdfFormat: TypeAlias = Literal["turtle", "ntriples", "trig"]
Provenance: TypeAlias = Literal["none", "statement", "rdf12"]
RelationIris: TypeAlias = Literal["own", "match"]
AliasIris: TypeAlias = Literal["same-as", "subject"]

#: Formats of annotated data.
DataFormat: TypeAlias = Literal["docred", "spert", "dygie", "triple-list"]

#: Of the URI of a Neo4j server.
NEO4J_SCHEMES = ("neo4j", "neo4j+s", "neo4j+ssc", "bolt", "bolt+s", "bolt+ssc")

#: How a language tag of RDF is spelt.
_LANGUAGE_TAG = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*")

_CORPUS = "Corpus and output"
_MODEL = "Model"
_THRESHOLDS = "Thresholds and schema"
_RULES = "Rules of the label schema"
_NAMES = "Names of one entity"
_FILES = "Tables and RDF"
_NEO4J = "Neo4j"
_FILTERS = "Relations that are written"
_JOB = "Job"


class Rules(Options):
    """What becomes of triples that a rule of the label schema speaks of (docs: rules)."""

    direction: DirectionPolicy = option(
        "keep",
        "triples whose types fit their relation only the other way round",
        name="direction_policy",
        group=_RULES,
    )
    self_loops: ConstraintPolicy = option(
        "flag", "triples between an entity and itself", name="self_loops_policy", group=_RULES
    )
    overlaps: ConstraintPolicy = option(
        "flag", "triples whose arguments overlap in the text", name="overlaps_policy", group=_RULES
    )
    symmetric: MirrorPolicy = option(
        "keep",
        "directions in which symmetric relations are said",
        name="symmetric_policy",
        group=_RULES,
    )
    inverse: MirrorPolicy = option(
        "keep",
        "directions in which relations with an inverse are said",
        name="inverse_policy",
        group=_RULES,
    )
    max_objects: ConstraintPolicy = option(
        "flag",
        "relations beyond the best max_objects of a subject",
        name="max_objects_policy",
        group=_RULES,
    )
    acyclic: ConstraintPolicy = option(
        "flag", "acyclic relations that close a cycle", name="acyclic_policy", group=_RULES
    )
    evidence: EvidencePolicy = option(
        "nearest",
        "which triples of one fact in one document are its evidence: those whose arguments are "
        "the fewest sentences apart, or all",
        name="evidence_policy",
        group=_RULES,
    )


class NameRules(Options):
    """Which names are held for one, without a model: each a switch (docs: entities).

    The first three rules are about keys, so they hold in all documents; the others send a short
    form to the long form in the same document.
    """

    possessives: bool = option(
        True, "remove a possessive: Google's is Google", group=_NAMES, negatable=True
    )
    legal_suffixes: bool = option(
        True,
        "remove the legal form of organisations: Google LLC is Google",
        group=_NAMES,
        negatable=True,
    )
    articles: bool = option(
        True, "remove the article: the Thames is Thames", group=_NAMES, negatable=True
    )
    bracketed: bool = option(
        True,
        "resolve acronyms that the document introduces in brackets: European Union (EU)",
        group=_NAMES,
        negatable=True,
    )
    initials: bool = option(
        True, "resolve acronyms of a name in the same document: EU", group=_NAMES, negatable=True
    )
    last_names: bool = option(
        True,
        "resolve last names of people whose full name is in the same document",
        group=_NAMES,
        negatable=True,
    )
    first_names: bool = option(
        False,
        "resolve first names of people whose full name is in the same document",
        group=_NAMES,
        negatable=True,
    )
    first_words: bool = option(
        False,
        "resolve first words of organisations whose full name is in the same document",
        group=_NAMES,
        negatable=True,
    )


class FuzzyOptions(Options):
    """What makes two names that are spelt differently one.

    Attributes:
        similarity: of the names as a whole, from here on.
        words: names of fewer words are never compared: two people may be called Hansen
            and Hanssen.
    """

    similarity: float = option(
        ...,
        "names that are at least this similar belong to one entity, such as 0.92; none: only "
        "equal names do",
        name="fuzzy",
        group=_NAMES,
        metavar="P",
        default_text="none",
        unset="none",
        ge=LEAST_SIMILARITY,
        le=1,
    )
    words: int = option(
        2,
        "names of fewer words are not compared by `fuzzy`",
        name="fuzzy_words",
        group=_NAMES,
        metavar="N",
        ge=1,
    )


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
        group=_FILES,
    )
    language: str | None = None
    relation_iris: RelationIris = option(
        "own",
        "properties of the graph's own namespace, or matching ones of the label schema",
        group=_FILES,
    )
    alias_iris: AliasIris = option(
        "same-as",
        "IRIs of the alias table as owl:sameAs of entities, or as the entities' own IRIs",
        group=_FILES,
    )
    gzip: bool = False


class ThresholdOptions(Options):
    """Which mentions and triples are accepted (eq. 13).

    Attributes:
        entity_threshold: mentions from this score on; None is the model's own.
        relation_threshold: triples from this score on; None is the model's own.
        head_policy: which mentions at one head take part.
    """

    entity_threshold: float | None = option(
        None,
        "accept mentions from this score on",
        group=_THRESHOLDS,
        metavar="P",
        default_text="the model's",
        ge=0,
        le=1,
    )
    relation_threshold: float | None = option(
        None,
        "accept triples from this score on",
        group=_THRESHOLDS,
        metavar="P",
        common=True,
        default_text="the model's",
        ge=0,
        le=1,
    )
    head_policy: HeadPolicy = option(
        "all",
        "which of several mentions at one head take part in its triples",
        group=_THRESHOLDS,
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
        fuzzy: how alike names are that are of one entity; None compares none.
    """

    label_schema: LabelSchema | None = option(
        None,
        "label schema (YAML) in place of the model's",
        name="schema",
        group=_THRESHOLDS,
        metavar="FILE",
        default_text="the model's",
    )
    base_iri: str | None = option(
        None,
        "namespace of the graph's IRIs",
        group=_THRESHOLDS,
        metavar="IRI",
        default_text="the label schema's",
    )
    constraint_policy: ConstraintPolicy = option(
        "flag",
        "triples between types for which the label schema does not know the relation",
        group=_RULES,
    )
    rules: Rules = Rules()
    names: NameRules = NameRules()
    aliases: str | None = option(
        None,
        "Parquet or CSV file of names of one entity: alias, canonical_name and, where wanted, "
        "type and iri; none: without the table of the last build",
        group=_NAMES,
        metavar="FILE",
        default_text="none",
        unset="none",
    )
    fuzzy: FuzzyOptions | None = None

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

    @field_validator("aliases")
    @classmethod
    def _is_a_file(cls, aliases: str | None) -> str | None:
        if aliases == "":
            raise ValueError("'' is no file")
        return aliases


class LabelOptions(Options):
    """How names are tagged in RDF.

    Attributes:
        label_language: language tag of names in RDF; None is the corpus's language, and
            `none` is no tag.
    """

    label_language: str | None = option(
        None,
        "language tag of names in RDF, such as en; none: without a tag",
        group=_FILES,
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
        shard_rows: about how many rows a file holds.
    """

    rdf: RdfOptions | None = option(RdfOptions(), "write Turtle", group=_FILES, negatable=True)
    sentences: bool = option(False, "write the table of sentences", group=_FILES)
    shard_rows: int = SHARD_ROWS


class Filters(Options):
    """Which relations are written; triples of others are left out too.

    Attributes:
        min_confidence: from this confidence on.
        min_evidence: from this many pieces of evidence on.
        relations: these alone, by their names in the label schema; None is all.
    """

    min_confidence: float = option(
        0.0,
        "relations from this confidence on",
        group=_FILTERS,
        metavar="P",
        ge=0,
        le=1,
    )
    min_evidence: int = option(
        1,
        "relations with at least this many pieces of evidence",
        group=_FILTERS,
        metavar="N",
        ge=1,
    )
    relations: Names | None = option(
        None,
        "relations of these names alone",
        group=_FILTERS,
        metavar="A,B",
        default_text="all",
    )

    @field_validator("relations")
    @classmethod
    def _name_some(cls, relations: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if relations is not None and not relations:
            raise ValueError("names no relations")
        return relations

    @property
    def key(self) -> tuple[float, int, tuple[str, ...] | None]:
        """What tells these filters from others, for the version of a graph."""
        return (self.min_confidence, self.min_evidence, self.relations)

    def check(self, label_schema: LabelSchema) -> None:
        """Refuses relations that a label schema does not have.

        Raises:
            ConfigurationError: names the relation.
        """
        known = {relation.name for relation in label_schema.relations}
        for name in self.relations or ():
            if name not in known:
                raise ConfigurationError(
                    f"the label schema has no relation {name!r}", field="relations"
                )


class ServerOptions(Options):
    """A Neo4j server and who asks it; may travel, since it holds no secret.

    Attributes:
        uri: such as `neo4j+s://host:7687`.
        database: None is the user's home database.
        username: None is without authentication.
        password: a reference, `env:NAME` or `file:PATH`.
    """

    # A password in the wrong place shall not be printed with the error.
    model_config = ConfigDict(hide_input_in_errors=True)

    uri: str = option(
        ...,
        "server that the graph is loaded into, such as neo4j+s://HOST:7687",
        name="neo4j_uri",
        group=_NEO4J,
        metavar="URI",
        common=True,
        default_text="`load` takes $NEO4J_URI, other commands load nothing",
    )
    database: str | None = option(
        None,
        "database of the server",
        name="neo4j_database",
        group=_NEO4J,
        metavar="NAME",
        default_text="$NEO4J_DATABASE, else the user's own",
    )
    username: str | None = option(
        None,
        "user of the server",
        name="neo4j_username",
        group=_NEO4J,
        metavar="NAME",
        default_text="$NEO4J_USERNAME, else neo4j",
    )
    password: str | None = option(
        None,
        "where workers find the password: env:NAME or file:PATH",
        name="neo4j_password",
        group=_NEO4J,
        metavar="REFERENCE",
        default_text="env:NEO4J_PASSWORD, or the file that $NEO4J_PASSWORD_FILE names",
        secret=True,
    )

    @field_validator("uri")
    @classmethod
    def _is_a_server(cls, uri: str) -> str:
        parts = urlsplit(uri)
        if parts.username is not None or parts.password is not None or "@" in uri:
            raise ValueError(
                "no user and no password in it, please; "
                "they come from NEO4J_USERNAME and NEO4J_PASSWORD"
            )
        if parts.scheme not in NEO4J_SCHEMES or not parts.hostname:
            raise ValueError(
                f"{uri!r} is not like neo4j://HOST:7687; schemes are {', '.join(NEO4J_SCHEMES)}"
            )
        return uri

    @field_validator("password")
    @classmethod
    def _is_a_reference(cls, password: str | None) -> str | None:
        if password is not None:
            kind, _, place = password.partition(":")
            if kind not in ("env", "file") or not place:
                raise ValueError("give env:NAME or file:PATH, not the secret itself")
        return password


class LoadOptions(Options):
    """How a graph is loaded into Neo4j.

    Attributes:
        server: where it goes.
        graph: its name in the database.
        replace: whether a graph of that name from another run may be replaced.
        lexical: whether the text is loaded too.
        writers: how many transactions may run side by side.
        filters: which relations are loaded.
        batch_rows: rows in one transaction; halved where the server's memory is too small.
    """

    server: ServerOptions
    graph: str = option(
        "default", "name of the graph in the database", group=_NEO4J, metavar="NAME"
    )
    replace: bool = option(False, "replace a graph of this name from another run", group=_NEO4J)
    lexical: bool = option(
        False, "load documents and sentences too", name="neo4j_lexical", group=_NEO4J
    )
    writers: int = option(
        1,
        "transactions side by side",
        name="neo4j_writers",
        group=_NEO4J,
        metavar="N",
        ge=1,
    )
    filters: Filters = Filters()
    batch_rows: int = BATCH_ROWS

    @field_validator("graph")
    @classmethod
    def _has_a_name(cls, graph: str) -> str:
        if not graph.strip():
            raise ValueError("the name is empty")
        return graph


class ModelOptions(Options):
    """Which model reads, where, and how much at once.

    Attributes:
        model: folder or shipped name; None is the default model.
        device: `auto`, `cpu`, `cuda` ...
        precision: of the text encoder.
        token_budget: number of sentences times longest sentence of a batch, in
            tokens; None takes the model's default.
        window_tokens: word pieces of a window of consecutive sentences that are read together; 0
            reads one sentence at a time; None takes the model's own.
    """

    model: str | None = option(
        None,
        "folder of a model, or name of a shipped one",
        group=_MODEL,
        metavar="NAME_OR_DIR",
        common=True,
        default_text="the shipped model",
    )
    device: str = option(
        "auto", "device of PyTorch: auto, cpu, cuda, cuda:1 ...", group=_MODEL, metavar="DEVICE"
    )
    precision: Precision = option(
        "auto",
        "of the text encoder; auto: fp32 on a CPU, fp16 on a GPU",
        group=_MODEL,
    )
    token_budget: int | None = option(
        None,
        "most word pieces in a batch, padding included",
        group=_MODEL,
        metavar="N",
        default_text="by the device",
        ge=1,
    )
    window_tokens: int | None = option(
        None,
        "word pieces of consecutive sentences that are read together; 0: one sentence at a time",
        group=_MODEL,
        metavar="N",
        default_text="the model's",
        ge=0,
    )


class TextOptions(ModelOptions):
    """Which model reads, and the language of the texts.

    Attributes:
        language: of the texts, for the sentence splitter.
    """

    language: str = option(
        "en", "language of the texts, for the sentence splitter", group=_MODEL, metavar="CODE"
    )


class ExtractOptions(TextOptions):
    """What the extract phase reads, by which model, and where it writes.

    Attributes:
        corpus: Parquet files, folders or globs on any file system that Beam knows.
        output: the output folder.
        id_column: column of document ids; `none` derives them from content.
        text_column: column of texts.
        title_column: column of titles; None takes `title` where there is one.
        metadata_columns: columns that travel to documents/.
        chunk_documents: documents in a chunk at most.
        entity_floor: mentions below this score are not kept.
        relation_floor: head triples below this score are not kept.
        resume: whether to go on with the run in the output folder.
        into: whether the output folder holds a graph that is added to.
    """

    corpus: Texts = option(
        ...,
        "Parquet files, folders or globs, on any file system that Beam knows",
        metavar="CORPUS",
        positional="*",
    )
    output: str = option(..., "output folder", group=_CORPUS, metavar="DIR", common=True)
    id_column: str = option(
        "id",
        "column of document ids; none: derive ids from the content",
        group=_CORPUS,
        metavar="NAME",
        common=True,
    )
    text_column: str = option("text", "column of texts", group=_CORPUS, metavar="NAME", common=True)
    title_column: str | None = option(
        None,
        "column of titles",
        group=_CORPUS,
        metavar="NAME",
        default_text="title, if there is one",
    )
    metadata_columns: Names = option(
        (),
        "columns that are kept with the documents",
        group=_CORPUS,
        metavar="A,B",
    )
    chunk_documents: int = option(
        500, "most documents in a chunk", group=_CORPUS, metavar="N", ge=1
    )
    entity_floor: float = option(
        DEFAULT_FLOOR, "keep mentions from this score on", group=_MODEL, metavar="P", ge=0, le=1
    )
    relation_floor: float = option(
        DEFAULT_FLOOR, "keep head triples from this score on", group=_MODEL, metavar="P", ge=0, le=1
    )
    resume: bool = option(
        False, "go on with an unfinished run in `output`", group=_CORPUS, common=True
    )
    into: bool = False

    @field_validator("corpus", "output")
    @classmethod
    def _is_not_empty(cls, value: Any) -> Any:
        if not value:
            raise ValueError("is empty")
        return value

    @field_validator("metadata_columns")
    @classmethod
    def _columns_are_distinct(cls, columns: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(columns)) < len(columns):
            raise ValueError("a column is named twice")
        return columns

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> ExtractOptions:
        """Validates options as the command line or a caller gives them.

        Raises:
            ConfigurationError: names the option and the reason.
        """
        return validate(cls, data)

    def what_extractions_depend_on(self) -> dict[str, Any]:
        """The options that change what a chunk's file holds, model and place aside."""
        return self.model_dump(
            mode="json", exclude={"corpus", "output", "model", "device", "resume", "into"}
        )


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
