"""The options of the extract phase: what is read, by which model, and where it is written."""

from __future__ import annotations

from typing import Any

from pydantic import field_validator

from pfn_kg.schemas.assemble import validate
from pfn_kg.schemas.choices import (
    CORPUS,
    DEFAULT_FLOOR,
    MODEL,
    Precision,
)
from pfn_kg.schemas.options import Names, Options, Texts, option

# The King James Bible has 4.3 million characters. A document is read as a whole, which takes
# memory in proportion to its length, and what is longer is a dump of something more often than not.
MOST_CHARACTERS = 5_000_000


class ModelOptions(Options):
    """Which model reads, where, and how much at once.

    Attributes:
        model: folder or shipped name; None is the default model.
        device: `auto`, `cpu`, `cuda` ...
        precision: of the text encoder.
        tf32: whether an NVIDIA GPU may round the factors of single-precision products to TF32.
        token_budget: number of sentences times longest sentence of a batch, in
            tokens; None takes the model's default.
        window_tokens: word pieces of a window of consecutive sentences that are read together; 0
            reads one sentence at a time; None takes the model's own.
    """

    model: str | None = option(
        None,
        "folder of a model, or name of a shipped one",
        group=MODEL,
        metavar="NAME_OR_DIR",
        common=True,
        default_text="the shipped model",
    )
    device: str = option(
        "auto", "device of PyTorch: auto, cpu, cuda, cuda:1 ...", group=MODEL, metavar="DEVICE"
    )
    precision: Precision = option(
        "auto",
        "of the text encoder; auto: fp16 on a GPU, bf16 on a CPU that multiplies it, or fp32",
        group=MODEL,
    )
    tf32: bool = option(
        False,
        "an NVIDIA GPU rounds factors of single-precision products to TF32, which is faster above "
        "the encoder; scores differ by up to 1e-3",
        group=MODEL,
    )
    token_budget: int | None = option(
        None,
        "most word pieces in a batch, padding included",
        group=MODEL,
        metavar="N",
        default_text="by the device",
        ge=1,
    )
    window_tokens: int | None = option(
        None,
        "word pieces of consecutive sentences that are read together; 0: one sentence at a time",
        group=MODEL,
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
        "en", "language of the texts, for the sentence splitter", group=MODEL, metavar="CODE"
    )


class ScannedTextOptions(TextOptions):
    """As `TextOptions`, for texts that may be scanned.

    Attributes:
        dehyphenate: whether words that the end of a line cuts in two are read as one.
    """

    dehyphenate: bool = option(
        False,
        "read words that a hyphen at the end of a line cuts in two as one, as in scanned texts",
        group=MODEL,
    )


class ExtractOptions(ScannedTextOptions):
    """What the extract phase reads, by which model, and where it writes.

    Attributes:
        corpus: Parquet files, folders or globs on any file system that Beam knows.
        output: the output folder.
        id_column: column of document ids; `none` derives them from content.
        text_column: column of texts.
        title_column: column of titles; None takes `title` where there is one.
        metadata_columns: columns that travel to documents/.
        chunk_documents: documents in a chunk at most.
        max_characters: longer documents are rejected.
        check_language: whether to count documents in another language than `language`.
        entity_floor: mentions below this score are not kept.
        relation_floor: head triples below this score are not kept.
        resume: whether to go on with the run in the output folder.
        into: whether the output folder holds a graph that is added to.
        retry: whether only that of the corpus is read which the graph's extractions rejected.
        most_gone: the share of the graph's documents that the corpus may lack, where it is the
            whole of what there is; None where it is not, and documents stay.
    """

    corpus: Texts = option(
        ...,
        "Parquet files, folders or globs, on any file system that Beam knows",
        metavar="CORPUS",
        positional="*",
    )
    output: str = option(..., "output folder", group=CORPUS, metavar="DIR", common=True)
    id_column: str = option(
        "id",
        "column of document ids; none: derive ids from the content",
        group=CORPUS,
        metavar="NAME",
        common=True,
    )
    text_column: str = option("text", "column of texts", group=CORPUS, metavar="NAME", common=True)
    title_column: str | None = option(
        None,
        "column of titles",
        group=CORPUS,
        metavar="NAME",
        default_text="title, if there is one",
    )
    metadata_columns: Names = option(
        (),
        "columns that are kept with the documents",
        group=CORPUS,
        metavar="A,B",
    )
    chunk_documents: int = option(
        500,
        "most documents in a chunk",
        group=CORPUS,
        metavar="N",
        default_text="500, on a GPU 2000",
        ge=1,
    )
    max_characters: int = option(
        MOST_CHARACTERS,
        "reject documents with more characters",
        group=CORPUS,
        metavar="N",
        ge=1,
    )
    check_language: bool = option(
        False,
        "count documents that are not in `language`, and say so",
        group=MODEL,
        negatable=True,
    )
    entity_floor: float = option(
        DEFAULT_FLOOR, "keep mentions from this score on", group=MODEL, metavar="P", ge=0, le=1
    )
    relation_floor: float = option(
        DEFAULT_FLOOR, "keep head triples from this score on", group=MODEL, metavar="P", ge=0, le=1
    )
    resume: bool = option(
        False, "go on with an unfinished run in `output`", group=CORPUS, common=True
    )
    into: bool = False
    retry: bool = False
    most_gone: float | None = None

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
        place = {"corpus", "model", "device", *OF_ONE_CALL}
        # Without the check a file holds what it held before there was one.
        unchecked = set() if self.check_language else {"check_language"}
        # Nor does it say of what it was read at before there was the option.
        exact = set() if self.tf32 else {"tf32"}
        return self.model_dump(mode="json", exclude=place | unchecked | exact)


#: What says of one call where and how much it reads, and is not recorded.
OF_ONE_CALL = ("output", "resume", "into", "retry", "most_gone")

#: What an update takes from the run that it adds to, unless it is given.
RECORDED_OPTIONS = (
    "id_column",
    "text_column",
    "title_column",
    "metadata_columns",
    "language",
    "precision",
    "tf32",
    "token_budget",
    "window_tokens",
    "chunk_documents",
    "max_characters",
    "dehyphenate",
    "check_language",
    "entity_floor",
    "relation_floor",
)
