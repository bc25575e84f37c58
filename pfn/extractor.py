"""The extractor: texts in, mentions and triples with character offsets out."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from os import PathLike
from typing import get_args

import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from pfn_kg.pfn.checkpoint import check_window_tokens, find_model
from pfn_kg.pfn.checksums import check_checksums
from pfn_kg.pfn.inference.across_sentences import accepted_by_place
from pfn_kg.pfn.inference.collection import collection_paused
from pfn_kg.pfn.inference.cut_words import JoinedText, join_cut_words, original_columns
from pfn_kg.pfn.inference.devices import find_device
from pfn_kg.pfn.inference.head_columns import HeadColumns
from pfn_kg.pfn.inference.head_reader import HeadReader
from pfn_kg.pfn.inference.inputs import InputEncoder
from pfn_kg.pfn.inference.precision import default_precision, tf32_products
from pfn_kg.pfn.inference.quiet_loading import no_progress_bar
from pfn_kg.pfn.inference.reading_time import ReadingTime
from pfn_kg.pfn.inference.resolved_heads import resolved_records
from pfn_kg.pfn.inference.sentences import split_sentences
from pfn_kg.pfn.inference.token_budget import default_token_budget
from pfn_kg.pfn.model.configuration import PFNConfig
from pfn_kg.pfn.model.encoder_precision import lower_precision
from pfn_kg.pfn.model.modeling import PFNModel
from pfn_kg.pfn.model.packed_linear import pack_linears
from pfn_kg.schemas.choices import DEFAULT_FLOOR, HeadPolicy, Precision
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.records import (
    DocumentExtraction,
    DocumentHeads,
    Extraction,
    HeadExtraction,
    Mention,
    Sentence,
    Triple,
)

PRECISIONS: tuple[Precision, ...] = get_args(Precision)
_DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


class Extractor:
    """A PFN model with its tokenizer, ready to read text.

    Args:
        model: the model; put into evaluation mode, its linear layers packed for inference
            (`pfn_kg.pfn.model.packed_linear`).
        tokenizer: the encoder's tokenizer.

    Example:
        >>> extractor = Extractor.from_pretrained()  # doctest: +SKIP
        >>> extractor.extract(["Ada Lovelace was born in London."])[0].mentions  # doctest: +SKIP
    """

    def __init__(self, model: PFNModel, tokenizer: PreTrainedTokenizerBase):
        self.model = model.eval()
        pack_linears(model)
        self.tokenizer = tokenizer
        self.inputs = InputEncoder(tokenizer, model.config)
        self._lock = threading.Lock()
        self._tf32 = False

    @classmethod
    def from_pretrained(
        cls,
        name: str | PathLike[str] | None = None,
        device: str = "auto",
        precision: Precision = "auto",
        *,
        tf32: bool = False,
    ) -> Extractor:
        """Loads a checkpoint.

        Args:
            name: a folder, the name of a shipped model or of one on the Hugging Face hub;
                the shipped default model if None.
            device: `auto` (a GPU if there is one), or a device of PyTorch such as `cpu` or
                `cuda:1`.
            precision: of the text encoder: `fp32`, `fp16`, `bf16`, or `auto`: fp16 on a GPU, bf16
                on a CPU that multiplies it (AVX512-BF16, AMX), fp32 on another. What is above
                the encoder, which decides by thresholds, is always fp32.
            tf32: whether an NVIDIA GPU may round the factors of single-precision products to 10
                bits (TF32): above the encoder they are the faster for it, and features differ
                by up to 1e-3.

        Raises:
            ConfigurationError: if there is no such model, device or precision, or a file of the
                model is damaged.
        """
        folder = find_model(None if name is None else str(name))
        if precision not in PRECISIONS:
            raise ConfigurationError(
                f"{precision!r} is not one of {', '.join(PRECISIONS)}", field="precision"
            )
        place = find_device(device)
        check_checksums(folder)
        if precision == "auto":
            precision = default_precision(place.type)
        try:
            with no_progress_bar():
                model = PFNModel.from_pretrained(folder, dtype=torch.float32)
            tokenizer = AutoTokenizer.from_pretrained(folder)
        except (OSError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise ConfigurationError(
                f"{folder} can't be loaded: {reason}", field="model"
            ) from error
        lower_precision(model.encoder, _DTYPES[precision], place)
        torch.nn.Module.to(model, place)
        extractor = cls(model, tokenizer)
        extractor._tf32 = tf32
        return extractor

    @property
    def config(self) -> PFNConfig:
        """The configuration of the model."""
        return self.model.config

    @property
    def default_token_budget(self) -> int:
        """Pieces, padding included, of one batch of the model's own windows.

        They are what the device reads well at once.
        """
        return self._token_budget(self.config.window_tokens)

    def _token_budget(self, window_tokens: int) -> int:
        return default_token_budget(self.model.device.type, window_tokens)

    def extract(
        self,
        texts: Sequence[str],
        *,
        entity_threshold: float | None = None,
        relation_threshold: float | None = None,
        head_policy: HeadPolicy = "all",
        token_budget: int | None = None,
    ) -> list[Extraction]:
        """Reads each text as one sentence.

        Args:
            texts: any texts; longer ones than the model reads at once are windowed.
            entity_threshold: lambda_e of eq. 13; the model's own by default.
            relation_threshold: lambda_r of eq. 13; the model's own by default.
            head_policy: see `pfn_kg.pfn.resolution.resolve`.
            token_budget: most pieces in one batch.

        Returns:
            One extraction a text, in order; offsets are those of the text.
        """
        whole = [[Sentence(0, 0, len(text))] for text in texts]
        found = self._resolved(
            texts,
            whole,
            thresholds=self.thresholds(entity_threshold, relation_threshold),
            head_policy=head_policy,
            token_budget=token_budget,
            window_tokens=0,
        )
        return [Extraction(*resolved) for resolved in found]

    def extract_documents(
        self,
        texts: Sequence[str],
        *,
        language: str = "en",
        entity_threshold: float | None = None,
        relation_threshold: float | None = None,
        across_threshold: float | None = None,
        head_policy: HeadPolicy = "all",
        token_budget: int | None = None,
        window_tokens: int | None = None,
        dehyphenate: bool = False,
    ) -> list[DocumentExtraction]:
        """Splits each text into sentences and reads those.

        Args:
            texts: documents.
            language: code of their language, for the sentence splitter.
            entity_threshold: as in `extract`.
            relation_threshold: as in `extract`.
            across_threshold: least score of a triple whose arguments stand in two sentences; by
                default that of all triples.
            head_policy: as in `extract`.
            token_budget: as in `extract`.
            window_tokens: as in `predict_documents`.
            dehyphenate: whether words that the end of a line cuts in two are read as one.

        Returns:
            One extraction a document; offsets are those of the document.
        """
        joined = [join_cut_words(text) if dehyphenate else None for text in texts]
        split = [
            split_sentences(text if whole is None else whole.text, language)
            for text, whole in zip(texts, joined, strict=True)
        ]
        found = self._resolved(
            texts,
            split,
            thresholds=self.thresholds(entity_threshold, relation_threshold),
            across=across_threshold,
            head_policy=head_policy,
            token_budget=token_budget,
            window_tokens=window_tokens,
            joined=joined,
        )
        return [
            DocumentExtraction(
                sentences if whole is None else whole.original_sentences(sentences), *resolved
            )
            for sentences, whole, resolved in zip(split, joined, found, strict=True)
        ]

    def _resolved(
        self,
        texts: Sequence[str],
        sentences: Sequence[Sequence[Sentence]],
        *,
        thresholds: tuple[float, float],
        head_policy: HeadPolicy,
        token_budget: int | None,
        window_tokens: int | None,
        across: float | None = None,
        joined: Sequence[JoinedText | None] | None = None,
    ) -> list[tuple[list[Mention], list[Triple]]]:
        """Mentions and triples of each text; raises what one can't be read for.

        The sentences are those of the joined texts, where a text's cut words are joined.
        """
        entity, inside = thresholds
        relation = inside if across is None else min(inside, across)
        joined = joined or [None] * len(texts)
        columns = self.predict_columns(
            [t if whole is None else whole.text for t, whole in zip(texts, joined, strict=True)],
            sentences,
            entity_floor=entity,
            relation_floor=relation,
            token_budget=token_budget,
            window_tokens=window_tokens,
        )
        for text in sorted(columns.errors):
            for error in columns.errors[text].values():
                raise error
        if across is not None:
            columns = accepted_by_place(columns, sentences, inside_from=inside, across_from=across)
        with collection_paused():
            return resolved_records(
                original_columns(columns, joined),
                texts,
                entity_threshold=entity,
                relation_threshold=relation,
                head_policy=head_policy,
            )

    def predict_documents(
        self,
        texts: Sequence[str],
        sentences: Sequence[Sequence[Sentence]],
        *,
        entity_floor: float = DEFAULT_FLOOR,
        relation_floor: float = DEFAULT_FLOOR,
        token_budget: int | None = None,
        window_tokens: int | None = None,
    ) -> list[DocumentHeads]:
        """As `predict_columns`, as records.

        Returns:
            One result a document, in order; what could not be read stands in its `errors`.
        """
        columns = self.predict_columns(
            texts,
            sentences,
            entity_floor=entity_floor,
            relation_floor=relation_floor,
            token_budget=token_budget,
            window_tokens=window_tokens,
        )
        with collection_paused():
            return columns.records(texts)

    def predict_columns(
        self,
        texts: Sequence[str],
        sentences: Sequence[Sequence[Sentence]],
        *,
        entity_floor: float = DEFAULT_FLOOR,
        relation_floor: float = DEFAULT_FLOOR,
        token_budget: int | None = None,
        window_tokens: int | None = None,
        timing: ReadingTime | None = None,
    ) -> HeadColumns:
        """Reads the sentences of documents and keeps all that scores at least the floors.

        May be called from several threads; they take turns.

        Args:
            texts: any texts.
            sentences: those of each text, in order, none overlapping another.
            token_budget: most pieces in one batch, padding included.
            entity_floor: least score of a mention.
            relation_floor: least score of a head triple.
            window_tokens: pieces of a window of consecutive sentences that are read together;
                0 reads each sentence by itself. The model's own by default.
            timing: is told how long reading took; None if nobody asks.

        Returns:
            What the model says of all documents; what could not be read stands in `errors`.

        Raises:
            ConfigurationError: if the encoder can't read such windows.
        """
        window_tokens = self.window_tokens(window_tokens)
        with self._lock, tf32_products(self._tf32 and self.model.device.type == "cuda"):
            reader = HeadReader(
                self.model,
                self.inputs,
                entity_floor=entity_floor,
                relation_floor=relation_floor,
                token_budget=token_budget or self._token_budget(window_tokens),
                window_tokens=window_tokens,
                timing=timing,
            )
            return reader.read(texts, sentences)

    def predict_heads(
        self,
        texts: Sequence[str],
        *,
        entity_floor: float = DEFAULT_FLOOR,
        relation_floor: float = DEFAULT_FLOOR,
        token_budget: int | None = None,
    ) -> list[HeadExtraction | Exception]:
        """Reads each text as one sentence; otherwise as `predict_documents`.

        Returns:
            One result a text, in order; for a text that can't be read, the exception.
        """
        whole = [[Sentence(0, 0, len(text))] for text in texts]
        return [
            heads.errors.get(0)
            or HeadExtraction(heads.mentions, heads.head_triples, heads.windows, heads.tail_triples)
            for heads in self.predict_documents(
                texts,
                whole,
                token_budget=token_budget,
                entity_floor=entity_floor,
                relation_floor=relation_floor,
                window_tokens=0,
            )
        ]

    def window_tokens(self, given: int | None) -> int:
        """The given word pieces of a window of sentences, the model's own where None.

        Raises:
            ConfigurationError: if the encoder can't read such windows.
        """
        own = self.config.window_tokens if given is None else given
        most = getattr(self.config.encoder, "max_position_embeddings", None)
        return check_window_tokens(own, most)

    def thresholds(self, entity: float | None, relation: float | None) -> tuple[float, float]:
        """The given thresholds (lambda_e and lambda_r), the model's own where None."""
        return (
            self.config.entity_threshold if entity is None else entity,
            self.config.relation_threshold if relation is None else relation,
        )
